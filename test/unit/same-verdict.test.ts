// What the API refuses the page refuses before it is sent, and nothing else, for the schema of every type that there is.
import { globSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Refusal } from '../../core/errors.ts';
import { readWrapper } from '../../functions/api/read-wrapper.ts';
import { fittingParams } from '../../functions/api/validate.ts';
import { isAccepted, nearlyValidParams, type Params, validParams } from '../../runners/sdk/example-params.ts';
import { check, fieldFor } from '../../ui/lib/check.ts';
import { type FormSchema, paramsOf, valuesOf } from '../../ui/lib/form.ts';

/** Whoever adds a type adds it here, by its file. */
const files = globSync([
  'schemas/*_job.json',
  '{runners,plugins,test/plugins,examples}/*/schemas/*.json',
  'examples/*/*/schemas/*.json',
]).toSorted();
type TypeSchema = FormSchema & { readonly $id: string };
const schemaIn = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as TypeSchema;

/** All that a type's author may write, beyond what our own types use. */
const everything: TypeSchema = {
  $id: 'everything_job',
  type: 'object',
  required: ['kind', 'name'],
  additionalProperties: false,
  $defs: {
    day: { type: 'string', format: 'date' },
    tree: {
      type: 'object',
      properties: { name: { type: 'string' }, below: { type: 'array', items: { $ref: '#/$defs/tree' }, maxItems: 2 } },
      required: ['name'],
    },
  },
  properties: {
    jsonmodel_type: { const: 'everything_job' },
    kind: { enum: ['a', 'b', 3, true] },
    name: { type: 'string', pattern: '^[A-Z][a-z]{2,5}$' },
    note: { type: 'string', minLength: 0, maxLength: 300 },
    short: { type: 'string', minLength: 2, maxLength: 4 },
    old: { type: 'string', 'x-checked': '1' },
    sure: { type: 'boolean', default: true },
    from: { $ref: '#/$defs/day' },
    to: { $ref: '#/$defs/day' },
    at: { type: 'string', format: 'date-time' },
    link: { type: 'string', format: 'uri' },
    mail: { type: 'string', format: 'email' },
    share: { type: 'number', minimum: 0, exclusiveMaximum: 1, multipleOf: 0.01 },
    count: { type: 'integer', exclusiveMinimum: 0, maximum: 1000, multipleOf: 5 },
    tags: { type: 'array', items: { enum: ['x', 'y', 'z'] }, minItems: 2, maxItems: 3, uniqueItems: true },
    lines: { type: 'array', items: { type: 'string', maxLength: 5 }, maxItems: 3 },
    sheet: { type: 'string', 'x-files': true },
    inner: {
      type: 'object',
      required: ['p'],
      additionalProperties: false,
      properties: { p: { type: 'string', minLength: 3 }, 'q/r': { type: 'integer' } },
    },
    either: {
      oneOf: [
        { type: 'string', maxLength: 2 },
        { type: 'integer', minimum: 5 },
      ],
    },
    any: {
      anyOf: [
        { type: 'object', required: ['x'] },
        { type: 'array', items: { type: 'integer' }, minItems: 1 },
      ],
    },
    map: { type: 'object', additionalProperties: { type: 'integer' }, propertyNames: { pattern: '^[a-z]+$' } },
    tree: { $ref: '#/$defs/tree' },
    pair: { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'string' }], items: false },
    some: { type: 'array', contains: { const: 'needed' } },
    codes: {
      type: 'object',
      patternProperties: { '^c_': { type: 'integer' } },
      additionalProperties: false,
      minProperties: 1,
    },
    strict: {
      allOf: [{ type: 'object', properties: { a: { type: 'string' } } }],
      properties: { b: { type: 'integer' } },
      unevaluatedProperties: false,
    },
    never: { not: { type: 'integer' }, type: ['integer', 'string'] },
    whole: { const: { a: [1, 'x'] } },
    free: {},
  },
  if: { properties: { kind: { const: 'b' } }, required: ['kind'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ['from'] },
  dependentRequired: { to: ['from'] },
  dependentSchemas: { count: { properties: { share: { maximum: 0.5 } } } },
} as object as TypeSchema;

const schemas: readonly (readonly [string, TypeSchema])[] = [
  ['every keyword that an author may use', everything],
  ...files.map((file) => [file, schemaIn(file)] as const),
];

/** The fields that the API names: none when it takes the parameters. As the page shows them, by the field they belong to. */
async function apiRefuses(schema: TypeSchema, params: Params): Promise<readonly string[] | undefined> {
  try {
    const wrapper = JSON.stringify({ jsonmodel_type: 'job', job: { ...params, jsonmodel_type: schema.$id } });
    const { job } = readWrapper(new TextEncoder().encode(wrapper));
    await fittingParams({ type: schema.$id, schema: JSON.stringify(schema) }, job);
    return undefined;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.error.code !== 'bad_request') return [''];
    return unique(Object.keys(error.error.problems).map((path) => fieldFor(schema, path)));
  }
}

/** What the page's check says of the same. */
function pageRefuses(schema: TypeSchema, params: Params): readonly string[] | undefined {
  const found = check(schema, { ...params, jsonmodel_type: schema.$id });
  return found.size === 0 ? undefined : unique([...found.keys()]);
}
const unique = (paths: readonly string[]) => [...new Set(paths)].toSorted();
const ofType =
  ({ $id }: TypeSchema) =>
  (params: Params): Params => ({ ...params, jsonmodel_type: $id });

test.each<[what: string, value: unknown, isRefused: boolean]>([
  ['as deep as may be', nested(30), false],
  ['deeper', nested(31), true],
  ['as long as may be', 'x'.repeat(131_072 - '{"free":"","jsonmodel_type":"free_job"}'.length), false],
  ['longer', 'x'.repeat(131_073 - '{"free":"","jsonmodel_type":"free_job"}'.length), true],
])('parameters %s', async (_, value, isRefused) => {
  const schema: TypeSchema = { $id: 'free_job', properties: { free: {} } };

  expect(await apiRefuses(schema, { free: value })).toEqual(isRefused ? [''] : undefined);
  expect(pageRefuses(schema, { free: value })).toEqual(isRefused ? [''] : undefined);
});

function nested(levels: number): unknown {
  return levels === 0 ? 1 : [nested(levels - 1)];
}

describe.each(schemas)('%s', (_, schema) => {
  const accepts = isAccepted(schema);

  test('parameters that are made to fit do, mostly; those with one thing wrong do not', () => {
    const sample = { numRuns: 200, seed: 6 };
    const valid = fc.sample(validParams(schema), sample).filter((params) => accepts(params)).length;
    const wrong = fc.sample(nearlyValidParams(schema), sample).filter((one) => one !== undefined);

    expect(valid / sample.numRuns).toBeGreaterThan(0.8);
    expect(wrong.filter(({ params }) => !accepts(params)).length).toBeGreaterThanOrEqual(0.8 * wrong.length);
  });

  test('valid parameters', async () => {
    await fc.assert(
      fc.asyncProperty(validParams(schema).map(ofType(schema)), async (params) => {
        expect(pageRefuses(schema, params)).toEqual(await apiRefuses(schema, params));
      }),
      { numRuns: 200 },
    );
  });

  test('nearly valid parameters', async () => {
    await fc.assert(
      fc.asyncProperty(nearlyValidParams(schema), async (one) => {
        if (one === undefined) return;
        expect(pageRefuses(schema, one.params)).toEqual(await apiRefuses(schema, one.params));
      }),
      { numRuns: 300 },
    );
  });

  test('what a form makes of them when it is opened and sent again', async () => {
    const either = fc.oneof(
      validParams(schema),
      nearlyValidParams(schema).map((one) => one?.params ?? {}),
    );
    await fc.assert(
      fc.asyncProperty(either, async (given) => {
        const { params, unreadable } = paramsOf(schema, valuesOf(schema, given), ['a.xml']);
        expect(unreadable).toEqual([]);
        expect(pageRefuses(schema, params)).toEqual(await apiRefuses(schema, params));
      }),
      { numRuns: 200 },
    );
  });
});
