import fc from 'fast-check';
import { type AnySchema, boundsOf, casesOf, isOf, othersOf, type Schema, typesOf } from './schema-cases.ts';

type Made = fc.Arbitrary<unknown> | undefined;

/** Deeper than this only what is required is made; much deeper, nothing: a schema may refer to itself. */
const optionalDepth = 4;
const mostDepth = 8;

/**
 * Values that fit a schema, as far as it can be told without judging them: most do. Bounds, odd characters and long
 * texts come often. Undefined where nothing can fit.
 */
export function valuesFor(schema: AnySchema, root: Schema, depth = 0): Made {
  if (depth > mostDepth) return undefined;
  const made = casesOf(schema, root).flatMap((one) => caseValues(one, root, depth) ?? []);
  return made.length > 0 ? fc.oneof(...made) : undefined;
}

function caseValues(schema: Schema, root: Schema, depth: number): Made {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) {
    const types = schema.type === undefined ? undefined : typesOf(schema);
    const values = schema.enum.filter(
      (value) => !isNothing(value, schema) && (types === undefined || types.some((type) => isOf(type, value))),
    );
    return values.length > 0 ? fc.constantFrom(...values) : undefined;
  }
  const made = typesOf(schema).flatMap((type) => byType(type, schema, root, depth) ?? []);
  return made.length > 0 ? fc.oneof(...made) : undefined;
}

/** Null and, mostly, an empty text count as missing (core/without-nothing.ts). */
const isNothing = (value: unknown, schema: Schema) => value === null || (value === '' && schema.minLength !== 0);

function byType(type: string, schema: Schema, root: Schema, depth: number): Made {
  switch (type) {
    case 'string':
      return texts(schema);
    case 'integer':
    case 'number':
      return numbers(schema, type === 'integer');
    case 'boolean':
      return fc.boolean();
    case 'array':
      return lists(schema, root, depth);
    case 'object':
      return objects(schema, root, depth);
    default:
      // `null` counts as missing: nobody can give it.
      return undefined;
  }
}

const oddTexts = [
  'x',
  ' x ',
  '0',
  'null',
  'é',
  'e\u0301',
  '😀',
  '𝒜𝒜',
  '👩‍👩‍👧',
  'עברית',
  '<b>&amp;"\'',
  '../../x',
  '%00',
  '\u0000',
  '\u2028',
  'a\nb',
  'constructor',
];

const formats: Readonly<Record<string, () => fc.Arbitrary<string>>> = {
  date: () =>
    fc.oneof(
      fc.constantFrom('2024-02-29', '2000-01-01', '9999-12-31'),
      moments().map((moment) => moment.slice(0, 10)),
    ),
  'date-time': () =>
    fc.oneof(
      fc.constantFrom('2024-02-29T23:59:59Z', '2026-08-20T13:45:55.123+02:00', '2016-12-31T23:59:60Z'),
      moments(),
    ),
  time: () =>
    fc.oneof(
      fc.constant('13:45:55+02:00'),
      moments().map((moment) => moment.slice(11)),
    ),
  duration: () => fc.constantFrom('P1D', 'PT1H30M', 'P1Y2M3DT4H5M6S', 'P2W'),
  uri: () => fc.oneof(fc.constantFrom('urn:isbn:0451450523', 'ftp://[::1]:21/a%20b'), addresses()),
  'uri-reference': () => fc.oneof(fc.constantFrom('/repositories/2', '#x', '?q=1'), addresses()),
  email: () => fc.oneof(fc.constant('a.b+c@example.org'), fc.emailAddress()),
  hostname: () => fc.domain(),
  ipv4: () => fc.ipV4(),
  ipv6: () => fc.ipV6(),
  uuid: () => fc.uuid(),
  regex: () => fc.constantFrom('^a+$', '[0-9]{2,}', ''),
  'json-pointer': () => fc.constantFrom('/a/0', '/a~1b'),
};

/** Of fast-check, `webUrl` takes a second to make. */
const addresses = () =>
  fc
    .tuple(fc.domain(), fc.constantFrom('', '/', '/a/b', '/?q=%C3%A9', '/#x', ':8080/a;b=1,c'))
    .map(([host, rest]) => `https://${host}${rest}`);

function moments(): fc.Arbitrary<string> {
  const [min, max] = [new Date('1000-01-01T00:00:00Z'), new Date('9999-12-31T23:59:59Z')];
  return fc.date({ min, max, noInvalidDate: true }).map((date) => date.toISOString());
}

function texts(schema: Schema): Made {
  const { minLength, maxLength, pattern, format } = schema;
  const min = minLength === 0 ? 0 : Math.max(1, minLength ?? 1);
  if (maxLength !== undefined && maxLength < min) return undefined;
  if (pattern !== undefined) return matching(pattern, schema);
  const known = format === undefined ? undefined : formats[format];
  if (known) return known();
  const max = Math.min(maxLength ?? Number.POSITIVE_INFINITY, min + 40);
  const fits = (text: string) => [...text].length >= min && [...text].length <= max;
  const edges = [
    ...(min > 0 ? ['x'.repeat(min), '😀'.repeat(min)] : ['']),
    ...(maxLength === undefined ? [] : ['x'.repeat(maxLength), '😀'.repeat(maxLength)]),
    ...oddTexts.filter(fits),
  ];
  return fc.oneof(
    fc.string({ unit: 'binary-ascii', minLength: min, maxLength: max }),
    // A character is a code point, as in a schema's lengths, not half of one as in JavaScript's.
    fc.string({ unit: 'binary', minLength: min, maxLength: max }),
    fc.constantFrom(...(schema['x-checked'] === undefined ? [] : [schema['x-checked']]), ...edges),
  );
}

function matching(pattern: string, { default: usual, examples = [], minLength, maxLength }: Schema): Made {
  const known = [usual, ...examples].filter((value) => typeof value === 'string');
  let made: fc.Arbitrary<string> | undefined;
  try {
    made = fc.stringMatching(new RegExp(pattern, 'u'), { ...(maxLength !== undefined && { maxLength }) });
  } catch {
    // It does not know all of regular expressions, such as look-behind: then the schema's own examples must do.
    return known.length > 0 ? fc.constantFrom(...known) : undefined;
  }
  const least = minLength ?? 0;
  // Doubling often gets a short one there; what does not fit then is for the judge.
  const long = made.map((text) =>
    [...text].length < least ? text.repeat(Math.ceil(least / (text.length || 1))) : text,
  );
  return known.length > 0 ? fc.oneof(fc.constantFrom(...known), long) : long;
}

function numbers(schema: Schema, isWhole: boolean): Made {
  const { least, most, isAbove, isBelow } = boundsOf(schema);
  const step = schema.multipleOf ?? (isWhole ? 1 : undefined);
  const low = least ?? Math.min(0, most ?? 0) - 1000;
  const high = most ?? Math.max(0, least ?? 0) + 1000;
  if (step === undefined) {
    if (low > high || (low === high && (isAbove || isBelow))) return undefined;
    const edges = [low, high, (low + high) / 2].filter((n) => !(isAbove && n === low) && !(isBelow && n === high));
    const range = { min: low, max: high, minExcluded: isAbove, maxExcluded: isBelow, noNaN: true };
    // JSON has no -0.
    return fc.oneof(
      fc.constantFrom(...edges),
      fc.double(range).map((n) => n + 0),
    );
  }
  const decimals = String(step).split('.')[1]?.length ?? 0;
  const value = (n: number) => Number((n * step).toFixed(decimals));
  let [first, last] = [Math.ceil(low / step), Math.floor(high / step)];
  // A quotient such as 0.3 / 0.1 lies a hair beside the whole number.
  while (value(first) < low || (isAbove && value(first) === low)) first++;
  while (value(last) > high || (isBelow && value(last) === high)) last--;
  if (first > last) return undefined;
  const edges = [first, last, ...(most === undefined && step === 1 ? [Number.MAX_SAFE_INTEGER] : [])];
  return fc.oneof(fc.integer({ min: first, max: last }), fc.constantFrom(...edges)).map(value);
}

function lists(schema: Schema, root: Schema, depth: number): Made {
  const { items = true, prefixItems = [], contains, minItems = 0, maxItems, uniqueItems = false } = schema;
  const first = prefixItems.map((one) => valuesFor(one, root, depth + 1));
  const needed = contains === undefined ? [] : [valuesFor(contains, root, depth + 1)];
  const head = [...first, ...needed].flatMap((one) => one ?? []);
  const item = valuesFor(items, root, depth + 1);
  if (head.length < first.length + needed.length || (!item && minItems > head.length)) return undefined;
  const different = typeof items === 'object' && uniqueItems ? (items.enum?.length ?? 100) : 100;
  const min = Math.max(0, minItems - head.length);
  const max = Math.min((maxItems ?? 100) - head.length, different);
  if (max < min) return undefined;
  const rest = (minLength: number, maxLength: number): fc.Arbitrary<unknown[]> => {
    if (!item) return fc.constant([]);
    return uniqueItems
      ? fc.uniqueArray(item, { minLength, maxLength, selector: (value) => JSON.stringify(value) })
      : fc.array(item, { minLength, maxLength });
  };
  const few = rest(min, Math.min(max, min + 4));
  const tail =
    maxItems === undefined || maxItems > 100 ? few : fc.oneof({ withCrossShrink: true }, few, rest(max, max));
  return fc.tuple(fc.tuple(...head), tail).map(([begin, end]) => [...begin, ...end]);
}

function objects(schema: Schema, root: Schema, depth: number): Made {
  const { properties = {}, required = [], patternProperties = {}, propertyNames, minProperties = 0 } = schema;
  const other = othersOf(schema);
  const made: Record<string, fc.Arbitrary<unknown>> = {};
  for (const name of new Set([...required, ...(depth > optionalDepth ? [] : Object.keys(properties))])) {
    const value = valuesFor(properties[name] ?? other, root, depth + 1);
    if (value) made[name] = value;
    else if (required.includes(name)) return undefined;
  }
  const known = fc.record(made, { requiredKeys: [...required] });
  const names =
    propertyNames === undefined
      ? fc.constantFrom('more', 'ünï', 'a/b', 'a%b~c')
      : valuesFor(propertyNames, root, depth + 1);
  // A map of names that its schema does not list.
  const minKeys = Object.keys(made).length === 0 ? Math.min(minProperties, 20) : 0;
  const others = [
    ...Object.entries(patternProperties).map(([pattern, of]) => ({ names: matching(pattern, {}), of, often: 1 })),
    // A property that the schema does not speak of is allowed, and seldom.
    { names, of: other, often: other === true ? 0.1 : 1 },
  ].flatMap(({ names, of, often }) => {
    const values = depth > optionalDepth ? undefined : of === true ? fc.constant('x') : valuesFor(of, root, depth + 1);
    if (!names || !values) return [];
    const some = fc.dictionary(names as fc.Arbitrary<string>, values, {
      minKeys,
      maxKeys: Math.max(2, minKeys),
      noNullPrototype: true,
    });
    return [often === 1 ? some : fc.oneof({ weight: 9, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: some })];
  });
  return fc.tuple(known, ...others).map(([own, ...more]) => Object.assign({}, ...more, own) as object);
}
