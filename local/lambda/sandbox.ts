// One execution environment of a function: a child process, which can be killed alone, or a worker thread, which
// starts quicker and costs less. One invocation at a time.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Duplex, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { FunctionError, InvokeMessage, SandboxMessage } from './protocol.ts';
import { pythonMissing } from './python.ts';

/** Lambda gives a function 10 s to load; a busy laptop may need more. */
const loadTimeoutMs = 30_000;
/** How long a dead child's last words may take to arrive. */
const lastWordsMs = 500;

const bootstrap = new URL('./bootstrap.ts', import.meta.url);
const pythonBootstrap = fileURLToPath(new URL('./bootstrap.py', import.meta.url));

export interface FunctionSpec {
  readonly name: string;
  readonly arn: string;
  /** Directory that holds the code. */
  readonly dir: string;
  /** `file.export`, as in CloudFormation. */
  readonly handler: string;
  /** The whole environment; nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  readonly memoryMb: number;
  readonly timeoutMs: number;
  readonly isolation: 'process' | 'worker';
  /** For a function in Python, which always has processes: the interpreter, or undefined where this machine has none. */
  readonly python?: { readonly path: string | undefined };
  /** At most this many invocations at once; absent = the local default. */
  readonly reservedConcurrency?: number;
}

export type InvocationOutcome =
  | { readonly kind: 'result'; readonly payload: string }
  | { readonly kind: 'error'; readonly error: FunctionError };

/** Why a sandbox is no more, in the words of Lambda's log: `signal: killed`, `exit status 1`. */
interface Link {
  post(message: InvokeMessage): void;
  /** Ends the sandbox at once; `onEnd` tells when it is gone. */
  kill(): void;
}

interface LinkEvents {
  onMessage(message: SandboxMessage): void;
  onEnd(reason: string): void;
  onLine(line: string): void;
}

export interface Sandbox {
  /** The child's process id; absent for a worker thread. */
  readonly pid: number | undefined;
  /** Resolves when the function is loaded or known to be broken. Never rejects. */
  readonly loaded: Promise<void>;
  isAlive(): boolean;
  /** Runs one event. It never rejects: a sandbox that dies or is too slow gives the error that Lambda gives. */
  invoke(requestId: string, payload: string): Promise<InvocationOutcome>;
  /** Ends it at once; resolves when it is gone. */
  kill(): Promise<void>;
}

/**
 * Starts a sandbox for `spec`. Lines it prints go to `log`.
 * @param onEnd called once, when the sandbox is gone.
 */
export function startSandbox(spec: FunctionSpec, log: (line: string) => void, onEnd: () => void): Sandbox {
  const ended = Promise.withResolvers<string>();
  const loaded = Promise.withResolvers<void>();
  let endReason: string | undefined;
  let broken: FunctionError | undefined;
  let uncaught: FunctionError | undefined;
  let settle: ((outcome: InvocationOutcome) => void) | undefined;

  const events: LinkEvents = {
    onLine: log,
    onMessage(message) {
      if (message.kind === 'ready') loaded.resolve();
      else if (message.kind === 'broken') {
        broken = message.error;
        loaded.resolve();
      } else if (message.kind === 'uncaught') uncaught = message.error;
      else if (message.kind === 'result') settle?.({ kind: 'result', payload: message.payload });
      else settle?.({ kind: 'error', error: message.error });
    },
    onEnd(reason) {
      if (endReason !== undefined) return;
      endReason = reason;
      loaded.resolve();
      ended.resolve(reason);
      onEnd();
    },
  };
  const child = spec.python
    ? startPython(spec, spec.python.path, events)
    : spec.isolation === 'process'
      ? startChild(spec, events)
      : undefined;
  const link: Link = child?.link ?? startWorker(spec, events);

  const loadTimer = setTimeout(() => {
    broken = { errorType: 'Sandbox.Timedout', errorMessage: 'Error: the function did not load in time' };
    link.kill();
  }, loadTimeoutMs);
  loadTimer.unref();
  void loaded.promise.then(() => clearTimeout(loadTimer));

  async function invoke(requestId: string, payload: string): Promise<InvocationOutcome> {
    await loaded.promise;
    if (broken) {
      link.kill();
      return { kind: 'error', error: broken };
    }
    const answered = Promise.withResolvers<InvocationOutcome>();
    settle = answered.resolve;
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      link.kill();
    }, spec.timeoutMs);
    if (endReason === undefined) {
      link.post({ requestId, payload, functionArn: spec.arn, deadlineMs: Date.now() + spec.timeoutMs });
    }
    try {
      // Whoever waits for the outcome of a killed invocation may rely on its process being gone.
      return await Promise.race([
        answered.promise,
        ended.promise.then((reason) => {
          if (timedOut) {
            const seconds = (spec.timeoutMs / 1000).toFixed(2);
            const errorMessage = `RequestId: ${requestId} Error: Task timed out after ${seconds} seconds`;
            return { kind: 'error', error: { errorType: 'Sandbox.Timedout', errorMessage } } as const;
          }
          if (uncaught) return { kind: 'error', error: uncaught } as const;
          const errorMessage = `RequestId: ${requestId} Error: ${reason}`;
          return { kind: 'error', error: { errorType: 'Runtime.ExitError', errorMessage } } as const;
        }),
      ]);
    } finally {
      clearTimeout(timer);
      settle = undefined;
    }
  }

  return {
    pid: child?.pid,
    loaded: loaded.promise,
    isAlive: () => endReason === undefined && broken === undefined && uncaught === undefined,
    invoke,
    async kill() {
      link.kill();
      await ended.promise;
    },
  };
}

function startChild(spec: FunctionSpec, events: LinkEvents): { link: Link; pid: number | undefined } {
  const child = fork(fileURLToPath(bootstrap), [String(process.pid)], {
    cwd: spec.dir,
    // A group of its own: what the function spawned is killed with it, and Ctrl-C is for the stack alone.
    detached: true,
    env: { ...spec.environment },
    execArgv: [`--max-old-space-size=${spec.memoryMb}`],
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  child.on('message', (message) => events.onMessage(message as SandboxMessage));
  tellEnd(child, events, () => child.connected && new Promise((resolve) => child.once('disconnect', resolve)));
  const link: Link = {
    // A child that is going has closed its channel: its end is what answers the invocation.
    post: (message) => child.connected && child.send(message, () => undefined),
    kill: () => killGroup(child),
  };
  return { link, pid: child.pid };
}

function startPython(
  spec: FunctionSpec,
  python: string | undefined,
  events: LinkEvents,
): { link: Link; pid: number | undefined } {
  if (python === undefined) {
    const error = { errorType: 'Runtime.ImportModuleError', errorMessage: pythonMissing };
    queueMicrotask(() => events.onMessage({ kind: 'broken', error }));
    return { link: { post: () => undefined, kill: () => events.onEnd(pythonMissing) }, pid: undefined };
  }
  // -P and -B: nothing is imported from beside the bootstrap, and no compiled file is left in the code's folder.
  const child = spawn(python, ['-uPB', '-X', 'utf8', pythonBootstrap], {
    cwd: spec.dir,
    detached: true,
    env: { ...spec.environment },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const channel = child.stdio[3] as Duplex;
  readLines(channel, (line) => events.onMessage(JSON.parse(line) as SandboxMessage));
  // Its own end says what happened, not a pipe that broke on the way.
  channel.on('error', () => undefined);
  tellEnd(child, events, () => !channel.readableEnded && new Promise((resolve) => channel.once('end', resolve)));
  const link: Link = {
    post: (message) => channel.write(`${JSON.stringify(message)}\n`),
    kill: () => killGroup(child),
  };
  return { link, pid: child.pid };
}

/** @param said what it sent before it went is read; false when there is nothing to wait for */
function tellEnd(child: ChildProcess, events: LinkEvents, said: () => false | Promise<unknown>): void {
  readLines(child.stdout, events.onLine);
  readLines(child.stderr, events.onLine);
  child.on('error', (error) => {
    // Without a process there is no exit to wait for.
    if (child.pid === undefined) events.onEnd(`Runtime failed to start: ${error.message}`);
    else killGroup(child);
  });
  child.once('exit', (code, signal) => {
    killGroup(child);
    // What it sent before it went may still be in the pipe.
    const tell = (): void => events.onEnd(exitReason(code, signal));
    const waiting = said();
    if (!waiting) return tell();
    const timer = setTimeout(tell, lastWordsMs);
    void waiting.then(() => {
      clearTimeout(timer);
      tell();
    });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    // The group is gone already, or not yet there because the child has not come to setsid().
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    child.kill('SIGKILL');
  }
}

/** The wording of Lambda's runtime interface. */
function exitReason(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal === 'SIGKILL') return 'Runtime exited with error: signal: killed';
  if (signal === 'SIGABRT') return 'Runtime exited with error: signal: aborted (core dumped)';
  if (signal === 'SIGTERM') return 'Runtime exited with error: signal: terminated';
  if (signal !== null) return `Runtime exited with error: signal: ${signal}`;
  return code === 0 ? 'Runtime exited without providing a reason' : `Runtime exited with error: exit status ${code}`;
}

function startWorker(spec: FunctionSpec, events: LinkEvents): Link {
  const worker = new Worker(bootstrap, {
    env: { ...spec.environment },
    execArgv: [],
    name: spec.name,
    resourceLimits: { maxOldGenerationSizeMb: spec.memoryMb },
    stderr: true,
    stdout: true,
  });
  readLines(worker.stdout, events.onLine);
  readLines(worker.stderr, events.onLine);
  let reason: string | undefined;
  worker.on('message', (message: SandboxMessage) => events.onMessage(message));
  worker.on('error', (error: NodeJS.ErrnoException) => {
    // Out of memory is the only fault that does not pass through the bootstrap.
    reason = 'Runtime exited with error: signal: killed';
    events.onLine(error.message);
  });
  worker.once('exit', (code) => events.onEnd(reason ?? exitReason(code, null)));
  return {
    post: (message) => worker.postMessage(message),
    kill: () => {
      reason ??= 'Runtime exited with error: signal: killed';
      void worker.terminate();
    },
  };
}

function readLines(stream: Readable | null, onLine: (line: string) => void): void {
  if (stream) createInterface({ input: stream }).on('line', onLine);
}
