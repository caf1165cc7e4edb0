// The functions of the stack: which exist, how many run at once, and the sandboxes they run in.
import { randomUUID } from 'node:crypto';
import { pythonMissing } from './python.ts';
import { type FunctionSpec, type InvocationOutcome, type Sandbox, startSandbox } from './sandbox.ts';

/**
 * How many invocations of a function run at once where it reserves none. A region has room for a thousand: what is
 * beyond this machine's few waits its turn, and only a reservation throttles.
 */
const unreservedConcurrency = 10;
/** https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
export const maxPayloadBytes = 6 * 1024 * 1024;
/** A function keeps one warm sandbox; what a burst started beyond it goes after this time. */
const idleLimitMs = 60_000;
/** https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html */
const asyncRetryDelaysMs = [60_000, 120_000];
const throttleRetryMs = 1_000;

export type InvokeOutcome =
  | InvocationOutcome
  | { readonly kind: 'throttled' }
  | { readonly kind: 'unknown-function' }
  | { readonly kind: 'too-large'; readonly bytes: number };

export interface Lambdas {
  add(spec: FunctionSpec): void;
  /** How often an asynchronous invocation that failed is repeated. @default 2 */
  setAsyncRetries(nameOrArn: string, retries: number): void;
  /** The function that a name, a partial ARN or an ARN means, with or without version or alias. */
  find(nameOrArn: string): FunctionSpec | undefined;
  /** Runs a function and waits for it (invocation type RequestResponse). */
  invoke(nameOrArn: string, payload: string): Promise<InvokeOutcome>;
  /** Runs a function without waiting (type Event): repeated when throttled, and after an error as often as it says. */
  invokeLater(nameOrArn: string, payload: string): void;
  /** Starts one sandbox of each function, one after the other, so that the first answers are quick. */
  warm(): Promise<void>;
  /** The processes of the function's sandboxes. */
  pids(name: string): number[];
  /** Kills every sandbox. */
  stop(): Promise<void>;
}

interface Pool {
  readonly spec: FunctionSpec;
  readonly all: Set<Sandbox>;
  readonly idle: { readonly sandbox: Sandbox; readonly sinceMs: number }[];
  running: number;
  readonly waiting: (() => void)[];
  asyncRetries: number;
}

/** @param log gets what functions print, each line led by the function's name. */
export function createLambdas(log: (line: string) => void): Lambdas {
  const pools = new Map<string, Pool>();
  const timers = new Set<NodeJS.Timeout>();
  let stopped = false;
  const reaper = setInterval(reap, idleLimitMs / 2);
  reaper.unref();

  function start(pool: Pool): Sandbox {
    const sandbox: Sandbox = startSandbox(
      pool.spec,
      (line) => log(`${pool.spec.name}: ${line}`),
      () => {
        pool.all.delete(sandbox);
        const index = pool.idle.findIndex((one) => one.sandbox === sandbox);
        if (index >= 0) pool.idle.splice(index, 1);
      },
    );
    pool.all.add(sandbox);
    return sandbox;
  }

  function rest(pool: Pool, sandbox: Sandbox): void {
    if (stopped) return;
    if (sandbox.isAlive()) pool.idle.push({ sandbox, sinceMs: Date.now() });
    else void sandbox.kill();
  }

  function reap(): void {
    for (const { idle } of pools.values()) {
      // Invocations take the newest, so the oldest are at the front.
      while (idle.length > 1 && idle[0] && idle[0].sinceMs < Date.now() - idleLimitMs) {
        void idle.shift()?.sandbox.kill();
      }
    }
  }

  function pool(nameOrArn: string): Pool | undefined {
    return pools.get(functionName(nameOrArn));
  }

  async function invoke(nameOrArn: string, payload: string): Promise<InvokeOutcome> {
    const target = pool(nameOrArn);
    if (!target || stopped) return { kind: 'unknown-function' };
    const bytes = Buffer.byteLength(payload);
    if (bytes > maxPayloadBytes) return { kind: 'too-large', bytes };
    const { reservedConcurrency } = target.spec;
    if (target.running >= (reservedConcurrency ?? unreservedConcurrency)) {
      if (reservedConcurrency !== undefined) return { kind: 'throttled' };
      // Whoever is waited for hands its place over, so `running` stays as it is.
      await new Promise<void>((resolve) => target.waiting.push(resolve));
      if (stopped) return { kind: 'unknown-function' };
    } else target.running += 1;
    const sandbox = target.idle.pop()?.sandbox ?? start(target);
    try {
      const outcome = await sandbox.invoke(randomUUID(), payload);
      if (outcome.kind === 'result' && Buffer.byteLength(outcome.payload) > maxPayloadBytes) {
        const errorMessage = `Response payload size exceeded maximum allowed payload size (${maxPayloadBytes} bytes).`;
        return { kind: 'error', error: { errorType: 'Function.ResponseSizeTooLarge', errorMessage } };
      }
      return outcome;
    } finally {
      rest(target, sandbox);
      const next = target.waiting.shift();
      if (next) next();
      else target.running -= 1;
    }
  }

  async function invokeLater(nameOrArn: string, payload: string, failures = 0): Promise<void> {
    const outcome = await invoke(nameOrArn, payload);
    if (stopped || outcome.kind === 'result') return;
    if (outcome.kind === 'unknown-function' || outcome.kind === 'too-large') {
      log(`An event for ${nameOrArn} is dropped: ${outcome.kind}.`);
      return;
    }
    const delayMs = outcome.kind === 'throttled' ? throttleRetryMs : asyncRetryDelaysMs[failures];
    const retries = pool(nameOrArn)?.asyncRetries ?? 0;
    if (outcome.kind === 'error' && (failures >= retries || delayMs === undefined)) {
      log(`${functionName(nameOrArn)} failed: ${outcome.error.errorType}: ${outcome.error.errorMessage}`);
      return;
    }
    const timer = setTimeout(() => {
      timers.delete(timer);
      void invokeLater(nameOrArn, payload, outcome.kind === 'error' ? failures + 1 : failures);
    }, delayMs);
    timers.add(timer);
  }

  return {
    add(spec) {
      if (spec.python && spec.python.path === undefined)
        log(JSON.stringify({ level: 'WARN', message: pythonMissing, function: spec.name }));
      pools.set(spec.name, {
        spec,
        all: new Set(),
        idle: [],
        running: 0,
        waiting: [],
        asyncRetries: asyncRetryDelaysMs.length,
      });
    },
    setAsyncRetries(nameOrArn, retries) {
      const target = pool(nameOrArn);
      if (target) target.asyncRetries = retries;
    },
    find: (nameOrArn) => pool(nameOrArn)?.spec,
    invoke,
    invokeLater: (nameOrArn, payload) => void invokeLater(nameOrArn, payload),
    async warm() {
      for (const one of pools.values()) {
        if (stopped) return;
        if (one.all.size > 0 || one.spec.reservedConcurrency === 0) continue;
        const sandbox = start(one);
        // An invocation that comes while it loads waits for it rather than start another one.
        rest(one, sandbox);
        await sandbox.loaded;
      }
    },
    pids: (name) => [...(pool(name)?.all ?? [])].flatMap(({ pid }) => pid ?? []),
    async stop() {
      stopped = true;
      clearInterval(reaper);
      for (const timer of timers) clearTimeout(timer);
      for (const one of pools.values()) for (const next of one.waiting.splice(0)) next();
      await Promise.all([...pools.values()].flatMap(({ all }) => [...all].map((sandbox) => sandbox.kill())));
    },
  };
}

/** `arn:aws:lambda:…:function:name:version`, `123456789012:function:name`, `name:version` or `name` → `name`. */
function functionName(nameOrArn: string): string {
  const parts = nameOrArn.split(':');
  const at = parts.indexOf('function');
  return (at >= 0 ? parts[at + 1] : parts[0]) ?? '';
}
