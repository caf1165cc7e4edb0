import type { EventBridgeEvent } from 'aws-lambda';
import { type LedHere, segmentAfter, type Witness } from '../core/ending.ts';
import { internal, log, openService, stopBefore } from './bundle.ts';
import { endRun, type RunRef } from './end.ts';
import { finisherEnv, readEnv } from './env.ts';
import { dispatchPass } from './pass.ts';
import { resumeRun } from './resume.ts';

const service = openService(readEnv(finisherEnv));

/** From the state machine's last state: the execution's input, and the error that led there, if one did. */
type FromState = RunRef & {
  /** What led to the segment that was waited for last. */
  readonly last: LedHere;
  readonly error?: { readonly Error: string; readonly Cause?: string };
};
/** From EventBridge: an execution that FAILED, TIMED_OUT or was ABORTED (Step Functions, "Automating with EventBridge"). */
type FromEvent = EventBridgeEvent<string, { readonly status: string; readonly input: string }>;

/**
 * Ends a run, then starts what may start in its place. A resumable run that broke off goes on instead: that is said by
 * throwing `JobWait`, which leads the state machine back, as when a runner throws it. Throws besides only when the run
 * could not be ended, so that the state tries again; a dispatch pass that fails is the sweep's to repeat.
 */
export const handler = internal(async (event: FromState | FromEvent, context): Promise<void> => {
  const { ref, witness } = 'detail' in event ? ofEvent(event) : ofState(event);
  const next = witness && (await resumeRun(service, ref, witness));
  if (next) throw Object.assign(new Error(`${next.segment}|${next.afterSeconds}`), { name: 'JobWait' });
  const board = await endRun(service, ref, witness);
  try {
    await dispatchPass(service, stopBefore(context), board);
  } catch (error) {
    log.error('The dispatch pass after an end failed.', { ...ref, error });
  }
});

function ofState({ job, type, token, last, error }: FromState): { ref: RunRef; witness: Witness } {
  const cause = error?.Cause;
  const segment = segmentAfter(last);
  return {
    ref: { job, type, token },
    witness: {
      ...(error && { error: error.Error }),
      ...(cause !== undefined && { cause }),
      ...(segment !== undefined && { segment }),
    },
  };
}

/** Nobody waited to the end of such an execution: its runner may still run. */
function ofEvent({ detail }: FromEvent): { ref: RunRef; witness: undefined } {
  const { job, type, token } = JSON.parse(detail.input) as RunRef;
  return { ref: { job, type, token }, witness: undefined };
}
