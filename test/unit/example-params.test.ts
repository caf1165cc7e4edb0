// What plugin authors test their runners and schemas with.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withoutNothing } from '../../core/without-nothing.ts';
import { isAccepted, nearlyValidParams, validParams } from '../../runners/sdk/example-params.ts';
import { exampleParams } from '../../runners/sdk/testing.ts';

const schema = {
  $id: 'a_job',
  type: 'object',
  required: ['kind', 'name'],
  additionalProperties: false,
  properties: {
    jsonmodel_type: { const: 'a_job' },
    kind: { enum: ['a', 'b'] },
    name: { type: 'string', minLength: 2, maxLength: 5 },
    code: { type: 'string', pattern: '^[A-Z]{2}$' },
    day: { type: 'string', format: 'date' },
    count: { type: 'integer', minimum: 1, exclusiveMaximum: 10, multipleOf: 3 },
    tags: { type: 'array', items: { enum: ['x', 'y', 'z'] }, minItems: 1, maxItems: 2, uniqueItems: true },
    inner: { type: 'object', required: ['p'], properties: { p: { type: 'boolean' } } },
  },
};

describe('example parameters', () => {
  const { valid, nearlyValid } = exampleParams(schema, { count: 2_000 });

  test('that are valid are those that a runner gets', () => {
    const accepts = isAccepted(schema);
    for (const params of valid) {
      expect(accepts(params), JSON.stringify(params)).toBe(true);
      expect(withoutNothing(params, schema as object)).toEqual(params);
      expect(params['jsonmodel_type']).toBe('a_job');
    }
  });

  test('reach every bound and every choice', () => {
    const seen = (name: string) => new Set(valid.map((params) => params[name]));

    expect([...seen('kind')].toSorted()).toEqual(['a', 'b']);
    expect([...new Set([...seen('name')].map((name) => [...String(name)].length))].toSorted()).toEqual([2, 3, 4, 5]);
    expect([...seen('count')].toSorted()).toEqual([3, 6, 9, undefined]);
    // Five characters, ten of JavaScript's.
    expect([...seen('name')]).toContain('😀'.repeat(5));
  });

  test('that are nearly valid have one thing wrong, and say what', () => {
    const accepts = isAccepted(schema);
    for (const { params, what } of nearlyValid) expect(accepts(params), what).toBe(false);

    const whats = [...new Set(nearlyValid.map(({ what }) => what))];
    expect(whats.filter((what) => what.includes('of another kind')).length).toBeGreaterThan(30);
    expect(whats.filter((what) => !what.includes('of another kind')).toSorted()).toEqual([
      'a%b~c: not expected',
      'a/b: not expected',
      'code: not of the form ^[A-Z]{2}$',
      'constructor: not expected',
      'count: a number as text',
      'count: not a multiple of 3',
      'count: not whole',
      'count: too large, to 10',
      'count: too small, from 1',
      'day: no date',
      'inner/p: an empty text',
      'inner/p: left out',
      'inner/p: null',
      'kind: a value in other letters',
      'kind: a value with a blank behind it',
      'kind: an empty text',
      'kind: left out',
      'kind: not one of the values',
      'kind: null',
      'name: an empty text',
      'name: left out',
      'name: longer than 5',
      'name: null',
      'name: shorter than 2',
      'name: shorter than 2, of wide characters',
      'name: very long',
      'tags/0: a value in other letters',
      'tags/0: a value with a blank behind it',
      'tags/0: not one of the values',
      'tags/1: a value in other letters',
      'tags/1: a value with a blank behind it',
      'tags/1: not one of the values',
      'tags: fewer than 1',
      'tags: more than 2',
      'tags: nothing but nulls',
      'tags: one twice',
      'unexpected: not expected',
    ]);
  });

  test('are the same by the same seed, and different otherwise, each once', () => {
    expect(exampleParams(schema, { count: 50, seed: 5 })).toEqual(exampleParams(schema, { count: 50, seed: 5 }));
    expect(exampleParams(schema, { count: 50, seed: 6 })).not.toEqual(exampleParams(schema, { count: 50, seed: 5 }));
    expect(new Set(valid.map((params) => JSON.stringify(params))).size).toBe(valid.length);
  });

  test('of a schema that allows everything are all valid', () => {
    expect(exampleParams({ $id: 'free_job', type: 'object' })).toMatchObject({ nearlyValid: [] });
  });

  test.each<[what: string, schema: object, message: RegExp]>([
    ['that wants what it forbids', { $id: 'no_job', required: ['a'], properties: { a: false } }, /no_job.*forbids/],
    ['whose reference leads nowhere', { properties: { a: { $ref: '#/$defs/b' } } }, /#\/\$defs\/b, which is not in it/],
  ])('of a schema %s are none, and it says why', (_, wrong, message) => {
    expect(() => exampleParams(wrong)).toThrow(message);
  });

  test('of a schema that refers to itself end somewhere', () => {
    const below = { type: 'array', items: { $ref: '#' }, minItems: 1 };
    const tree = { type: 'object', properties: { name: { type: 'string' }, below }, required: ['name'] };

    expect(exampleParams(tree, { count: 30 }).valid.length).toBeGreaterThan(1);
  });
});

test('a failing property is made smaller', () => {
  const failed = fc.check(
    fc.property(validParams(schema), ({ tags }) => !Array.isArray(tags)),
    { seed: 1 },
  );

  expect(failed.counterexample).toEqual([
    { jsonmodel_type: 'a_job', kind: 'a', name: expect.any(String), tags: ['x'] },
  ]);
});

test('what is nearly valid is one step from what is valid', () => {
  fc.assert(
    fc.property(nearlyValidParams(schema), (one) => {
      const { name, ...others } = one?.params ?? {};
      // With the wrong place taken out, nothing is left to refuse: here for the name.
      if (one?.what.startsWith('name:'))
        expect(isAccepted(schema)({ ...others, name: 'Name' }), String(name)).toBe(true);
    }),
  );
});
