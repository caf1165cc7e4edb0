import { noEnds, type Run as StoredRun } from '../../core/job.ts';
import { type ArchivesSpaceSession, type InputFile, type Run, StopReason } from './context.ts';
import type { Journal } from './journal.ts';
import { runSegment } from './segment.ts';

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
  /** Seconds of each `ctx.wait`; the test does not wait. */
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
  const kept = keep();
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
  for (let segment = 1; ; segment++) {
    const end = await runSegment(watching, {
      job: { id, type, repository, owner, attempt: 1, segment },
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
    });
    if (end.kind === 'wait') {
      waits.push(end.seconds);
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

function keep() {
  const log: Uint8Array[] = [];
  const created: string[] = [];
  const modified: string[] = [];
  const files: TestResult['files'][number][] = [];
  let ends = noEnds;
  let state: string | undefined;
  let progress: StoredRun['progress'];
  const journal: Journal = {
    async log(offset, bytes) {
      log.push(bytes);
      return offset + bytes.length;
    },
    async records(n, newlyCreated, newlyModified) {
      created.push(...newlyCreated);
      modified.push(...newlyModified);
      return n + 1;
    },
    async file(_n, file) {
      files.push(file);
    },
    async progress(now) {
      progress = now;
    },
    async state(saved) {
      state = saved;
    },
    async close(saved, at) {
      state = saved;
      ends = at;
    },
    async end(_end, at, last) {
      ends = at;
      progress = last ?? progress;
    },
  };
  return {
    journal,
    state: () => state,
    ends: () => ends,
    result: () => ({ log: Buffer.concat(log).toString(), created, modified, files, progress }),
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
