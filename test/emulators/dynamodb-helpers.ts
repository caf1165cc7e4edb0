import {
  type AttributeValue,
  CreateTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { onTestFinished } from 'vitest';
import { type DynamoDbOptions, startDynamoDb } from '../../local/dynamodb/server.ts';
import { makeFolder } from './emulator-process.ts';

export type Item = Record<string, AttributeValue>;

export function clientOf(endpoint: string): DynamoDBClient {
  const client = new DynamoDBClient({
    endpoint,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  });
  onTestFinished(() => client.destroy());
  return client;
}

/** A client of a new DynamoDB in memory with the table `jobs`. */
export async function startWithTable(options: DynamoDbOptions = {}): Promise<DynamoDBClient> {
  const server = await startDynamoDb(options);
  onTestFinished(() => server.close());
  const client = clientOf(server.endpoint);
  await createJobs(client);
  return client;
}

/** The same on a folder: only there does a write take time in which another could slip in between. */
export async function startOnDisk(): Promise<DynamoDBClient> {
  return startWithTable({ path: await makeFolder() });
}

/** Table `jobs` with keys pk and sk, and an index `by-status` that projects only `title`. */
export async function createJobs(client: DynamoDBClient): Promise<void> {
  await client.send(
    new CreateTableCommand({
      TableName: 'jobs',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: ['pk', 'sk', 'status'].map((name) => ({ AttributeName: name, AttributeType: 'S' })),
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: 'by-status',
          KeySchema: [
            { AttributeName: 'status', KeyType: 'HASH' },
            { AttributeName: 'sk', KeyType: 'RANGE' },
          ],
          Projection: { ProjectionType: 'INCLUDE', NonKeyAttributes: ['title'] },
        },
      ],
    }),
  );
  await waitUntilTableExists({ client, maxWaitTime: 5, minDelay: 0.02, maxDelay: 0.05 }, { TableName: 'jobs' });
}

export const keyOf = (pk: string, sk = 'JOB'): Item => ({ pk: { S: pk }, sk: { S: sk } });

export function put(client: DynamoDBClient, item: Item) {
  return client.send(new PutItemCommand({ TableName: 'jobs', Item: item }));
}

export async function get(client: DynamoDBClient, pk: string, sk = 'JOB'): Promise<Item | undefined> {
  const command = new GetItemCommand({ TableName: 'jobs', Key: keyOf(pk, sk), ConsistentRead: true });
  return (await client.send(command)).Item;
}
