// A run's item is written by its runner, of whatever make: nothing in it is what it should be until it was looked at.
import type { Ends, Failure, FailureKind, Outcome, Run } from './job.ts';
import { defaultGraceSeconds, maxGraceSeconds } from './limits.ts';
import type { Item, Value } from './writes.ts';

const outcomes: Readonly<Record<Outcome, true>> = { completed: true, failed: true, canceled: true };
const failureKinds: Readonly<Record<FailureKind, true>> = {
  runner_error: true,
  crashed: true,
  out_of_memory: true,
  timed_out: true,
  time_limit: true,
  not_started: true,
  protocol: true,
  unregistered_type: true,
  stopped: true,
  platform: true,
};
const longestReason = 500;
const longestMessage = 200;
/** Of an item, which DynamoDB limits itself. */
const longestText = 400 * 1024;

/**
 * What a run's item says, with everything in it of the kind that it should be. What cannot be read is left out, or
 * counts for least: an end becomes a failure that says so, a place in the log 0. A run that does not say where it stands
 * is taken to be in a segment, until its deadline has passed.
 *
 * @param item as it lies in the table
 */
export function readRunItem(item: Item): Run {
  const { token, segment, open, deadline, claim, cancelAt, heedsCancel, limitAt } = item;
  const stands = isCount(segment) && typeof open === 'boolean';
  return {
    ...written(item),
    token: typeof token === 'string' ? token : '',
    segment: stands ? segment : 0,
    open: stands ? open : true,
    ...(isNumber(deadline) && { deadline }),
    ...(typeof claim === 'string' && { claim }),
    ...(isNumber(cancelAt) && { cancelAt }),
    ...(heedsCancel === true && { heedsCancel }),
    graceSeconds: graceOf(item['graceSeconds']),
    ...(isNumber(limitAt) && { limitAt }),
    // It can only go on from where it is known to stand.
    ...(item['resumable'] === true && stands && { resumable: true }),
    ...checkpointOf(item),
    ends: endsOf(item['ends']),
    ...(item['end'] !== undefined && { end: endOf(item['end']) }),
    ...progressOf(item['progress']),
  };
}

/** What only the service writes, in the claim. */
function written(item: Item) {
  const { params } = item;
  return {
    id: countOf(item['id']),
    type: textOf(item['type'], longestText),
    repo: countOf(item['repo']),
    owner: textOf(item['owner'], longestText),
    correlation: textOf(item['correlation'], longestText),
    ...(typeof params === 'string' && { params }),
    inputs: countOf(item['inputs']),
  };
}

function checkpointOf(item: Item) {
  const { state, stateVersion, saves, retries, interruptions, interruption, attempt } = item;
  const { segment, reason } = partsOf(interruption);
  return {
    attempt: isCount(attempt) ? attempt : 1,
    ...(typeof state === 'string' && { state }),
    ...(isCount(stateVersion) && { stateVersion }),
    ...(isCount(saves) && { saves }),
    ...(isCount(retries) && { retries }),
    ...(isCount(interruptions) && { interruptions }),
    ...(isCount(segment) && { interruption: { segment, reason: textOf(reason, longestReason) } }),
  };
}

function endOf(value: Value): NonNullable<Run['end']> {
  const { outcome, failure } = partsOf(value);
  if (typeof outcome !== 'string' || !Object.hasOwn(outcomes, outcome)) {
    return {
      outcome: 'failed',
      failure: { kind: 'protocol', reason: 'The runner did not say in a readable way how the job ended.' },
    };
  }
  if (outcome !== 'failed') return { outcome: outcome as Outcome };
  return { outcome, failure: failureOf(failure) };
}

function failureOf(value: Value | undefined): Failure {
  const { kind, reason } = partsOf(value);
  const isKnown = typeof kind === 'string' && Object.hasOwn(failureKinds, kind);
  return {
    kind: isKnown ? (kind as FailureKind) : 'runner_error',
    reason: textOf(reason, longestReason) || 'The runner gave no reason.',
  };
}

function progressOf(value: Value | undefined): Pick<Run, 'progress'> {
  const { done, total, message } = partsOf(value);
  if (!isNumber(done) || !isNumber(total)) return {};
  const text = textOf(message, longestMessage);
  return { progress: { done, total, ...(text && { message: text }) } };
}

const endsOf = (value: Value | undefined): Ends => {
  const { log, files, records } = partsOf(value);
  return { log: countOf(log), files: countOf(files), records: countOf(records) };
};

const graceOf = (value: Value | undefined) =>
  isNumber(value) && value >= 0 && value <= maxGraceSeconds ? value : defaultGraceSeconds;

/** A place or a number of things: what can be written back into the table, too. */
export const countOf = (value: unknown): number => (isCount(value) ? value : 0);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const textOf = (value: Value | undefined, most: number) => (typeof value === 'string' ? value.slice(0, most) : '');
const partsOf = (value: Value | undefined): Item =>
  typeof value === 'object' && !Array.isArray(value) && !(value instanceof Uint8Array) ? (value as Item) : {};
