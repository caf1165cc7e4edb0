// Time to live: dynalite has none. An item's expiry has an entry of its own (writes.ts), so that a sweep costs what
// it deletes and not what the table holds.
import db, { type Item, type Store, type Table } from 'dynalite/db/index.js';
import { checkRequest, runOperation } from './operations.ts';
import type { TableCache } from './table-cache.ts';
import { commit, endOf, expiryKey, expiryPrefix, itemPrefix, padSecond, startRecording } from './writes.ts';

/** Older than this, an attribute is taken for a mistake and the item stays. */
const MAX_AGE_S = 5 * 365 * 24 * 60 * 60;
const BATCH_SIZE = 1000;

interface UpdateRequest {
  readonly TableName?: string;
  readonly TimeToLiveSpecification?: { readonly Enabled?: boolean; readonly AttributeName?: string };
}

/** Turns time to live on or off. AWS takes up to an hour (`ENABLING`); here it is done when the call returns. */
export async function updateTimeToLive(request: UpdateRequest, store: Store, tables: TableCache): Promise<object> {
  const specification = request.TimeToLiveSpecification;
  if (specification?.AttributeName === undefined || specification.Enabled === undefined) {
    throw db.validationError("The parameter 'TimeToLiveSpecification' is required but was not present in the request");
  }
  const { TimeToLiveDescription: old, ...table } = await tables.find(String(request.TableName));
  if (specification.Enabled === (old !== undefined)) {
    throw db.validationError(`TimeToLive is already ${specification.Enabled ? 'enabled' : 'disabled'}`);
  }
  const description = { AttributeName: specification.AttributeName, TimeToLiveStatus: 'ENABLED' };
  const changed: Table = specification.Enabled ? { ...table, TimeToLiveDescription: description } : table;
  // Entries first: killed in between, the call is repeated and writes the same entries again.
  if (specification.Enabled) await addEntries(changed, store);
  else await removeTimeToLive(table.TableName, store);
  tables.clear();
  await store.db.batch([{ type: 'put', key: `table~${table.TableName}`, value: changed }]);
  return { TimeToLiveSpecification: specification };
}

export async function describeTimeToLive(request: { TableName?: string }, tables: TableCache): Promise<object> {
  const table = await tables.find(String(request.TableName));
  return { TimeToLiveDescription: table.TimeToLiveDescription ?? { TimeToLiveStatus: 'DISABLED' } };
}

/** Forgets all expiry entries of a table. */
export async function removeTimeToLive(table: string, store: Store): Promise<void> {
  const prefix = expiryPrefix(table);
  const keys: string[] = [];
  for await (const [key] of store.db.iterator({ gte: prefix, lt: endOf(prefix) })) keys.push(key);
  await store.db.batch(keys.map((key) => ({ type: 'del', key })));
}

/**
 * Deletes what has expired, as AWS does within days.
 *
 * @param alone runs a write while no other runs
 */
export async function deleteExpired(
  store: Store,
  tables: TableCache,
  alone: (write: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const nowS = Date.now() / 1000;
  for (const name of await timedTables(store)) {
    const prefix = expiryPrefix(name);
    const range = { gte: prefix + padSecond(Math.max(0, nowS - MAX_AGE_S)), lt: prefix + padSecond(nowS) };
    for await (const [entry, key] of store.db.iterator(range)) {
      await alone(() => deleteOne(name, entry, key as string, store, tables));
    }
  }
}

async function deleteOne(name: string, entry: string, key: string, store: Store, tables: TableCache): Promise<void> {
  const item = store.db.getSync(itemPrefix(name) + key) as Item | undefined;
  // The iterator shows an older state: the item may have been written again.
  if (item === undefined || store.db.getSync(entry) === undefined) return;
  const table = await tables.find(name);
  const key_ = Object.fromEntries(table.KeySchema.map(({ AttributeName: part }) => [part, item[part]]));
  const recording = startRecording(store, tables);
  const data = checkRequest('DeleteItem', { TableName: name, Key: key_ }, store);
  await runOperation('DeleteItem', data, recording.store);
  await commit(store, [recording]);
}

async function addEntries(table: Table, store: Store): Promise<void> {
  const prefix = itemPrefix(table.TableName);
  let puts: { type: 'put'; key: string; value: string }[] = [];
  for await (const [place, item] of store.db.iterator({ gte: prefix, lt: endOf(prefix) })) {
    const key = place.slice(prefix.length);
    const entry = expiryKey(table, key, item as Item);
    if (entry !== undefined) puts.push({ type: 'put', key: entry, value: key });
    if (puts.length < BATCH_SIZE) continue;
    await store.db.batch(puts);
    puts = [];
  }
  await store.db.batch(puts);
}

async function timedTables(store: Store): Promise<string[]> {
  const names: string[] = [];
  for await (const [, value] of store.db.iterator({ gte: 'table~', lt: endOf('table~') })) {
    const table = value as Table;
    if (table.TableStatus === 'ACTIVE' && table.TimeToLiveDescription !== undefined) names.push(table.TableName);
  }
  return names;
}
