// DynamoDB on loopback: dynalite's operations behind our own HTTP handler, with what dynalite lacks: transactions,
// ALL_OLD on a failed condition, time to live, write units of indexes, and writes that survive a kill whole.
//
// Not here: TransactionConflict (transactions run one after the other), throttling, an index that lags, streams,
// PartiQL, UpdateTable. Query and Scan count read units as dynalite does (UTF-16 units for bytes).
import dynalite, { type Store, type Table } from 'dynalite/db/index.js';
import { type LoopbackServer, listenOnLoopback, readBody, sendJson } from '../loopback.ts';
import { consumedByWrites, readUnits } from './capacity.ts';
import { type CheckedRequest, checkRequest, isServiceError, type OperationName, runOperation } from './operations.ts';
import { TableCache } from './table-cache.ts';
import { deleteExpired, describeTimeToLive, removeTimeToLive, updateTimeToLive } from './time-to-live.ts';
import { oldItem, RequestTokens, transactGet, transactWrite } from './transactions.ts';
import { commit, endOf, startRecording } from './writes.ts';

const TTL_SWEEP_MS = 60_000;
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

export interface DynamoDbOptions {
  /** @default any free port */
  readonly port?: number;
  /** Folder that keeps the data over restarts and kills; without it they are kept in memory. */
  readonly path?: string;
  /** How often expired items are deleted. @default 60000 */
  readonly ttlSweepMs?: number;
}

/**
 * Starts DynamoDB. Any credentials and any region are taken; there is one account.
 *
 * Rejects when another process holds the data folder, and with `EADDRINUSE` when the port is taken.
 */
export async function startDynamoDb(options: DynamoDbOptions = {}): Promise<LoopbackServer> {
  const store = dynalite.create({ path: options.path, createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
  await openStore(store, options.path);
  await finishTables(store);

  const tables = new TableCache(store);
  const alone = createMutex();
  const answer = createHandler(store, tables, alone);
  const server = await listenOnLoopback(async (request, response) => {
    if (request.method !== 'POST') {
      response.end('healthy');
      return;
    }
    const body = await readBody(request);
    const name = String(request.headers['x-amz-target']).replace(/^DynamoDB_20120810\./, '');
    try {
      if (body.length > MAX_REQUEST_BYTES) throw dynalite.validationError('Request size exceeded the 16 MB limit');
      sendJson(response, 200, await answer(name, parseRequest(body)));
    } catch (error) {
      if (!isServiceError(error)) throw error;
      sendJson(response, error.statusCode, error.body);
    }
  }, options.port).catch(async (error: unknown) => {
    await store.db.close();
    throw error;
  });

  let sweep = Promise.resolve();
  const timer = setInterval(() => {
    sweep = sweep.then(() => deleteExpired(store, tables, alone)).catch((error: unknown) => console.error(error));
  }, options.ttlSweepMs ?? TTL_SWEEP_MS);

  return {
    endpoint: server.endpoint,
    close: async () => {
      clearInterval(timer);
      await server.close();
      await sweep;
      await alone(async () => {});
      await store.db.close();
    },
  };
}

async function openStore(store: Store, path: string | undefined): Promise<void> {
  try {
    await store.db.open();
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause;
    if (cause?.code !== 'LEVEL_LOCKED') throw error;
    throw new Error(`The DynamoDB data in ${path} is in use by another process. Stop it, or choose another folder.`, {
      cause: error,
    });
  }
}

/** A table whose creation or deletion the last process did not finish is finished now. */
async function finishTables(store: Store): Promise<void> {
  for await (const [key, value] of store.db.iterator({ gte: 'table~', lt: endOf('table~') })) {
    const table = value as Table;
    if (table.TableStatus === 'CREATING') {
      const indexes = table.GlobalSecondaryIndexes?.map((index) => ({ ...index, IndexStatus: 'ACTIVE' }));
      const active = { ...table, TableStatus: 'ACTIVE', ...(indexes ? { GlobalSecondaryIndexes: indexes } : {}) };
      await store.db.batch([{ type: 'put', key, value: active }]);
    }
    if (table.TableStatus === 'DELETING') {
      await runOperation('DeleteTable', { TableName: table.TableName }, store);
      await removeTimeToLive(table.TableName, store);
    }
  }
}

type Alone = <T>(run: () => Promise<T>) => Promise<T>;

/**
 * One writer at a time. Readers need no lock: each reads one snapshot, and each commit is one batch; only
 * TransactGetItems, which reads several times, takes the writers' turn.
 */
function createMutex(): Alone {
  let tail: Promise<unknown> = Promise.resolve();
  return (run) => {
    const result = tail.then(run);
    tail = result.catch(() => {});
    return result;
  };
}

type Answer = (name: string, request: Record<string, unknown>) => Promise<object>;

function createHandler(store: Store, tables: TableCache, alone: Alone): Answer {
  const tokens = new RequestTokens();

  const changeTable = (run: () => Promise<object>) =>
    alone(async () => {
      tables.clear();
      return run().finally(() => tables.clear());
    });

  return async (name, request) => {
    switch (name) {
      case 'GetItem':
      case 'BatchGetItem':
      case 'Query':
      case 'Scan':
        return read(name, checkRequest(name, request, store));
      case 'DescribeTable':
      case 'ListTables':
        return runOperation(name, checkRequest(name, request, store), store);
      case 'PutItem':
      case 'UpdateItem':
      case 'DeleteItem':
      case 'BatchWriteItem': {
        const data = checkRequest(name, request, store);
        const wantsOld = request['ReturnValuesOnConditionCheckFailure'] === 'ALL_OLD';
        return alone(() => write(name, data, wantsOld));
      }
      case 'CreateTable':
        return changeTable(() => runOperation(name, checkRequest(name, request, store), store));
      case 'DeleteTable':
        return changeTable(async () => {
          const data = checkRequest(name, request, store);
          const result = await runOperation(name, data, store);
          await removeTimeToLive(data.TableName, store);
          return result;
        });
      case 'UpdateTimeToLive':
        return changeTable(() => updateTimeToLive(request, store, tables));
      case 'DescribeTimeToLive':
        return describeTimeToLive(request, tables);
      case 'TransactWriteItems':
        return alone(() => transactWrite(request, store, tables, tokens));
      case 'TransactGetItems':
        return alone(() => transactGet(request, store, tables));
      default:
        throw unknownOperation();
    }
  };

  async function read(name: OperationName, data: CheckedRequest): Promise<object> {
    const recording = startRecording(store, tables);
    const result = await runOperation(name, data, recording.store);
    const consumed = result['ConsumedCapacity'] as { CapacityUnits: number } | undefined;
    const factor = data.ConsistentRead === true ? 1 : 0.5;
    if (name === 'GetItem' && consumed !== undefined) {
      consumed.CapacityUnits = readUnits([...recording.changes.values()][0]?.before, factor);
    }
    // A query that finds nothing costs the smallest read.
    if (name === 'Query' && consumed?.CapacityUnits === 0) consumed.CapacityUnits = factor;
    return result;
  }

  async function write(name: OperationName, data: CheckedRequest, wantsOld: boolean): Promise<object> {
    const recording = startRecording(store, tables);
    try {
      const result = await runOperation(name, data, recording.store);
      await commit(store, [recording]);
      const consumed = consumedByWrites(recording.changes.values(), data.ReturnConsumedCapacity);
      return { ...result, ConsumedCapacity: name === 'BatchWriteItem' ? consumed : consumed?.[0] };
    } catch (error) {
      const failed = isServiceError(error) && error.body.__type.endsWith('#ConditionalCheckFailedException');
      const old = failed && wantsOld ? oldItem(recording) : undefined;
      if (isServiceError(error) && old !== undefined) error.body['Item'] = old;
      throw error;
    }
  }
}

function parseRequest(body: Buffer): Record<string, unknown> {
  try {
    return JSON.parse(body.toString()) as Record<string, unknown>;
  } catch {
    throw Object.assign(new Error('The request is not JSON'), {
      statusCode: 400,
      body: { __type: 'com.amazon.coral.service#SerializationException' },
    });
  }
}

function unknownOperation() {
  return Object.assign(new Error('Unknown operation'), {
    statusCode: 400,
    body: { __type: 'com.amazon.coral.service#UnknownOperationException' },
  });
}
