/**
 * Does nothing, slowly. It is here to be read: a job type's whole code is a manifest (manifest.ts), a schema for each
 * type (schemas/), and the function `run` below. ArchivesSpace's own plugin jobs_example does the same.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { JobContext, Run } from '../../runners/sdk/context.ts';
import { runner } from '../../runners/sdk/run.ts';

/** The parameters as the schema promises them: they were checked when the job was created. */
interface Params extends Readonly<Record<string, unknown>> {
  readonly times: string;
  readonly seconds?: number;
}

/** What a segment hands to the next one. Anything that JSON can say will do. */
interface State {
  readonly done: number;
}

/**
 * The work. Returning means that the job is done. Throwing means that it failed, and the error's message is what
 * staff read.
 */
export const run: Run<Params> = async (ctx) => {
  const times = Number(ctx.params.times);
  const seconds = ctx.params.seconds ?? 10;
  // A Lambda runs for 15 minutes at most. A longer job goes on in another invocation, which starts from the top of
  // `run`: what the last one saved tells it where it was.
  let { done } = (ctx.resumed as State | undefined) ?? { done: 0 };

  while (done < times) {
    ctx.log(`Doing nothing, ${done + 1} of ${times}`);
    ctx.log(memoryLine());
    await doNothing(ctx, seconds);
    if (ctx.stopping) {
      // Stop, and return: the job ends as canceled. A runner that goes on regardless is killed after its grace time.
      ctx.log("Oh gee, I've been canceled");
      return;
    }
    // The signal fires near the end of the invocation as well. A pause that was cut short by that does not count: the
    // next invocation does that step again.
    if (!ctx.signal.aborted) done++;
    ctx.progress(done, times);
    // Saves how far we are. Near the end of the invocation this never returns, and the next one begins.
    if (done < times) await ctx.checkpoint({ done } satisfies State);
  }

  ctx.log("Phew, I'm done doing nothing!");
};

/** What the service calls. Every runner has this line. */
export const handler = runner(run as Run);

/** Waits, but not longer than until somebody wants us to stop. Long work passes `ctx.signal` on, or looks at it often. */
async function doNothing({ signal }: JobContext<Params>, seconds: number): Promise<void> {
  await pause(seconds * 1000, undefined, { signal }).catch(() => {});
}

function memoryLine(): string {
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  const mb = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MB`;
  return `Memory: ${mb(heapUsed)} used of ${mb(heapTotal)}, ${mb(rss)} for the process`;
}
