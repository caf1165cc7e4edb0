import { randomUUID } from 'node:crypto';
import type { Bucket } from '../../aws/clients.ts';
import { commit, read, type Table } from '../../aws/dynamo.ts';
import type { ExecutionInput } from '../../aws/executions.ts';
import { readInputs, readParams } from '../../aws/reads.ts';
import { refusedSegment } from '../../core/ending.ts';
import { fromItem, type Run as StoredRun } from '../../core/job.ts';
import { claimSegment, keys } from '../../core/table.ts';
import { type Run, StopReason } from '../../runners/sdk/context.ts';
import { runSegment, type SegmentEnd } from '../../runners/sdk/segment.ts';
import { findLogEnd, tableJournal } from '../../runners/sdk/table-journal.ts';

export interface Invocation extends ExecutionInput {
  readonly last: { readonly Error: string; readonly Cause: string };
}

/** Stands for the watch's thread (runners/sdk/watch.ts): starts it, and returns what ends it. */
export type StartWatch = (
  watched: { readonly token: string; readonly graceMs: number; readonly limitAt: number | undefined },
  onStop: (why: 'canceled' | 'time_limit') => void,
) => { stop(): void };

/**
 * `invoke` of runners/sdk/run.ts, step by step with its commands; claim, journal and segment are the service's own.
 * Only the watch differs: a thread cannot run in virtual time.
 */
export async function invoke(
  run: Run,
  table: Table,
  bucket: Bucket,
  invocation: Invocation,
  remainingMs: () => number,
  startWatch: StartWatch,
): Promise<void> {
  const { job: id, type, token } = invocation;
  const n = Number.parseInt(String((JSON.parse(invocation.last.Cause) as { errorMessage?: string }).errorMessage), 10);
  const stored = await claim(table, invocation, n, Date.now() + remainingMs());
  const journal = tableJournal(table, bucket, { id, type, token }, n);
  const stop = new AbortController();
  const endsAt = async () => (n === 1 ? stored.ends : { ...stored.ends, ...(await findLogEnd(table, stored)) });
  if (stored.cancelAt !== undefined && stored.heedsCancel) stop.abort(new StopReason('canceled', 'canceled'));
  if (stored.cancelAt !== undefined && !stored.heedsCancel) {
    await journal.end({ outcome: 'canceled' }, await endsAt(), undefined);
    return;
  }
  const watch = startWatch({ token, graceMs: stored.graceSeconds * 1000, limitAt: stored.limitAt }, (why) =>
    stop.abort(new StopReason(why, why)),
  );
  let end: SegmentEnd;
  try {
    const [params, , ends] = await Promise.all([readParams(table, stored), readInputs(table, stored), endsAt()]);
    end = await runSegment(run, {
      job: {
        id,
        type,
        repository: `/repositories/${stored.repo}`,
        owner: stored.owner,
        attempt: stored.attempt,
        segment: n,
      },
      params: JSON.parse(params),
      jobParams: async () => undefined,
      files: [],
      state: stored.state,
      ends,
      archivesspace: undefined,
      journal,
      stop: stop.signal,
      remainingMs: remainingMs(),
      now: () => Date.now(),
    });
  } finally {
    watch.stop();
  }
  if (end.kind === 'continue') throw named('JobContinue', String(n + 1));
  if (end.kind === 'wait') throw named('JobWait', `${n + 1}|${end.seconds}`);
}

async function claim(
  table: Table,
  { job: id, type, token }: Invocation,
  segment: number,
  deadlineMs: number,
): Promise<StoredRun> {
  const claimId = randomUUID();
  const written = await commit(table, claimSegment({ id, type, token }, segment, claimId, deadlineMs));
  const standing = written.done ? await read(table, keys.run(type, id)) : (written.refused[0] ?? undefined);
  const run = standing && fromItem<StoredRun>(standing);
  if (run?.claim === claimId) return run;
  throw named(refusedSegment, `Segment ${segment} of job ${id} was claimed before, or may not run any more.`);
}

const named = (name: string, message: string) => Object.assign(new Error(message), { name });
