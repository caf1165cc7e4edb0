import { randomUUID } from 'node:crypto';
import {
  type AttributeValue,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactGetItemsCommand,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import { Fault } from '../core/errors.ts';
import type { Condition, Item, Key, Transaction, Value, Write, Written } from '../core/writes.ts';

/** One table, and for how long a call may go on trying. */
export interface Table {
  readonly client: DynamoDBClient;
  readonly name: string;
  /** How long after its first try a write gives up on conflicts and throttles, in milliseconds. @default 20 s */
  readonly patienceMs?: number;
}

const defaultPatienceMs = 20_000;
/** Full jitter between tries, up to this (AWS Architecture Blog, "Exponential Backoff And Jitter"). */
const longestPauseMs = 1_000;

/**
 * Sends a transaction, or a single write as such. Returns what was refused and why; throws `Fault` when the table
 * could not be reached in time, and then the write may have happened.
 *
 * A conflict with another transaction is not a refusal: it, throttling, a timeout and a 5xx are tried again with the
 * same ClientRequestToken, which the SDK does not do (AWS: "TransactionCanceledException", design 3.8). A single write
 * has no such token: after an answer that was lost it may be refused by its own success, so its conditions must be
 * such that the caller can tell.
 */
export async function commit(table: Table, transaction: Transaction | Write): Promise<Written> {
  const writes: Transaction = Array.isArray(transaction) ? transaction : [transaction as Write];
  const token = randomUUID();
  const started = Date.now();
  for (let attempt = 0; ; attempt++) {
    try {
      const [only] = writes;
      if (writes.length === 1 && only && only.op !== 'check') await sendOne(table, only);
      else
        await table.client.send(
          new TransactWriteItemsCommand({
            TransactItems: writes.map((write) => rendered(table, write)),
            ClientRequestToken: token,
          }),
        );
      return { done: true };
    } catch (error) {
      const refused = refusal(error, writes.length);
      if (refused) return { done: false, refused };
      const leftMs = started + (table.patienceMs ?? defaultPatienceMs) - Date.now();
      if (!mayTryAgain(error) || leftMs <= 0) throw new Fault('The table did not take a write.', error);
      const pauseMs = Math.random() * Math.min(longestPauseMs, 10 * 2 ** attempt, leftMs);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

/** Reads one item as it stands now, or, with `stale`, as it may have stood a moment ago at half the price. */
export async function read(table: Table, key: Key, stale = false): Promise<Item | undefined> {
  const { Item: item } = await table.client.send(
    new GetItemCommand({ TableName: table.name, Key: marshall(key), ConsistentRead: !stale }),
  );
  return item && asItem(item);
}

/** Reads items as they stand at one moment, at twice the price of a consistent read; at most 100. */
export async function readTogether(table: Table, keys: readonly Key[]): Promise<readonly (Item | undefined)[]> {
  const { Responses: responses = [] } = await table.client.send(
    new TransactGetItemsCommand({
      TransactItems: keys.map((key) => ({ Get: { TableName: table.name, Key: marshall(key) } })),
    }),
  );
  return responses.map(({ Item: item }) => item && asItem(item));
}

export interface QueryOptions {
  /** Only items whose sort key is at least / at most this. */
  readonly from?: string;
  readonly to?: string;
  readonly backwards?: boolean;
  /** How many items at most; all when absent. */
  readonly limit?: number;
  readonly index?: string;
}

/** Yields the items of a partition in the order of their sort key; consistent, except on an index. */
export async function* query(table: Table, pk: string, options: QueryOptions = {}): AsyncGenerator<Item> {
  const { from, to, backwards = false, limit, index } = options;
  const names = index ? { '#p': 'gpk', '#s': 'gsk' } : { '#p': 'pk', '#s': 'sk' };
  const range =
    from !== undefined && to !== undefined
      ? ' AND #s BETWEEN :f AND :t'
      : from !== undefined
        ? ' AND #s >= :f'
        : to !== undefined
          ? ' AND #s <= :t'
          : '';
  let left = limit ?? Number.POSITIVE_INFINITY;
  let start: Record<string, AttributeValue> | undefined;
  do {
    const page = await table.client.send(
      new QueryCommand({
        TableName: table.name,
        KeyConditionExpression: `#p = :p${range}`,
        ExpressionAttributeNames: range ? names : { '#p': names['#p'] },
        ExpressionAttributeValues: marshall({ ':p': pk, ':f': from, ':t': to }, { removeUndefinedValues: true }),
        ConsistentRead: index === undefined,
        ScanIndexForward: !backwards,
        ...(index && { IndexName: index }),
        ...(limit !== undefined && { Limit: Math.min(left, 1_000) }),
        ...(start && { ExclusiveStartKey: start }),
      }),
    );
    for (const item of page.Items ?? []) {
      yield asItem(item);
      if (--left === 0) return;
    }
    start = page.LastEvaluatedKey;
  } while (start);
}

async function sendOne(table: Table, write: Exclude<Write, { op: 'check' }>): Promise<void> {
  const { Put, Update, Delete } = rendered(table, write);
  if (Put) await table.client.send(new PutItemCommand(Put));
  if (Update)
    await table.client.send(new UpdateItemCommand({ ...Update, UpdateExpression: Update.UpdateExpression ?? '' }));
  if (Delete) await table.client.send(new DeleteItemCommand(Delete));
}

/** A write as DynamoDB takes it. */
export function rendered(table: Pick<Table, 'name'>, write: Write): TransactWriteItem {
  const names = new Names();
  const condition = conditionExpression(write.when, names);
  const update = write.op === 'update' ? updateExpression(write.set, write.add ?? {}, names) : undefined;
  const shared = {
    TableName: table.name,
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
    ...(condition && { ConditionExpression: condition }),
    ...names.rendered(),
  };
  switch (write.op) {
    case 'put':
      return { Put: { ...shared, Item: marshal({ ...write.item, ...write.key }) } };
    case 'update':
      return { Update: { ...shared, Key: marshall(write.key), UpdateExpression: update ?? '' } };
    case 'delete':
      return { Delete: { ...shared, Key: marshall(write.key) } };
    case 'check':
      return { ConditionCheck: { ...shared, Key: marshall(write.key), ConditionExpression: condition } };
    default:
      return write satisfies never;
  }
}

class Names {
  readonly #names: string[] = [];
  readonly #values: Value[] = [];
  name(path: string): string {
    return path
      .split('.')
      .map((part) => {
        const known = this.#names.indexOf(part);
        return `#n${known >= 0 ? known : this.#names.push(part) - 1}`;
      })
      .join('.');
  }
  value(value: Value): string {
    return `:v${this.#values.push(value) - 1}`;
  }
  rendered() {
    return {
      ...(this.#names.length && {
        ExpressionAttributeNames: Object.fromEntries(this.#names.map((name, i) => [`#n${i}`, name])),
      }),
      ...(this.#values.length && {
        ExpressionAttributeValues: marshal(Object.fromEntries(this.#values.map((value, i) => [`:v${i}`, value]))),
      }),
    };
  }
}

function conditionExpression(when: readonly Condition[], names: Names): string {
  return when
    .map((condition) => {
      if ('item' in condition)
        return `attribute_${condition.item === 'absent' ? 'not_' : ''}exists(${names.name('pk')})`;
      if ('equals' in condition) return `${names.name(condition.attr)} = ${names.value(condition.equals)}`;
      if ('differs' in condition) {
        const name = names.name(condition.attr);
        return `(attribute_not_exists(${name}) OR ${name} <> ${names.value(condition.differs)})`;
      }
      return `attribute_${condition.is === 'missing' ? 'not_' : ''}exists(${names.name(condition.attr)})`;
    })
    .join(' AND ');
}

function updateExpression(set: Item, add: Readonly<Record<string, number>>, names: Names): string {
  const sets = Object.entries(set).flatMap(([path, value]) =>
    value === undefined ? [] : [`${names.name(path)} = ${names.value(value)}`],
  );
  const removes = Object.entries(set).flatMap(([path, value]) => (value === undefined ? [names.name(path)] : []));
  const adds = Object.entries(add).map(([path, value]) => `${names.name(path)} ${names.value(value)}`);
  return [
    sets.length ? `SET ${sets.join(', ')}` : '',
    removes.length ? `REMOVE ${removes.join(', ')}` : '',
    adds.length ? `ADD ${adds.join(', ')}` : '',
  ]
    .filter(Boolean)
    .join(' ');
}

const marshal = (item: Item) => marshall(item, { removeUndefinedValues: true });

const isRefused = (code: string | undefined) => code === 'ConditionalCheckFailed';

/** What an error says was refused, by write; undefined when it says something else. */
function refusal(error: unknown, count: number): (Item | null | undefined)[] | undefined {
  const old = (item: Record<string, AttributeValue> | undefined) => (item ? asItem(item) : null);
  if (error instanceof ConditionalCheckFailedException) return [old(error.Item)];
  if (!(error instanceof TransactionCanceledException)) return undefined;
  const reasons = error.CancellationReasons ?? [];
  if (!reasons.some(({ Code }) => isRefused(Code))) return undefined;
  return Array.from({ length: count }, (_, i) => (isRefused(reasons[i]?.Code) ? old(reasons[i]?.Item) : undefined));
}

const passing = new Set([
  'TransactionConflict',
  'ThrottlingError',
  'ProvisionedThroughputExceeded',
  'TransactionConflictException',
  'TransactionInProgressException',
  'ThrottlingException',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'InternalServerError',
  'TimeoutError',
  'RequestTimeout',
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
]);

function mayTryAgain(error: unknown): boolean {
  if (error instanceof TransactionCanceledException) {
    return (error.CancellationReasons ?? []).every(({ Code = 'None' }) => Code === 'None' || passing.has(Code));
  }
  const {
    name = '',
    code = '',
    $metadata,
  } = error as { name?: string; code?: string; $metadata?: { httpStatusCode?: number } };
  return passing.has(name) || passing.has(code) || ($metadata?.httpStatusCode ?? 0) >= 500;
}

/** Numbers that JavaScript has not exactly come as near as it has them: a runner may have written any. */
const asItem = (item: Record<string, AttributeValue>) => unmarshall(item, { wrapNumbers: Number }) as Item;
