import type { Failure, Outcome, Run } from './job.ts';
import { deadlineMarginMs, interruptionWaitSeconds, maxInterruptions, maxInvocationMs, maxSegments } from './limits.ts';

/** What the state that waited for the runner saw: an error's name and cause (AWS: a JSON string for function errors). */
export interface Witness {
  readonly error?: string;
  readonly cause?: string;
  /** Of which segment; a resumable run may have gone on since. */
  readonly segment?: number;
}

/** The named error that leads to a segment: its message begins with the segment's number (docs/runner-protocol.md). */
export interface LedHere {
  readonly Error: string;
  /** JSON text. */
  readonly Cause: string;
}

/** The number of the segment that an error leads to; `undefined` when it says none. */
export function segmentAfter({ Cause }: LedHere): number | undefined {
  const { errorMessage } = JSON.parse(Cause) as { readonly errorMessage?: unknown };
  const segment = Number.parseInt(String(errorMessage), 10);
  return segment >= 1 ? segment : undefined;
}

/** The run has gone on since: what the witness saw ended a segment before, and says nothing of the one that runs now. */
export const isStale = (run: Run | undefined, witness: Witness | undefined): boolean =>
  run !== undefined && witness?.segment !== undefined && run.segment > witness.segment;

export interface Ending {
  readonly outcome: Outcome;
  readonly failure?: Failure;
  /** The body has ended or can never begin: slot and lock may be freed. */
  readonly certain: boolean;
  /**
   * Take the token away in the same transaction. `seen`: certainty rests on no segment beginning meanwhile.
   * Not needed when the run has said its end, which refuses every later claim.
   */
  readonly revoke: 'no' | 'seen' | 'always';
}

/** Errors of an invocation that was refused before it began (Lambda Invoke API, errors). */
const refused = new Set([
  'Lambda.TooManyRequestsException',
  'Lambda.ResourceNotFoundException',
  'Lambda.AccessDeniedException',
  'Lambda.InvalidParameterValueException',
]);

/** The harness's refusal to run a segment twice: whoever claimed it first may still run. */
export const refusedSegment = 'RunRefused';

/**
 * How a run ended, from what the waiting state saw and what the run says of itself (design 3.4). The run item may be
 * written by the runner: it is believed on outcome, reason and ends, and on when its open segment ends at the latest,
 * which counts for no more than a Lambda can last.
 *
 * @param run the run under the job's token; undefined when it is gone
 * @param witness undefined when nobody waited to the end (an aborted execution, the sweep)
 * @param now milliseconds
 */
export function judge(run: Run | undefined, witness: Witness | undefined, now: number): Ending {
  const said = run?.end;
  const witnessed = witness !== undefined && isCertain(witness, run);
  const over = witnessed || isOver(run, now);
  // A resumable run may go on between the read and the write, by another invocation of the finisher.
  const always = (witnessed || run?.open) && !(over && run?.resumable);
  const revoke = said ? 'no' : always ? 'always' : 'seen';
  if (said) {
    return { outcome: said.outcome, ...(said.failure && { failure: said.failure }), certain: over, revoke };
  }
  if (run?.cancelAt !== undefined) return { outcome: 'canceled', certain: over, revoke };
  return { outcome: 'failed', failure: reasonOf(run, witness, now), certain: over, revoke };
}

/** How a run goes on that broke off. */
export interface Resumption {
  /** To claim: the one after that which broke off, also when that died before it was claimed. */
  readonly segment: number;
  readonly afterSeconds: number;
  /** Of the run: how many segments in a row broke off. */
  readonly interruptions: number;
  /** Why the last one did. */
  readonly reason: string;
}

/** What a broken-off segment may have come to that another one can do better. */
const passing = new Set(['crashed', 'out_of_memory', 'timed_out', 'runner_error']);
/** The runtime could not load the code, and could not the next time (Lambda, "Runtime errors"). */
const cannotLoad = /^Runtime\.(ImportModuleError|UserCodeSyntaxError|HandlerNotFound|MalformedHandlerName)$/;

/**
 * Whether a run whose waiting state saw an error goes on from its last checkpoint (design 3.5: "A type may declare
 * itself resumable and retried; then it continues from its checkpoint"). Only when its body has certainly ended without
 * a word of its own, nobody has canceled it, and it is not the same place that breaks it again and again.
 *
 * @param run the run, under the job's token
 * @returns undefined when it has to be ended
 */
export function resumption(run: Run, witness: Witness, now: number): Resumption | undefined {
  const { end, cancelAt, resumable, interruptions = 0 } = run;
  const { error, segment: broke } = witness;
  if (!resumable || end || cancelAt !== undefined || error === undefined || broke === undefined) return undefined;
  // Decided before, by a finisher that was repeated: the same again, and counted once.
  const before = run.interruption?.segment === broke ? Math.max(0, interruptions - 1) : interruptions;
  if (!isCertain(witness, run) || before >= maxInterruptions || broke >= maxSegments) return undefined;
  const { kind, reason } = reasonOf(run, witness, now);
  if (!passing.has(kind) || cannotLoad.test(error)) return undefined;
  return {
    segment: broke + 1,
    afterSeconds: interruptionWaitSeconds[before] ?? 1,
    interruptions: before + 1,
    reason,
  };
}

/**
 * No body of this run is running any more, or can begin once its token is revoked.
 *
 * @param revokedAt since when no segment could be claimed: bounds a deadline that no Lambda could have
 */
export function isOver(run: Run | undefined, now: number, revokedAt?: number): boolean {
  if (!run?.open) return true;
  const latest = revokedAt === undefined ? Number.POSITIVE_INFINITY : revokedAt + maxInvocationMs;
  return now > Math.min(run.deadline ?? now, latest) + deadlineMarginMs;
}

function isCertain(witness: Witness, run: Run | undefined): boolean {
  const { error, cause = '' } = witness;
  if (isStale(run, witness)) return false;
  if (error === undefined) return true;
  if (error === refusedSegment) return false;
  // An open segment contradicts an invocation that never began: somebody claimed it.
  if (refused.has(error)) return !run?.open;
  // Older spellings: Lambda returned a function error without a type (Step Functions, "Handling error conditions").
  if (error === 'Lambda.Unknown') return /Task timed out after|exited|signal: killed/.test(cause);
  // The rest of `Lambda.` and `States.` are words of the platform; others come from the function or its runtime.
  return !/^(Lambda|States)\./.test(error);
}

function reasonOf(run: Run | undefined, witness: Witness | undefined, now: number): Failure {
  const { error, cause = '' } = witness ?? {};
  if (run?.limitAt !== undefined && now >= run.limitAt) {
    return { kind: 'time_limit', reason: 'The job took longer than its type allows and was stopped.' };
  }
  if (witness === undefined) {
    return {
      kind: 'stopped',
      reason: 'The run of this job was stopped from outside, or broke down, before it said how it ended.',
    };
  }
  if (error === undefined) {
    return { kind: 'protocol', reason: 'The runner returned without saying how the job ended.' };
  }
  if (refused.has(error)) {
    const why =
      error === 'Lambda.TooManyRequestsException'
        ? 'too many functions are running in this account'
        : `it cannot be invoked (${error})`;
    return { kind: 'not_started', reason: `The runner could not be started: ${why}.` };
  }
  if (/Timedout|TimedOut/.test(error) || /Task timed out after/.test(cause)) {
    return {
      kind: 'timed_out',
      reason: 'The runner took longer than one invocation may take, and did not save a checkpoint to go on from.',
    };
  }
  if (/OutOfMemory/.test(error) || /heap out of memory|OutOfMemory/i.test(cause)) {
    return { kind: 'out_of_memory', reason: 'The runner needed more memory than it has.' };
  }
  if (/^(Runtime|Extension)\./.test(error) || error === 'Lambda.Unknown') {
    return { kind: 'crashed', reason: `The runner's process ended unexpectedly (${error}${detail(cause)}).` };
  }
  if (/^(Lambda|States)\./.test(error) || error === refusedSegment) {
    return { kind: 'platform', reason: `The platform lost sight of the runner (${error}).` };
  }
  return { kind: 'runner_error', reason: `The runner failed: ${error}${detail(cause)}.` };
}

/** The message inside a function error's cause, shortened: reasons are for staff, traces for the function's log. */
function detail(cause: string): string {
  // Python's runtime writes a space after the colon, and may escape what is not ASCII.
  const message = /"errorMessage": ?"((?:[^"\\]|\\.)*)"/.exec(cause)?.[1];
  if (!message) return '';
  const text = message
    .replace(/\\[nrt]/g, ' ')
    .replace(/\\u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/\\(.)/g, '$1')
    .replace(/^RequestId: \S+ (Error: )?/, '');
  return `: ${text.slice(0, 200)}`;
}
