// Writes against the table: what the emulator shows, over it; what no emulator shows, with a mocked client. Each of the
// latter names the page of AWS that says that it can happen.
import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  InternalServerError,
  ProvisionedThroughputExceededException,
  PutItemCommand,
  ThrottlingException,
  TransactionCanceledException,
  TransactionConflictException,
  TransactionInProgressException,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { commit, query, read, type Table } from '../../aws/dynamo.ts';
import { Fault } from '../../core/errors.ts';
import type { Condition, Item, Transaction, Value, Write } from '../../core/writes.ts';
import { applyTransaction, type Items, nameOf } from '../model/store.ts';
import { openTestTable } from './service-helpers.ts';

const key = { pk: 'P', sk: 'S' };
const absent: Condition[] = [{ item: 'absent' }];
const one: Write = { op: 'put', key, item: { n: 1 }, when: absent };
const two: Transaction = [one, { op: 'delete', key: { pk: 'P', sk: 'T' }, when: [] }];

const meta = { $metadata: {} };
const cancelled = (...codes: readonly string[]) =>
  new TransactionCanceledException({
    ...meta,
    message: 'cancelled',
    CancellationReasons: codes.map((Code) => ({ Code })),
  });

function mocked(patienceMs?: number) {
  const client = new DynamoDBClient({ region: 'us-east-1', maxAttempts: 1 });
  const table: Table = { client, name: 'jobs', ...(patienceMs !== undefined && { patienceMs }) };
  return { table, sent: mockClient(client) };
}

const passing: readonly [name: string, error: Error][] = [
  // DynamoDB API Reference, TransactWriteItems, "CancellationReasons", and "Managing complex workflows with DynamoDB
  // transactions", "Transaction conflict handling": another transaction holds the item; the condition was not judged.
  ['a conflict with another transaction', cancelled('TransactionConflict', 'None')],
  ['conflicts of all its writes', cancelled('TransactionConflict', 'TransactionConflict')],
  // The same list: ThrottlingError and ProvisionedThroughputExceeded.
  ['throttling inside the transaction', cancelled('None', 'ThrottlingError')],
  ['no throughput inside the transaction', cancelled('ProvisionedThroughputExceeded', 'None')],
  // DynamoDB Developer Guide, "Error handling with DynamoDB", list of error codes.
  ['throttling', new ThrottlingException({ ...meta, message: 'slow down' })],
  ['no throughput', new ProvisionedThroughputExceededException({ ...meta, message: 'slow down' })],
  ['an internal error', new InternalServerError({ ...meta, message: 'oops' })],
  // DynamoDB API Reference, TransactWriteItems, errors: the same token is being worked on.
  ['the same transaction still under way', new TransactionInProgressException({ ...meta, Message: 'wait' } as never)],
  ['HTTP 503', Object.assign(new Error('unavailable'), { $metadata: { httpStatusCode: 503 } })],
  ['a time-out', Object.assign(new Error('timeout'), { name: 'TimeoutError' })],
  ['a reset connection', Object.assign(new Error('reset'), { code: 'ECONNRESET' })],
];

describe('a transaction that meets', () => {
  // TransactWriteItems, "ClientRequestToken": with the same token the call is idempotent for ten minutes.
  test.each(passing)('%s is sent again under the same token, and done', async (_, error) => {
    const { table, sent } = mocked();
    sent.on(TransactWriteItemsCommand).rejectsOnce(error).rejectsOnce(error).resolves({});

    expect(await commit(table, two)).toEqual({ done: true });

    const tokens = sent.commandCalls(TransactWriteItemsCommand).map(({ args }) => args[0].input.ClientRequestToken);
    expect(tokens).toHaveLength(3);
    expect(new Set(tokens).size).toBe(1);
    expect(tokens[0]).toMatch(/^.{1,36}$/);
  });

  test('a conflict and a failed condition is refused: nothing would change that', async () => {
    const { table, sent } = mocked();
    const error = new TransactionCanceledException({
      ...meta,
      message: 'cancelled',
      CancellationReasons: [
        { Code: 'ConditionalCheckFailed', Item: marshall({ ...key, n: 5 }) },
        { Code: 'TransactionConflict' },
      ],
    });
    sent.on(TransactWriteItemsCommand).rejects(error);

    expect(await commit(table, two)).toEqual({ done: false, refused: [{ ...key, n: 5 }, undefined] });
    expect(sent.calls()).toHaveLength(1);
  });

  test.each([
    ['a reason that no waiting mends', cancelled('ValidationError', 'TransactionConflict')],
    ['a wrong request', Object.assign(new Error('no such table'), { name: 'ResourceNotFoundException' })],
  ])('%s is a fault at once', async (_, error) => {
    const { table, sent } = mocked();
    sent.on(TransactWriteItemsCommand).rejects(error);

    await expect(commit(table, two)).rejects.toMatchObject({ name: 'Fault', cause: error });
    expect(sent.calls()).toHaveLength(1);
  });

  test('a conflict for longer than its patience is a fault that names its cause', async () => {
    const { table, sent } = mocked(30);
    const error = cancelled('TransactionConflict', 'None');
    sent.on(TransactWriteItemsCommand).rejects(error);

    await expect(commit(table, two)).rejects.toThrow(Fault);
    await expect(commit(table, two)).rejects.toMatchObject({ cause: error });
    expect(sent.calls().length).toBeGreaterThan(2);
  });

  test('nothing is sent once, and the next one has a token of its own', async () => {
    const { table, sent } = mocked();
    sent.on(TransactWriteItemsCommand).resolves({});
    await commit(table, two);
    await commit(table, two);

    const tokens = sent.commandCalls(TransactWriteItemsCommand).map(({ args }) => args[0].input.ClientRequestToken);
    expect(new Set(tokens).size).toBe(2);
  });
});

describe('a single write', () => {
  // DynamoDB Developer Guide, "Managing complex workflows with DynamoDB transactions": a PutItem is rejected with
  // TransactionConflictException while a transaction holds its item.
  test('that meets a transaction is sent again, and done', async () => {
    const { table, sent } = mocked();
    sent
      .on(PutItemCommand)
      .rejectsOnce(new TransactionConflictException({ ...meta, message: 'conflict' }))
      .resolves({});

    expect(await commit(table, one)).toEqual({ done: true });
    expect(sent.commandCalls(PutItemCommand)).toHaveLength(2);
    expect(sent.commandCalls(TransactWriteItemsCommand)).toHaveLength(0);
  });

  // "Error handling with DynamoDB": after a time-out the write may have happened. It has no token, so it is refused by
  // its own success, and what stands there lets the caller tell.
  test('whose answer was lost is refused with what it wrote itself', async () => {
    const { table, sent } = mocked();
    sent
      .on(PutItemCommand)
      .rejectsOnce(Object.assign(new Error('timeout'), { name: 'TimeoutError' }))
      .rejects(new ConditionalCheckFailedException({ ...meta, message: 'no', Item: marshall({ ...key, n: 1 }) }));

    expect(await commit(table, one)).toEqual({ done: false, refused: [{ ...key, n: 1 }] });
  });
});

describe('a transaction whose answer was lost, over the emulator,', () => {
  test('is done once, and says so', async () => {
    const table = await openTestTable();
    let lost = 0;
    table.client.middlewareStack.add(
      (next, context) => async (args) => {
        const answer = await next(args);
        if (context.commandName !== TransactWriteItemsCommand.name || lost++ > 0) return answer;
        throw Object.assign(new Error('timeout'), { name: 'TimeoutError' });
      },
      { step: 'initialize' },
    );
    const adds: Transaction = [{ op: 'update', key, set: {}, add: { n: 1 }, when: absent }, ...two.slice(1)];

    expect(await commit(table, adds)).toEqual({ done: true });
    expect(lost).toBe(2);
    expect(await read(table, key)).toMatchObject({ n: 1 });
  });
});

// ---------------------------------------------------------------- the same verdict in DynamoDB and in the model

const scalar = fc.oneof(fc.constantFrom('', 'a', 'b', '0'), fc.constantFrom(0, 1, -1.5), fc.boolean());
const value: fc.Arbitrary<Value> = fc.oneof(
  { weight: 5, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 2 }) },
  {
    weight: 2,
    arbitrary: fc.dictionary(fc.constantFrom('x', 'y', 'status'), scalar, { maxKeys: 2, noNullPrototype: true }),
  },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 3 }) },
);
// `status`, `token` and `size` are reserved words of DynamoDB; `constructor` is a path like any other.
const name = fc.constantFrom('status', 'token', 'size', 'm');
const anyItem = fc.option(fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true }), { nil: undefined });
const path = fc.oneof(
  name,
  fc.constant('constructor'),
  fc.constant('m.constructor'),
  fc.tuple(name, fc.constantFrom('x', 'y', 'status')).map((parts) => parts.join('.')),
);
const anyCondition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ item: fc.constantFrom('absent' as const, 'present' as const) }),
  fc.record({ attr: path, equals: scalar }),
  fc.record({ attr: path, differs: scalar }),
  fc.record({ attr: path, is: fc.constantFrom('missing' as const, 'there' as const) }),
);
const anyWhen = fc.array(anyCondition, { minLength: 1, maxLength: 3 });
const anySet = fc.dictionary(name, fc.option(value, { nil: undefined }), {
  minKeys: 1,
  maxKeys: 3,
  noNullPrototype: true,
});

const writeOf = (at: typeof key): fc.Arbitrary<Write> =>
  fc.oneof(
    fc.record({ op: fc.constant('put' as const), key: fc.constant(at), item: anySet, when: anyWhen }),
    fc.record({
      op: fc.constant('update' as const),
      key: fc.constant(at),
      set: anySet,
      add: fc.constantFrom({}, { version: 1 }, { version: -2, other: 1 }),
      when: anyWhen,
    }),
    fc.record({ op: fc.constant('delete' as const), key: fc.constant(at), when: anyWhen }),
    fc.record({ op: fc.constant('check' as const), key: fc.constant(at), when: anyWhen }),
  );

/** The same items in the table and in memory, under keys that no other round has. */
async function placed(table: Table, items: readonly (Item | undefined)[], round: number) {
  const store: Items = new Map();
  for (const [i, item] of items.entries()) {
    const put: Write = { op: 'put', key: { pk: `R${round}`, sk: String(i) }, item: item ?? {}, when: [] };
    if (!item) continue;
    await commit(table, put);
    applyTransaction(store, put);
  }
  return store;
}

test('every condition and every write means in DynamoDB what it means in the model', async () => {
  const table = await openTestTable();
  let round = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(anyItem, anyItem),
      fc.oneof(
        { weight: 2, arbitrary: writeOf({ pk: '?', sk: '0' }).map((write): Transaction => [write]) },
        { weight: 3, arbitrary: fc.tuple(writeOf({ pk: '?', sk: '0' }), writeOf({ pk: '?', sk: '1' })) },
      ),
      async (items, writes) => {
        const store = await placed(table, items, ++round);
        const pk = `R${round}`;
        const transaction = writes.map((write): Write => ({ ...write, key: { pk, sk: write.key.sk } }));

        expect(await commit(table, transaction)).toEqual(applyTransaction(store, transaction));

        for (const sk of ['0', '1']) expect(await read(table, { pk, sk })).toEqual(store.get(nameOf({ pk, sk })));
      },
    ),
    { numRuns: 150 },
  );
});

test('paths into maps are set, added and removed as the model does', async () => {
  const table = await openTestTable();
  const store = await placed(table, [{ types: { a: { n: 1 }, b: { n: 2 } } }], 0);
  const settings = { pk: 'R0', sk: '0' };
  const steps: Write[] = [
    { op: 'update', key: settings, set: { 'types.c': { n: 3 } }, when: [{ attr: 'types.c', is: 'missing' }] },
    { op: 'update', key: settings, set: { 'types.a.retired': 9 }, when: [{ attr: 'types.a.n', equals: 1 }] },
    { op: 'update', key: settings, set: { 'types.b': undefined }, when: [{ attr: 'types.b.n', differs: 5 }] },
    { op: 'update', key: settings, set: { 'types.a': undefined }, when: [{ attr: 'types.a.retired', equals: 8 }] },
  ];
  for (const step of steps) expect(await commit(table, step)).toEqual(applyTransaction(store, step));

  const item = await read(table, settings);
  expect(item).toEqual(store.get(nameOf(settings)));
  expect(item).toMatchObject({ types: { a: { n: 1, retired: 9 }, c: { n: 3 } } });
});

describe('a query', () => {
  async function filled(count: number): Promise<Table> {
    const table = await openTestTable();
    for (let i = 0; i < count; i++)
      await commit(table, { op: 'put', key: { pk: 'Q', sk: String(i).padStart(2, '0') }, item: { i }, when: [] });
    return table;
  }
  const ids = async (items: AsyncIterable<Item>) => (await Array.fromAsync(items)).map((item) => item['i']);

  test('gives items in order, from and to, backwards, so many', async () => {
    const table = await filled(6);

    expect(await ids(query(table, 'Q'))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await ids(query(table, 'Q', { from: '02' }))).toEqual([2, 3, 4, 5]);
    expect(await ids(query(table, 'Q', { to: '02' }))).toEqual([0, 1, 2]);
    expect(await ids(query(table, 'Q', { from: '01', to: '03', backwards: true }))).toEqual([3, 2, 1]);
    expect(await ids(query(table, 'Q', { limit: 2 }))).toEqual([0, 1]);
    expect(await ids(query(table, 'Nobody'))).toEqual([]);
  });

  test('reads on over pages, which end at 1 MB', async () => {
    const table = await openTestTable();
    for (let i = 0; i < 5; i++)
      await commit(table, {
        op: 'put',
        key: { pk: 'Q', sk: String(i) },
        item: { i, text: 'x'.repeat(390_000) },
        when: [],
      });
    let pages = 0;
    table.client.middlewareStack.add(
      (next) => (args) => {
        pages++;
        return next(args);
      },
      { step: 'initialize' },
    );

    expect(await ids(query(table, 'Q'))).toEqual([0, 1, 2, 3, 4]);
    expect(pages).toBe(2);
  });
});
