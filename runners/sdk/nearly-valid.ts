import { type AnySchema, boundsOf, casesOf, isOf, othersOf, type Schema, typeOf, typesOf } from './schema-cases.ts';

/** A value with one thing wrong, and what: `inner/times: longer than 5`. */
export interface Wrong {
  readonly value: unknown;
  readonly what: string;
}

/** Longer than any text that a schema would ask for, and shorter than what a request may bear. */
const veryLong = 100_000;

/**
 * Everything that can be done wrong to a value that fits, one thing each. Whether it is wrong is for a judge to say:
 * another case of the schema may allow it.
 */
export function* wrongsOf(schema: AnySchema, root: Schema, value: unknown, path = ''): Generator<Wrong> {
  const said = new Set<string>();
  for (const one of casesOf(schema, root)) {
    if (!mayBeOf(one, root, value)) continue;
    const wrongs = [...wrongsOfCase(one, root, value, path)].filter(({ what }) => !said.has(what));
    for (const { what } of wrongs) said.add(what);
    yield* wrongs;
  }
}

/** Whether a value was made for this case rather than for another: by its kind, its constants and what must be there. */
function mayBeOf(schema: Schema, root: Schema, value: unknown, depth = 0): boolean {
  const { const: only, enum: options, required = [], properties = {} } = schema;
  if (only !== undefined && !isSame(only, value)) return false;
  if (options && !options.some((option) => isSame(option, value))) return false;
  if (only === undefined && !options && !typesOf(schema).some((type) => isOf(type, value))) return false;
  if (typeOf(value) !== 'object') return true;
  const given = value as Record<string, unknown>;
  return (
    required.every((name) => Object.hasOwn(given, name)) &&
    Object.entries(properties).every(
      ([name, property]) =>
        !Object.hasOwn(given, name) ||
        depth > 2 ||
        casesOf(property, root).some((one) => mayBeOf(one, root, given[name], depth + 1)),
    )
  );
}

const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

function* wrongsOfCase(schema: Schema, root: Schema, value: unknown, path: string): Generator<Wrong> {
  const say = (what: string) => `${path}: ${what}`;
  if (path !== '' && (schema.type !== undefined || schema.enum || schema.const !== undefined)) {
    const kinds = { string: 'text', integer: 7, number: 7.5, boolean: true, object: { a: 'b' }, array: ['a'] };
    for (const [kind, other] of Object.entries(kinds))
      if (!typesOf(schema).some((type) => isOf(type, other)) && !isSame(other, value))
        yield { value: other, what: say(`a value of another kind, ${kind}`) };
  }
  if (schema.const !== undefined || schema.enum) yield* wrongChoices(value, say);
  else if (typeof value === 'string') yield* wrongTexts(schema, value, say);
  else if (typeof value === 'number') yield* wrongNumbers(schema, value, say);
  else if (Array.isArray(value)) yield* wrongLists(schema, root, value, path, say);
  else if (typeOf(value) === 'object') yield* wrongObjects(schema, root, value as Record<string, unknown>, path);
}

type Say = (what: string) => string;

function* wrongChoices(value: unknown, say: Say): Generator<Wrong> {
  yield { value: 'none of these', what: say('not one of the values') };
  if (typeof value === 'string') {
    yield { value: `${value} `, what: say('a value with a blank behind it') };
    yield {
      value: value === value.toUpperCase() ? value.toLowerCase() : value.toUpperCase(),
      what: say('a value in other letters'),
    };
  }
  if (typeof value === 'number') yield { value: String(value), what: say('a number as text') };
}

const wrongFormats: Readonly<Record<string, readonly string[]>> = {
  date: ['2026-02-30', '2026-2-3', '20.08.2026', '2026-08-20T00:00:00Z', '٢٠٢٦-٠٨-٢٠'],
  'date-time': ['2026-08-20T13:45:55', '2026-08-20', '2026-08-20T25:00:00Z', '2026-02-30T00:00:00Z'],
  time: ['13:45', '25:00:00Z', '13:45:55'],
  duration: ['P', '1D', 'PT'],
  uri: ['/path', 'no uri', 'https://exämple.org/a b'],
  'uri-reference': ['a b', '\\'],
  email: ['a', 'a@', '@example.org', 'a b@example.org'],
  hostname: ['-a.org', 'a..org', 'a_b.org'],
  ipv4: ['256.0.0.1', '1.2.3', '1.2.3.4.5'],
  ipv6: ['::g', '1:2:3'],
  uuid: ['0', '123e4567-e89b-12d3-a456-42661417400g'],
  regex: ['(', '['],
  'json-pointer': ['a', '/~2'],
};

function* wrongTexts({ minLength, maxLength, pattern, format }: Schema, value: string, say: Say): Generator<Wrong> {
  const length = [...value].length;
  if (minLength !== undefined && minLength > 1) {
    yield { value: [...value].slice(0, minLength - 1).join(''), what: say(`shorter than ${minLength}`) };
    // Twice as long as JavaScript counts.
    yield { value: '😀'.repeat(minLength - 1), what: say(`shorter than ${minLength}, of wide characters`) };
  }
  if (maxLength !== undefined) {
    yield { value: value + 'x'.repeat(maxLength + 1 - length), what: say(`longer than ${maxLength}`) };
    if (maxLength < veryLong) yield { value: 'x'.repeat(veryLong), what: say('very long') };
  }
  if (pattern !== undefined) {
    const form = new RegExp(pattern, 'u');
    for (const other of [`${value}!`, `${value}\n`, ` ${value}`, `${value}\u0000`, '!', '٣', 'é😀'])
      if (!form.test(other)) yield { value: other, what: say(`not of the form ${pattern}`) };
  }
  for (const other of (format !== undefined && wrongFormats[format]) || [])
    yield { value: other, what: say(`no ${format}`) };
}

function* wrongNumbers(schema: Schema, value: number, say: Say): Generator<Wrong> {
  const { least, most, isAbove, isBelow } = boundsOf(schema);
  const { multipleOf, type } = schema;
  const step = multipleOf ?? 1;
  if (least !== undefined) yield { value: isAbove ? least : least - step, what: say(`too small, from ${least}`) };
  if (most !== undefined) yield { value: isBelow ? most : most + step, what: say(`too large, to ${most}`) };
  if (multipleOf !== undefined) yield { value: value + multipleOf / 2, what: say(`not a multiple of ${multipleOf}`) };
  if (type === 'integer') yield { value: (value % 1_000_000) + 0.5, what: say('not whole') };
  yield { value: String(value), what: say('a number as text') };
}

function* wrongLists(
  schema: Schema,
  root: Schema,
  value: readonly unknown[],
  path: string,
  say: Say,
): Generator<Wrong> {
  const { minItems, maxItems, uniqueItems, items = true, prefixItems = [] } = schema;
  if (minItems !== undefined && minItems > 0)
    yield { value: value.slice(0, minItems - 1), what: say(`fewer than ${minItems}`) };
  const [first] = value;
  if (maxItems !== undefined && value.length > 0) {
    const more = Array.from({ length: maxItems + 1 - value.length }, (_, n) =>
      typeof first === 'string' ? `${first}${n}` : first,
    );
    yield { value: [...value, ...more], what: say(`more than ${maxItems}`) };
  }
  if (uniqueItems && value.length > 0)
    yield { value: [...value.slice(0, Math.max(1, (maxItems ?? 100) - 1)), first], what: say('one twice') };
  if (value.length > 0) yield { value: value.map(() => null), what: say('nothing but nulls') };
  for (const [n, entry] of value.entries()) {
    const of = prefixItems[n] ?? items;
    for (const wrong of wrongsOf(of, root, entry, `${path}/${n}`))
      yield { ...wrong, value: value.with(n, wrong.value) };
  }
}

function* wrongObjects(
  schema: Schema,
  root: Schema,
  value: Readonly<Record<string, unknown>>,
  path: string,
): Generator<Wrong> {
  const { properties = {}, required = [], patternProperties = {} } = schema;
  const other = othersOf(schema);
  const within = (name: string) => (path === '' ? name : `${path}/${name}`);
  for (const name of Object.keys(value)) {
    // What type a job is of is not one of its parameters.
    if (path === '' && name === 'jsonmodel_type') continue;
    if (required.includes(name)) {
      const { [name]: _, ...rest } = value;
      yield { value: rest, what: `${within(name)}: left out` };
      yield { value: { ...value, [name]: null }, what: `${within(name)}: null` };
      yield { value: { ...value, [name]: '' }, what: `${within(name)}: an empty text` };
    }
    const of = Object.hasOwn(properties, name) ? properties[name] : other;
    for (const wrong of wrongsOf(of ?? true, root, value[name], within(name)))
      yield { ...wrong, value: { ...value, [name]: wrong.value } };
  }
  if (other === false)
    for (const name of ['unexpected', 'constructor', 'a/b', 'a%b~c'])
      if (!Object.keys(patternProperties).some((pattern) => new RegExp(pattern, 'u').test(name)))
        yield { value: { ...value, [name]: 'x' }, what: `${within(name)}: not expected` };
}
