// The DynamoDB emulator's transactions, as AWS documents them (API reference, "Amazon DynamoDB Transactions: how it
// works"); nothing here was compared with AWS itself. It never answers TransactionConflict.
import {
  type DynamoDBClient,
  QueryCommand,
  TransactGetItemsCommand,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { describe, expect, test } from 'vitest';
import { get, keyOf, put, startOnDisk, startWithTable } from './dynamodb-helpers.ts';

const TableName = 'jobs';

function transact(client: DynamoDBClient, items: TransactWriteItem[], token?: string) {
  return client.send(
    new TransactWriteItemsCommand({ TransactItems: items, ClientRequestToken: token, ReturnConsumedCapacity: 'TOTAL' }),
  );
}

const takeSlot = (slot: number, job: string): TransactWriteItem => ({
  Put: {
    TableName,
    Item: { ...keyOf('BOARD', `SLOT#${slot}`), job: { S: job } },
    ConditionExpression: 'attribute_not_exists(pk)',
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  },
});

const add = (pk: string, amount: number): TransactWriteItem => ({
  Update: {
    TableName,
    Key: keyOf(pk),
    UpdateExpression: 'ADD n :n',
    ExpressionAttributeValues: { ':n': { N: String(amount) } },
  },
});

test('put, update, delete and condition check happen together', async () => {
  const client = await startWithTable();
  await put(client, keyOf('gone'));
  await put(client, keyOf('checked'));

  await transact(client, [
    takeSlot(1, 'a'),
    add('counted', 2),
    { Delete: { TableName, Key: keyOf('gone') } },
    { ConditionCheck: { TableName, Key: keyOf('checked'), ConditionExpression: 'attribute_exists(pk)' } },
  ]);

  expect(await get(client, 'BOARD', 'SLOT#1')).toMatchObject({ job: { S: 'a' } });
  expect(await get(client, 'counted')).toMatchObject({ n: { N: '2' } });
  expect(await get(client, 'gone')).toBeUndefined();
  expect(await get(client, 'checked')).toEqual(keyOf('checked'));
});

test('one failed condition cancels everything, with a reason for each action in order', async () => {
  const client = await startWithTable();
  await transact(client, [takeSlot(1, 'first')]);

  const error = await transact(client, [
    add('counted', 1),
    takeSlot(1, 'second'),
    { ConditionCheck: { TableName, Key: keyOf('none'), ConditionExpression: 'attribute_exists(pk)' } },
    takeSlot(2, 'second'),
  ]).catch((thrown: unknown) => thrown);

  expect(error).toBeInstanceOf(TransactionCanceledException);
  const reasons = (error as TransactionCanceledException).CancellationReasons;
  expect(reasons?.map((reason) => reason.Code)).toEqual([
    'None',
    'ConditionalCheckFailed',
    'ConditionalCheckFailed',
    'None',
  ]);
  expect(reasons?.map((reason) => reason.Item?.['job']?.S)).toEqual([undefined, 'first', undefined, undefined]);
  expect(await get(client, 'counted')).toBeUndefined();
  expect(await get(client, 'BOARD', 'SLOT#2')).toBeUndefined();
});

describe('a client request token', () => {
  test('makes a repetition do nothing and succeed', async () => {
    const client = await startWithTable();

    const first = await transact(client, [add('a', 1)], 'token');
    const second = await transact(client, [add('a', 1)], 'token');

    expect(await get(client, 'a')).toMatchObject({ n: { N: '1' } });
    expect(first.ConsumedCapacity).toMatchObject([{ WriteCapacityUnits: 2 }]);
    expect(second.ConsumedCapacity).toMatchObject([{ ReadCapacityUnits: 2 }]);
  });

  test('refuses another request', async () => {
    const client = await startWithTable();
    await transact(client, [add('a', 1)], 'token');

    const other = transact(client, [add('a', 2)], 'token');

    await expect(other).rejects.toMatchObject({ name: 'IdempotentParameterMismatchException' });
    expect(await get(client, 'a')).toMatchObject({ n: { N: '1' } });
  });

  test('of a canceled transaction may be used again', async () => {
    const client = await startWithTable();
    await put(client, keyOf('BOARD', 'SLOT#1'));
    await expect(transact(client, [takeSlot(1, 'a')], 'token')).rejects.toThrow();
    await transact(client, [{ Delete: { TableName, Key: keyOf('BOARD', 'SLOT#1') } }]);

    await transact(client, [takeSlot(1, 'a')], 'token');

    expect(await get(client, 'BOARD', 'SLOT#1')).toMatchObject({ job: { S: 'a' } });
  });
});

test.each<[string, TransactWriteItem[]]>([
  ['the same item twice', [takeSlot(1, 'a'), { Delete: { TableName, Key: keyOf('BOARD', 'SLOT#1') } }]],
  ['101 actions', Array.from({ length: 101 }, (_, i) => takeSlot(i, 'a'))],
  ['no action', []],
  ['two actions in one', [{ ...takeSlot(1, 'a'), ...add('b', 1) }]],
  ['a bad expression', [takeSlot(1, 'a'), { Update: { TableName, Key: keyOf('x'), UpdateExpression: 'SET' } }]],
  [
    'more than 4 MB',
    Array.from({ length: 11 }, (_, i) => ({
      Put: { TableName, Item: { ...keyOf(`big${i}`), x: { S: 'x'.repeat(400_000) } } },
    })),
  ],
])('%s is a ValidationException and writes nothing', async (_what, items) => {
  const client = await startWithTable();

  await expect(transact(client, items)).rejects.toMatchObject({ name: 'ValidationException' });

  expect(await get(client, 'BOARD', 'SLOT#1')).toBeUndefined();
});

test('100 actions are allowed', async () => {
  const client = await startWithTable();

  await transact(
    client,
    Array.from({ length: 100 }, (_, i) => takeSlot(i, 'a')),
  );

  expect(await get(client, 'BOARD', 'SLOT#99')).toBeDefined();
});

test('each write counts twice, its index entry once', async () => {
  const client = await startWithTable();

  const { ConsumedCapacity: consumed } = await transact(client, [
    { Put: { TableName, Item: { ...keyOf('a'), status: { S: 'queued' } } } },
    { Put: { TableName, Item: { ...keyOf('b'), x: { S: 'x'.repeat(1500) } } } },
    { ConditionCheck: { TableName, Key: keyOf('c'), ConditionExpression: 'attribute_not_exists(pk)' } },
  ]);

  expect(consumed).toEqual([{ TableName, CapacityUnits: 9, WriteCapacityUnits: 9 }]);
});

test('of many claims of two slots at once exactly two win, each with a slot of its own', async () => {
  const client = await startOnDisk();

  const claims = await Promise.allSettled(
    Array.from({ length: 40 }, (_, i) => transact(client, [takeSlot(i % 2, `job${i}`), add(`job${i}`, 1)])),
  );

  const winners = claims.flatMap((claim, i) => (claim.status === 'fulfilled' ? [`job${i}`] : []));
  const holders = [await get(client, 'BOARD', 'SLOT#0'), await get(client, 'BOARD', 'SLOT#1')];
  expect(holders.map((holder) => holder?.['job']?.S).sort()).toEqual([...winners].sort());
  expect(winners).toHaveLength(2);
  for (let i = 0; i < 40; i++) {
    expect((await get(client, `job${i}`)) !== undefined).toBe(winners.includes(`job${i}`));
  }
});

test('transactions and plain writes on one item respect each other', async () => {
  const client = await startOnDisk();
  await put(client, { ...keyOf('a'), n: { N: '0' } });
  const guarded = {
    TableName,
    Key: keyOf('a'),
    UpdateExpression: 'ADD n :one',
    ConditionExpression: 'n < :limit',
    ExpressionAttributeValues: { ':one': { N: '1' }, ':limit': { N: '10' } },
  };

  const results = await Promise.allSettled(
    Array.from({ length: 40 }, (_, i) =>
      i % 2 === 0
        ? transact(client, [{ Update: guarded }, add(`other${i}`, 1)])
        : client.send(new UpdateItemCommand(guarded)),
    ),
  );

  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(10);
  expect(await get(client, 'a')).toMatchObject({ n: { N: '10' } });
});

test('a reader never sees half a transaction', async () => {
  const client = await startOnDisk();
  await put(client, { ...keyOf('a'), n: { N: '1000' } });
  await put(client, { ...keyOf('b'), n: { N: '1000' } });
  const accounts = { TransactItems: ['a', 'b'].map((pk) => ({ Get: { TableName, Key: keyOf(pk) } })) };
  const sums = new Set<number>();
  let isMoving = true;
  const reading = (async () => {
    while (isMoving) {
      const { Responses: responses } = await client.send(new TransactGetItemsCommand(accounts));
      sums.add((responses ?? []).reduce((sum, response) => sum + Number(response.Item?.['n']?.N), 0));
    }
  })();

  await Promise.all(Array.from({ length: 100 }, (_, i) => transact(client, [add('a', -i), add('b', i)])));
  isMoving = false;
  await reading;

  expect([...sums]).toEqual([2000]);
});

test('TransactGetItems answers in order, with nothing where there is no item', async () => {
  const client = await startWithTable();
  await put(client, keyOf('a'));

  const { Responses: responses } = await client.send(
    new TransactGetItemsCommand({
      TransactItems: ['none', 'a'].map((pk) => ({ Get: { TableName, Key: keyOf(pk) } })),
    }),
  );

  expect(responses).toEqual([{}, { Item: keyOf('a') }]);
});

test('what a transaction wrote is in the index when it returns', async () => {
  const client = await startWithTable();
  await transact(client, [{ Put: { TableName, Item: { ...keyOf('a'), status: { S: 'queued' } } } }]);

  const found = await client.send(
    new QueryCommand({
      TableName,
      IndexName: 'by-status',
      KeyConditionExpression: '#s = :s',
      ExpressionAttributeNames: { '#s': 'status' },
      ExpressionAttributeValues: { ':s': { S: 'queued' } },
    }),
  );

  expect(found.Items).toHaveLength(1);
});
