// Runs a synthesized cloud assembly on one machine: AWS on 127.0.0.1, as far as the template needs it. It knows AWS
// and CloudFormation, and nothing of what the functions do.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startControlServer } from './control.ts';
import { createCustomResources, customResourcesSchema } from './custom-resources.ts';
import { createDeployments } from './deployments.ts';
import { startDynamoDb } from './dynamodb/server.ts';
import { pollQueue } from './event-source.ts';
import { createEventBus, executionEvent } from './events.ts';
import { startHttpApi } from './http-api.ts';
import { answerLambda } from './lambda/api.ts';
import { createLambdas } from './lambda/lambdas.ts';
import { createVersions, versionsSchema } from './lambda/versions.ts';
import type { Page } from './page.ts';
import type { Workshop } from './resources.ts';
import { startS3 } from './s3/server.ts';
import { startSecretsManager } from './secretsmanager/server.ts';
import { openDatabase } from './sqlite.ts';
import { startSqs } from './sqs/server.ts';
import { answerStepFunctions } from './stepfunctions/api.ts';
import { createExecutions } from './stepfunctions/executions.ts';
import { journalSchema, openJournal } from './stepfunctions/journal.ts';
import { storageClients } from './storage.ts';
import { type Assembly, readAssembly } from './template.ts';

export interface StackOptions {
  /** `cdk.out`, with one stack. */
  readonly assemblyDir: string;
  /** Assemblies of stacks that are made after that one, in this order; they may import what those before them export. */
  readonly furtherAssemblyDirs?: readonly string[];
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
  /** Functions with the tag `local:isolation` = `process` get at most this timeout. */
  readonly invocationSeconds?: number;
  /** Loads every function before it is asked for, so that the first answers come as quick as later ones. @default true */
  readonly warm?: boolean;
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
  /** The directories that functions and their versions run from. Others of an assembly are not needed any more. */
  codeDirs(): ReadonlySet<string>;
  /**
   * Reads the assemblies again and brings functions, versions and custom resources up to date, as CloudFormation would.
   * What runs goes on undisturbed. One after the other, when called at the same time.
   * @param assemblyDir in place of the one that the stack was started with
   * @returns the logical ids of what is new, changed or gone
   * @throws when a resource of another type is new, changed or gone, which needs a restart, or when something cannot be
   * made; that stack is as it was before, then
   */
  deploy(assemblyDir?: string): Promise<readonly string[]>;
  /** Ends everything. Executions stay open and go on at the next start on the same `stateDir`. */
  stop(): Promise<void>;
}

/**
 * Starts every resource of the assembly's template, then lets requests, messages, schedules and open executions in.
 * @throws when another stack runs on `stateDir`, the port is taken, the template asks for something that does not
 * exist locally, or a custom resource fails; what was started is stopped then
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const assemblies = readAssemblies(options, options.assemblyDir);
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
    return await run(options, assemblies, closers, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @throws when two stacks have the same name: their resources would, too */
function readAssemblies({ furtherAssemblyDirs = [] }: StackOptions, assemblyDir: string): readonly Assembly[] {
  const assemblies = [assemblyDir, ...furtherAssemblyDirs].map((dir, index) => readAssembly(dir, index === 0));
  const names = assemblies.map(({ stackName }) => stackName);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`Two stacks are called ${twice}. Give one of them another name.`);
  return assemblies;
}

async function run(
  options: StackOptions,
  assemblies: readonly Assembly[],
  closers: (() => unknown)[],
  stop: () => Promise<void>,
): Promise<Stack> {
  const { log, stateDir } = options;
  const [main] = assemblies as [Assembly];
  const { region, accountId } = main;
  const db = openDatabase(stateDir, 'stack', journalSchema + customResourcesSchema + versionsSchema);
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
  const nodeCompileCache = compileCache(stateDir, closers);
  const longestInvocationMs = (options.invocationSeconds ?? Infinity) * 1000;
  const lambdas = createLambdas(log, (spec) => ({
    ...spec,
    environment: {
      ...functionEnvironment(region, endpoints),
      NODE_COMPILE_CACHE: nodeCompileCache,
      ...spec.environment,
    },
    timeoutMs: Math.min(spec.timeoutMs, spec.isolation === 'process' ? longestInvocationMs : Infinity),
  }));
  closers.push(() => lambdas.stop());
  const bus = createEventBus(main, lambdas.invokeLater, options.scheduleScale);
  closers.push(() => bus.stop());
  const executions = createExecutions({
    journal: openJournal(db),
    invoke: lambdas.invoke,
    onStatus: (record) => bus.publish(executionEvent(main, record)),
  });
  closers.push(() => executions.close());
  const versions = createVersions(db, lambdas, log);
  const customResources = createCustomResources({
    db,
    place: { region, accountId },
    endpoint: () => control.endpoint,
    invoke: lambdas.invoke,
    log,
  });
  const control = await startControlServer([
    (request) => answerLambda(lambdas, versions, request),
    (request) => answerStepFunctions(executions, request),
    customResources.service,
  ]);
  closers.push(() => control.close());
  const { port, portMayMove = false } = options;
  const httpApi = await startHttpApi({ port, portMayMove, accountId, invoke: lambdas.invoke, page: options.page });
  closers.push(() => httpApi.close());

  const endpoints = { dynamodb, sqs, s3, secretsmanager, sfn: control.endpoint, lambda: control.endpoint };
  const api: Workshop['api'] = { id: undefined, integrations: new Map(), routes: [] };
  const sources: Workshop['sources'] = [];
  const workshop = {
    storage,
    lambdas,
    versions,
    executions,
    bus,
    apiUrl: httpApi.url,
    queueUrls: new Map<string, string>(),
    sources,
    api,
  };
  const deployments = createDeployments(workshop, customResources);
  for (const assembly of assemblies) await deployments.make(assembly);
  await deployments.keepOnlyThese();

  const polling = new AbortController();
  const pollers = sources.map((source) => pollQueue(source, storage.sqs, region, lambdas.invoke, log, polling.signal));
  closers.push(async () => {
    polling.abort();
    // A poller may wait for a function: those are ended first.
    executions.close();
    await lambdas.stop();
    await Promise.all(pollers);
  });
  if (api.id !== undefined) httpApi.serve(api.id, api.routes);
  executions.resume();
  bus.startSchedules();
  const { warm = true } = options;
  if (warm) void lambdas.warm();
  let deploying: Promise<unknown> = Promise.resolve();
  const deploy = async (assemblyDir = options.assemblyDir): Promise<readonly string[]> => {
    const changed: string[] = [];
    for (const assembly of readAssemblies(options, assemblyDir)) changed.push(...(await deployments.change(assembly)));
    if (warm) void lambdas.warm();
    return changed;
  };
  return {
    apiUrl: httpApi.url,
    region,
    endpoints,
    get outputs() {
      return deployments.of(main.stackName).outputs;
    },
    get resources() {
      return deployments.of(main.stackName).resources;
    },
    pids: lambdas.pids,
    codeDirs: lambdas.codeDirs,
    deploy(assemblyDir) {
      const done = deploying.then(() => deploy(assemblyDir));
      deploying = done.catch(() => undefined);
      return done;
    },
    stop,
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
