// Runs a synthesized cloud assembly on one machine: AWS on 127.0.0.1, as far as the template needs it. It knows AWS
// and CloudFormation, and nothing of what the functions do.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startControlServer } from './control.ts';
import { createCustomResources, customResourcesSchema } from './custom-resources.ts';
import { startDynamoDb } from './dynamodb/server.ts';
import { pollQueue } from './event-source.ts';
import { createEventBus, executionEvent } from './events.ts';
import { startHttpApi } from './http-api.ts';
import { answerInvoke } from './lambda/invoke-api.ts';
import { createLambdas } from './lambda/lambdas.ts';
import type { Page } from './page.ts';
import { makeResource, type Workshop } from './resources.ts';
import { startS3 } from './s3/server.ts';
import { startSecretsManager } from './secretsmanager/server.ts';
import { openDatabase } from './sqlite.ts';
import { startSqs } from './sqs/server.ts';
import { answerStepFunctions } from './stepfunctions/api.ts';
import { createExecutions } from './stepfunctions/executions.ts';
import { journalSchema, openJournal } from './stepfunctions/journal.ts';
import { storageClients } from './storage.ts';
import { type Assembly, inDependencyOrder, type Provided, Resolver, readAssembly, stackId } from './template.ts';

export interface StackOptions {
  /** `cdk.out`, with one stack. */
  readonly assemblyDir: string;
  /** Kept across restarts; absent = in memory, and nothing stays. */
  readonly stateDir?: string;
  /** Of the HTTP API on 127.0.0.1; 0 = any free one. */
  readonly port: number;
  /** Takes the next free port when `port` is taken. */
  readonly portMayMove?: boolean;
  /** A page in front of the HTTP API. */
  readonly page?: Page | undefined;
  /** Secret id or ARN → SecretString. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Gets what the functions and the stack print, one line each. */
  readonly log: (line: string) => void;
  /** Divides the intervals of schedules, for tests. */
  readonly scheduleScale?: number;
}

export type EndpointName = 'dynamodb' | 'lambda' | 's3' | 'secretsmanager' | 'sfn' | 'sqs';

export interface Stack {
  /** Of the HTTP API, without a slash at the end. */
  readonly apiUrl: string;
  readonly region: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly endpoints: Readonly<Record<EndpointName, string>>;
  /** Logical id → physical id. */
  readonly resources: Readonly<Record<string, string>>;
  /** The processes of a function that runs in processes, by its name. */
  pids(functionName: string): number[];
  /** Ends everything. Executions stay open and go on at the next start on the same `stateDir`. */
  stop(): Promise<void>;
}

/**
 * Starts every resource of the assembly's template, then lets requests, messages, schedules and open executions in.
 * @throws when another stack runs on `stateDir`, the port is taken, the template asks for something that does not
 * exist locally, or a custom resource fails; what was started is stopped then
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const assembly = readAssembly(options.assemblyDir);
  const closers: (() => unknown)[] = [];
  const stop = async (): Promise<void> => {
    // The other way round than it was started. One that fails does not keep the others running.
    const failures: unknown[] = [];
    for (let close = closers.pop(); close; close = closers.pop()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'The local stack did not stop cleanly.');
  };
  try {
    return await run(options, assembly, closers, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function run(
  options: StackOptions,
  assembly: Assembly,
  closers: (() => unknown)[],
  stop: () => Promise<void>,
): Promise<Stack> {
  const { log, stateDir } = options;
  const { region, accountId } = assembly;
  const db = openDatabase(stateDir, 'stack', journalSchema + customResourcesSchema);
  closers.push(() => db.close());

  const kept = (name: string): { path: string; dir: string } | object => {
    if (stateDir === undefined) return {};
    const dir = join(stateDir, name);
    mkdirSync(dir, { recursive: true });
    return { path: dir, dir };
  };
  const started = await Promise.allSettled([
    startDynamoDb(kept('dynamodb')),
    startSqs({ region, ...kept('sqs') }),
    startS3({ region, ...kept('s3') }),
    startSecretsManager({ secrets: options.secrets ?? {} }),
  ]);
  for (const one of started) if (one.status === 'fulfilled') closers.push(() => one.value.close());
  const [dynamodb, sqs, s3, secretsmanager] = started.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value.endpoint;
  }) as [string, string, string, string];

  const storage = storageClients(region, { dynamodb, sqs, s3 });
  closers.push(() => {
    for (const client of [storage.dynamodb, storage.sqs, storage.s3]) client.destroy();
  });
  const lambdas = createLambdas(log);
  closers.push(() => lambdas.stop());
  const bus = createEventBus(assembly, lambdas.invokeLater, options.scheduleScale);
  closers.push(() => bus.stop());
  const executions = createExecutions({
    journal: openJournal(db),
    invoke: lambdas.invoke,
    onStatus: (record) => bus.publish(executionEvent(assembly, record)),
  });
  closers.push(() => executions.close());
  const customResources = createCustomResources({
    db,
    stackId: stackId(assembly),
    endpoint: () => control.endpoint,
    invoke: lambdas.invoke,
    log,
  });
  const control = await startControlServer([
    (request) => answerInvoke(lambdas, request),
    (request) => answerStepFunctions(executions, request),
    customResources.service,
  ]);
  closers.push(() => control.close());
  const { port, portMayMove = false } = options;
  const httpApi = await startHttpApi({ port, portMayMove, accountId, invoke: lambdas.invoke, page: options.page });
  closers.push(() => httpApi.close());

  const endpoints = { dynamodb, sqs, s3, secretsmanager, sfn: control.endpoint, lambda: control.endpoint };
  const shop: Workshop = {
    assembly,
    storage,
    lambdas,
    environment: { ...functionEnvironment(region, endpoints), NODE_COMPILE_CACHE: compileCache(stateDir, closers) },
    executions,
    bus,
    customResources,
    apiUrl: httpApi.url,
    queueUrls: new Map(),
    sources: [],
    api: { id: undefined, integrations: new Map(), routes: [] },
  };
  const { resources, outputs } = await makeResources(shop);
  await customResources.cleanUp();

  const polling = new AbortController();
  const pollers = shop.sources.map((source) =>
    pollQueue(source, storage.sqs, region, lambdas.invoke, log, polling.signal),
  );
  closers.push(async () => {
    polling.abort();
    // A poller may wait for a function: those are ended first.
    executions.close();
    await lambdas.stop();
    await Promise.all(pollers);
  });
  if (shop.api.id !== undefined) httpApi.serve(shop.api.id, shop.api.routes);
  executions.resume();
  bus.startSchedules();
  void lambdas.warm();
  return { apiUrl: httpApi.url, region, outputs, endpoints, resources, pids: lambdas.pids, stop };
}

async function makeResources(shop: Workshop): Promise<Pick<Stack, 'resources' | 'outputs'>> {
  const { assembly, apiUrl, api } = shop;
  const { Resources, Outputs = {} } = assembly.template;
  const provided = new Map<string, Provided>();
  // CDK puts an API's address together itself, from its id.
  const rewrite = (text: string): string =>
    api.id === undefined
      ? text
      : text.replaceAll(`https://${api.id}.execute-api.${assembly.region}.amazonaws.com`, apiUrl);
  const resolver = new Resolver(assembly, provided, rewrite);
  for (const id of inDependencyOrder(Resources)) {
    const resource = Resources[id];
    if (!resource || !resolver.holds(resource.Condition)) continue;
    const properties = resolver.resolve(resource.Properties ?? {}) as Record<string, unknown>;
    provided.set(id, await makeResource(shop, id, resource, properties));
  }
  const outputs = Object.entries(Outputs)
    .filter(([, { Condition }]) => resolver.holds(Condition))
    .map(([name, { Value }]) => [name, String(resolver.resolve(Value))] as const);
  return {
    resources: Object.fromEntries([...provided].map(([id, { ref }]) => [id, ref])),
    outputs: Object.fromEntries(outputs),
  };
}

/** What Lambda sets for every function, and where AWS is on this machine. Nothing else of ours is inherited. */
function functionEnvironment(
  region: string,
  endpoints: Readonly<Record<EndpointName, string>>,
): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_SESSION_TOKEN: 'local',
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    // Whatever has no emulator meets a clear refusal and never AWS.
    AWS_ENDPOINT_URL: endpoints.lambda,
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
    AWS_ENDPOINT_URL_LAMBDA: endpoints.lambda,
    AWS_ENDPOINT_URL_S3: endpoints.s3,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoints.secretsmanager,
    AWS_ENDPOINT_URL_SFN: endpoints.sfn,
    AWS_ENDPOINT_URL_SQS: endpoints.sqs,
    LANG: 'en_US.UTF-8',
    PATH: process.env['PATH'] ?? '',
    TZ: ':UTC',
  };
}

/** Where V8 keeps compiled code, so that the second sandbox of a function starts quicker than the first. */
function compileCache(stateDir: string | undefined, closers: (() => unknown)[]): string {
  if (stateDir !== undefined) return join(stateDir, 'compile-cache');
  const dir = mkdtempSync(join(tmpdir(), 'local-stack-'));
  // At the front: it goes last, when no sandbox writes to it.
  closers.unshift(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
