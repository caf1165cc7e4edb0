// TransactWriteItems and TransactGetItems, which dynalite lacks
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html).
import { createHash } from 'node:crypto';
import db, { type Item, type Store } from 'dynalite/db/index.js';
import { type CapacityDetail, type ConsumedCapacity, consumedByWrites, itemBytes, readUnits } from './capacity.ts';
import { type CheckedRequest, checkRequest, isServiceError, runOperation, serviceError } from './operations.ts';
import type { TableCache } from './table-cache.ts';
import { type Change, commit, itemPrefix, type Recording, startRecording } from './writes.ts';

const MAX_ACTIONS = 100;
const MAX_BYTES = 4 * 1024 * 1024;
const TOKEN_LIFETIME_MS = 10 * 60 * 1000;

type ActionName = 'Put' | 'Update' | 'Delete' | 'ConditionCheck';

interface Action {
  readonly TableName?: string;
  readonly Item?: Item;
  readonly Key?: Item;
  readonly ConditionExpression?: string;
  readonly ReturnValuesOnConditionCheckFailure?: string;
}

interface TransactWriteRequest {
  readonly TransactItems?: readonly Readonly<Partial<Record<ActionName, Action>>>[];
  readonly ClientRequestToken?: string;
  readonly ReturnConsumedCapacity?: CapacityDetail;
}

interface TransactGetRequest {
  readonly TransactItems?: readonly { readonly Get?: object }[];
  readonly ReturnConsumedCapacity?: CapacityDetail;
}

interface Checked {
  readonly name: ActionName;
  readonly action: Action;
  readonly data: CheckedRequest;
}

interface CancellationReason {
  readonly Code: string;
  readonly Message?: string;
  readonly Item?: Item;
}

/**
 * What was committed under a client's token in the last ten minutes: the request's fingerprint and the read units that
 * a repetition is told. Only in memory: a client does not outlive the emulator by a retry.
 */
export class RequestTokens {
  readonly #committed = new Map<string, { atMs: number; fingerprint: string; units: ReadonlyMap<string, number> }>();

  /** Throws `IdempotentParameterMismatchException` when the token was used for another request. */
  find(token: string, fingerprint: string): ReadonlyMap<string, number> | undefined {
    const known = this.#committed.get(token);
    if (known === undefined || Date.now() - known.atMs >= TOKEN_LIFETIME_MS) return undefined;
    if (known.fingerprint === fingerprint) return known.units;
    throw serviceError(
      'IdempotentParameterMismatchException',
      'The request uses the same client token as a previous, but non-identical request.',
    );
  }

  remember(token: string, fingerprint: string, changes: readonly Change[]): void {
    const atMs = Date.now();
    for (const [old, entry] of this.#committed) {
      if (atMs - entry.atMs < TOKEN_LIFETIME_MS) break;
      this.#committed.delete(old);
    }
    const units = new Map<string, number>();
    for (const { table, after } of changes) {
      units.set(table.TableName, (units.get(table.TableName) ?? 0) + readUnits(after, 2));
    }
    this.#committed.delete(token);
    this.#committed.set(token, { atMs, fingerprint, units });
  }
}

/**
 * Runs a transaction: every condition is evaluated before anything is written, then all writes are one batch. Must run
 * alone (the mutex in server.ts). Rejects with `TransactionCanceledException` and one reason per action, in order.
 */
export async function transactWrite(
  request: TransactWriteRequest,
  store: Store,
  tables: TableCache,
  tokens: RequestTokens,
): Promise<{ ConsumedCapacity?: ConsumedCapacity[] | undefined }> {
  const checked = checkActions(request.TransactItems, store);
  const token = request.ClientRequestToken;
  const fingerprint = token === undefined ? '' : fingerprintOf(request.TransactItems);
  const repeated = token === undefined ? undefined : tokens.find(token, fingerprint);
  // A repeated request only reads: AWS reports the read units of the items.
  if (repeated !== undefined) return { ConsumedCapacity: readCapacity(repeated, request.ReturnConsumedCapacity) };

  await refuseRepeatedItems(checked, tables);
  const recordings: Recording[] = [];
  const reasons: CancellationReason[] = [];
  for (const one of checked) {
    const recording = startRecording(store, tables);
    recordings.push(recording);
    reasons.push(await tryAction(one, recording));
  }
  if (reasons.some((reason) => reason.Code !== 'None')) throw canceled(reasons);

  const changes = recordings.flatMap((recording) => [...recording.changes.values()]);
  const bytes = changes.reduce((sum, change) => sum + itemBytes(change.after ?? {}), 0);
  if (bytes > MAX_BYTES) throw db.validationError('Transaction items can not exceed 4 MB in aggregate');
  await commit(store, recordings);
  if (token !== undefined) tokens.remember(token, fingerprint, changes);
  return { ConsumedCapacity: consumedByWrites(changes, request.ReturnConsumedCapacity, 2) };
}

/** Reads up to 100 items at one moment. Must run alone (the mutex in server.ts). */
export async function transactGet(
  request: TransactGetRequest,
  store: Store,
  tables: TableCache,
): Promise<Record<string, unknown>> {
  const items = request.TransactItems ?? [];
  refuseCount(items.length);
  const units = new Map<string, number>();
  const responses: object[] = [];
  for (const { Get: get } of items) {
    if (get === undefined) throw db.validationError('TransactItems can only contain Get');
    const data = checkRequest('GetItem', get, store);
    const recording = startRecording(store, tables);
    const { Item } = await runOperation('GetItem', data, recording.store);
    responses.push(Item === undefined ? {} : { Item });
    for (const { before } of recording.changes.values()) {
      units.set(data.TableName, (units.get(data.TableName) ?? 0) + readUnits(before, 2));
    }
  }
  return { Responses: responses, ConsumedCapacity: readCapacity(units, request.ReturnConsumedCapacity) };
}

function checkActions(items: TransactWriteRequest['TransactItems'], store: Store): Checked[] {
  refuseCount(items?.length ?? 0);
  return (items ?? []).map((item) => {
    const [entry, ...more] = Object.entries(item).filter(([, action]) => action != null) as [ActionName, Action][];
    if (entry === undefined || more.length > 0) {
      throw db.validationError('TransactItems can only contain one of Check, Put, Update or Delete');
    }
    const [name, action] = entry;
    if (name === 'ConditionCheck' && action.ConditionExpression === undefined) {
      throw db.validationError("The parameter 'ConditionExpression' is required but was not present in the request");
    }
    const operation = {
      Put: 'PutItem',
      Update: 'UpdateItem',
      Delete: 'DeleteItem',
      ConditionCheck: 'DeleteItem',
    } as const;
    return { name, action, data: checkRequest(operation[name], action, store) };
  });
}

function refuseCount(count: number): void {
  if (count >= 1 && count <= MAX_ACTIONS) return;
  throw db.validationError(
    "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length " +
      (count === 0 ? 'greater than or equal to 1' : `less than or equal to ${MAX_ACTIONS}`),
  );
}

async function refuseRepeatedItems(checked: readonly Checked[], tables: TableCache): Promise<void> {
  const seen = new Set<string>();
  for (const { action, data } of checked) {
    const table = await tables.find(data.TableName);
    const source = (action.Key ?? action.Item) as Item;
    // A key of the wrong shape is told by the action itself, as its reason.
    const key = Object.fromEntries(table.KeySchema.map(({ AttributeName: name }) => [name, source[name]])) as Item;
    if (db.validateKey(key, table) != null) continue;
    const place = itemPrefix(data.TableName) + db.createKey(key, table);
    if (seen.has(place)) throw db.validationError('Transaction request cannot include multiple operations on one item');
    seen.add(place);
  }
}

async function tryAction({ name, action, data }: Checked, recording: Recording): Promise<CancellationReason> {
  try {
    if (name === 'ConditionCheck') await checkCondition(data, recording.store);
    else await runOperation(`${name}Item`, data, recording.store);
    return { Code: 'None' };
  } catch (error) {
    if (!isServiceError(error)) throw error;
    const { __type: type, message = '' } = error.body;
    if (type.endsWith('#ValidationException')) return { Code: 'ValidationError', Message: message };
    if (!type.endsWith('#ConditionalCheckFailedException')) throw error;
    const old = action.ReturnValuesOnConditionCheckFailure === 'ALL_OLD' ? oldItem(recording) : undefined;
    return { Code: 'ConditionalCheckFailed', Message: message, ...(old === undefined ? {} : { Item: old }) };
  }
}

/** The item that a condition was held against, if there was one. */
export function oldItem(recording: Recording): Item | undefined {
  return [...recording.changes.values()].at(-1)?.before;
}

function checkCondition(data: CheckedRequest & { readonly Key?: Item }, store: Store): Promise<void> {
  return new Promise((resolve, reject) => {
    store.getTable(data.TableName, (error, table) => {
      if (error || table === undefined) return reject(error);
      const key = data.Key as Item;
      const invalid = db.validateKey(key, table);
      if (invalid != null) return reject(invalid);
      store.getItemDb(data.TableName).get(db.createKey(key, table), (_none, item) => {
        const failed = db.checkConditional(data, item as Item | undefined);
        if (failed != null) reject(failed);
        else resolve();
      });
    });
  });
}

function canceled(reasons: readonly CancellationReason[]) {
  const codes = reasons.map((reason) => reason.Code).join(', ');
  return serviceError(
    'TransactionCanceledException',
    `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes}]`,
    { CancellationReasons: reasons },
  );
}

/** Equal for requests that mean the same: the order of members does not count. */
function fingerprintOf(items: unknown): string {
  const sorted = JSON.stringify(items, (_name, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash('sha256').update(sorted).digest('base64');
}

function readCapacity(units: ReadonlyMap<string, number>, detail: CapacityDetail): ConsumedCapacity[] | undefined {
  if (detail === undefined || detail === 'NONE') return undefined;
  return [...units].map(([TableName, sum]) => ({
    TableName,
    CapacityUnits: sum,
    ReadCapacityUnits: sum,
    ...(detail === 'INDEXES' ? { Table: { CapacityUnits: sum, ReadCapacityUnits: sum } } : {}),
  }));
}
