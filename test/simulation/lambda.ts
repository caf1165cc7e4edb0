import type { Invoke, TaskError } from './execution.ts';
import type { Faults } from './faults.ts';
import type { Process, ProcessEnd, Scheduler } from './scheduler.ts';

/** A sandbox of a runner function: the same process environment serves one invocation after another. */
export interface Sandbox {
  current: Process | undefined;
  /** Earlier invocations, frozen; they go on while a later one runs. */
  readonly earlier: Process[];
}

export interface RunnerPayload {
  readonly job: number;
  readonly type: string;
  readonly token: string;
}

/** What runs in a sandbox: the handler of a runner function. */
export type Handler = (process: Process, sandbox: Sandbox, payload: Record<string, unknown>) => Promise<unknown>;

export interface RunnerFunctions {
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  /** Milliseconds an invocation of this function may take. */
  timeoutMs(functionName: string): number;
  readonly handler: Handler;
  mayFail(token: string, why: string): void;
}

const platformErrors = [
  'Lambda.ServiceException',
  'Lambda.SdkClientException',
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.AWSLambdaException',
  'States.Timeout',
];

/** Invokes runner functions as Step Functions does, with all that a platform may do to an invocation. */
export function runnerLambda(of: RunnerFunctions): Invoke {
  const { scheduler, faults } = of;
  const { random } = scheduler;
  const idle = new Map<string, Sandbox[]>();

  const start = (name: string, payload: Record<string, unknown>, delayMs: number, ended: (end: ProcessEnd) => void) => {
    const { token } = payload as unknown as RunnerPayload;
    const free = idle.get(name) ?? [];
    idle.set(name, free);
    const reused = random.chance(0.7) ? free.pop() : undefined;
    const sandbox: Sandbox = reused ?? { current: undefined, earlier: [] };
    const process = scheduler.spawn(
      `runner ${payload['job']}`,
      {
        timeoutMs: of.timeoutMs(name),
        skewMs: random.between(-3_000, 3_000),
        delayMs: delayMs + (reused ? random.between(1, 20) : random.between(100, 900)),
      },
      (self) => {
        self.token = token;
        for (const earlier of sandbox.earlier) scheduler.thaw(earlier);
        return of.handler(self, sandbox, payload);
      },
      (end) => {
        if (end.kind === 'killed') {
          if (end.why === 'timeout') of.mayFail(token, end.why);
          for (const earlier of sandbox.earlier) earlier.kill('its sandbox is gone');
        } else {
          for (const earlier of sandbox.earlier) if (earlier.state === 'running') earlier.state = 'frozen';
          sandbox.earlier.push(process);
          if (sandbox.earlier.length > 2) sandbox.earlier.shift()?.kill('forgotten');
          sandbox.current = undefined;
          free.push(sandbox);
        }
        ended(end);
      },
    );
    sandbox.current = process;
    return process;
  };

  return (name, payload, answered) => {
    const { token } = payload as unknown as RunnerPayload;
    const report = (error: string, afterMs: number) => {
      of.mayFail(token, error);
      scheduler.after(afterMs, () => answered({ error: { Error: error, Cause: '' } }));
    };
    if (faults.hit('runner throttled', 0.05)) {
      report('Lambda.TooManyRequestsException', random.between(5, 50));
      return;
    }
    if (faults.hit('platform error', 0.04)) {
      const reportedMs = random.between(10, 30_000);
      report(random.pick(platformErrors), reportedMs);
      // The invocation runs on all the same, begins while its end is written, begins late, or never.
      const beginsMs = random.pick([0, 0, reportedMs + random.between(0, 120), random.between(0, 60_000)]);
      if (random.chance(0.8)) start(name, payload, beginsMs, () => {});
      return;
    }
    const answer = (end: ProcessEnd) => {
      const result = resultOf(end, random.chance(0.1));
      scheduler.after(random.between(2, 30), () => answered(result));
    };
    if (faults.hit('invocation repeated', 0.05)) {
      of.mayFail(token, 'its invocation was repeated');
      const firstCounts = random.chance(0.7);
      start(name, payload, 0, firstCounts ? answer : () => {});
      const laterMs = random.chance(0.6) ? random.between(0, 3_000) : random.between(0, 1_200_000);
      start(name, payload, laterMs, firstCounts ? () => {} : answer);
      return;
    }
    const process = start(name, payload, 0, answer);
    if (faults.hit('runner killed', 0.04)) {
      scheduler.after(random.between(0, random.chance(0.5) ? 2_000 : 120_000), () => {
        if (process.state !== 'running') return;
        of.mayFail(token, 'killed by the platform');
        process.kill('exit');
      });
    }
  };
}

/** What Step Functions is told of an invocation's end. */
export function resultOf(
  end: ProcessEnd,
  unclear = false,
): { readonly value: unknown } | { readonly error: TaskError } {
  const failed = (errorType: string, errorMessage: string) => ({
    error: { Error: errorType, Cause: JSON.stringify({ errorMessage, errorType, trace: [] }) },
  });
  if (end.kind === 'returned') return { value: end.value };
  if (end.kind === 'threw') {
    const { name, message } = end.error as Error;
    return failed(name, message);
  }
  // Sometimes Lambda does not say what kind of error it was.
  if (unclear) return { error: { Error: 'Lambda.Unknown', Cause: 'The cause could not be determined.' } };
  if (end.why === 'timeout')
    return failed('Sandbox.Timedout', 'RequestId: 1 Error: Task timed out after 900.00 seconds');
  if (end.why === 'out of memory') return failed('Runtime.OutOfMemory', 'RequestId: 1 Error: Runtime exited');
  return failed('Runtime.ExitError', 'RequestId: 1 Error: Runtime exited with error: signal: killed');
}
