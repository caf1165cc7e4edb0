// Which job is started next: the oldest that may run (docs/design, "dispatch").
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Choice, freeSlots, type Heads, isBlocked, next, typesToRead } from '../../core/dispatch.ts';
import type { Board, DispatchType, Hold, QueueRow, Slot } from '../../core/job.ts';

const free: DispatchType = { runner: 'arn', concurrent: true, graceSeconds: 30, version: '1' };
const serial: DispatchType = { ...free, concurrent: false };
const retired: DispatchType = { ...free, retired: 1 };

const hold = (job: number, type: string): Hold => ({ job, type, token: `t${job}`, since: 0 });
const slot = (n: number, job: number, type: string): Slot => ({ ...hold(job, type), n });
const row = (id: number, type: string): QueueRow => ({
  id,
  type,
  repo: 2,
  owner: 'archivist',
  submitted: id,
  correlation: `c${id}`,
  inputs: 0,
  attempt: 1,
});
const heads = (...rows: readonly QueueRow[]): Heads => Map.groupBy(rows, ({ type }) => type);

function board(
  types: Readonly<Record<string, DispatchType>>,
  { limit = 2, paused = false, slots = [] as Slot[], locks = [] as Hold[] } = {},
): Board {
  return { settings: { limit, paused, types }, slots, locks };
}

/** A choice in a few words. */
function said(choice: Choice): string {
  if (choice.kind === 'none') return choice.because;
  return choice.kind === 'fail' ? `fail ${choice.row.id}` : `start ${choice.row.id} on slot ${choice.slot}`;
}

describe('the next job is', () => {
  const types = { a: free, b: free, s: serial, z: serial };
  test.each<[name: string, board: Board, heads: Heads, choice: string]>([
    ['nothing when nothing is queued', board(types), heads(), 'nothing may run'],
    ['the only one', board(types), heads(row(5, 'a')), 'start 5 on slot 0'],
    ['the oldest of one type', board(types), heads(row(5, 'a'), row(6, 'a')), 'start 5 on slot 0'],
    ['the oldest whatever its type', board(types), heads(row(7, 'a'), row(6, 'b'), row(8, 's')), 'start 6 on slot 0'],
    ['the oldest by number, not by word', board(types), heads(row(10, 'a'), row(9, 'b')), 'start 9 on slot 0'],
    ['put on the first free slot', board(types, { slots: [slot(0, 1, 'a')] }), heads(row(5, 'a')), 'start 5 on slot 1'],
    [
      'put on a slot in between',
      board(types, { limit: 3, slots: [slot(0, 1, 'a'), slot(2, 3, 'a')] }),
      heads(row(5, 'a')),
      'start 5 on slot 1',
    ],
    [
      'nothing while all slots are taken',
      board(types, { slots: [slot(0, 1, 'a'), slot(1, 2, 'a')] }),
      heads(row(5, 'a')),
      'full',
    ],
    [
      'a younger one of another type while a type is locked',
      board(types, { slots: [slot(0, 1, 's')], locks: [hold(1, 's')] }),
      heads(row(5, 's'), row(6, 'a')),
      'start 6 on slot 1',
    ],
    [
      'nothing while only a locked type is queued',
      board(types, { slots: [slot(0, 1, 's')], locks: [hold(1, 's')] }),
      heads(row(5, 's')),
      'nothing may run',
    ],
    [
      'of another serial type while one is locked',
      board(types, { slots: [slot(0, 1, 's')], locks: [hold(1, 's')] }),
      heads(row(5, 's'), row(6, 'z')),
      'start 6 on slot 1',
    ],
    [
      'nothing of a type whose lock is left over without a slot',
      board(types, { locks: [hold(1, 's')] }),
      heads(row(5, 's')),
      'nothing may run',
    ],
    [
      'nothing of a type that was concurrent and has a job running without a lock',
      board(types, { slots: [slot(0, 1, 's')] }),
      heads(row(5, 's')),
      'nothing may run',
    ],
    [
      'one of a type that was serial and left a lock behind',
      board(types, { slots: [slot(0, 1, 'a')], locks: [hold(1, 'a')] }),
      heads(row(5, 'a')),
      'start 5 on slot 1',
    ],
    ['nothing while the service is paused', board(types, { paused: true }), heads(row(5, 'a')), 'paused'],
    ['nothing when no thread is allowed', board(types, { limit: 0 }), heads(row(5, 'a')), 'full'],
    [
      'nothing while a lowered limit is exceeded',
      board(types, { limit: 1, slots: [slot(0, 1, 'a'), slot(1, 2, 'a')] }),
      heads(row(5, 'a')),
      'full',
    ],
    [
      'nothing while a job from before runs on a slot above a lowered limit',
      board(types, { limit: 1, slots: [slot(3, 1, 'a')] }),
      heads(row(5, 'a')),
      'full',
    ],
    [
      'put on a low slot while one above a lowered limit runs on',
      board(types, { limit: 2, slots: [slot(3, 1, 'a')] }),
      heads(row(5, 'a')),
      'start 5 on slot 0',
    ],
    ['to fail when its type is retired', board({ a: free, r: retired }), heads(row(5, 'r')), 'fail 5'],
    [
      'to start before a job of a retired type fails, however many of those there are',
      board({ a: free, r: retired }),
      heads(row(5, 'a'), row(4, 'r')),
      'start 5 on slot 0',
    ],
    [
      'to fail even while all slots are taken',
      board({ a: free, r: retired }, { limit: 1, slots: [slot(0, 1, 'a')] }),
      heads(row(5, 'r')),
      'fail 5',
    ],
    [
      'to fail even while a job of its retired type still runs',
      board({ r: { ...serial, retired: 1 } }, { slots: [slot(0, 1, 'r')], locks: [hold(1, 'r')] }),
      heads(row(5, 'r')),
      'fail 5',
    ],
    ['not failed while the service is paused', board({ r: retired }, { paused: true }), heads(row(5, 'r')), 'paused'],
    ['never of a type the settings do not know', board({ a: free }), heads(row(5, 'unknown')), 'nothing may run'],
  ])('%s', (_, given, rows, choice) => {
    expect(said(next(given, rows))).toBe(choice);
  });

  test('started as its type is registered now', () => {
    const choice = next(board({ s: { ...serial, runner: 'arn:new' } }), heads(row(5, 's')));

    expect(choice).toMatchObject({ kind: 'start', type: { runner: 'arn:new', concurrent: false } });
  });
});

describe('the queues read for a decision are', () => {
  test.each<[name: string, board: Board, types: string[]]>([
    ['those of all types while all may start', board({ a: free, s: serial }), ['a', 's']],
    ['not those of locked types', board({ a: free, s: serial }, { locks: [hold(1, 's')] }), ['a']],
    ['none while the service is paused', board({ a: free, r: retired }, { paused: true }), []],
    [
      'only those of retired types while all slots are taken',
      board({ a: free, r: retired }, { limit: 1, slots: [slot(0, 1, 'a')] }),
      ['r'],
    ],
  ])('%s', (_, given, types) => {
    expect(typesToRead(given)).toEqual(types);
  });
});

// ---------------------------------------------------------------- for any board and any queue

const names = ['a', 'b', 's', 'z', 'r'];
const anyType = fc.record({
  runner: fc.constant('arn'),
  concurrent: fc.boolean(),
  graceSeconds: fc.constant(30),
  version: fc.constant('1'),
});
const anyHold = fc.record({
  job: fc.nat(50),
  type: fc.constantFrom(...names),
  token: fc.constantFrom('x', 'y'),
  since: fc.constant(0),
});
const anyBoard: fc.Arbitrary<Board> = fc.record({
  settings: fc.record({
    limit: fc.nat(5),
    paused: fc.constant(false),
    types: fc.dictionary(fc.constantFrom(...names), anyType, { noNullPrototype: true }),
  }),
  slots: fc.uniqueArray(
    fc.tuple(fc.nat(6), anyHold).map(([n, held]) => ({ ...held, n })),
    { selector: ({ n }) => n, maxLength: 6 },
  ),
  locks: fc.uniqueArray(anyHold, { selector: ({ type }) => type, maxLength: 3 }),
});
const anyHeads: fc.Arbitrary<Heads> = fc
  .uniqueArray(fc.tuple(fc.nat(100), fc.constantFrom(...names)), { selector: ([id]) => id, maxLength: 12 })
  .map((rows) => heads(...rows.toSorted(([a], [b]) => a - b).map(([id, type]) => row(id, type))));

describe('on any board', () => {
  test('no more jobs start than the limit, and each on a free slot below it', () => {
    fc.assert(
      fc.property(anyBoard, anyHeads, (given, rows) => {
        const choice = next(given, rows);
        if (choice.kind !== 'start') return;
        expect(given.slots.length).toBeLessThan(given.settings.limit);
        expect(choice.slot).toBeLessThan(given.settings.limit);
        expect(given.slots.map(({ n }) => n)).not.toContain(choice.slot);
      }),
    );
  });

  test('no job of a blocked type starts', () => {
    fc.assert(
      fc.property(anyBoard, anyHeads, (given, rows) => {
        const choice = next(given, rows);
        if (choice.kind !== 'start' || choice.type.concurrent) return;
        const { type } = choice.row;
        expect(given.locks.map((lock) => lock.type)).not.toContain(type);
        expect(given.slots.map((held) => held.type)).not.toContain(type);
        expect(isBlocked(given, type)).toBe(false);
      }),
    );
  });

  test('the job that starts is the oldest of all that may', () => {
    fc.assert(
      fc.property(anyBoard, anyHeads, (given, rows) => {
        const mayStart = (one: QueueRow) => {
          const type = given.settings.types[one.type];
          if (!type || given.slots.length >= given.settings.limit) return false;
          if (type.concurrent) return true;
          return ![...given.locks, ...given.slots].some((held) => held.type === one.type);
        };
        const startable = [...rows.values()].flat().filter(mayStart);
        const choice = next(given, rows);
        if (startable.length === 0) expect(choice.kind).toBe('none');
        else expect(choice).toMatchObject({ kind: 'start', row: { id: Math.min(...startable.map(({ id }) => id)) } });
      }),
    );
  });

  test('free slots are as many as the limit leaves', () => {
    fc.assert(
      fc.property(anyBoard, (given) => {
        const most = Math.max(0, given.settings.limit - given.slots.length);
        expect(freeSlots(given).length).toBe(most);
      }),
    );
  });

  test('heads of types that need not be read change nothing', () => {
    fc.assert(
      fc.property(anyBoard, anyHeads, (given, rows) => {
        const read = typesToRead(given);
        const onlyRead = new Map([...rows].filter(([type]) => read.includes(type)));
        expect(next(given, onlyRead)).toEqual(next(given, rows));
      }),
    );
  });
});
