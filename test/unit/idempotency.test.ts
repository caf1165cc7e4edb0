// A create with a key of the client's own: one job for a key, as long as the note of it holds.
import { describe, expect, test } from 'vitest';
import { type Asked, askedKey, noteAsked, readAsked } from '../../core/idempotency.ts';
import { create, keys } from '../../core/table.ts';
import type { Item } from '../../core/writes.ts';
import { applyTransaction, type Items, nameOf } from '../model/store.ts';
import { newJob } from './service-helpers.ts';

const now = 1_800_000_000_001;
const dayMs = 86_400_000;
const noteIn = (items: Items, id = 'k') => readAsked(items.get(nameOf(askedKey(id))));

/** Notes as create does, and says whether it was written. */
const note = (items: Items, job: number, { id = 'k', seen = undefined as Asked | undefined, at = now } = {}): boolean =>
  applyTransaction(items, noteAsked(id, `print of ${job}`, job, seen, at)).done;

describe('the note of a key', () => {
  test('says which job was made for what, and holds for a day', () => {
    const items: Items = new Map();
    note(items, 1);

    expect(noteIn(items)).toEqual({ job: 1, print: 'print of 1', until: now + dayMs });
  });

  test('is kept by the table until it no longer holds, in whole seconds', () => {
    const items: Items = new Map();
    note(items, 1);

    expect(items.get(nameOf(askedKey('k')))).toMatchObject({ v: 1, expires: 1_800_000_001 + dayMs / 1000 });
  });

  test('is written by one of two requests that saw none', () => {
    const items: Items = new Map();

    expect([note(items, 1), note(items, 2)]).toEqual([true, false]);
    expect(noteIn(items)?.job).toBe(1);
  });

  test('is no obstacle to other keys', () => {
    const items: Items = new Map();

    expect([note(items, 1), note(items, 2, { id: 'other' })]).toEqual([true, true]);
    expect([noteIn(items)?.job, noteIn(items, 'other')?.job]).toEqual([1, 2]);
  });

  test('gives way to one request, when it was seen and no longer holds', () => {
    const items: Items = new Map();
    note(items, 1);
    const seen = noteIn(items);

    expect([note(items, 2, { seen, at: now + dayMs }), note(items, 3, { seen, at: now + dayMs })]).toEqual([
      true,
      false,
    ]);
    expect(noteIn(items)).toMatchObject({ job: 2, until: now + 2 * dayMs });
  });

  test.each<[name: string, seen: Asked]>([
    ['another job', { job: 9, print: 'print of 1', until: now + dayMs }],
    ['another time', { job: 1, print: 'print of 1', until: now }],
  ])('does not give way to a request that saw %s', (_, seen) => {
    const items: Items = new Map();
    note(items, 1);

    expect(note(items, 2, { seen })).toBe(false);
  });

  test('does not come back once it has expired: who saw it asks again', () => {
    expect(note(new Map(), 2, { seen: { job: 1, print: '', until: now } })).toBe(false);
  });

  test('is found after a deploy where it was written before', () => {
    expect(askedKey('k')).toEqual({ pk: 'ASKED#k', sk: 'CREATE' });
  });
});

test('there is a job if and only if there is a note of it', () => {
  const items: Items = new Map();
  const createNoted = (id: number) => create(newJob(id), [noteAsked('k', 'print', id, undefined, now)]);

  expect(applyTransaction(items, createNoted(1)).done).toBe(true);
  expect(applyTransaction(items, createNoted(2)).done).toBe(false);

  expect(items.has(nameOf(keys.job(1)))).toBe(true);
  expect(items.has(nameOf(keys.job(2)))).toBe(false);
});

test.each<[name: string, item: Item | undefined]>([
  ['is not there', undefined],
  ['has no job', { print: 'p', until: now }],
  ['has no print', { job: 1, until: now }],
  ['has no end', { job: 1, print: 'p' }],
])('an item that %s is no note', (_, item) => {
  expect(readAsked(item)).toBeUndefined();
});
