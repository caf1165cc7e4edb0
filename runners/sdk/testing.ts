import { noEnds, type Run as StoredRun } from '../../core/job.ts';
import type { Checkpoint, Closing } from '../../core/table.ts';
import { type ArchivesSpaceSession, type InputFile, type Run, StopReason } from './context.ts';
import type { Journal } from './journal.ts';
import { runSegment, type SegmentEnd } from './segment.ts';

export { exampleParams } from './example-params.ts';

export interface TestOptions {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly files?: readonly {
    readonly name: string;
    readonly content: string | Uint8Array;
    readonly contentType?: string;
  }[];
  readonly job?: {
    readonly id?: number;
    readonly type?: string;
    readonly repository?: string;
    readonly owner?: string;
  };
  /** Cancels the job: at once, when a log line contains this text, or during the so-maniest `ctx.wait`, from 1. */
  readonly cancel?: 'at once' | { readonly whenLogged: string } | { readonly duringWait: number };
  /** What the client sent beside the parameters. */
  readonly jobParams?: string;
  /** The option of its type: a body that throws is tried again so often. The test does not wait before. @default 0 */
  readonly retries?: number;
  /**
   * Kills the process at the so-maniest checkpoint, from 1: when it has been saved, or just before. The job goes on from
   * the last one that was saved, as it does when its type is `resumable`.
   */
  readonly kill?: { readonly checkpoint: number; readonly saved: boolean };
  /** How long one invocation may take; a runner that saves checkpoints goes on in another. @default 900000 */
  readonly invocationMs?: number;
  /** Answers the runner's requests to ArchivesSpace. */
  readonly archivesspace?: (request: {
    readonly method: string;
    readonly path: string;
    /** Of a request with text. */
    readonly body?: string;
    /** Of a request with bytes, such as a form with files. */
    readonly bytes?: Uint8Array<ArrayBuffer>;
    readonly contentType?: string;
  }) => Response | Promise<Response>;
}

export interface TestResult {
  readonly outcome: 'completed' | 'failed' | 'canceled';
  /** Why it failed. */
  readonly reason: string | undefined;
  readonly log: string;
  readonly created: readonly string[];
  readonly modified: readonly string[];
  readonly files: readonly { readonly name: string; readonly contentType: string; readonly bytes: Uint8Array }[];
  readonly progress: { readonly done: number; readonly total: number; readonly message?: string } | undefined;
  readonly segments: number;
  /** How often a state was saved, by `checkpoint` or `wait`. */
  readonly checkpoints: number;
  /** Seconds of each `ctx.wait`, and before each further attempt; the test does not wait. */
  readonly waits: readonly number[];
}

/**
 * Runs a runner as the service would, segment after segment, in memory: no table, no bucket, no waiting.
 *
 * @returns what the job would have left behind; a runner that throws gives `failed` and its reason
 */
export async function runForTest<Params>(run: Run<Params>, options: TestOptions = {}): Promise<TestResult> {
  const stop = new AbortController();
  const cancel = () => stop.abort(new StopReason('canceled', 'The job was canceled.'));
  if (options.cancel === 'at once') cancel();
  const kept = keep(options.kill);
  const waits: number[] = [];
  const { id = 1, type = 'test_job', repository = '/repositories/2', owner = 'archivist' } = options.job ?? {};
  const watching = watchLines(run as Run, (line) => {
    if (
      typeof options.cancel === 'object' &&
      'whenLogged' in options.cancel &&
      line.includes(options.cancel.whenLogged)
    )
      cancel();
  });
  let attempt = 1;
  let dead = false;
  for (let segment = 1, broke = false; ; segment++) {
    const alive = runSegment(watching, {
      job: { id, type, repository, owner, attempt, segment },
      params: (options.params ?? {}) as Readonly<Record<string, unknown>>,
      jobParams: async () => options.jobParams,
      files: (options.files ?? []).map(testFile),
      state: kept.state(),
      ends: kept.ends(),
      archivesspace: options.archivesspace && testSession(options.archivesspace),
      journal: kept.journal,
      stop: stop.signal,
      remainingMs: options.invocationMs ?? 900_000,
      now: () => performance.now(),
      ...((options.kill || options.retries !== undefined) && {
        resume: {
          retries: options.retries ?? 0,
          interruptions: 0,
          because: broke ? "The runner's process was killed." : undefined,
        },
      }),
    });
    // It dies once: its death is no news to the segments after it.
    const end: SegmentEnd | Death = dead ? await alive : await Promise.race([kept.death, alive]);
    broke = end.kind === 'killed';
    dead ||= broke;
    if (end.kind === 'wait') {
      waits.push(end.seconds);
      attempt = kept.attempt();
      if (
        typeof options.cancel === 'object' &&
        'duringWait' in options.cancel &&
        options.cancel.duringWait === waits.length
      ) {
        cancel();
        if (!end.heedsCancel)
          return { ...kept.result(), outcome: 'canceled', reason: undefined, segments: segment, waits };
      }
    }
    if (end.kind !== 'ended') continue;
    return { ...kept.result(), outcome: end.end.outcome, reason: end.end.failure?.reason, segments: segment, waits };
  }
}

/**
 * Runs a runner once unharmed, and then once for each of its checkpoints and each side of it, killed there and gone on
 * from the last one that was saved. All of these should have left the same behind.
 *
 * @returns the unharmed run first
 */
export async function killAtEachCheckpoint<Params>(
  run: Run<Params>,
  options: Omit<TestOptions, 'kill'> = {},
): Promise<readonly TestResult[]> {
  const results = [await runForTest(run, options)];
  const checkpoints = results[0]?.checkpoints ?? 0;
  for (let checkpoint = 1; checkpoint <= checkpoints; checkpoint++) {
    for (const saved of [true, false]) results.push(await runForTest(run, { ...options, kill: { checkpoint, saved } }));
  }
  return results;
}

/** Sees a line when it is logged, not when it is written. */
function watchLines(run: Run, see: (line: string) => void): Run {
  return (ctx) =>
    run(
      Object.create(ctx, {
        log: {
          value: (line: string) => {
            ctx.log(line);
            see(line);
          },
        },
      }),
    );
}

interface Death {
  readonly kind: 'killed';
}

function keep(kill: TestOptions['kill']) {
  const log: Uint8Array[] = [];
  const created: string[] = [];
  const modified: string[] = [];
  const files: TestResult['files'][number][] = [];
  let ends = noEnds;
  /** Log and records that are there, saved or not. */
  let written = { log: 0, records: 0 };
  let state: string | undefined;
  let attempt = 1;
  let progress: StoredRun['progress'];
  let checkpoints = 0;
  const death = Promise.withResolvers<Death>();

  /** A process that is killed gets no answer from its last write. */
  async function save(checkpoint: Checkpoint | Closing): Promise<void> {
    if (checkpoint.state === undefined) {
      ends = checkpoint.ends;
      return;
    }
    checkpoints++;
    const dies = kill?.checkpoint === checkpoints;
    if (!dies || kill?.saved) ({ state, ends } = { ends: checkpoint.ends, state: checkpoint.state });
    if (!dies) return;
    death.resolve({ kind: 'killed' });
    await new Promise<never>(() => {});
  }
  const journal: Journal = {
    async log(offset, bytes) {
      log.push(bytes);
      written = { ...written, log: offset + bytes.length };
      return written.log;
    },
    async records(n, newlyCreated, newlyModified) {
      created.push(...newlyCreated);
      modified.push(...newlyModified);
      written = { ...written, records: n + 1 };
      return written.records;
    },
    async file(n, file) {
      files[n] = file;
    },
    async progress(now) {
      progress = now;
    },
    state: save,
    async close(closing) {
      attempt = closing.attempt ?? attempt;
      await save(closing);
    },
    async end(_end, at, last) {
      ends = at;
      files.length = at.files;
      progress = last ?? progress;
    },
  };
  return {
    journal,
    death: death.promise,
    state: () => state,
    ends: () => ({ ...ends, ...written }),
    attempt: () => attempt,
    result: () => ({ log: Buffer.concat(log).toString(), created, modified, files, progress, checkpoints }),
  };
}

function testFile({
  name,
  content,
  contentType = 'application/octet-stream',
}: NonNullable<TestOptions['files']>[number]): InputFile {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return {
    name,
    contentType,
    size: bytes.length,
    open: async ({ from = 0 } = {}) =>
      (async function* () {
        yield bytes.subarray(from);
      })(),
  };
}

function testSession(answer: NonNullable<TestOptions['archivesspace']>): ArchivesSpaceSession {
  return {
    request: async (path, { method = 'GET', body, contentType } = {}) =>
      answer({
        method,
        path,
        ...(typeof body === 'string' && { body }),
        ...(typeof body === 'object' && { bytes: body }),
        ...(contentType !== undefined && { contentType }),
      }),
  };
}
