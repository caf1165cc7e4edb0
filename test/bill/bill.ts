import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Context } from 'aws-lambda';
import { mockClient } from 'aws-sdk-client-mock';
import { commit, type Table } from '../../aws/dynamo.ts';
import type { ExecutionInput } from '../../core/job.ts';
import { firstSettings, registerType } from '../../core/table.ts';
import { createJob } from '../../functions/api/create-job.ts';
import type { Request } from '../../functions/api/http.ts';
import type { Sessions } from '../../functions/api/sessions.ts';
import { Types } from '../../functions/api/types.ts';
import { endRun } from '../../functions/end.ts';
import { dispatchPass } from '../../functions/pass.ts';
import { newToken, type Service } from '../../functions/service.ts';
import { workflow } from '../../infra/workflow.ts';
import { startDynamoDb } from '../../local/dynamodb/server.ts';
import { type Invocation, runner } from '../../runners/sdk/run.ts';
import { createTable } from '../unit/service-helpers.ts';
import { startMeter, type Units } from './meter.ts';
import { assumedMs, memoryGb, prices } from './prices.ts';

export interface Bill {
  readonly steps: readonly { readonly step: string; readonly units: Units }[];
  readonly writes: number;
  readonly reads: number;
  /** In USD for 1,000 jobs. */
  readonly lines: Readonly<Record<string, number>>;
  readonly total: number;
}

const quiet = { info() {}, warn() {}, error() {} };

/**
 * Takes one no-op job the whole way by the service's own code, and counts what AWS would be asked for. The service is
 * warm: a job went before it. The job logs one line and takes no more than one segment; nobody watches it.
 *
 * @param types how many types are registered: a dispatch reads the head of each
 */
export async function billOfOneJob(types: number, concurrent: boolean): Promise<Bill> {
  const dynamo = await startDynamoDb();
  const meter = await startMeter(dynamo.endpoint);
  const before = { ...process.env };
  Object.assign(process.env, {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_DYNAMODB: meter.endpoint,
    TABLE: 'jobs',
    BUCKET: 'files',
  });
  const client = new DynamoDBClient({});
  const sfn = new SFNClient({});
  const sqs = new SQSClient({});
  const machine = mockClient(sfn);
  const queue = mockClient(sqs);
  queue.on(SendMessageCommand).resolves({});
  machine.on(StartExecutionCommand).resolves({});
  try {
    await createTable(client, 'jobs');
    const table: Table = { client, name: 'jobs' };
    await commit(table, firstSettings(2));
    for (let n = 0; n < types; n++) await register(table, `type_${n}`, concurrent);
    const service: Service = {
      table,
      machine: { client: sfn, arn: 'arn:aws:states:us-east-1:123456789012:stateMachine:jobs' },
      log: quiet,
      now: () => Date.now(),
      newToken,
    };
    const way = oneWay(service, table, sqs, machine, meter);
    await way();
    queue.resetHistory();
    const steps = await way();
    const sends = queue.commandCalls(SendMessageCommand).length;
    return priced(steps, sends);
  } finally {
    client.destroy();
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
    await meter.close();
    await dynamo.close();
  }
}

async function register(table: Table, type: string, concurrent: boolean): Promise<void> {
  const dispatch = {
    runner: `arn:aws:lambda:us-east-1:123456789012:function:background-jobs-prod-${type}`,
    concurrent,
    graceSeconds: 30,
    version: '0123456789abcdef',
  };
  await commit(
    table,
    registerType(
      {
        type,
        schema: '{"type":"object"}',
        version: dispatch.version,
        hidden: false,
        createPermissions: [],
        cancelPermissions: [],
        owner: 'bill',
        dispatch,
      },
      undefined,
    ),
  );
}

function oneWay(
  service: Service,
  table: Table,
  sqs: SQSClient,
  machine: ReturnType<typeof mockClient>,
  meter: Awaited<ReturnType<typeof startMeter>>,
) {
  const sessions = { backend: () => ({ request: async () => new Response('{}') }) } as unknown as Sessions;
  const types = new Types(table);
  const creation = {
    table,
    doorbell: { client: sqs, queueUrl: 'q', lanes: 2 },
    objects: { bucket: 'files' },
    types,
    sessions,
  };
  const operation = createJob(creation);
  const body = Buffer.from(JSON.stringify({ job: { jsonmodel_type: 'type_0', times: '1' } }));
  const request = {
    body,
    path: {},
    query: new URLSearchParams(),
    contentType: 'application/json',
    headers: {},
    user: { username: 'archivist', permissions: {} },
    session: 's',
    repo: 2,
    id: Number.NaN,
    correlation: 'bill',
    need() {},
  } as unknown as Request;
  const handler = runner(async (ctx) => ctx.log('done'));
  return async () => {
    machine.resetHistory();
    const steps: { step: string; units: Units }[] = [];
    const step = async (name: string, work: () => Promise<unknown>) => {
      meter.take();
      await work();
      steps.push({ step: name, units: meter.take() });
    };
    await types.all();
    await step('create', async () => operation.handle(request, (await operation.check(request)) as never));
    await step('dispatch', () => dispatchPass(service, Date.now() + 10_000));
    const [started] = machine.commandCalls(StartExecutionCommand);
    const input = JSON.parse(started?.args[0].input.input ?? '{}') as Invocation & ExecutionInput;
    await step('run', () => handler(input, { getRemainingTimeInMillis: () => 900_000 } as Context));
    await step('finish', async () => dispatchPass(service, Date.now() + 10_000, await endRun(service, input, {})));
    return steps;
  };
}

function priced(steps: Bill['steps'], sends: number): Bill {
  const writes = steps.reduce((sum, { units }) => sum + units.writes, 0);
  const reads = steps.reduce((sum, { units }) => sum + units.reads, 0);
  // Run and Finish, which test/infra/workflow.test.ts holds to be all that a job of one segment enters.
  const states = Object.keys(workflow('aws', 'arn').States).filter(
    (name) => name === 'Run' || name === 'Finish',
  ).length;
  // A doorbell is sent, received and deleted.
  const sqsRequests = sends * 3;
  const functions = Object.values(assumedMs);
  const seconds = functions.reduce((sum, ms) => sum + ms, 0) / 1000;
  const lines = {
    [`Step Functions (${states} steps)`]: states * prices.stateTransition * 1000,
    [`DynamoDB writes (${writes} units)`]: writes * prices.writeUnit * 1000,
    [`DynamoDB reads (${reads} units)`]: reads * prices.readUnit * 1000,
    [`SQS (${sqsRequests} requests)`]: sqsRequests * prices.sqsRequest * 1000,
    [`Lambda (${functions.length + 1} requests, ${seconds} s assumed)`]:
      ((functions.length + 1) * prices.lambdaRequest + seconds * memoryGb * prices.lambdaGbSecond) * 1000,
    'API Gateway (1 request)': prices.httpRequest * 1000,
  };
  return { steps, writes, reads, lines, total: Object.values(lines).reduce((sum, line) => sum + line, 0) };
}

/** The bill as text, for people. */
export function printed(title: string, bill: Bill): string {
  return [
    title,
    ...bill.steps.map(
      ({ step, units }) =>
        `  ${step.padEnd(10)} ${String(units.requests).padStart(3)} requests ${String(units.writes).padStart(5)} write units ${String(units.reads).padStart(5)} read units`,
    ),
    ...Object.entries(bill.lines).map(([line, usd]) => `  ${line.padEnd(44)} $${usd.toFixed(4)}`),
    `  ${'for 1,000 jobs'.padEnd(44)} $${bill.total.toFixed(4)}`,
  ].join('\n');
}
