// dynalite writes an item and each of its index entries one after the other. Here an operation runs against a view
// that only notes its writes; then they are committed as one batch. So a write is whole or absent, whenever the
// process is killed, and a transaction is nothing but several operations with one commit.
import type { Item, Operation, Store, SubDb, Table } from 'dynalite/db/index.js';
import type { TableCache } from './table-cache.ts';

/** What an operation does to one item; `after` is `before` where it only looks. */
export interface Change {
  readonly table: Table;
  readonly key: string;
  readonly before: Item | undefined;
  after: Item | undefined;
}

export interface Recording {
  readonly store: Store;
  readonly operations: Operation[];
  /** By the key in the database, one per item that was read for writing, in order. */
  readonly changes: Map<string, Change>;
}

/** dynalite's key prefix of a table's items (fixed by the pinned version, and by data on disk). */
export const itemPrefix = (table: string) => `item-${table}~`;

/** Upper end of all keys with this prefix; dynalite's keys are ASCII. */
export const endOf = (prefix: string) => `${prefix}\xff`;

/**
 * A view of the store for one request. Reads go through, synchronously (dynalite's own way costs two promises and a
 * timer each); writes are noted.
 */
export function startRecording(store: Store, tables: TableCache): Recording {
  const operations: Operation[] = [];
  const changes = new Map<string, Change>();

  const view = (prefix: string, inner: SubDb, note?: (key: string, item: Item | undefined) => void): SubDb => ({
    get: (key, callback) => callback(null, store.db.getSync(prefix + key)),
    put(key, value, callback) {
      operations.push({ type: 'put', key: prefix + key, value });
      note?.(key, value as Item);
      callback(null);
    },
    del(key, callback) {
      operations.push({ type: 'del', key: prefix + key });
      note?.(key, undefined);
      callback(null);
    },
    // Writers come one at a time (the mutex in server.ts), so an item needs no lock of its own.
    lock: (_key, run) => run((callback) => callback),
    createValueStream: (options) => inner.createValueStream(options),
  });

  const viewItems = (name: string): SubDb => {
    const prefix = itemPrefix(name);
    const items = view(prefix, store.getItemDb(name), (key, item) => {
      (changes.get(prefix + key) as Change).after = item;
    });
    const get: SubDb['get'] = (key, callback) =>
      tables.getTable(name, true, (error, table) => {
        if (error || table === undefined) return callback(error);
        const item = store.db.getSync(prefix + key) as Item | undefined;
        changes.set(prefix + key, { table, key, before: item, after: item });
        callback(null, item);
      });
    return { ...items, get };
  };

  const recordingStore: Store = {
    ...store,
    getTable: tables.getTable,
    getItemDb: viewItems,
    getIndexDb: (kind, name, index) =>
      view(`index-${kind.toLowerCase()}~${name}~${index}~`, store.getIndexDb(kind, name, index)),
  };
  return { store: recordingStore, operations, changes };
}

/** Makes everything that was recorded durable, in one atomic batch. */
export async function commit(store: Store, recordings: readonly Recording[]): Promise<void> {
  const operations = recordings.flatMap((recording) => [
    ...recording.operations,
    ...[...recording.changes.values()].flatMap(moveExpiry),
  ]);
  if (operations.length > 0) await store.db.batch(operations);
}

/** Start of the expiry entries of a table: `ttl~<table>~<second, padded>~<key of the item>`. */
export const expiryPrefix = (table: string) => `ttl~${table}~`;

/** The key of an item's expiry entry, so that expired items are found without reading the table. */
export function expiryKey(table: Table, key: string, item: Item | undefined): string | undefined {
  const attribute = table.TimeToLiveDescription?.AttributeName;
  const second = attribute === undefined ? Number.NaN : Number(item?.[attribute]?.['N'] ?? Number.NaN);
  if (!(second >= 0)) return undefined;
  return `${expiryPrefix(table.TableName)}${padSecond(second)}~${key}`;
}

export const padSecond = (second: number) => String(Math.floor(second)).padStart(16, '0');

function moveExpiry({ table, key, before, after }: Change): Operation[] {
  const old = expiryKey(table, key, before);
  const now = expiryKey(table, key, after);
  if (old === now) return [];
  return [
    ...(old === undefined ? [] : [{ type: 'del', key: old } as const]),
    ...(now === undefined ? [] : [{ type: 'put', key: now, value: key } as const]),
  ];
}
