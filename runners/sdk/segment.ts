import { isRecordUri } from '../../archivesspace/paths.ts';
import { isContentType, isFileName } from '../../core/file-names.ts';
import type { Ends, Run as StoredRun } from '../../core/job.ts';
import { maxInterruptions, retryWaitSeconds } from '../../core/limits.ts';
import {
  type ArchivesSpaceSession,
  FinalFailure,
  type InputFile,
  type JobContext,
  type Run,
  StopReason,
} from './context.ts';
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
  /** What the last checkpoint saved, as JSON; undefined before the first. */
  readonly state: string | undefined;
  readonly ends: Ends;
  /** What its type says of going on after a failure, and how that went so far. @default not resumable */
  readonly resume?: {
    readonly retries: number;
    /** How many segments in a row broke off without a new state. */
    readonly interruptions: number;
    /** Why the segment before this one broke off, if it did. */
    readonly because: string | undefined;
  };
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
  let interruptions = segment.resume?.interruptions ?? 0;
  /** A state that is not the one that this segment began with: whatever broke the run, it got past it. */
  const checkpointOf = (state: unknown) => {
    const text = rendered(state);
    if (text !== segment.state) interruptions = 0;
    return { state: text, interruptions };
  };

  const leave = async (state: unknown, end: SegmentEnd): Promise<never> => {
    const heedsCancel = end.kind === 'wait' && end.heedsCancel === true;
    await recorder.close({ next: { ...checkpointOf(state), heedsCancel } });
    left.resolve(end);
    return new Promise<never>(() => {});
  };
  const context = makeContext(segment, recorder, AbortSignal.any([segment.stop, deadline.signal]), {
    checkpoint: async (state) => {
      if (segment.now() >= yieldAt) return leave(state, { kind: 'continue' });
      await recorder.state(checkpointOf(state));
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
    if (segment.resume?.because !== undefined) {
      recorder.log(`The job was interrupted. ${segment.resume.because}`);
      recorder.log(`It goes on from ${segment.state === undefined ? 'its beginning' : 'its last checkpoint'}.`);
    }
    const came = await bodyEnd(run, context, segment.stop);
    const onward = 'thrown' in came && afterFailure(segment, interruptions, came.thrown);
    if (onward) {
      recorder.log(onward.said);
      await recorder.close({ next: onward.next });
      return onward.end;
    }
    const end = 'thrown' in came ? failureOf(came.thrown) : came;
    if ('thrown' in came && !isDeadline(came.thrown)) recorder.log(`The job failed: ${messageOf(came.thrown)}`);
    await recorder.close({ end });
    return { kind: 'ended', end };
  })();
  try {
    return await Promise.race([body, left.promise]);
  } finally {
    clearTimeout(timer);
  }
}

type End = NonNullable<StoredRun['end']>;

async function bodyEnd(run: Run, context: JobContext, stop: AbortSignal): Promise<End | { readonly thrown: unknown }> {
  let came: End | { readonly thrown: unknown } = { outcome: 'completed' };
  try {
    await run(context);
  } catch (error) {
    came = { thrown: error };
  }
  if (!stop.aborted) return came;
  const { why } = stop.reason as StopReason;
  if (why === 'canceled') return { outcome: 'canceled' };
  return {
    outcome: 'failed',
    failure: { kind: 'time_limit', reason: 'The job took longer than its type allows and was stopped.' },
  };
}

const isDeadline = (thrown: unknown) => thrown instanceof StopReason && thrown.why === 'deadline';

const messageOf = (thrown: unknown) => (thrown instanceof Error ? thrown.message || thrown.name : String(thrown));

function failureOf(thrown: unknown): End {
  if (isDeadline(thrown)) {
    return {
      outcome: 'failed',
      failure: {
        kind: 'timed_out',
        reason: 'The runner stopped near the end of its invocation, and did not save a checkpoint to go on from.',
      },
    };
  }
  return { outcome: 'failed', failure: { kind: 'runner_error', reason: messageOf(thrown).slice(0, 500) } };
}

interface Onward {
  /** For the log. */
  readonly said: string;
  readonly next: { readonly attempt?: number; readonly interruptions: number };
  readonly end: SegmentEnd;
}

/** How a resumable run goes on whose body threw; undefined when that ends the job. */
function afterFailure(
  { job: { attempt }, resume }: Segment,
  interruptions: number,
  thrown: unknown,
): Onward | undefined {
  if (!resume) return undefined;
  // What the body waited for was given up for the deadline: another invocation has the time.
  if (isDeadline(thrown)) {
    if (interruptions >= maxInterruptions) return undefined;
    return {
      said: 'The invocation of the runner is over. The job goes on from its last checkpoint.',
      next: { interruptions: interruptions + 1 },
      end: { kind: 'continue' },
    };
  }
  if (thrown instanceof FinalFailure || attempt > resume.retries) return undefined;
  const seconds = retryWaitSeconds(attempt);
  return {
    said: `Attempt ${attempt} of ${resume.retries + 1} failed: ${messageOf(thrown)}\nThe job is tried again in ${seconds} s.`,
    next: { attempt: attempt + 1, interruptions },
    end: { kind: 'wait', seconds },
  };
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
      if (!isContentType(contentType)) throw new TypeError(`${JSON.stringify(contentType)} is not a content type.`);
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

function rendered(state: unknown): string {
  const text = JSON.stringify(state ?? null);
  if (Buffer.byteLength(text) > maxStateBytes)
    throw new RangeError(`A checkpoint is at most ${maxStateBytes} bytes of JSON.`);
  return text;
}
