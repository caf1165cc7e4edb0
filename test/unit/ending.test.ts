// How a run ended, and whether slot and lock may be freed. Error names: Lambda API reference, "Invoke", errors;
// Step Functions, "Handling errors in Step Functions workflows"; Lambda, "Runtime errors".
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Ending, isOver, judge, resumption, segmentAfter, type Witness } from '../../core/ending.ts';
import { type FailureKind, noEnds, type Run } from '../../core/job.ts';
import { deadlineMarginMs, maxInvocationMs, maxSegments } from '../../core/limits.ts';

const now = 10_000_000;
/** A run whose first segment is open and may go on for another minute. */
const run: Run = {
  id: 7,
  type: 'import_job',
  token: 't',
  segment: 1,
  open: true,
  deadline: now + 60_000,
  graceSeconds: 30,
  repo: 2,
  owner: 'archivist',
  correlation: 'c',
  inputs: 0,
  attempt: 1,
  ends: noEnds,
};
const message = (text: string) => JSON.stringify({ errorType: 'x', errorMessage: text, trace: ['at secret.js:1'] });

describe('an open run whose invocation ended with', () => {
  test.each<[error: string, cause: string, certain: boolean, kind: FailureKind, reason: string]>([
    // The function's own errors, by the names its code gives them.
    ['Error', message('No such finding aid'), true, 'runner_error', 'The runner failed: Error: No such finding aid.'],
    [
      'TypeError',
      message('x is not a function'),
      true,
      'runner_error',
      'The runner failed: TypeError: x is not a function.',
    ],
    ['ImportFailed', '', true, 'runner_error', 'The runner failed: ImportFailed.'],
    ['NotLambda.Error', '', true, 'runner_error', 'The runner failed: NotLambda.Error.'],
    // Errors of the runtime: the process is gone.
    [
      'Runtime.ExitError',
      message('RequestId: 8f2c Error: Runtime exited with error: signal: killed'),
      true,
      'crashed',
      "The runner's process ended unexpectedly (Runtime.ExitError: Runtime exited with error: signal: killed).",
    ],
    [
      'Runtime.UnhandledPromiseRejection',
      message('Error: gone'),
      true,
      'crashed',
      "The runner's process ended unexpectedly (Runtime.UnhandledPromiseRejection: Error: gone).",
    ],
    [
      'Runtime.ImportModuleError',
      '',
      true,
      'crashed',
      "The runner's process ended unexpectedly (Runtime.ImportModuleError).",
    ],
    [
      'Runtime.InvalidEntrypoint',
      '',
      true,
      'crashed',
      "The runner's process ended unexpectedly (Runtime.InvalidEntrypoint).",
    ],
    ['Extension.Crash', '', true, 'crashed', "The runner's process ended unexpectedly (Extension.Crash)."],
    ['Runtime.OutOfMemory', message('killed'), true, 'out_of_memory', 'The runner needed more memory than it has.'],
    [
      'Runtime.ExitError',
      message('FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory'),
      true,
      'out_of_memory',
      'The runner needed more memory than it has.',
    ],
    [
      'Sandbox.Timedout',
      message('RequestId: 8f2c Error: Task timed out after 900.00 seconds'),
      true,
      'timed_out',
      'The runner took longer than one invocation may take, and did not save a checkpoint to go on from.',
    ],
    // Refused before it began.
    [
      'Lambda.TooManyRequestsException',
      'Rate Exceeded.',
      true,
      'not_started',
      'The runner could not be started: too many functions are running in this account.',
    ],
    [
      'Lambda.ResourceNotFoundException',
      'Function not found',
      true,
      'not_started',
      'The runner could not be started: it cannot be invoked (Lambda.ResourceNotFoundException).',
    ],
    [
      'Lambda.AccessDeniedException',
      'not authorized',
      true,
      'not_started',
      'The runner could not be started: it cannot be invoked (Lambda.AccessDeniedException).',
    ],
    [
      'Lambda.InvalidParameterValueException',
      '',
      true,
      'not_started',
      'The runner could not be started: it cannot be invoked (Lambda.InvalidParameterValueException).',
    ],
    // As Lambda's Python runtime writes it (json.dumps).
    [
      'NotCurrent',
      '{"errorMessage": "Gr\\u00f6\\u00dfe\\nunknown", "errorType": "NotCurrent", "requestId": "8f2c", "stackTrace": []}',
      true,
      'runner_error',
      'The runner failed: NotCurrent: Größe unknown.',
    ],
    // Function errors without a type, as older state machines and other runtimes report them.
    [
      'Lambda.Unknown',
      '{"errorMessage":"2026-01-01T00:00:00Z 8f2c Task timed out after 3.00 seconds"}',
      true,
      'timed_out',
      'The runner took longer than one invocation may take, and did not save a checkpoint to go on from.',
    ],
    [
      'Lambda.Unknown',
      '{"errorMessage":"RequestId: 8f2c Process exited before completing request"}',
      true,
      'crashed',
      "The runner's process ended unexpectedly (Lambda.Unknown: Process exited before completing request).",
    ],
    [
      'Lambda.Unknown',
      '{"errorMessage":"signal: killed"}',
      true,
      'crashed',
      "The runner's process ended unexpectedly (Lambda.Unknown: signal: killed).",
    ],
    [
      'Lambda.Unknown',
      'The cause could not be determined',
      false,
      'crashed',
      "The runner's process ended unexpectedly (Lambda.Unknown).",
    ],
    // The platform's own words: the body may still run.
    ...[
      'Lambda.ServiceException',
      'Lambda.AWSLambdaException',
      'Lambda.SdkClientException',
      'Lambda.ClientExecutionTimeoutException',
      'Lambda.EC2ThrottledException',
      'States.TaskFailed',
      'States.Runtime',
      'States.Permissions',
      'States.DataLimitExceeded',
      'States.ExceedToleratedFailureThreshold',
    ].map((error): [string, string, boolean, FailureKind, string] => [
      error,
      '',
      false,
      'platform',
      `The platform lost sight of the runner (${error}).`,
    ]),
    [
      'RunRefused',
      'Segment 1 was claimed before',
      false,
      'platform',
      'The platform lost sight of the runner (RunRefused).',
    ],
  ])('%s %s', (error, cause, certain, kind, reason) => {
    // What was refused never claimed its segment.
    const seen = kind === 'not_started' ? { ...run, open: false } : run;
    expect(judge(seen, { error, cause }, now)).toEqual({
      outcome: 'failed',
      failure: { kind, reason },
      certain,
      revoke: 'always',
    } satisfies Ending);
  });

  test('an invocation that was refused is no witness where a segment is open: somebody claimed it', () => {
    expect(judge({ ...run, open: true }, { error: 'Lambda.TooManyRequestsException' }, now).certain).toBe(false);
  });

  test('States.Timeout may still run: the waiting state gave up, not the function', () => {
    const { certain, failure } = judge(run, { error: 'States.Timeout', cause: '' }, now);

    expect(certain).toBe(false);
    expect(failure?.kind).toBe('platform');
  });

  test('nothing, but no word of its own, breaks the protocol', () => {
    expect(judge(run, {}, now)).toEqual({
      outcome: 'failed',
      failure: { kind: 'protocol', reason: 'The runner returned without saying how the job ended.' },
      certain: true,
      revoke: 'always',
    });
  });
});

describe('the reason that staff read', () => {
  test('has no stack and no more than 200 characters of the message', () => {
    const { failure } = judge(run, { error: 'Error', cause: message(`${'long '.repeat(100)}end`) }, now);

    expect(failure?.reason.length).toBeLessThan(250);
    expect(failure?.reason).not.toContain('secret.js');
  });

  test('is one line', () => {
    const { failure } = judge(run, { error: 'Error', cause: message('one\ntwo\t"three"') }, now);

    expect(failure?.reason).toBe('The runner failed: Error: one two "three".');
  });

  test('is a sentence whatever the platform says', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (error, cause) => {
        const { failure } = judge(run, { error, cause }, now);
        expect(failure?.reason).toMatch(/^The .*\.$/su);
      }),
    );
  });
});

describe('the outcome is', () => {
  const said: Run = { ...run, open: false, end: { outcome: 'completed' } };
  const crashed: Witness = { error: 'Runtime.ExitError' };
  test.each<[name: string, run: Run | undefined, witness: Witness | undefined, ending: Partial<Ending>]>([
    ['what the run says', said, {}, { outcome: 'completed', certain: true, revoke: 'no' }],
    [
      'what the run says, even when its process crashed after that',
      said,
      crashed,
      { outcome: 'completed', certain: true, revoke: 'no' },
    ],
    [
      'what the run says, even when nobody waited for it',
      said,
      undefined,
      { outcome: 'completed', certain: true, revoke: 'no' },
    ],
    [
      'failed with the reason that the run gave',
      { ...said, end: { outcome: 'failed', failure: { kind: 'runner_error', reason: 'Bad.' } } },
      {},
      { outcome: 'failed', failure: { kind: 'runner_error', reason: 'Bad.' }, certain: true },
    ],
    [
      'canceled after a cancel, however the process ended',
      { ...run, cancelAt: now - 1 },
      crashed,
      { outcome: 'canceled', certain: true, revoke: 'always' },
    ],
    [
      'canceled, but not certain, when nobody waited for a canceled run',
      { ...run, cancelAt: now - 1 },
      undefined,
      { outcome: 'canceled', certain: false },
    ],
    ['what the run says, even after a cancel', { ...said, cancelAt: now - 1 }, {}, { outcome: 'completed' }],
    [
      'failed for its time limit',
      { ...run, limitAt: now },
      crashed,
      {
        outcome: 'failed',
        failure: { kind: 'time_limit', reason: 'The job took longer than its type allows and was stopped.' },
      },
    ],
    [
      'failed for another reason before its time limit',
      { ...run, limitAt: now + 1 },
      crashed,
      { failure: { kind: 'crashed', reason: "The runner's process ended unexpectedly (Runtime.ExitError)." } },
    ],
    [
      'stopped from outside when nobody waited to the end',
      run,
      undefined,
      {
        outcome: 'failed',
        failure: {
          kind: 'stopped',
          reason: 'The run of this job was stopped from outside, or broke down, before it said how it ended.',
        },
        certain: false,
      },
    ],
    [
      'certain between two segments: none can begin any more, if none slips in',
      { ...run, open: false },
      undefined,
      { certain: true, revoke: 'seen' },
    ],
    [
      'certain after a platform error between two segments',
      { ...run, open: false },
      { error: 'States.Timeout' },
      { certain: true, revoke: 'seen' },
    ],
    [
      'certain before the first segment was claimed',
      { ...run, segment: 0, open: false },
      undefined,
      { certain: true, revoke: 'seen' },
    ],
    ['certain when the run is gone', undefined, undefined, { outcome: 'failed', certain: true, revoke: 'seen' }],
    [
      'certain a minute after the deadline of its segment',
      { ...run, deadline: now - deadlineMarginMs - 1 },
      undefined,
      { certain: true, revoke: 'always' },
    ],
    [
      'uncertain until then',
      { ...run, deadline: now - deadlineMarginMs },
      undefined,
      { certain: false, revoke: 'always' },
    ],
  ])('%s', (_, given, witness, ending) => {
    expect(judge(given, witness, now)).toMatchObject(ending);
  });
});

describe('a run is over', () => {
  const late = now + deadlineMarginMs;
  test.each<[name: string, run: Run | undefined, now: number, revokedAt: number | undefined, over: boolean]>([
    ['when it is gone', undefined, now, undefined, true],
    ['when no segment is open', { ...run, open: false }, now, undefined, true],
    ['not while a segment may run', run, now, undefined, false],
    ['not at its deadline: clocks differ', { ...run, deadline: now }, now, undefined, false],
    ['not a minute after its deadline', { ...run, deadline: now }, late, undefined, false],
    ['more than a minute after its deadline', { ...run, deadline: now }, late + 1, undefined, true],
    [
      'not for ever when it recorded no deadline',
      (({ deadline: _, ...rest }) => rest)(run),
      late + 1_000_000,
      undefined,
      false,
    ],
    [
      'at last a Lambda’s lifetime after its revocation, whatever deadline it wrote',
      { ...run, deadline: now * 1000 },
      now + maxInvocationMs + deadlineMarginMs + 1,
      now,
      true,
    ],
    [
      'not earlier, whatever deadline it wrote',
      { ...run, deadline: now * 1000 },
      now + maxInvocationMs + deadlineMarginMs,
      now,
      false,
    ],
  ])('%s', (_, given, at, revokedAt, over) => {
    expect(isOver(given, at, revokedAt)).toBe(over);
  });
});

describe('a resumable run', () => {
  const resumable: Run = { ...run, segment: 4, resumable: true };
  const killed: Witness = { error: 'Runtime.ExitError', cause: message('signal: killed'), segment: 4 };

  test.each([
    ['died', 'Runtime.ExitError'],
    ['ran out of memory', 'Runtime.OutOfMemory'],
    ['took too long', 'Sandbox.Timedout'],
    ['threw past its harness', 'Fault'],
  ])('whose process %s goes on with the next segment', (_, error) => {
    expect(resumption(resumable, { error, segment: 4 }, now)).toMatchObject({ segment: 5, afterSeconds: 1 });
  });

  test('that was closed before its process died goes on with the next segment', () => {
    expect(resumption({ ...resumable, open: false }, killed, now)).toMatchObject({ segment: 5 });
  });

  test('whose process died before the segment was claimed does not use its number again', () => {
    expect(resumption({ ...resumable, segment: 3, open: false }, killed, now)).toMatchObject({ segment: 5 });
  });

  test('goes on in the same way when its finisher is repeated', () => {
    const { reason, ...decided } = resumption(resumable, killed, now) ?? {};
    const after = { ...resumable, open: false, interruptions: 1, interruption: { segment: 4, reason: reason ?? '' } };

    expect(decided).toEqual({ segment: 5, afterSeconds: 1, interruptions: 1 });
    expect(resumption(after, killed, now)).toMatchObject(decided);
    const third = { ...after, interruptions: 3 };
    expect(resumption(third, killed, now)).toMatchObject({ segment: 5, afterSeconds: 60, interruptions: 3 });
    expect(resumption({ ...third, segment: 5, open: true }, { ...killed, segment: 5 }, now)).toBeUndefined();
  });

  test('waits longer each time, and ends when it broke off three times in a row', () => {
    const seconds = [0, 1, 2, 3].map(
      (interruptions) => resumption({ ...resumable, interruptions }, killed, now)?.afterSeconds,
    );

    expect(seconds).toEqual([1, 10, 60, undefined]);
  });

  test('says why it broke off', () => {
    expect(resumption(resumable, killed, now)?.reason).toBe(
      "The runner's process ended unexpectedly (Runtime.ExitError: signal: killed).",
    );
  });

  test.each<[why: string, run: Partial<Run>, witness: Witness]>([
    ['its type does not say so', { resumable: false }, killed],
    ['it was canceled', { cancelAt: now }, killed],
    ['it said its end', { end: { outcome: 'completed' } }, killed],
    ['its time limit has passed', { limitAt: now }, killed],
    ['it went on too often', { segment: maxSegments }, { ...killed, segment: maxSegments }],
    ['it has gone on since', { segment: 5 }, killed],
    ['nothing went wrong', {}, { segment: 4 }],
    ['it is not known which segment broke off', {}, { error: 'Runtime.ExitError' }],
    ['its runner cannot be invoked', { open: false }, { error: 'Lambda.AccessDeniedException', segment: 4 }],
    ['its code cannot be loaded', { open: false }, { error: 'Runtime.ImportModuleError', segment: 4 }],
    ['its body may still run', {}, { error: 'States.Timeout', segment: 4 }],
    ['its segment was claimed by another invocation', {}, { error: 'RunRefused', segment: 4 }],
  ])('is ended when %s', (_, more, witness) => {
    expect(resumption({ ...resumable, ...more }, witness, now)).toBeUndefined();
  });

  test('is not certain to have ended by what ended an earlier segment', () => {
    expect(judge({ ...resumable, segment: 5 }, killed, now)).toMatchObject({ certain: false });
  });

  test('is revoked only where it stands, since it may go on meanwhile', () => {
    expect(judge({ ...resumable, interruptions: 3 }, killed, now)).toMatchObject({ certain: true, revoke: 'seen' });
    const late = { ...resumable, open: true, deadline: now - deadlineMarginMs - 1 };
    expect(judge(late, undefined, now)).toMatchObject({ certain: true, revoke: 'seen' });
    expect(judge({ ...late, deadline: now }, undefined, now)).toMatchObject({ certain: false, revoke: 'always' });
  });
});

describe('the error that leads to a segment', () => {
  test.each([
    ['1', 1],
    ['2', 2],
    ['17|3600', 17],
    ['0', undefined],
    ['gone', undefined],
  ])('with the message %s says segment %s', (errorMessage, segment) => {
    expect(segmentAfter({ Error: 'JobContinue', Cause: JSON.stringify({ errorMessage }) })).toBe(segment);
  });
});
