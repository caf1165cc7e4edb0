// What the tests of functions and runners share: a table of their own, a state machine that is asked and not run,
// and jobs in every state, made by the service's own commands.
import { CreateTableCommand, DynamoDBClient, waitUntilTableExists } from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { SFNClient } from '@aws-sdk/client-sfn';
import { mockClient } from 'aws-sdk-client-mock';
import { onTestFinished } from 'vitest';
import type { Bucket } from '../../aws/clients.ts';
import { commit, query, read, type Table } from '../../aws/dynamo.ts';
import { readJob, readRun } from '../../aws/reads.ts';
import { type DispatchType, fromItem, type Job, type QueueRow, type Run, type RunningJob } from '../../core/job.ts';
import { claim, create, firstSettings, keys, type NewJob } from '../../core/table.ts';
import type { Item, Key, Transaction, Write } from '../../core/writes.ts';
import type { Log, Service } from '../../functions/service.ts';
import { startDynamoDb } from '../../local/dynamodb/server.ts';
import { startS3 } from '../../local/s3/server.ts';

/** Creates a table as the deployment does: keys, and the index `by-repo`. */
export async function createTable(client: DynamoDBClient, name: string): Promise<void> {
  await client.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: ['pk', 'sk', 'gpk', 'gsk'].map((attribute) => ({
        AttributeName: attribute,
        AttributeType: 'S',
      })),
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: 'by-repo',
          KeySchema: [
            { AttributeName: 'gpk', KeyType: 'HASH' },
            { AttributeName: 'gsk', KeyType: 'RANGE' },
          ],
          Projection: {
            ProjectionType: 'INCLUDE',
            NonKeyAttributes: ['id', 'type', 'owner', 'mtime', 'submitted', 'finished'],
          },
        },
      ],
    }),
  );
  await waitUntilTableExists({ client, maxWaitTime: 5, minDelay: 0.01, maxDelay: 0.02 }, { TableName: name });
}

/** A table of its own for the running test, in an emulator that ends with it. */
export async function openTestTable(): Promise<Table & { readonly endpoint: string }> {
  const server = await startDynamoDb();
  onTestFinished(() => server.close());
  const client = new DynamoDBClient({
    endpoint: server.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  });
  onTestFinished(() => client.destroy());
  await createTable(client, 'jobs');
  return { client, name: 'jobs', endpoint: server.endpoint };
}

/** A bucket of its own for the running test. */
export async function openTestBucket(): Promise<Bucket & { readonly endpoint: string }> {
  const server = await startS3({ region: 'us-east-1' });
  onTestFinished(() => server.close());
  const client = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    forcePathStyle: true,
    maxAttempts: 1,
  });
  onTestFinished(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket: 'files' }));
  return { client, name: 'files', endpoint: server.endpoint };
}

export const concurrent: DispatchType = { runner: 'arn:runner', concurrent: true, graceSeconds: 30, version: '1' };
export const serial: DispatchType = { ...concurrent, concurrent: false };

export interface World {
  readonly table: Table & { readonly endpoint: string };
  readonly service: Service;
  /** The clock of the service; tests set it. */
  now: number;
  /** What the state machine was asked for. */
  readonly machine: ReturnType<typeof mockClient>;
  readonly logged: { readonly level: string; readonly message: string; readonly fields: Record<string, unknown> }[];
  job(id: number): Promise<Job>;
  run(type: string, id: number): Promise<Run | undefined>;
  item(key: Key): Promise<Item | undefined>;
  /** The board's slots and locks as words: `slot 0: job 3`, `lock serial_job: job 3`. */
  board(): Promise<string[]>;
}

/** A service over a table of its own. The state machine is a mock: it has no emulator that could be told to fail. */
export async function makeWorld(
  types: Readonly<Record<string, DispatchType>> = { free_job: concurrent, serial_job: serial },
  limit = 2,
): Promise<World> {
  const table = await openTestTable();
  const client = new SFNClient({ region: 'us-east-1', maxAttempts: 1 });
  const machine = mockClient(client);
  const logged: World['logged'] = [];
  const note =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}) => {
      logged.push({ level, message, fields });
    };
  const log: Log = { info: note('info'), warn: note('warn'), error: note('error') };
  let tokens = 0;
  const world: World = {
    table,
    now: 1_000_000,
    machine,
    logged,
    service: {
      table,
      machine: { client, arn: 'arn:aws:states:us-east-1:123456789012:stateMachine:jobs' },
      log,
      now: () => world.now,
      newToken: () => `token${++tokens}`,
    },
    async job(id) {
      const job = await readJob(table, id);
      if (!job) throw new Error(`There is no job ${id}.`);
      return job;
    },
    run: (type, id) => readRun(table, { type, id }),
    item: (key) => read(table, key),
    async board() {
      const found: string[] = [];
      for await (const item of query(table, 'BOARD')) {
        if (item['sk'] !== 'SETTINGS')
          found.push(`${String(item['sk']).replace('#', ' ').toLowerCase()}: job ${item['job']}`);
      }
      return found;
    },
  };
  await write(table, firstSettings(limit));
  await setTypes(table, types);
  return world;
}

export async function setTypes(table: Table, types: Readonly<Record<string, DispatchType>>): Promise<void> {
  const set = Object.fromEntries(Object.entries(types).map(([name, type]) => [`types.${name}`, { ...type }]));
  await write(table, { op: 'update', key: keys.settings, set, when: [] });
}

/** Commits what must not be refused. */
export async function write(table: Table, transaction: Transaction | Write): Promise<void> {
  const written = await commit(table, transaction);
  if (!written.done) throw new Error(`Refused: ${JSON.stringify(written.refused)}`);
}

export const newJob = (id: number, type = 'free_job', more: Partial<NewJob> = {}): NewJob => ({
  id,
  repo: 2,
  type,
  owner: 'archivist',
  now: 1_000 + id,
  correlation: `c${id}`,
  params: '{"times":"1"}',
  apart: false,
  typeVersion: '1',
  inputs: [],
  ...more,
});

/** Stores queued jobs, oldest first. */
export async function queue(world: World, ...jobs: readonly (readonly [id: number, type: string])[]): Promise<void> {
  let last = 0;
  for (const [id, type] of jobs) {
    await write(world.table, create(newJob(id, type)));
    last = Math.max(last, id);
  }
  await write(world.table, { op: 'put', key: keys.counter, item: { last }, when: [] });
}

export async function readRow(table: Table, type: string, id: number): Promise<QueueRow> {
  const row = await read(table, keys.queue(type, id));
  if (!row) throw new Error(`There is no queue row of job ${id}.`);
  return fromItem<QueueRow>(row);
}

/** Claims a queued job as a dispatcher does, without starting its execution. */
export async function claimNow(
  world: World,
  id: number,
  typeName: string,
  { slot = 0, token = `t${id}`, type = typeName === 'serial_job' ? serial : concurrent } = {},
): Promise<RunningJob> {
  await write(world.table, claim({ row: await readRow(world.table, typeName, id), slot, token, type, now: world.now }));
  return (await world.job(id)) as RunningJob;
}
