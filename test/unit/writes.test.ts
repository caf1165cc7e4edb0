// Conditions, as data: the same condition is evaluated here, by the model, and sent to DynamoDB.
import { describe, expect, test } from 'vitest';
import { at, type Condition, holds, type Item, type Value } from '../../core/writes.ts';

const item: Item = {
  status: 'running',
  n: 0,
  open: false,
  types: { a: { retired: 5 }, b: {} },
  list: ['x'],
  bytes: new Uint8Array([1]),
  gone: undefined,
};

describe('a condition', () => {
  test.each<[condition: Condition, ofItem: boolean, ofNone: boolean]>([
    [{ item: 'present' }, true, false],
    [{ item: 'absent' }, false, true],
    [{ attr: 'status', equals: 'running' }, true, false],
    [{ attr: 'status', equals: 'queued' }, false, false],
    [{ attr: 'n', equals: 0 }, true, false],
    [{ attr: 'n', equals: '0' }, false, false],
    [{ attr: 'open', equals: false }, true, false],
    [{ attr: 'open', equals: 0 }, false, false],
    [{ attr: 'types.a.retired', equals: 5 }, true, false],
    [{ attr: 'status', differs: 'queued' }, true, true],
    [{ attr: 'status', differs: 'running' }, false, true],
    [{ attr: 'none', differs: 'x' }, true, true],
    [{ attr: 'n', differs: '0' }, true, true],
    [{ attr: 'status', is: 'there' }, true, false],
    [{ attr: 'none', is: 'there' }, false, false],
    [{ attr: 'none', is: 'missing' }, true, true],
    [{ attr: 'gone', is: 'missing' }, true, true],
    [{ attr: 'status', is: 'missing' }, false, true],
    [{ attr: 'types.b', is: 'there' }, true, false],
    [{ attr: 'types.b.retired', is: 'missing' }, true, true],
    [{ attr: 'types.c.retired', is: 'missing' }, true, true],
    [{ attr: 'status.x', is: 'missing' }, true, true],
    [{ attr: 'list.0', is: 'missing' }, true, true],
    [{ attr: 'bytes.0', is: 'missing' }, true, true],
  ])('%j is %s of an item, %s of none', (condition, ofItem, ofNone) => {
    expect(holds(item, [condition])).toBe(ofItem);
    expect(holds(undefined, [condition])).toBe(ofNone);
  });

  test('holds with others only when all do', () => {
    const yes: Condition = { attr: 'n', equals: 0 };
    const no: Condition = { attr: 'n', equals: 1 };

    expect(holds(item, [])).toBe(true);
    expect(holds(item, [yes, yes])).toBe(true);
    expect(holds(item, [yes, no])).toBe(false);
    expect(holds(item, [no, yes])).toBe(false);
  });

  // A job type may be called so: its name is a path in the settings.
  test.each(['types.constructor', 'types.toString', 'constructor'])('finds nothing at %s', (path) => {
    expect(holds(item, [{ attr: path, is: 'missing' }])).toBe(true);
  });
});

test.each<[path: string, value: Value | undefined]>([
  ['status', 'running'],
  ['types.a', { retired: 5 }],
  ['types.a.retired', 5],
  ['types.a.retired.more', undefined],
  ['none', undefined],
  ['none.more', undefined],
  ['', undefined],
])('at %s is %j', (path, value) => {
  expect(at(item, path)).toEqual(value);
});
