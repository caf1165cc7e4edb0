// What a request consumes, by AWS's rules for read and write units
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html). dynalite counts
// UTF-16 units for bytes and leaves indexes out of writes, so writes and single reads are counted here.
import db, { type AttributeValue, type Index, type Item } from 'dynalite/db/index.js';
import type { Change } from './writes.ts';

export type CapacityDetail = 'NONE' | 'TOTAL' | 'INDEXES' | undefined;
export type ConsumedCapacity = Readonly<Record<string, unknown>>;

/** Bytes of an item: names and values in UTF-8, numbers about half a byte per digit, 3 bytes per list or map. */
export function itemBytes(item: Item): number {
  let bytes = 0;
  for (const name in item) {
    const value = item[name];
    // dynalite's index entries name projected attributes that the item does not have.
    if (value !== undefined) bytes += Buffer.byteLength(name) + valueBytes(value);
  }
  return bytes;
}

function valueBytes(attribute: AttributeValue): number {
  const type = Object.keys(attribute)[0] as string;
  const value = attribute[type];
  switch (type) {
    case 'S':
      return Buffer.byteLength(value as string);
    case 'B':
      return Buffer.byteLength(value as string, 'base64');
    case 'SS':
      return (value as string[]).reduce((sum, member) => sum + Buffer.byteLength(member), 0);
    case 'L':
      return (value as AttributeValue[]).reduce((sum, member) => sum + 1 + valueBytes(member), 3);
    case 'M':
      return 3 + Object.keys(value as Item).length + itemBytes(value as Item);
    default:
      return db.itemSize({ '': attribute });
  }
}

const writeUnits = (...items: (Item | undefined)[]) =>
  Math.max(1, ...items.map((item) => (item === undefined ? 0 : Math.ceil(itemBytes(item) / 1024))));

/** Read units of one item: 4 KB each; half of it for an eventually consistent read, twice in a transaction. */
export function readUnits(item: Item | undefined, factor: 0.5 | 1 | 2): number {
  return Math.max(1, item === undefined ? 0 : Math.ceil(itemBytes(item) / 4096)) * factor;
}

/**
 * Write units of the changes, one entry per table. The table's part counts twice in a transaction, index entries once
 * (they are written after the commit): 1 to add, remove or alter an entry, 2 to move it, 0 when nothing of it changed.
 */
export function consumedByWrites(
  changes: Iterable<Change>,
  detail: CapacityDetail,
  factor: 1 | 2 = 1,
): ConsumedCapacity[] | undefined {
  if (detail === undefined || detail === 'NONE') return undefined;
  const tables = new Map<string, { table: number; global: Map<string, number>; local: Map<string, number> }>();
  for (const change of changes) {
    const name = change.table.TableName;
    const units = tables.get(name) ?? { table: 0, global: new Map(), local: new Map() };
    tables.set(name, units);
    units.table += factor * writeUnits(change.before, change.after);
    addIndexUnits(change, change.table.GlobalSecondaryIndexes, units.global);
    addIndexUnits(change, change.table.LocalSecondaryIndexes, units.local);
  }
  return [...tables].map(([name, { table, global, local }]) => {
    const sum = [...global.values(), ...local.values()].reduce((total, units) => total + units, table);
    const total = { TableName: name, CapacityUnits: sum, ...(factor === 2 ? { WriteCapacityUnits: sum } : {}) };
    if (detail === 'TOTAL') return total;
    return {
      ...total,
      Table: { CapacityUnits: table },
      ...(global.size > 0 ? { GlobalSecondaryIndexes: byIndex(global) } : {}),
      ...(local.size > 0 ? { LocalSecondaryIndexes: byIndex(local) } : {}),
    };
  });
}

function byIndex(units: ReadonlyMap<string, number>) {
  return Object.fromEntries([...units].map(([name, CapacityUnits]) => [name, { CapacityUnits }]));
}

function addIndexUnits(change: Change, indexes: readonly Index[] | undefined, units: Map<string, number>): void {
  for (const index of indexes ?? []) {
    const old = entryOf(change.before, index, change);
    const now = entryOf(change.after, index, change);
    const moved = old !== undefined && now !== undefined && old.key !== now.key;
    const same = old?.key === now?.key && JSON.stringify(old?.item) === JSON.stringify(now?.item);
    const used = moved ? writeUnits(old.item) + writeUnits(now.item) : same ? 0 : writeUnits(old?.item, now?.item);
    if (used > 0) units.set(index.IndexName, (units.get(index.IndexName) ?? 0) + used);
  }
}

function entryOf(item: Item | undefined, index: Index, { table }: Change) {
  return item === undefined ? undefined : db.getIndexActions([index], undefined, item, table).puts[0];
}
