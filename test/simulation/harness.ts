import type { Run } from '../../runners/sdk/context.ts';
import { type Harness, type Invocation, runInvocation } from '../../runners/sdk/run.ts';

export type StartWatch = Harness['startWatch'];

/** The handler that `runner` makes (runners/sdk/run.ts), with the clients and the watch of a simulated process. */
export async function handle(
  run: Run,
  harness: Harness,
  invocation: Invocation,
  getRemainingTimeInMillis: () => number,
): Promise<void> {
  const end = await runInvocation(run, harness, invocation, { getRemainingTimeInMillis });
  const next = Number((JSON.parse(invocation.last.Cause) as { errorMessage: string }).errorMessage.split('|')[0]) + 1;
  if (end.kind === 'continue') throw named('JobContinue', String(next));
  if (end.kind === 'wait') throw named('JobWait', `${next}|${end.seconds}`);
}

const named = (name: string, message: string) => Object.assign(new Error(message), { name });
