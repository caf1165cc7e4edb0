import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withoutNothing } from '../../core/without-nothing.ts';
import { isAccepted } from '../../runners/sdk/example-params.ts';
import { check, fieldFor } from '../../ui/lib/check.ts';
import { type FormSchema, fieldsOf, fileFieldOf, paramsOf, shownValue, valuesOf } from '../../ui/lib/form.ts';

const schemaFiles = ['schemas', 'plugins/jobs_example/schemas', 'test/plugins/jobs_test/schemas'].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('_job.json'))
    .map((name) => `${folder}/${name}`),
);
const readSchema = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as FormSchema & { $id: string };

// With every type's own schema: same-verdict.test.ts.
describe('the check of the page refuses what the service refuses, and nothing else', () => {
  test('generated schemas with all that a form knows', () => {
    const property = fc.oneof(
      fc.record({
        type: fc.constant('string'),
        minLength: fc.nat({ max: 3 }),
        maxLength: fc.integer({ min: 3, max: 8 }),
      }),
      fc.record({ type: fc.constant('string'), pattern: fc.constantFrom('^[0-9]+$', '^.{2}$', '\\p{L}') }),
      fc.record({
        type: fc.constant('string'),
        format: fc.constantFrom('date', 'date-time', 'time', 'uri', 'email', 'uuid', 'ipv4', 'hostname'),
      }),
      fc.record({
        type: fc.constantFrom('integer', 'number'),
        minimum: fc.integer({ min: -5, max: 0 }),
        exclusiveMaximum: fc.integer({ min: 1, max: 9 }),
        multipleOf: fc.constantFrom(1, 2, 5),
      }),
      fc.record({ enum: fc.constantFrom(['a', 'b'], [1, 'x', null], [true]) }),
      fc.record({
        type: fc.constant('array'),
        items: fc.record({ type: fc.constant('string'), enum: fc.constant(['a', 'b', 'c']) }),
        minItems: fc.nat({ max: 2 }),
        uniqueItems: fc.boolean(),
      }),
    );
    const schemaOf = fc.record({
      type: fc.constant('object'),
      properties: fc.record({ one: property, two: property }),
      required: fc.constantFrom([], ['one'], ['one', 'two']),
      additionalProperties: fc.boolean(),
    });
    const value = fc.oneof(
      fc.string({ maxLength: 9, unit: 'grapheme' }),
      fc.integer({ min: -9, max: 12 }),
      fc.constantFrom(
        '2026-02-29',
        '2024-02-29',
        '2026-08-20T13:45:55Z',
        '12:00:00Z',
        'a@b.example',
        'https://example.org/x?y',
        '127.0.0.1',
        'a',
        'b',
        null,
        true,
        'é',
        '😀😀',
      ),
      fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 }),
    );
    fc.assert(
      fc.property(
        schemaOf,
        fc.record({ one: value, two: value, three: value }, { requiredKeys: [] }),
        (schema, params) => {
          expect(check(schema, params).size === 0).toBe(isAccepted(schema)(params));
        },
      ),
      { numRuns: 150 },
    );
  });

  test('a problem stands at its field', () => {
    const schema = readSchema('schemas/import_job.json');

    const found = check(schema, { jsonmodel_type: 'import_job', import_type: 'marc' });

    expect([...found]).toEqual([
      ['filenames', 'Fill in “Files”.'],
      ['import_type', 'Choose one of the options.'],
    ]);
  });
});

describe('what is wrong in a place is shown by the field', () => {
  const schema: FormSchema = {
    properties: {
      name: {},
      tags: { type: 'array', items: { type: 'string' } },
      inner: { type: 'object', properties: { a: { type: 'string' }, 'b/c': { type: 'string' } } },
    },
  };
  test.each([
    ['name', 'name'],
    ['names', ''],
    ['tags/3', 'tags'],
    ['inner/a', 'inner/a'],
    ['inner/b/c', 'inner/b/c'],
    ['inner/other', 'inner'],
    ['(whole)', ''],
    ['', ''],
  ])('%j: %j', (path, field) => {
    expect(fieldFor(schema, path)).toBe(field);
  });
});

test('the check of the page leaves out what the service leaves out', () => {
  const schema = { properties: { free: {}, text: { type: 'string' } } };

  expect([...check({ ...schema, required: ['free'] }, { free: null }).keys()]).toEqual(['free']);
  expect(check(schema, { text: null }).size).toBe(0);
});

describe('a form', () => {
  test('each field has the widget that its schema asks for', () => {
    const schema: FormSchema = {
      type: 'object',
      required: ['text'],
      properties: {
        jsonmodel_type: { const: 'x_job' },
        text: { type: 'string' },
        long_text: { type: 'string', maxLength: 1000 },
        day: { type: 'string', format: 'date' },
        moment: { type: 'string', format: 'date-time' },
        kind: { type: 'string', enum: ['a'] },
        several: { type: 'array', items: { enum: ['a', 'b'] } },
        tags: { type: 'array', items: { type: 'string' } },
        count: { type: 'integer' },
        yes: { type: 'boolean' },
        one: { type: 'string', 'x-checked': '1' },
        filenames: { type: 'array', items: { type: 'string' } },
        sheet: { type: 'string', 'x-files': true },
        inner: { type: 'object', properties: { a: { type: 'string' } } },
        anything: {},
      },
    };

    expect(fieldsOf(schema).map(({ label, widget, isRequired }) => [label, widget, isRequired])).toEqual([
      ['Text', 'text', true],
      ['Long text', 'textarea', false],
      ['Day', 'date', false],
      ['Moment', 'date-time', false],
      ['Kind', 'select', false],
      ['Several', 'choices', false],
      ['Tags', 'lines', false],
      ['Count', 'number', false],
      ['Yes', 'checkbox', false],
      ['One', 'checked', false],
      ['Filenames', 'files', false],
      ['Sheet', 'file', false],
      ['Inner', 'group', false],
      ['Anything', 'json', false],
    ]);
  });

  test('what is filled in becomes what the schema is about, and back', () => {
    const schema = readSchema('plugins/jobs_example/schemas/slow_nothing_job.json');
    const { params } = paramsOf(schema, { times: '3', seconds: ' 2.5 ' }, []);

    expect(params).toEqual({ times: '3', seconds: 2.5 });
    expect(valuesOf(schema, params)).toEqual({ times: '3', seconds: '2.5' });
    expect(valuesOf(schema, undefined)).toEqual({ times: '1', seconds: '10' });
    expect(paramsOf(schema, { times: '3', seconds: 'two' }, []).params['seconds']).toBe('two');
  });

  test('boxes, files, groups and JSON', () => {
    const schema: FormSchema = {
      properties: {
        sure: { type: 'boolean', default: true },
        dry: { type: 'boolean' },
        old: { type: 'string', 'x-checked': '1' },
        filenames: { type: 'array', items: { type: 'string' } },
        inner: { type: 'object', properties: { note: { type: 'string' } } },
        free: {},
      },
    };

    expect(
      paramsOf(schema, { sure: false, dry: false, old: true, inner: { note: 'x' }, free: '{"a":1}' }, ['f.xml']),
    ).toEqual({
      params: { sure: false, old: '1', filenames: ['f.xml'], inner: { note: 'x' }, free: { a: 1 } },
      unreadable: [],
    });
    expect(paramsOf(schema, { free: '{' }, []).unreadable).toEqual(['free']);
    expect(fileFieldOf(schema)).toBe('files');
  });

  test('what is sent is what the service makes of it: nothing empty is left in', () => {
    for (const path of schemaFiles) {
      const schema = readSchema(path);
      fc.assert(
        fc.property(
          fc.dictionary(fc.constantFrom(...Object.keys(schema.properties ?? {})), fc.constantFrom('', 'x', '1', true)),
          (values) => {
            const { params } = paramsOf(schema, values, []);
            expect(withoutNothing(params, schema as never) ?? {}).toEqual(params);
          },
        ),
        { numRuns: 30 },
      );
    }
  });

  test('parameters are shown by their labels', () => {
    expect(shownValue({ enum: ['a'], enumDescriptions: ['Letter A'] }, 'a')).toBe('Letter A');
    expect(shownValue({ type: 'boolean' }, false)).toBe('No');
    expect(shownValue({ 'x-checked': '1' }, '1')).toBe('Yes');
    expect(shownValue(undefined, 'as it is')).toBe('as it is');
  });
});
