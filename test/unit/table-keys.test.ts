// Where things are in table and bucket. Keys stay as they are: what was stored before a deploy is found after it.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  inputKey,
  inputPrefix,
  keys,
  numberOf,
  outputKey,
  partition,
  queuePlace,
  runPrefix,
  sortKey,
} from '../../core/table.ts';

const number = fc.nat(999_999_999_999);

describe('found after a deploy where it was before is', () => {
  const run = 'RUN#a_job#7';
  test.each<[what: string, at: object, key: object]>([
    ['a job', keys.job(7), { pk: 'JOB#7', sk: 'JOB' }],
    ['an event', keys.event(7, 1_800_000_000_000, 'x'), { pk: 'JOB#7', sk: 'EVENT#1800000000000#x' }],
    ['a queue row', keys.queue('a_job', 7), { pk: 'QUEUE#a_job', sk: '000000000007' }],
    ['a slot', keys.slot(3), { pk: 'BOARD', sk: 'SLOT#3' }],
    ['a lock', keys.lock('a_job'), { pk: 'BOARD', sk: 'LOCK#a_job' }],
    ['what is set', keys.settings, { pk: 'BOARD', sk: 'SETTINGS' }],
    ['the last id', keys.counter, { pk: 'COUNTER', sk: 'job' }],
    ['how far the sweep has compared', keys.scrub, { pk: 'COUNTER', sk: 'scrub' }],
    ['a type', keys.type('a_job'), { pk: 'TYPES', sk: 'a_job' }],
    ['a run', keys.run('a_job', 7), { pk: run, sk: 'RUN' }],
    ['a chunk of log', keys.log('a_job', 7, 9), { pk: run, sk: 'LOG#000000000009' }],
    ['a chunk of records', keys.record('a_job', 7, 9), { pk: run, sk: 'RECORD#000000000009' }],
    ['an output file', keys.file('a_job', 7, 9), { pk: run, sk: 'FILE#000000000009' }],
    [
      'a job in the index',
      { gpk: partition(2), gsk: sortKey('queued', 7) },
      { gpk: 'REPO#2', gsk: 'queued#000000000007' },
    ],
    ['a queue row in the index', queuePlace(7), { gpk: 'QUEUE', gsk: '000000000007' }],
  ])('%s', (_, at, key) => {
    expect(at).toEqual(key);
  });

  test.each([
    ['an uploaded file', inputKey('a_job', 7, 0), 'inputs/a_job/7/0'],
    ['an output file', outputKey('a_job', 7, 't', 2, 0), 'runs/a_job/7/t/2/0'],
  ])('%s in the bucket', (_, at, key) => {
    expect(at).toBe(key);
  });
});

test('the table has queue rows, chunks and files in the order of their numbers', () => {
  const places = [
    (n: number) => keys.queue('a', n).sk,
    (n: number) => keys.log('a', 1, n).sk,
    (n: number) => keys.record('a', 1, n).sk,
    (n: number) => keys.file('a', 1, n).sk,
    (n: number) => sortKey('queued', n),
    (n: number) => queuePlace(n).gsk,
  ];
  fc.assert(
    fc.property(number, number, (a, b) => {
      for (const place of places) expect(place(a) < place(b)).toBe(a < b);
    }),
  );
});

test('the number at the end of a key is read back', () => {
  fc.assert(
    fc.property(number, (n) => {
      for (const key of [keys.log('a', 1, n), keys.record('a', 1, n), keys.file('a', 1, n)])
        expect(numberOf(key.sk)).toBe(n);
    }),
  );
});

test('what is below the prefix of one job is of no other job and no other type', () => {
  const mine = (prefix: string) => (key: string) => key.startsWith(prefix);
  const inputs = [inputKey('a', 1, 0), inputKey('a', 12, 0), inputKey('ab', 1, 0), inputKey('a', 1, 10)];
  const outputs = [outputKey('a', 1, 't', 1, 0), outputKey('a', 12, 't', 1, 0), outputKey('ab', 1, 't', 1, 0)];

  expect(inputs.map(mine(inputPrefix('a', 1)))).toEqual([true, false, false, true]);
  expect(outputs.map(mine(runPrefix('a', 1)))).toEqual([true, false, false]);
});
