// The API's own functions in this process, over the emulated table, bucket and queue, with the stand-in for an
// ArchivesSpace backend, behind the gateway's emulator. No job runs: tests bring jobs into the states they need by the
// service's own commands.
import { readFileSync } from 'node:fs';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { afterAll, beforeAll } from 'vitest';
import type { Table } from '../../aws/dynamo.ts';
import { commit, query, read } from '../../aws/dynamo.ts';
import { type Objects, store } from '../../aws/objects.ts';
import { readBoard, readJob } from '../../aws/reads.ts';
import { removeItem } from '../../core/deletion.ts';
import { fromItem, type Outcome, type QueueRow, type RunningJob } from '../../core/job.ts';
import { append, claim, keys, outputKey, releaseLock, releaseSlot, revoke, settle } from '../../core/table.ts';
import type { Item, Transaction, Write } from '../../core/writes.ts';
import { type Route, routes } from '../../functions/api/routes.ts';
import { registerTypes, type TypeRegistration, writeLimit } from '../../functions/registration.ts';
import { startArchivesSpace } from '../../local/archivesspace/server.ts';
import { startDynamoDb } from '../../local/dynamodb/server.ts';
import { startHttpApi } from '../../local/http-api.ts';
import { startS3 } from '../../local/s3/server.ts';
import { startSqs } from '../../local/sqs/server.ts';
import { createTable } from '../unit/service-helpers.ts';

export type LambdaHandler = (
  event: APIGatewayProxyEventV2,
  context: Context,
) => Promise<APIGatewayProxyStructuredResultV2>;
export type Handlers = Readonly<Record<Route['function'], LambdaHandler>>;

export interface Service {
  readonly url: string;
  readonly archivesspaceUrl: string;
  readonly table: Table;
  readonly objects: Objects;
  readonly handlers: Handlers;
  /** Every request that the stand-in was asked, as `GET /path`. */
  readonly asked: string[];
  close(): Promise<void>;
}

const type = (
  name: string,
  schema: Record<string, unknown>,
  more: Partial<TypeRegistration> = {},
): TypeRegistration => ({
  type: name,
  schema: { type: 'object', ...schema },
  version: '1',
  hidden: false,
  createPermissions: [],
  cancelPermissions: [],
  graceSeconds: 30,
  concurrent: true,
  ...more,
});
const string = { type: 'string' };

/** Types that the facts are about: `import_job` as it is shipped, and small ones that stand for others. */
const types: readonly TypeRegistration[] = [
  type('import_job', JSON.parse(readFileSync('schemas/import_job.json', 'utf8')) as Record<string, unknown>, {
    createPermissions: ['import_records'],
    cancelPermissions: ['cancel_importer_job'],
  }),
  type('plain_job', {
    properties: {
      source: string,
      format: { type: 'string', default: 'tsv' },
      count: { type: 'integer' },
      nested: { type: 'object', properties: { deep: string } },
    },
  }),
  type('replace_job', {
    properties: { find: string, replace: { type: 'string', minLength: 0 }, note: string },
    required: ['find', 'replace'],
  }),
  type(
    'hidden_job',
    {},
    { hidden: true, createPermissions: ['manage_repository'], cancelPermissions: ['manage_repository'] },
  ),
  type('gone_job', { properties: { source: string } }),
];

export const bucket = 'files';

export async function startService(): Promise<Service> {
  const closers: (() => Promise<void> | void)[] = [];
  const asked: string[] = [];
  const [dynamo, s3, sqs, archivesspace] = await Promise.all([
    startDynamoDb(),
    startS3({ region: 'us-east-1' }),
    startSqs({ region: 'us-east-1' }),
    startArchivesSpace({ onRequest: async (method, path) => void asked.push(`${method} ${path}`) }),
  ]);
  closers.push(dynamo.close, s3.close, sqs.close, archivesspace.close);
  Object.assign(process.env, {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_ENDPOINT_URL_SQS: sqs.endpoint,
    POWERTOOLS_LOG_LEVEL: 'SILENT',
    POWERTOOLS_METRICS_DISABLED: 'true',
    TABLE: 'jobs',
    BUCKET: bucket,
    LANES: '1',
    ARCHIVESSPACE_URL: archivesspace.url,
  });
  const queues = new SQSClient({ useQueueUrlAsEndpoint: false });
  const { QueueUrl } = await queues.send(
    new CreateQueueCommand({ QueueName: 'bell.fifo', Attributes: { FifoQueue: 'true' } }),
  );
  process.env['QUEUE_URL'] = QueueUrl ?? '';
  await new S3Client({ forcePathStyle: true }).send(new CreateBucketCommand({ Bucket: bucket }));

  const { openTable } = await import('../../aws/clients.ts');
  const table = openTable('jobs');
  await createTable(table.client, 'jobs');
  await writeLimit(table, 20);
  await registerTypes(table, { owner: 'test', runner: 'arn:runner', types }, Date.now());

  const env = await import('../../functions/env.ts');
  for (const spec of [env.apiReadEnv, env.apiCreateEnv, env.apiCancelEnv, env.apiLoginEnv])
    for (const name of Object.keys(spec)) process.env[name] ??= '';
  const [readApi, createApi, cancelApi, signInApi] = await Promise.all([
    import('../../functions/api/read.ts'),
    import('../../functions/api/create.ts'),
    import('../../functions/api/cancel.ts'),
    import('../../functions/api/sign-in.ts'),
  ]);
  const handlers = {
    read: readApi.handler,
    create: createApi.handler,
    cancel: cancelApi.handler,
    'sign-in': signInApi.handler,
  } as unknown as Handlers;
  const api = await startHttpApi({
    port: 0,
    portMayMove: true,
    accountId: '000000000000',
    invoke: async (name, payload) => ({
      kind: 'result',
      payload: JSON.stringify(
        await handlers[name as Route['function']](JSON.parse(payload) as APIGatewayProxyEventV2, context),
      ),
    }),
  });
  closers.push(api.close);
  api.serve(
    'api',
    routes.map((route) => ({ key: `${route.method} ${route.path}`, functionArn: route.function })),
  );
  return {
    url: api.url,
    archivesspaceUrl: archivesspace.url,
    table,
    objects: { bucket },
    handlers,
    asked,
    async close() {
      for (const close of closers.toReversed()) await close();
      table.client.destroy();
    },
  };
}

export const context = {
  awsRequestId: 'request',
  functionName: 'api',
  functionVersion: '1',
  invokedFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:api',
  memoryLimitInMB: '512',
  getRemainingTimeInMillis: () => 29_000,
} as unknown as Context;

/** One service for the tests of a file. */
export function useApi() {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(async () => {
    await service?.close();
  });
  return {
    get service() {
      return service;
    },
  };
}

async function write(table: Table, what: Transaction | Write): Promise<void> {
  const written = await commit(table, what);
  if (!written.done) throw new Error(`Refused: ${JSON.stringify(written.refused)}`);
}

export const idOf = (uri: string) => Number(uri.split('/').at(-1));

/** Starts a queued job as a dispatcher does. */
export async function start({ table }: Service, id: number, now = Date.now()): Promise<RunningJob> {
  const job = await readJob(table, id);
  if (!job) throw new Error(`There is no job ${id}.`);
  const board = await readBoard(table);
  const taken = new Set(board.slots.map(({ n }) => n));
  const slot = Array.from({ length: 100 }, (_, n) => n).find((n) => !taken.has(n)) ?? 0;
  const row = fromItem<QueueRow>((await read(table, keys.queue(job.type, id))) ?? {});
  const settings = board.settings.types[job.type];
  if (!settings) throw new Error(`There is no type ${job.type}.`);
  await write(table, claim({ row, slot, token: `token${id}`, type: settings, now }));
  return (await readJob(table, id)) as RunningJob;
}

export interface Written {
  readonly log?: string;
  readonly created?: readonly string[];
  readonly modified?: readonly string[];
  readonly files?: readonly { readonly name: string; readonly contentType?: string; readonly content: string }[];
}

/** What a runner writes while its job runs. */
export async function writeAs({ table, objects }: Service, job: RunningJob, written: Written): Promise<void> {
  const { type, id, token } = job;
  const { log = '', created = [], modified = [], files = [] } = written;
  const bytes = Buffer.from(log);
  if (bytes.length)
    await write(table, append(keys.log(type, id, 0), token, 1, { size: bytes.length, bytes: new Uint8Array(bytes) }));
  if (created.length + modified.length)
    await write(table, append(keys.record(type, id, 0), token, 1, { created: [...created], modified: [...modified] }));
  for (const [n, { name, contentType = 'text/plain', content }] of files.entries()) {
    const etag = await store(objects, outputKey(type, id, token, 1, n), Buffer.from(content));
    const size = Buffer.byteLength(content);
    await write(table, append(keys.file(type, id, n), token, 1, { name, contentType, size, etag }));
  }
}

/** Ends a running job and frees its slot. */
export async function end(
  service: Service,
  job: RunningJob,
  outcome: Outcome = 'completed',
  written: Written = {},
  now = Date.now(),
): Promise<void> {
  await writeAs(service, job, written);
  const { table } = service;
  const records = (written.created?.length ?? 0) + (written.modified?.length ?? 0) > 0 ? 1 : 0;
  const ends = { log: Buffer.byteLength(written.log ?? ''), files: written.files?.length ?? 0, records };
  const failure = { kind: 'runner_error', reason: 'It was to fail.' } as const;
  await write(table, [
    settle(job, { outcome, ends, ...(outcome === 'failed' && { failure }) }, now),
    revoke(job),
    releaseSlot(job.slot, { job: job.id, token: job.token }),
  ]);
  const { locks } = await readBoard(table);
  for (const lock of locks.filter(({ token }) => token === job.token)) await write(table, releaseLock(lock.type, lock));
}

/** Starts and ends a job at once. */
export async function runThrough(
  service: Service,
  uri: string,
  outcome: Outcome = 'completed',
  written: Written = {},
  now = Date.now(),
): Promise<void> {
  await end(service, await start(service, idOf(uri), now), outcome, written, now);
}

/** Takes away every job that is under way, so that the next test begins with none. */
export async function clear({ table }: Service): Promise<void> {
  const { settings, slots, locks } = await readBoard(table);
  for (const slot of slots) await write(table, [releaseSlot(slot.n, slot), removeItem(keys.job(slot.job))]);
  for (const lock of locks) await write(table, releaseLock(lock.type, lock));
  for (const name of Object.keys(settings.types)) {
    for await (const { id } of query(table, `QUEUE#${name}`))
      await write(table, [removeItem(keys.queue(name, Number(id))), removeItem(keys.job(Number(id)))]);
  }
}

/** All that is stored below a partition. */
export async function under({ table }: Service, pk: string): Promise<readonly Item[]> {
  const found: Item[] = [];
  for await (const item of query(table, pk)) found.push(item);
  return found;
}
