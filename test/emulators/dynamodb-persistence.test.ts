// What the DynamoDB emulator keeps when its process is killed. (DynamoDB itself loses nothing that it acknowledged.)
import {
  QueryCommand,
  ScanCommand,
  TransactWriteItemsCommand,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import { expect, test, vi } from 'vitest';
import { startDynamoDb } from '../../local/dynamodb/server.ts';
import { clientOf, createJobs, get, keyOf, put } from './dynamodb-helpers.ts';
import { makeFolder, startChild, startOn } from './emulator-process.ts';

test('killed in the middle of its work, it has all that was acknowledged and no half of a transaction', async () => {
  const dir = await makeFolder();
  const child = await startChild('dynamodb', dir);
  const writer = clientOf(child.endpoint);
  await createJobs(writer);
  const acknowledged: number[] = [];
  const write = async (lane: number) => {
    for (let n = lane; ; n += 8) {
      const pair = ['left', 'right'].map((side) => ({
        Put: { TableName: 'jobs', Item: { ...keyOf(side, `${n}`), status: { S: side } } },
      }));
      await writer.send(new TransactWriteItemsCommand({ TransactItems: pair }));
      acknowledged.push(n);
    }
  };
  const writing = Promise.allSettled(Array.from({ length: 8 }, (_, lane) => write(lane)));
  await vi.waitUntil(() => acknowledged.length > 200, { timeout: 10_000, interval: 5 });

  await child.kill();
  await writing;

  const client = clientOf(await startOn('dynamodb', dir));
  const keysOf = async (side: string, index?: string) => {
    const { Items: items } = await client.send(
      new QueryCommand({
        TableName: 'jobs',
        IndexName: index,
        KeyConditionExpression: '#k = :k',
        ExpressionAttributeNames: { '#k': index === undefined ? 'pk' : 'status' },
        ExpressionAttributeValues: { ':k': { S: side } },
      }),
    );
    return (items ?? []).map((item) => Number(item['sk']?.S)).sort((a, b) => a - b);
  };
  const left = await keysOf('left');
  expect(await keysOf('right')).toEqual(left);
  expect(await keysOf('left', 'by-status')).toEqual(left);
  expect(acknowledged.filter((n) => !left.includes(n))).toEqual([]);
});

test('the table, its time to live and its items are there after a kill', async () => {
  const dir = await makeFolder();
  const child = await startChild('dynamodb', dir);
  const before = clientOf(child.endpoint);
  await createJobs(before);
  await before.send(
    new UpdateTimeToLiveCommand({
      TableName: 'jobs',
      TimeToLiveSpecification: { Enabled: true, AttributeName: 'expires' },
    }),
  );
  await put(before, { ...keyOf('kept'), expires: { N: '99999999999' } });
  await put(before, { ...keyOf('expired'), expires: { N: String(Math.floor(Date.now() / 1000) - 5) } });
  await child.kill();

  const server = await startDynamoDb({ path: dir, ttlSweepMs: 20 });
  const client = clientOf(server.endpoint);
  await expect.poll(() => get(client, 'expired')).toBeUndefined();
  const { Items: items } = await client.send(new ScanCommand({ TableName: 'jobs' }));
  await server.close();

  expect(items?.map((item) => item['pk']?.S)).toEqual(['kept']);
});

test('a second process on the same folder is told so', async () => {
  const dir = await makeFolder();
  await startChild('dynamodb', dir);

  await expect(startDynamoDb({ path: dir })).rejects.toThrow(
    `The DynamoDB data in ${dir} is in use by another process`,
  );
});
