import { isRecordUri } from '../../archivesspace/paths.ts';
import type { Ends, Run as StoredRun } from '../../core/job.ts';
import { type ArchivesSpaceSession, type InputFile, type JobContext, type Run, StopReason } from './context.ts';
import type { Journal } from './journal.ts';
import { Recorder } from './recorder.ts';

/** The last part of an invocation is kept for saving and ending: a minute, or a fifth of a short one. */
export const savingMs = (invocationMs: number) => Math.min(60_000, invocationMs / 5);
const maxStateBytes = 64 * 1024;
const maxFileBytes = 512 * 1024 * 1024;

/** How a segment ended. What must be said of it is written by then. */
export type SegmentEnd =
  | { readonly kind: 'ended'; readonly end: NonNullable<StoredRun['end']> }
  | { readonly kind: 'continue' }
  | { readonly kind: 'wait'; readonly seconds: number; readonly heedsCancel?: true };

export interface Segment {
  readonly job: JobContext['job'];
  readonly params: Readonly<Record<string, unknown>>;
  /** @default none */
  readonly jobParams?: JobContext['jobParams'];
  readonly files: readonly InputFile[];
  /** The state that the segment before saved, as JSON; undefined in the first. */
  readonly state: string | undefined;
  readonly ends: Ends;
  readonly archivesspace: ArchivesSpaceSession | undefined;
  readonly journal: Journal;
  /** Fires with a `StopReason` for a cancel or the time limit. */
  readonly stop: AbortSignal;
  /** How long this invocation may take from now. */
  readonly remainingMs: number;
  readonly now: () => number;
}

/**
 * Runs a runner's body for one segment and writes how it ended. Throws when that could not be written.
 *
 * Once the signal fired for a cancel or the time limit, that is the outcome, however the body ends. A body that saved
 * near the deadline is left where it awaits: its context takes nothing more.
 */
export async function runSegment(run: Run, segment: Segment): Promise<SegmentEnd> {
  const recorder = new Recorder(segment.journal, segment.ends, segment.now);
  const deadline = new AbortController();
  const yieldAt = segment.now() + segment.remainingMs - savingMs(segment.remainingMs);
  const timer = setTimeout(
    () => deadline.abort(new StopReason('deadline', 'This invocation of the runner is about to end.')),
    Math.max(0, yieldAt - segment.now()),
  ).unref();
  const left = Promise.withResolvers<SegmentEnd>();

  const leave = async (state: unknown, end: SegmentEnd): Promise<never> => {
    await recorder.close({ next: rendered(state), heedsCancel: end.kind === 'wait' && end.heedsCancel === true });
    left.resolve(end);
    return new Promise<never>(() => {});
  };
  const context = makeContext(segment, recorder, AbortSignal.any([segment.stop, deadline.signal]), {
    checkpoint: async (state) => {
      if (segment.now() >= yieldAt) return leave(state, { kind: 'continue' });
      await recorder.state(rendered(state));
    },
    wait: async (seconds, state, { onCancel = 'end' } = {}) => {
      if (!(seconds >= 1 && seconds <= 3600)) throw new RangeError(`A job waits 1 to 3600 seconds, not ${seconds}.`);
      // A canceled job does not wait: its body goes on to see the signal.
      segment.stop.throwIfAborted();
      return leave(state, {
        kind: 'wait',
        seconds: Math.ceil(seconds),
        ...(onCancel === 'resume' && { heedsCancel: true }),
      });
    },
  });

  const body = (async (): Promise<SegmentEnd> => {
    const end = await bodyEnd(run, context, segment.stop, recorder);
    await recorder.close({ end });
    return { kind: 'ended', end };
  })();
  try {
    return await Promise.race([body, left.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function bodyEnd(
  run: Run,
  context: JobContext,
  stop: AbortSignal,
  recorder: Recorder,
): Promise<NonNullable<StoredRun['end']>> {
  let thrown: unknown;
  let failed = false;
  try {
    await run(context);
  } catch (error) {
    thrown = error;
    failed = true;
  }
  if (stop.aborted) {
    const { why } = stop.reason as StopReason;
    if (why === 'canceled') return { outcome: 'canceled' };
    return {
      outcome: 'failed',
      failure: { kind: 'time_limit', reason: 'The job took longer than its type allows and was stopped.' },
    };
  }
  if (!failed) return { outcome: 'completed' };
  if (thrown instanceof StopReason && thrown.why === 'deadline') {
    return {
      outcome: 'failed',
      failure: {
        kind: 'timed_out',
        reason: 'The runner stopped near the end of its invocation, and did not save a checkpoint to go on from.',
      },
    };
  }
  const reason = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  recorder.log(`The job failed: ${reason}`);
  return { outcome: 'failed', failure: { kind: 'runner_error', reason: reason.slice(0, 500) } };
}

function makeContext(
  segment: Segment,
  recorder: Recorder,
  signal: AbortSignal,
  flow: Pick<JobContext, 'checkpoint' | 'wait'>,
): JobContext {
  const record = (what: 'created' | 'modified') => (uri: string) => {
    if (!isRecordUri(uri))
      throw new TypeError(`${JSON.stringify(uri)} is not the URI of a record, such as /repositories/2/resources/1.`);
    recorder.record(what, uri);
  };
  return {
    job: segment.job,
    params: segment.params,
    jobParams: segment.jobParams ?? (async () => undefined),
    files: segment.files.map(withinSize),
    signal,
    get stopping() {
      return segment.stop.aborted;
    },
    resumed: segment.state === undefined ? undefined : JSON.parse(segment.state),
    log: (line) => recorder.log(line),
    progress: (done, total, message) =>
      recorder.progress({ done, total, ...(message !== undefined && { message: message.slice(0, 200) }) }),
    ...flow,
    async addFile(name, body, { contentType = 'application/octet-stream' } = {}) {
      const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
      if (!isFileName(name))
        throw new TypeError(
          `${JSON.stringify(name)} is not a file's name: 1 to 255 characters, no path, no control characters.`,
        );
      if (!/^[\w.+-]+\/[\w.+-]+(; ?[\w=.+-]+)*$/.test(contentType))
        throw new TypeError(`${JSON.stringify(contentType)} is not a content type.`);
      if (bytes.length > maxFileBytes)
        throw new RangeError(`An output file has at most ${maxFileBytes} bytes; ${name} has ${bytes.length}.`);
      await recorder.file(name, contentType, bytes);
    },
    recordCreated: record('created'),
    recordModified: record('modified'),
    get archivesspace() {
      if (!segment.archivesspace)
        throw new Error(
          'This runner has no ArchivesSpace: say `archivesspace: true` in its manifest, and check that the service is set up with one.',
        );
      return segment.archivesspace;
    },
  };
}

/** Opens at a byte that the file has, or at its very end, where there is nothing to ask the bucket for. */
function withinSize(file: InputFile): InputFile {
  return {
    ...file,
    async open({ from = 0 } = {}) {
      if (!Number.isInteger(from) || from < 0 || from > file.size)
        throw new RangeError(`${file.name} has ${file.size} bytes; it cannot be opened from ${from}.`);
      return from > 0 && from === file.size ? (async function* () {})() : file.open({ from });
    },
  };
}

/** A name, not a path: it may be shown and saved as it is. */
export const isFileName = (name: string) => /^[^/\\\p{Cc}]{1,255}$/u.test(name) && name !== '.' && name !== '..';

function rendered(state: unknown): string {
  const text = JSON.stringify(state ?? null);
  if (Buffer.byteLength(text) > maxStateBytes)
    throw new RangeError(`A checkpoint is at most ${maxStateBytes} bytes of JSON.`);
  return text;
}
