/** What the generator of parameters reads of a JSON Schema (2020-12). */
export interface Schema {
  readonly $id?: string;
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly allOf?: readonly AnySchema[];
  readonly anyOf?: readonly AnySchema[];
  readonly oneOf?: readonly AnySchema[];
  readonly not?: AnySchema;
  readonly if?: AnySchema;
  readonly then?: AnySchema;
  readonly else?: AnySchema;
  readonly properties?: Readonly<Record<string, AnySchema>>;
  readonly patternProperties?: Readonly<Record<string, AnySchema>>;
  readonly additionalProperties?: AnySchema;
  readonly unevaluatedProperties?: AnySchema;
  readonly propertyNames?: AnySchema;
  readonly required?: readonly string[];
  readonly dependentRequired?: Readonly<Record<string, readonly string[]>>;
  readonly dependentSchemas?: Readonly<Record<string, AnySchema>>;
  readonly minProperties?: number;
  readonly items?: AnySchema;
  readonly prefixItems?: readonly AnySchema[];
  readonly contains?: AnySchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly multipleOf?: number;
  readonly 'x-checked'?: string;
}
export type AnySchema = Schema | boolean;

/** References that lead only to references. */
const mostSteps = 32;
/** `oneOf` in `oneOf` multiplies. */
const mostCases = 64;

/**
 * The ways to fit a schema, each as one schema without references, combinators and conditions. None for `false`. What
 * a case must not be (`not`, the other branches of a `oneOf`, a condition that must not hold) is left out: whoever makes
 * values of it has them judged.
 *
 * @param root what `$ref` begins from. Throws when it leads nowhere
 */
export function casesOf(schema: AnySchema, root: Schema, steps = 0): readonly Schema[] {
  if (schema === true) return [{}];
  if (schema === false || steps > mostSteps) return [];
  const { $ref, allOf = [], anyOf, oneOf, if: condition, then = true, else: otherwise = true, ...own } = schema;
  const { dependentRequired = {}, dependentSchemas = {}, ...plain } = own;
  // Each is a choice: one of its schemas has to fit besides.
  const choices: (readonly AnySchema[])[] = [
    ...($ref === undefined ? [] : [[resolve($ref, root)]]),
    ...allOf.map((part) => [part]),
    ...(anyOf ? [anyOf] : []),
    ...(oneOf ? [oneOf] : []),
    ...(condition === undefined ? [] : [[{ allOf: [condition, then] }, otherwise]]),
    ...[
      ...Object.entries(dependentRequired).map(([name, required]) => [name, { required }] as const),
      ...Object.entries(dependentSchemas),
    ].map(([name, needed]) => [{ allOf: [{ required: [name] }, needed] }, { properties: { [name]: false } }]),
  ];
  return choices.reduce<readonly Schema[]>(
    (cases, choice) => {
      const more = choice.flatMap((one) => casesOf(one, root, steps + 1));
      return cases.flatMap((one) => more.map((other) => both(one, other))).slice(0, mostCases);
    },
    [plain],
  );
}

function resolve(ref: string, root: Schema): AnySchema {
  const names = ref.split('/').map((name) => decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~'));
  const found = names
    .slice(1)
    .reduce<unknown>(
      (at, name) => (at as Record<string, unknown> | undefined)?.[name],
      names[0] === '#' ? root : undefined,
    );
  if (found === undefined)
    throw new Error(
      `The schema refers to ${ref}, which is not in it. Write it as "#/$defs/name", with the name in $defs.`,
    );
  return found as AnySchema;
}

/** A schema that wants what two plain ones want. Keywords that cannot be joined are the second's. */
function both(a: Schema, b: Schema): Schema {
  const joined: Record<string, unknown> = { ...a, ...b };
  for (const [keyword, join] of Object.entries(joins)) {
    const [one, other] = [a[keyword as keyof Schema], b[keyword as keyof Schema]];
    if (one !== undefined && other !== undefined) joined[keyword] = join(one, other);
  }
  return joined;
}

const larger = (a: unknown, b: unknown) => Math.max(a as number, b as number);
const smaller = (a: unknown, b: unknown) => Math.min(a as number, b as number);
const allOf = (a: unknown, b: unknown) => ({ allOf: [a, b] });
const byName = (a: unknown, b: unknown) => {
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const shared = Object.keys(one).filter((name) => Object.hasOwn(other, name));
  return { ...one, ...other, ...Object.fromEntries(shared.map((name) => [name, allOf(one[name], other[name])])) };
};

const joins: { readonly [keyword in keyof Schema]: (a: unknown, b: unknown) => unknown } = {
  type: (a, b) => {
    const [one, other] = [[a].flat() as string[], [b].flat() as string[]];
    return [
      ...one.filter((type) => other.includes(type) || (type === 'integer' && other.includes('number'))),
      ...other.filter((type) => type === 'integer' && one.includes('number') && !one.includes('integer')),
    ];
  },
  enum: (a, b) => {
    const texts = (b as unknown[]).map((value) => JSON.stringify(value));
    return (a as unknown[]).filter((value) => texts.includes(JSON.stringify(value)));
  },
  required: (a, b) => [...new Set([...(a as string[]), ...(b as string[])])],
  properties: byName,
  patternProperties: byName,
  additionalProperties: (a, b) => (a === false || b === false ? false : allOf(a, b)),
  propertyNames: allOf,
  items: allOf,
  minProperties: larger,
  minItems: larger,
  maxItems: smaller,
  minLength: larger,
  maxLength: smaller,
  minimum: larger,
  maximum: smaller,
  exclusiveMinimum: larger,
  exclusiveMaximum: smaller,
  multipleOf: (a, b) => (a === b ? a : (a as number) * (b as number)),
};

/** What it says of properties that it does not name. All that fits in a plain schema has been evaluated there. */
export const othersOf = ({ additionalProperties, unevaluatedProperties }: Schema): AnySchema =>
  additionalProperties ?? unevaluatedProperties ?? true;

/** Which kinds of value a plain schema is about: those it says, or those that its keywords speak of. */
export function typesOf(schema: Schema): readonly string[] {
  const { type, not } = schema;
  const excluded = typeof not === 'object' && not.type !== undefined ? [not.type].flat() : [];
  if (type !== undefined) return [type].flat().filter((one) => !excluded.includes(one));
  const speaks = (...keywords: (keyof Schema)[]) => keywords.some((keyword) => schema[keyword] !== undefined);
  const types = [
    ...(speaks('properties', 'required', 'additionalProperties', 'patternProperties') ? ['object'] : []),
    ...(speaks('items', 'prefixItems', 'contains', 'minItems', 'maxItems') ? ['array'] : []),
    ...(speaks('pattern', 'format', 'minLength', 'maxLength') ? ['string'] : []),
    ...(speaks('minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf') ? ['number'] : []),
  ];
  const all = types.length > 0 ? types : ['string', 'integer', 'boolean', 'object', 'array'];
  return all.filter((one) => !excluded.includes(one));
}

export const typeOf = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
};

/** Whether a value is of a kind, by its name in JSON Schema. */
export const isOf = (type: string, value: unknown): boolean =>
  type === typeOf(value) || (type === 'number' && typeof value === 'number');

/** Where a number may lie; `undefined` where it is not bound. */
export function boundsOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema) {
  const least = Math.max(minimum ?? Number.NEGATIVE_INFINITY, exclusiveMinimum ?? Number.NEGATIVE_INFINITY);
  const most = Math.min(maximum ?? Number.POSITIVE_INFINITY, exclusiveMaximum ?? Number.POSITIVE_INFINITY);
  return {
    least: Number.isFinite(least) ? least : undefined,
    most: Number.isFinite(most) ? most : undefined,
    isAbove: least === exclusiveMinimum,
    isBelow: most === exclusiveMaximum,
  };
}
