// The functions of the stack: which exist, how many run at once, and the sandboxes they run in.
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
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

export const latest = '$LATEST';

export interface Lambdas {
  /** Makes a function, or changes it: later invocations run the new spec, those under way end as they began. */
  add(spec: FunctionSpec): void;
  /** Takes a function away with all its versions. What runs ends undisturbed. */
  remove(name: string): void;
  /** Makes a published version of a function that is there. @param spec its own, whatever the function is by now */
  addVersion(version: string, spec: FunctionSpec): void;
  removeVersion(name: string, version: string): void;
  /** How often an asynchronous invocation that failed is repeated. @default 2 */
  setAsyncRetries(nameOrArn: string, retries: number): void;
  /** The function or the version that a name, a partial ARN or an ARN means. */
  find(nameOrArn: string): FunctionSpec | undefined;
  /** Runs a function and waits for it (invocation type RequestResponse). */
  invoke(nameOrArn: string, payload: string): Promise<InvokeOutcome>;
  /** Runs a function without waiting (type Event): repeated when throttled, and after an error as often as it says. */
  invokeLater(nameOrArn: string, payload: string): void;
  /** Starts one sandbox of each function's newest code, one after the other, so that the first answers are quick. */
  warm(): Promise<void>;
  /** The processes of the function's sandboxes, of all its versions. */
  pids(name: string): number[];
  /** The directories that functions and their versions run from. */
  codeDirs(): ReadonlySet<string>;
  /** Kills every sandbox. */
  stop(): Promise<void>;
}

/** The sandboxes of one version, or of the unpublished code. */
interface Pool {
  readonly spec: FunctionSpec;
  readonly idle: { readonly sandbox: Sandbox; readonly sinceMs: number }[];
  sandboxes: number;
  /** No invocation comes any more: its sandboxes go as they get idle. */
  retired: boolean;
}

interface Known {
  /** By version, `$LATEST` among them. */
  readonly pools: Map<string, Pool>;
  /** Of all versions together: they share the function's concurrency. */
  running: number;
  readonly waiting: (() => void)[];
  asyncRetries: number;
}

/**
 * @param log gets what functions print, each line led by the function's name.
 * @param onMachine puts a spec of the template into the terms of this machine, when a sandbox is made from it
 */
export function createLambdas(
  log: (line: string) => void,
  onMachine: (spec: FunctionSpec) => FunctionSpec = (spec) => spec,
): Lambdas {
  const functions = new Map<string, Known>();
  const sandboxes = new Map<Sandbox, string>();
  const timers = new Set<NodeJS.Timeout>();
  let stopped = false;
  const reaper = setInterval(reap, idleLimitMs / 2);
  reaper.unref();

  function start(pool: Pool): Sandbox {
    const { name } = pool.spec;
    const sandbox: Sandbox = startSandbox(
      onMachine(pool.spec),
      (line) => log(`${name}: ${line}`),
      () => {
        sandboxes.delete(sandbox);
        pool.sandboxes -= 1;
        const index = pool.idle.findIndex((one) => one.sandbox === sandbox);
        if (index >= 0) pool.idle.splice(index, 1);
      },
    );
    sandboxes.set(sandbox, name);
    pool.sandboxes += 1;
    return sandbox;
  }

  function rest(pool: Pool, sandbox: Sandbox): void {
    if (stopped) return;
    if (sandbox.isAlive() && !pool.retired) pool.idle.push({ sandbox, sinceMs: Date.now() });
    else void sandbox.kill();
  }

  function retire(pool: Pool | undefined): void {
    if (!pool) return;
    pool.retired = true;
    for (const { sandbox } of pool.idle.splice(0)) void sandbox.kill();
  }

  function put(known: Known, version: string, spec: FunctionSpec): void {
    const before = known.pools.get(version);
    if (before && isDeepStrictEqual(before.spec, spec)) return;
    known.pools.set(version, { spec, idle: [], sandboxes: 0, retired: false });
    retire(before);
  }

  /** The version that was published last; without one, the unpublished code. */
  function newest({ pools }: Known): Pool | undefined {
    const numbers = [...pools.keys()].filter((version) => version !== latest).map(Number);
    return pools.get(numbers.length > 0 ? String(Math.max(...numbers)) : latest);
  }

  function reap(): void {
    for (const known of functions.values()) {
      for (const pool of known.pools.values()) {
        const kept = pool === newest(known) ? 1 : 0;
        // Invocations take the newest, so the oldest are at the front.
        while (pool.idle.length > kept && pool.idle[0] && pool.idle[0].sinceMs < Date.now() - idleLimitMs) {
          void pool.idle.shift()?.sandbox.kill();
        }
      }
    }
  }

  function find(nameOrArn: string): Pool | undefined {
    const { name, version } = parseFunctionName(nameOrArn);
    return functions.get(name)?.pools.get(version);
  }

  async function invoke(nameOrArn: string, payload: string): Promise<InvokeOutcome> {
    const { name, version } = parseFunctionName(nameOrArn);
    const target = functions.get(name);
    const pool = target?.pools.get(version);
    if (!target || !pool || stopped) return { kind: 'unknown-function' };
    const bytes = Buffer.byteLength(payload);
    if (bytes > maxPayloadBytes) return { kind: 'too-large', bytes };
    const { reservedConcurrency } = target.pools.get(latest)?.spec ?? pool.spec;
    if (target.running >= (reservedConcurrency ?? unreservedConcurrency)) {
      if (reservedConcurrency !== undefined) return { kind: 'throttled' };
      // Whoever is waited for hands its place over, so `running` stays as it is.
      await new Promise<void>((resolve) => target.waiting.push(resolve));
    } else target.running += 1;
    try {
      // The function may have changed while this invocation waited.
      const current = target.pools.get(version);
      if (!current || stopped) return { kind: 'unknown-function' };
      return await runIn(current, payload);
    } finally {
      const next = target.waiting.shift();
      if (next) next();
      else target.running -= 1;
    }
  }

  async function runIn(pool: Pool, payload: string): Promise<InvokeOutcome> {
    const sandbox = pool.idle.pop()?.sandbox ?? start(pool);
    try {
      const outcome = await sandbox.invoke(randomUUID(), payload);
      if (outcome.kind === 'result' && Buffer.byteLength(outcome.payload) > maxPayloadBytes) {
        const errorMessage = `Response payload size exceeded maximum allowed payload size (${maxPayloadBytes} bytes).`;
        return { kind: 'error', error: { errorType: 'Function.ResponseSizeTooLarge', errorMessage } };
      }
      return outcome;
    } finally {
      rest(pool, sandbox);
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
    const { name } = parseFunctionName(nameOrArn);
    const retries = functions.get(name)?.asyncRetries ?? 0;
    if (outcome.kind === 'error' && (failures >= retries || delayMs === undefined)) {
      log(`${name} failed: ${outcome.error.errorType}: ${outcome.error.errorMessage}`);
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
      const known = functions.get(spec.name) ?? {
        pools: new Map(),
        running: 0,
        waiting: [],
        asyncRetries: asyncRetryDelaysMs.length,
      };
      functions.set(spec.name, known);
      put(known, latest, spec);
    },
    remove(name) {
      const known = functions.get(name);
      functions.delete(name);
      for (const pool of known?.pools.values() ?? []) retire(pool);
      known?.pools.clear();
    },
    addVersion(version, spec) {
      const known = functions.get(spec.name);
      if (known) put(known, version, spec);
    },
    removeVersion(name, version) {
      const known = functions.get(name);
      retire(known?.pools.get(version));
      known?.pools.delete(version);
    },
    setAsyncRetries(nameOrArn, retries) {
      const known = functions.get(parseFunctionName(nameOrArn).name);
      if (known) known.asyncRetries = retries;
    },
    find: (nameOrArn) => find(nameOrArn)?.spec,
    invoke,
    invokeLater: (nameOrArn, payload) => void invokeLater(nameOrArn, payload),
    async warm() {
      for (const known of functions.values()) {
        if (stopped) return;
        const pool = newest(known);
        if (!pool || pool.sandboxes > 0 || pool.spec.reservedConcurrency === 0) continue;
        const sandbox = start(pool);
        // An invocation that comes while it loads waits for it rather than start another one.
        rest(pool, sandbox);
        await sandbox.loaded;
      }
    },
    pids: (name) => [...sandboxes].flatMap(([{ pid }, owner]) => (owner === name && pid !== undefined ? [pid] : [])),
    codeDirs: () =>
      new Set([...functions.values()].flatMap(({ pools }) => [...pools.values()].map(({ spec }) => spec.dir))),
    async stop() {
      stopped = true;
      clearInterval(reaper);
      for (const timer of timers) clearTimeout(timer);
      for (const known of functions.values()) for (const next of known.waiting.splice(0)) next();
      await Promise.all([...sandboxes.keys()].map((sandbox) => sandbox.kill()));
    },
  };
}

/**
 * What `arn:aws:lambda:…:function:name:version`, `123456789012:function:name`, `name:version` or `name` means; without a
 * version it is `$LATEST`.
 */
export function parseFunctionName(nameOrArn: string): { readonly name: string; readonly version: string } {
  const parts = nameOrArn.split(':');
  const [name = '', version = latest] = parts.slice(parts.indexOf('function') + 1);
  return { name, version };
}
