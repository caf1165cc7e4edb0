// What runs inside a sandbox: loads the function's module, then answers one invocation after the other.
// Its environment is all it gets, as on AWS. https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import type { FunctionError, InvokeMessage, SandboxMessage } from './protocol.ts';

type Handler = (event: unknown, context: object) => unknown;

const moduleEndings = ['.mjs', '.js', '.cjs'];

if (isMainThread) {
  dieWithParent(Number(process.argv[2]));
  process.on('disconnect', () => process.exit());
}

process.on('uncaughtException', (error) => end(describe(error), 129));
process.on('unhandledRejection', (reason) =>
  end({ ...describe(reason), errorType: 'Runtime.UnhandledPromiseRejection' }, 128),
);

const handler = await load(variable('LAMBDA_TASK_ROOT'), variable('_HANDLER'));
if (typeof handler === 'function') {
  if (parentPort) parentPort.on('message', (message: InvokeMessage) => answer(handler, message));
  else process.on('message', (message) => answer(handler, message as InvokeMessage));
  say({ kind: 'ready' });
} else {
  say({ kind: 'broken', error: handler });
}

/**
 * Ends this process when the one that started it is gone, however it went. A thread of its own looks, because
 * the function may block the event loop; it kills the whole group, so that what the function spawned goes too.
 */
function dieWithParent(parentPid: number): void {
  const watch = `
    const look = () => { if (process.ppid !== ${parentPid}) try { process.kill(-process.pid, 'SIGKILL'); } catch { process.kill(process.pid, 'SIGKILL'); } };
    look();
    setInterval(look, 1000);`;
  const limits = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 };
  new Worker(watch, { eval: true, resourceLimits: limits, execArgv: [], env: {} }).unref();
}

async function load(root: string, name: string): Promise<Handler | FunctionError> {
  const dot = name.lastIndexOf('.');
  const file = moduleEndings.map((ending) => join(root, name.slice(0, dot) + ending)).find((path) => existsSync(path));
  if (file === undefined) {
    return {
      errorType: 'Runtime.ImportModuleError',
      errorMessage: `Error: Cannot find module '${name.slice(0, dot)}'`,
      trace: [],
    };
  }
  try {
    const loaded = (await import(pathToFileURL(file).href)) as Record<string, unknown> & { default?: unknown };
    const exported = name.slice(dot + 1);
    const found = loaded[exported] ?? (loaded.default as Record<string, unknown> | undefined)?.[exported];
    if (typeof found === 'function') return found as Handler;
    return {
      errorType: 'Runtime.HandlerNotFound',
      errorMessage: `${name} is undefined or not exported`,
      trace: [],
    };
  } catch (error) {
    const { errorType, errorMessage, trace = [] } = describe(error);
    if (error instanceof SyntaxError) {
      return { errorType: 'Runtime.UserCodeSyntaxError', errorMessage: `SyntaxError: ${errorMessage}`, trace };
    }
    const code = (error as { code?: unknown } | null)?.code;
    if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') {
      return { errorType: 'Runtime.ImportModuleError', errorMessage: `Error: ${errorMessage}`, trace };
    }
    return { errorType, errorMessage, trace };
  }
}

async function answer(handle: Handler, message: InvokeMessage): Promise<void> {
  const { requestId, payload, functionArn, deadlineMs } = message;
  const context = {
    awsRequestId: requestId,
    callbackWaitsForEmptyEventLoop: true,
    functionName: variable('AWS_LAMBDA_FUNCTION_NAME'),
    functionVersion: variable('AWS_LAMBDA_FUNCTION_VERSION'),
    invokedFunctionArn: functionArn,
    logGroupName: variable('AWS_LAMBDA_LOG_GROUP_NAME'),
    logStreamName: variable('AWS_LAMBDA_LOG_STREAM_NAME'),
    memoryLimitInMB: variable('AWS_LAMBDA_FUNCTION_MEMORY_SIZE'),
    getRemainingTimeInMillis: () => Math.max(0, deadlineMs - Date.now()),
  };
  try {
    const result = await handle(JSON.parse(payload), context);
    say({ kind: 'result', payload: JSON.stringify(result) ?? 'null' });
  } catch (error) {
    console.error(error);
    say({ kind: 'error', error: describe(error) });
  }
}

function describe(error: unknown): FunctionError {
  if (!(error instanceof Error)) return { errorType: typeof error, errorMessage: String(error), trace: [] };
  return { errorType: error.name, errorMessage: error.message, trace: error.stack?.split('\n') ?? [] };
}

function end(error: FunctionError, exitCode: number): void {
  const last: SandboxMessage = { kind: 'uncaught', error };
  if (parentPort) {
    parentPort.postMessage(last);
    process.exit(exitCode);
  }
  // The message has to be in the pipe before the process goes.
  process.send?.(last, undefined, undefined, () => process.exit(exitCode));
}

function say(message: SandboxMessage): void {
  if (parentPort) parentPort.postMessage(message);
  else process.send?.(message);
}

function variable(name: string): string {
  return process.env[name] ?? '';
}
