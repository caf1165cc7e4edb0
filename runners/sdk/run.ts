import { randomUUID } from 'node:crypto';
import type { Context } from 'aws-lambda';
import { type Bucket, openBucket, openTable } from '../../aws/clients.ts';
import { commit, read, type Table } from '../../aws/dynamo.ts';
import { readInputs, readParams } from '../../aws/reads.ts';
import { refusedSegment, segmentAfter } from '../../core/ending.ts';
import { Fault } from '../../core/errors.ts';
import type { Ends, ExecutionInput, Run as StoredRun } from '../../core/job.ts';
import { maxSegments } from '../../core/limits.ts';
import { readRunItem } from '../../core/run-item.ts';
import { claimSegment, keys } from '../../core/table.ts';
import { openArchivesSpace } from './archivesspace.ts';
import { type Run, StopReason } from './context.ts';
import { inputFiles, readJobParams } from './inputs.ts';
import { runSegment, type SegmentEnd } from './segment.ts';
import { findLogEnd, tableJournal } from './table-journal.ts';
import { startWatch } from './watch.ts';

/** What the state machine hands to a runner: the execution's input, with the last caught error (docs/runner-protocol.md). */
export interface Invocation extends ExecutionInput {
  readonly last: { readonly Error: string; readonly Cause: string };
}

export interface RunnerOptions {
  /**
   * The version of what the runner gives to `checkpoint` and `wait`. Raise it when new code cannot go on from what the
   * old one saved: a job that meets another version fails and says so. @default 1
   */
  readonly checkpointVersion?: number;
}

/**
 * Makes the Lambda handler of a runner: claims the segment, so that no body runs twice, watches for a cancel, runs the
 * body, and says how it ended. The handler returns when the job has ended in any way, and throws `JobContinue` or
 * `JobWait` to be invoked again; whatever else it throws fails the job.
 */
export function runner<Params = Readonly<Record<string, unknown>>>(
  run: Run<Params>,
  { checkpointVersion = 1 }: RunnerOptions = {},
): (invocation: Invocation, context: Context) => Promise<void> {
  // Opened at the first invocation: a test imports the runner without an environment.
  let opened: Pick<Harness, 'table' | 'bucket'> | undefined;
  return async (invocation, context) => {
    opened ??= { table: openTable(environment('TABLE')), bucket: openBucket(environment('BUCKET')) };
    const end = await runInvocation(run as Run, { ...opened, startWatch, checkpointVersion }, invocation, context);
    if (end.kind === 'continue') throw named('JobContinue', String(segmentOf(invocation) + 1));
    if (end.kind === 'wait') throw named('JobWait', `${segmentOf(invocation) + 1}|${end.seconds}`);
  };
}

/** What an invocation works with: a simulation watches in another way. */
export interface Harness {
  readonly table: Table;
  readonly bucket: Bucket;
  readonly startWatch: typeof startWatch;
  /** @default 1 */
  readonly checkpointVersion?: number;
}

/** Runs one invocation to its end; what it returns is written by then. Throws `RunRefused`, or when it could not be written. */
export async function runInvocation(
  run: Run,
  { table, bucket, startWatch, checkpointVersion = 1 }: Harness,
  invocation: Invocation,
  context: Pick<Context, 'getRemainingTimeInMillis'>,
): Promise<SegmentEnd> {
  const { job: id, type, token } = invocation;
  const n = segmentOf(invocation);
  const remainingMs = context.getRemainingTimeInMillis();
  const stored = await claim(table, invocation, n, Date.now() + remainingMs);
  const version = checkpointVersion === 1 ? undefined : checkpointVersion;
  const journal = tableJournal(
    table,
    bucket,
    { id, type, token, ...(stored.saves !== undefined && { saves: stored.saves }) },
    n,
    version,
  );

  const stop = new AbortController();
  const onStop = (why: 'canceled' | 'time_limit') =>
    stop.abort(new StopReason(why, why === 'canceled' ? 'The job was canceled.' : 'The job reached its time limit.'));
  // Canceled while it waited to be told.
  if (stored.cancelAt !== undefined && stored.heedsCancel) onStop('canceled');
  const early = endEarly(stored, n, checkpointVersion);
  if (early) {
    await journal.end(early, await endsAt(table, stored, n), undefined);
    return { kind: 'ended', end: early };
  }

  const watch = await startWatch(
    table.client,
    {
      table: table.name,
      key: keys.run(type, id),
      token,
      graceMs: stored.graceSeconds * 1000,
      limitAt: stored.limitAt,
      remainingMs,
    },
    onStop,
  );
  try {
    const [params, inputs, ends] = await Promise.all([
      readParams(table, stored),
      readInputs(table, stored),
      endsAt(table, stored, n),
    ]);
    return await runSegment(run, {
      job: {
        id,
        type,
        repository: `/repositories/${stored.repo}`,
        owner: stored.owner,
        attempt: stored.attempt,
        segment: n,
      },
      params: JSON.parse(params),
      jobParams: () => readJobParams(table, type, id),
      files: inputFiles(bucket, type, id, inputs),
      state: stored.state,
      ends,
      ...(stored.resumable && {
        resume: {
          retries: stored.retries ?? 0,
          interruptions: stored.interruptions ?? 0,
          because: isInterrupted(stored, n) ? stored.interruption?.reason : undefined,
        },
      }),
      archivesspace: openArchivesSpace({ job: id, type, token, repository: stored.repo }),
      journal,
      stop: stop.signal,
      remainingMs: context.getRemainingTimeInMillis(),
      now: () => Date.now(),
    });
  } finally {
    // Before the handler returns: Lambda freezes what is left, and thaws it in the next job.
    await watch.stop();
  }
}

/** Claims the segment; returns the run as claimed. Throws `RunRefused` when it may not run, or no more. */
async function claim(
  table: Table,
  { job: id, type, token }: Invocation,
  segment: number,
  deadlineMs: number,
): Promise<StoredRun> {
  const claimId = randomUUID();
  const written = await commit(table, claimSegment({ id, type, token }, segment, claimId, deadlineMs));
  const standing = written.done ? await read(table, keys.run(type, id)) : (written.refused[0] ?? undefined);
  const run = standing && readRunItem(standing);
  // Refused by its own success: the answer of the first try was lost.
  if (run?.claim === claimId) return run;
  throw named(refusedSegment, `Segment ${segment} of job ${id} was claimed before, or may not run any more.`);
}

/** A job that was canceled before this segment, or goes on for ever, ends without its body, unless that asked to be told. */
function endEarly(
  run: StoredRun,
  segment: number,
  checkpointVersion: number,
): NonNullable<StoredRun['end']> | undefined {
  if (run.cancelAt !== undefined && !run.heedsCancel) return { outcome: 'canceled' };
  if (segment > maxSegments) {
    return {
      outcome: 'failed',
      failure: { kind: 'protocol', reason: `The runner went on more than ${maxSegments} times.` },
    };
  }
  const saved = run.stateVersion ?? 1;
  if (run.state !== undefined && saved !== checkpointVersion) {
    return {
      outcome: 'failed',
      failure: {
        kind: 'protocol',
        reason: `The job's last checkpoint has version ${saved}, and the runner that is to go on reads version ${checkpointVersion}.`,
      },
    };
  }
  return undefined;
}

/** The interruption is that of the segment just before. */
const isInterrupted = ({ interruption }: StoredRun, segment: number) => interruption?.segment === segment - 1;

/** Where this segment's writes begin. After the first segment the log itself says it, not a counter (design, section 4). */
async function endsAt(table: Table, run: StoredRun, segment: number): Promise<Ends> {
  return segment === 1 ? run.ends : { ...run.ends, ...(await findLogEnd(table, run)) };
}

/** The segment to claim. Throws when the invocation does not say it. */
function segmentOf({ last }: Invocation): number {
  const segment = segmentAfter(last);
  if (segment === undefined) throw new Fault('The invocation does not say which segment to run.', last);
  return segment;
}

function environment(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`The runner's environment has no ${name}.`);
  return value;
}

function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}
