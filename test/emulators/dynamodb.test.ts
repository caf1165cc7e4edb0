// The DynamoDB emulator's single-item behaviour, as AWS documents it (API reference and developer guide); nothing here
// was compared with AWS itself.
import {
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  DescribeTimeToLiveCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandOutput,
  UpdateItemCommand,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../helpers/wait.ts';
import { get, type Item, keyOf, put, startOnDisk, startWithTable } from './dynamodb-helpers.ts';

test('a failed condition gives the old item back where ALL_OLD asks for it', async () => {
  const client = await startWithTable();
  const old = { ...keyOf('a'), status: { S: 'running' } };
  await put(client, old);
  const condition = {
    TableName: 'jobs',
    ConditionExpression: 'attribute_not_exists(pk)',
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  } as const;

  const failures = await Promise.all(
    [
      client.send(new PutItemCommand({ ...condition, Item: keyOf('a') })),
      client.send(new UpdateItemCommand({ ...condition, Key: keyOf('a'), UpdateExpression: 'REMOVE title' })),
      client.send(new DeleteItemCommand({ ...condition, Key: keyOf('a') })),
    ].map((sent) => sent.catch((error: unknown) => error)),
  );

  for (const failure of failures) {
    expect(failure).toBeInstanceOf(ConditionalCheckFailedException);
    expect((failure as ConditionalCheckFailedException).Item).toEqual(old);
  }
  expect(await get(client, 'a')).toEqual(old);
});

test('a failed condition keeps the old item to itself where nobody asks, or where there is none', async () => {
  const client = await startWithTable();
  await put(client, keyOf('a'));

  const notAsked = client.send(
    new PutItemCommand({ TableName: 'jobs', Item: keyOf('a'), ConditionExpression: 'attribute_not_exists(pk)' }),
  );
  const absent = client.send(
    new DeleteItemCommand({
      TableName: 'jobs',
      Key: keyOf('b'),
      ConditionExpression: 'attribute_exists(pk)',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    }),
  );

  await expect(notAsked).rejects.toMatchObject({ name: 'ConditionalCheckFailedException', Item: undefined });
  await expect(absent).rejects.toMatchObject({ name: 'ConditionalCheckFailedException', Item: undefined });
});

test('of many claims of one item at once exactly one wins', async () => {
  const client = await startOnDisk();
  await put(client, { ...keyOf('a'), status: { S: 'queued' } });

  const claims = await Promise.allSettled(
    Array.from({ length: 60 }, (_, i) =>
      client.send(
        new UpdateItemCommand({
          TableName: 'jobs',
          Key: keyOf('a'),
          UpdateExpression: 'SET #s = :running, owner_token = :me',
          ConditionExpression: '#s = :queued',
          ExpressionAttributeNames: { '#s': 'status' },
          ExpressionAttributeValues: { ':running': { S: 'running' }, ':queued': { S: 'queued' }, ':me': { S: `${i}` } },
        }),
      ),
    ),
  );

  const winners = claims.flatMap((claim, i) => (claim.status === 'fulfilled' ? [i] : []));
  expect(winners).toHaveLength(1);
  expect((await get(client, 'a'))?.['owner_token']).toEqual({ S: `${winners[0]}` });
});

test('a counter that many add to loses nothing and gives each a number of its own', async () => {
  const client = await startOnDisk();

  const answers = await Promise.all(
    Array.from({ length: 80 }, () =>
      client.send(
        new UpdateItemCommand({
          TableName: 'jobs',
          Key: keyOf('COUNTER'),
          UpdateExpression: 'ADD n :one',
          ExpressionAttributeValues: { ':one': { N: '1' } },
          ReturnValues: 'UPDATED_NEW',
        }),
      ),
    ),
  );

  const numbers = answers.map((answer) => Number(answer.Attributes?.['n']?.N)).sort((a, b) => a - b);
  expect(numbers).toEqual(Array.from({ length: 80 }, (_, i) => i + 1));
});

test('a consistent query pages through a partition in order, without gap or repetition, both ways', async () => {
  const client = await startWithTable();
  const keys = Array.from({ length: 60 }, (_, i) => String(i).padStart(4, '0'));
  for (let i = 0; i < keys.length; i += 20) {
    const requests = keys.slice(i, i + 20).map((sk) => ({ PutRequest: { Item: keyOf('QUEUE', sk) } }));
    await client.send(new BatchWriteItemCommand({ RequestItems: { jobs: requests } }));
  }
  await put(client, keyOf('QUEUE-OTHER', '0001'));

  const readAll = async (forward: boolean) => {
    const seen: string[] = [];
    let start: Item | undefined;
    do {
      const page: QueryCommandOutput = await client.send(
        new QueryCommand({
          TableName: 'jobs',
          KeyConditionExpression: 'pk = :q AND sk BETWEEN :from AND :to',
          ExpressionAttributeValues: { ':q': { S: 'QUEUE' }, ':from': { S: '0005' }, ':to': { S: '0050' } },
          ConsistentRead: true,
          ScanIndexForward: forward,
          Limit: 7,
          ExclusiveStartKey: start,
        }),
      );
      expect(page.Items?.length).toBeLessThanOrEqual(7);
      seen.push(...(page.Items ?? []).map((item) => String(item['sk']?.S)));
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
    return seen;
  };

  expect(await readAll(true)).toEqual(keys.slice(5, 51));
  expect(await readAll(false)).toEqual(keys.slice(5, 51).reverse());
});

test('an index is sparse, follows its key and holds only what it projects', async () => {
  const client = await startWithTable();
  const find = async (status: string) => {
    const command = new QueryCommand({
      TableName: 'jobs',
      IndexName: 'by-status',
      KeyConditionExpression: '#s = :s',
      ExpressionAttributeNames: { '#s': 'status' },
      ExpressionAttributeValues: { ':s': { S: status } },
    });
    return (await client.send(command)).Items;
  };
  await put(client, { ...keyOf('a'), status: { S: 'queued' }, title: { S: 'A' }, secret: { S: 'x' } });
  await put(client, keyOf('b'));
  expect(await find('queued')).toEqual([{ ...keyOf('a'), status: { S: 'queued' }, title: { S: 'A' } }]);

  await put(client, { ...keyOf('a'), status: { S: 'running' } });
  expect(await find('queued')).toEqual([]);
  expect(await find('running')).toHaveLength(1);

  await client.send(new DeleteItemCommand({ TableName: 'jobs', Key: keyOf('a') }));
  expect(await find('running')).toEqual([]);
});

describe('consumed capacity', () => {
  test.each([
    [{}, true, 1],
    [{}, false, 0.5],
    [{ body: { S: 'é'.repeat(2500) } }, true, 2],
    [{ body: { S: 'é'.repeat(2500) } }, false, 1],
  ])('reads count 4 KB each and half of it when eventually consistent (%#)', async (more, consistent, units) => {
    const client = await startWithTable();
    await put(client, { ...keyOf('a'), ...more });

    const read = await client.send(
      new GetItemCommand({
        TableName: 'jobs',
        Key: keyOf('a'),
        ConsistentRead: consistent,
        ReturnConsumedCapacity: 'TOTAL',
      }),
    );

    expect(read.ConsumedCapacity).toMatchObject({ TableName: 'jobs', CapacityUnits: units });
  });

  test('writes count 1 KB each, and what they change in an index', async () => {
    const client = await startWithTable();
    const write = async (item: Item) => {
      const command = new PutItemCommand({ TableName: 'jobs', Item: item, ReturnConsumedCapacity: 'INDEXES' });
      const { ConsumedCapacity: consumed } = await client.send(command);
      const index = consumed?.GlobalSecondaryIndexes?.['by-status']?.CapacityUnits ?? 0;
      expect(consumed?.CapacityUnits).toBe((consumed?.Table?.CapacityUnits ?? 0) + index);
      return [consumed?.Table?.CapacityUnits, index];
    };

    expect(await write(keyOf('a'))).toEqual([1, 0]);
    expect(await write({ ...keyOf('a'), body: { S: 'x'.repeat(1500) } })).toEqual([2, 0]);
    expect(await write({ ...keyOf('a'), status: { S: 'queued' } })).toEqual([2, 1]);
    expect(await write({ ...keyOf('a'), status: { S: 'queued' }, secret: { S: 'not projected' } })).toEqual([1, 0]);
    expect(await write({ ...keyOf('a'), status: { S: 'queued' }, title: { S: 'projected' } })).toEqual([1, 1]);
    expect(await write({ ...keyOf('a'), status: { S: 'running' } })).toEqual([1, 2]);
    expect(await write(keyOf('a'))).toEqual([1, 1]);
  });

  test('a query counts the sum of what it read, and the smallest read when it found nothing', async () => {
    const client = await startWithTable();
    for (const sk of ['1', '2', '3']) await put(client, { ...keyOf('a', sk), body: { S: 'x'.repeat(2000) } });
    const query = async (pk: string, consistent: boolean) => {
      const command = new QueryCommand({
        TableName: 'jobs',
        KeyConditionExpression: 'pk = :p',
        ExpressionAttributeValues: { ':p': { S: pk } },
        ConsistentRead: consistent,
        ReturnConsumedCapacity: 'TOTAL',
      });
      return (await client.send(command)).ConsumedCapacity?.CapacityUnits;
    };

    expect(await query('a', true)).toBe(2);
    expect(await query('a', false)).toBe(1);
    expect(await query('nothing', true)).toBe(1);
    expect(await query('nothing', false)).toBe(0.5);
  });
});

describe('time to live', () => {
  const nowS = () => Math.floor(Date.now() / 1000);

  test('deletes what has expired, before and after it was turned on, and nothing else', async () => {
    const client = await startWithTable({ ttlSweepMs: 20 });
    const timed = (pk: string, second: number, status = 'queued') =>
      put(client, { ...keyOf(pk), expires: { N: String(second) }, status: { S: status } });
    await timed('old', nowS() - 10);
    await timed('later', nowS() + 3600);
    await put(client, { ...keyOf('text'), expires: { S: '1' } });
    await timed('mistake', nowS() - 6 * 365 * 24 * 3600);
    const enable = { TableName: 'jobs', TimeToLiveSpecification: { Enabled: true, AttributeName: 'expires' } };

    await client.send(new UpdateTimeToLiveCommand(enable));
    await timed('new', nowS() - 10);
    await timed('prolonged', nowS() + 1);
    await timed('prolonged', nowS() + 3600);

    await waitFor(async () => {
      expect(await get(client, 'old')).toBeUndefined();
      expect(await get(client, 'new')).toBeUndefined();
    });
    for (const pk of ['later', 'text', 'mistake', 'prolonged']) expect(await get(client, pk)).toBeDefined();
    const left = await client.send(
      new QueryCommand({
        TableName: 'jobs',
        IndexName: 'by-status',
        KeyConditionExpression: '#s = :s',
        ExpressionAttributeNames: { '#s': 'status' },
        ExpressionAttributeValues: { ':s': { S: 'queued' } },
      }),
    );
    expect(left.Items?.map((item) => item['pk']?.S).sort()).toEqual(['later', 'mistake', 'prolonged']);
    const described = await client.send(new DescribeTimeToLiveCommand({ TableName: 'jobs' }));
    expect(described.TimeToLiveDescription).toEqual({ TimeToLiveStatus: 'ENABLED', AttributeName: 'expires' });
    await expect(client.send(new UpdateTimeToLiveCommand(enable))).rejects.toThrow('already enabled');
  });
});

test.each([
  ['an unknown table', { TableName: 'nope', Item: keyOf('a') }, 'ResourceNotFoundException'],
  ['an empty key', { TableName: 'jobs', Item: keyOf('') }, 'ValidationException'],
  [
    'more than 400 KB',
    { TableName: 'jobs', Item: { ...keyOf('a'), x: { S: 'x'.repeat(410_000) } } },
    'ValidationException',
  ],
  [
    'an index key of the wrong type',
    { TableName: 'jobs', Item: { ...keyOf('a'), status: { N: '1' } } },
    'ValidationException',
  ],
])('%s is refused', async (_what, input, name) => {
  const client = await startWithTable();

  await expect(client.send(new PutItemCommand(input as never))).rejects.toMatchObject({ name });
});
