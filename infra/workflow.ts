/**
 * The state machine, as data: segment after segment of the type's runner, then the finisher.
 *
 * Two states are entered for a job of one segment, which is what it costs; a runner that wants to go on leaves `Run` by
 * a named error that leads back into it, so no Choice is paid. JSONPath only and no context object: the local
 * interpreter knows neither JSONata nor `$$`.
 *
 * The input is that of `renderInput` (aws/executions.ts). `$.last` is the named error that led to this segment, or the
 * first one's stand-in: it carries the number of the segment to claim, so that an invocation which the platform
 * repeats claims the same segment and is refused (design 3.5).
 */

/** Longer than any Lambda: when this fires, the platform has lost sight of an invocation. */
const runTimeoutSeconds = 960;
/** Longer than the finisher's own timeout, `finisherTimeoutSeconds`. */
const finishTimeoutSeconds = 60;
export const finisherTimeoutSeconds = 30;

/**
 * The seconds of a wait. The error's Cause is JSON text with `"errorMessage":"<segment>|<seconds>"`: what stands
 * between the first `|` and the next quote. (Intrinsics cannot look into what StringToJson gives, and a second Pass
 * would be paid.)
 */
const secondsToWait =
  "States.StringToJson(States.ArrayGetItem(States.StringSplit(States.ArrayGetItem(States.StringSplit($.last.Cause, '|'), 1), '\"'), 0))";

/**
 * The definition in Amazon States Language.
 *
 * @param partition of the region, such as `aws`
 * @param finisherArn the function that ends runs
 */
export function workflow(partition: string, finisherArn: string) {
  const invoke = `arn:${partition}:states:::lambda:invoke`;
  return {
    Comment: 'Runs a job: its runner, segment after segment, then the finisher.',
    StartAt: 'Run',
    States: {
      Run: {
        Type: 'Task',
        Resource: invoke,
        Parameters: { 'FunctionName.$': '$.runner', 'Payload.$': '$' },
        TimeoutSeconds: runTimeoutSeconds,
        ResultPath: null,
        // Nothing else is retried: of every other error the body may have run (design 3.5).
        Retry: [
          {
            ErrorEquals: ['Lambda.TooManyRequestsException'],
            IntervalSeconds: 5,
            BackoffRate: 1.5,
            MaxDelaySeconds: 60,
            JitterStrategy: 'FULL',
            MaxAttempts: 20,
          },
        ],
        Catch: [
          { ErrorEquals: ['JobContinue'], ResultPath: '$.last', Next: 'Run' },
          { ErrorEquals: ['JobWait'], ResultPath: '$.last', Next: 'Read wait' },
          { ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: 'Finish' },
        ],
        Next: 'Finish',
      },
      // Everything but `$.error`: a run that broke off and went on must not end by what ended a segment before.
      'Read wait': {
        Type: 'Pass',
        Parameters: {
          'job.$': '$.job',
          'type.$': '$.type',
          'token.$': '$.token',
          'runner.$': '$.runner',
          'correlation.$': '$.correlation',
          'last.$': '$.last',
          wait: { 'seconds.$': secondsToWait },
        },
        Next: 'Wait',
      },
      // No Lambda is held meanwhile.
      Wait: { Type: 'Wait', SecondsPath: '$.wait.seconds', Next: 'Run' },
      Finish: {
        Type: 'Task',
        Resource: invoke,
        Parameters: { FunctionName: finisherArn, 'Payload.$': '$' },
        TimeoutSeconds: finishTimeoutSeconds,
        ResultPath: null,
        // Ending is idempotent. When all of these fail the execution fails, which the rule for failed executions sees.
        Retry: [
          { ErrorEquals: ['JobWait'], MaxAttempts: 0 },
          {
            ErrorEquals: ['States.ALL'],
            IntervalSeconds: 2,
            BackoffRate: 2,
            MaxDelaySeconds: 60,
            JitterStrategy: 'FULL',
            MaxAttempts: 10,
          },
        ],
        // The finisher's word that a resumable run goes on after a segment that broke off.
        Catch: [{ ErrorEquals: ['JobWait'], ResultPath: '$.last', Next: 'Read wait' }],
        End: true,
      },
    },
  } as const;
}
