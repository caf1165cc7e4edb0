// What a client is told of a job that does not fit: ArchivesSpace's messages, by path (backend/app/lib/exceptions.rb).
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ClientError, Refusal } from '../../core/errors.ts';
import { readWrapper } from '../../functions/api/read-wrapper.ts';
import { mustFit, validatorOf } from '../../functions/api/validate.ts';
import importJob from '../../schemas/import_job.json' with { type: 'json' };

function refusalOf(work: () => unknown): ClientError | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof Refusal) return error.error;
    throw error;
  }
  return undefined;
}
const read = (text: string) => readWrapper(new TextEncoder().encode(text));
const readJson = (value: unknown) => read(JSON.stringify(value));

async function problems(schema: object, value: unknown): Promise<unknown> {
  const validate = await validatorOf('a_job', JSON.stringify(schema));
  const refused = refusalOf(() => mustFit(validate, value, 'a_job'));
  return refused?.code === 'bad_request' ? refused.problems : refused;
}

describe('a value that does not fit is refused with', () => {
  const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });
  test.each<[name: string, schema: object, value: unknown, problems: object | undefined]>([
    ['nothing when it fits', object({ n: { type: 'string' } }), { n: 'x', more: 1 }, undefined],
    ['what is missing', object({}, { required: ['n'] }), {}, { n: ['Property is required but was missing'] }],
    [
      'what is missing inside',
      object({ a: object({}, { required: ['b'] }) }),
      { a: {} },
      { 'a/b': ['Property is required but was missing'] },
    ],
    [
      'a whole number where a string is wanted',
      object({ n: { type: 'string' } }),
      { n: 3 },
      { n: ['Must be a string (you provided a Integer)'] },
    ],
    ...(
      [
        [1.5, 'Float'],
        [true, 'TrueClass'],
        [false, 'FalseClass'],
        [[], 'Array'],
        [{}, 'Hash'],
        [null, 'NilClass'],
      ] as const
    ).map(([value, ruby]): [string, object, unknown, object] => [
      `${ruby} where a string is wanted`,
      object({ n: { type: 'string' } }),
      { n: value },
      { n: [`Must be a string (you provided a ${ruby})`] },
    ]),
    [
      'a string where an integer is wanted',
      object({ n: { type: 'integer' } }),
      { n: 'x' },
      { n: ['Must be an integer (you provided a String)'] },
    ],
    [
      'a number that is no multiple, reckoned in decimals',
      object({ a: { multipleOf: 0.01 }, b: { multipleOf: 0.01 }, c: { multipleOf: 1e-7 }, d: { multipleOf: 100 } }),
      { a: 0.28, b: 0.285, c: 3e-7, d: 1e21 },
      { b: ['Must be multiple of 0.01'] },
    ],
    [
      'what is missing under a condition, and not the condition',
      object({}, { if: { required: ['a'] }, else: { required: ['b'] } }),
      { c: 1 },
      { b: ['Property is required but was missing'] },
    ],
    [
      'an empty list',
      object({ n: { type: 'array', minItems: 1 } }),
      { n: [] },
      { n: ['At least 1 item(s) is required'] },
    ],
    [
      'an entry of a list',
      object({ n: { type: 'array', items: { type: 'string' } } }),
      { n: ['a', 2] },
      { 'n/1': ['Must be a string (you provided a Integer)'] },
    ],
    [
      'a word that is none of those allowed',
      object({ n: { enum: ['a', 'b'] } }),
      { n: 'c' },
      { n: ["Invalid value 'c'.  Must be one of: a, b"] },
    ],
    [
      'a word that is not the one allowed',
      object({ n: { const: 'a' } }),
      { n: 'c' },
      { n: ["Invalid value 'c'.  Must be one of: a"] },
    ],
    [
      'a property that is not known',
      object({}, { additionalProperties: false }),
      { x: 1 },
      { x: ['Must NOT have additional properties'] },
    ],
    [
      'the whole when it is no map',
      { type: 'object' },
      [],
      { '(whole)': ['Must be an object (you provided a Array)'] },
    ],
    [
      'everything that is wrong, each once',
      object({ a: { type: 'string' }, b: { type: 'array', minItems: 1 } }, { required: ['c'] }),
      { a: 1, b: [] },
      {
        a: ['Must be a string (you provided a Integer)'],
        b: ['At least 1 item(s) is required'],
        c: ['Property is required but was missing'],
      },
    ],
    [
      'what is wrong with a name that has a slash',
      object({ 'a/b': { type: 'array', minItems: 1 } }),
      { 'a/b': [] },
      { 'a/b': ['At least 1 item(s) is required'] },
    ],
  ])('%s', async (_, schema, value, expected) => {
    expect(await problems(schema, value)).toEqual(expected);
  });

  test('a shortened view of what was sent, under the name of its type', async () => {
    const validate = await validatorOf('a_job', '{"type":"object","required":["n"]}');

    expect(refusalOf(() => mustFit(validate, { x: 'y'.repeat(5_000) }, 'a_job'))).toMatchObject({
      invalid: expect.stringMatching(/^#<JSONModel\(:a_job\) \{"x":"y{1000,2000}>$/),
    });
  });

  // Findings: a path that every object has is looked up in Object.prototype; the answer is a 500, or says nothing.
  test.each(['constructor', 'toString', '__proto__'])('a property called %s like any other', async (name) => {
    const schema = object({}, { additionalProperties: false });

    expect(Object.entries((await problems(schema, JSON.parse(`{"${name}":1}`))) as object)).toEqual([
      [name, ['Must NOT have additional properties']],
    ]);
  });
});

describe('a validator', () => {
  test('that was compiled with the code says what one compiled from the registered schema says', async () => {
    const text = JSON.stringify(importJob);
    const built = await validatorOf('import_job', text);
    const compiled = await validatorOf('other_name', text);
    expect(compiled).not.toBe(built);
    for (const value of [
      {},
      { filenames: [], import_type: 'x' },
      { filenames: ['a'], import_type: 'ead_xml' },
      { filenames: 1 },
    ])
      expect(refusalOf(() => mustFit(compiled, value, 'x'))).toEqual(refusalOf(() => mustFit(built, value, 'x')));
  });

  test('is compiled anew when a deployment registers another schema under the same name', async () => {
    const first = await validatorOf('import_job', '{"type":"object","required":["a"]}');
    const second = await validatorOf('import_job', '{"type":"object","required":["b"]}');

    expect([first({ a: 1 }), first({ b: 1 }), second({ a: 1 }), second({ b: 1 })]).toEqual([true, false, false, true]);
  });
});

describe('the wrapper of a job', () => {
  const job = { jsonmodel_type: 'a_job', times: '3' };

  test('gives type, parameters and the text beside them; what is read-only is ignored', () => {
    const wrapper = { jsonmodel_type: 'job', job, job_params: 'x', status: 'completed', owner: 'admin' };

    expect(readJson(wrapper)).toMatchObject({ type: 'a_job', job, jobParams: 'x' });
  });

  test.each<[text: string, problems: object]>([
    ['{}', { job: ['Property is required but was missing'] }],
    ['null', { job: ['Property is required but was missing'] }],
    ['{"job":null}', { job: ['Property is required but was missing'] }],
    ['{"job":{}}', { job: ['Property is required but was missing'] }],
    ['{"job":{"jsonmodel_type":""}}', { 'job/jsonmodel_type': ['Property is required but was missing'] }],
    ['{"job":"import_job"}', { job: ['Must be an object (you provided a String)'] }],
    ['{"job":{"jsonmodel_type":3}}', { 'job/jsonmodel_type': ['Must be a string (you provided a Integer)'] }],
    ['[]', { '(whole)': ['Must be an object (you provided a Array)'] }],
  ])('%s is refused by path', (text, expected) => {
    expect(refusalOf(() => read(text))).toMatchObject({ code: 'bad_request', problems: expected });
  });

  test.each(['', '{', '{"job":', 'job=1', '\u0000', '{"job":{}}x'])('%j is not JSON', (text) => {
    expect(refusalOf(() => read(text))).toMatchObject({ code: 'unreadable' });
  });

  test('that is not UTF-8 is unreadable', () => {
    const bytes = Buffer.concat([
      Buffer.from('{"job":{"jsonmodel_type":"a_job","t":"'),
      Buffer.of(0xe4),
      Buffer.from('"}}'),
    ]);

    expect(refusalOf(() => readWrapper(bytes))).toMatchObject({ code: 'unreadable' });
  });

  test.each<[levels: number, code: string | undefined]>([
    [20, undefined],
    [40, 'unreadable'],
    [50_000, 'unreadable'],
  ])('%i deep is %s', (levels, code) => {
    const text = `{"job":{"jsonmodel_type":"a_job","x":${'['.repeat(levels)}${']'.repeat(levels)}}}`;

    expect(refusalOf(() => read(text))?.code).toBe(code);
  });

  test('is at most 256 KB', () => {
    const text = (bytes: number) => {
      const empty = JSON.stringify({ job: { jsonmodel_type: 'a_job', x: '' } });
      return empty.replace('"x":""', `"x":"${'y'.repeat(bytes - empty.length)}"`);
    };

    expect(refusalOf(() => read(text(256 * 1024)))).toBeUndefined();
    expect(refusalOf(() => read(text(256 * 1024 + 1)))).toMatchObject({ code: 'too_large' });
  });

  test('of any bytes is read or refused, never a fault', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json().map((text) => Buffer.from(text)),
          fc.uint8Array(),
        ),
        (bytes) => {
          refusalOf(() => readWrapper(bytes));
        },
      ),
    );
  });
});
