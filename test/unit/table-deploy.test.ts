// What a deployment writes: the settings of dispatch, and the registry of types, each type with one owner.
import { expect, test } from 'vitest';
import { type DispatchType, fromItem, type Settings } from '../../core/job.ts';
import * as commands from '../../core/table.ts';
import { keys } from '../../core/table.ts';
import type { Key, Transaction, Write } from '../../core/writes.ts';
import { applyTransaction, type Items, nameOf } from '../model/store.ts';

const free: DispatchType = { runner: 'arn', concurrent: true, graceSeconds: 30, version: '1' };

function done(items: Items, transaction: Transaction | Write): void {
  expect(applyTransaction(items, transaction)).toEqual({ done: true });
}
const itemAt = (items: Items, key: Key) => items.get(nameOf(key));
const registered = (owner: string): commands.RegisteredType => ({
  type: 'a_job',
  schema: '{}',
  version: '1',
  hidden: false,
  createPermissions: ['x'],
  cancelPermissions: ['y', 'z'],
  owner,
  dispatch: free,
});
const settings = (items: Items) => fromItem<Settings>(itemAt(items, keys.settings) ?? {});
function deployed(): Items {
  const items: Items = new Map();
  done(items, commands.firstSettings(2));
  done(items, commands.registerType(registered('plugins/a'), undefined));
  return items;
}

test('a type keeps what it says of its files, where it says something', () => {
  const items = deployed();
  expect(itemAt(items, keys.type('a_job'))).not.toHaveProperty('files');

  const files = { min: 1, types: ['.xml'] };
  done(items, commands.registerType({ ...registered('plugins/a'), files }, { owner: 'plugins/a' }));

  expect(itemAt(items, keys.type('a_job'))).toMatchObject({ files });
});

test('the first settings are written once', () => {
  const items = deployed();

  expect(applyTransaction(items, commands.firstSettings(5)).done).toBe(false);
  expect(settings(items)).toMatchObject({ limit: 2, paused: false });
});

test.each<[name: string, command: Transaction | Write]>([
  ['a limit', commands.setLimit(3)],
  ['a type', commands.registerType(registered('plugins/a'), undefined)],
])('%s is refused before the first settings, and makes none', (_, command) => {
  const items: Items = new Map();

  expect(applyTransaction(items, command).done).toBe(false);
  expect(items.size).toBe(0);
});

test('a type is not retired where there are no settings', () => {
  const items = deployed();
  items.delete(nameOf(keys.settings));

  expect(applyTransaction(items, commands.retireType('a_job', 'plugins/a', 99)).done).toBe(false);
  expect([...items.keys()]).toEqual([nameOf(keys.type('a_job'))]);
});

test('a type is as it was registered last, by its owner', () => {
  const items = deployed();
  done(items, commands.registerType({ ...registered('plugins/a'), version: '2' }, { owner: 'plugins/a' }));

  expect(itemAt(items, keys.type('a_job'))).toMatchObject({
    version: '2',
    owner: 'plugins/a',
    createPermissions: ['x'],
    cancelPermissions: ['y', 'z'],
  });
});

test('a type of another owner is not retired', () => {
  const items = deployed();

  expect(applyTransaction(items, commands.retireType('a_job', 'plugins/b', 99)).done).toBe(false);
  expect(settings(items).types['a_job']).toEqual(free);
});

test('a lower limit takes nothing else away', () => {
  const items = deployed();
  done(items, commands.setLimit(1));

  expect(settings(items)).toMatchObject({ limit: 1, types: { a_job: free } });
});

test('a type of another owner is not taken over', () => {
  const items = deployed();

  expect(applyTransaction(items, commands.registerType(registered('plugins/b'), undefined)).done).toBe(false);
  const asB = commands.registerType(registered('plugins/b'), { owner: 'plugins/b' });
  expect(applyTransaction(items, asB).done).toBe(false);
  expect(itemAt(items, keys.type('a_job'))).toMatchObject({ owner: 'plugins/a' });
});

test('a retired type keeps its queue until it is forgotten, and is back when it is registered again', () => {
  const items = deployed();
  done(items, commands.retireType('a_job', 'plugins/a', 99));
  expect(itemAt(items, keys.type('a_job'))).toBeUndefined();
  expect(settings(items).types['a_job']).toEqual({ ...free, retired: 99 });

  done(items, commands.registerType(registered('plugins/b'), undefined));
  expect(settings(items).types['a_job']).toEqual(free);
  expect(applyTransaction(items, commands.forgetType('a_job', 99)).done).toBe(false);
});

test('a retired type is forgotten', () => {
  const items = deployed();
  done(items, commands.retireType('a_job', 'plugins/a', 99));
  done(items, commands.forgetType('a_job', 99));

  expect(settings(items).types).toEqual({});
});

test('a queue that nobody reads is read again, so that its jobs fail', () => {
  const items = deployed();
  done(items, commands.readQueueOf('lost_job', 99));

  expect(settings(items).types['lost_job']).toEqual({
    runner: '',
    concurrent: true,
    graceSeconds: 0,
    version: '',
    retired: 99,
  });
  expect(applyTransaction(items, commands.readQueueOf('a_job', 99)).done).toBe(false);
});
