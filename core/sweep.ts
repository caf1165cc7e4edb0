import { isOver } from './ending.ts';
import type { Hold, Job, Run } from './job.ts';
import { afterGraceMs } from './limits.ts';

/** What the sweep read about one holder of a slot or lock. */
export interface HoldFacts {
  readonly hold: Hold;
  /** The job named by the hold; undefined when there is none. */
  readonly job: Job | undefined;
  readonly run: Run | undefined;
}

export type Care =
  /** Claimed: make sure that its execution exists. Starting twice is refused by Step Functions. */
  | { readonly kind: 'start' }
  /** Nobody obeyed its cancel or its time limit. */
  | { readonly kind: 'end' }
  | { readonly kind: 'release' }
  /** Its job has ended, but its body may still run. */
  | { readonly kind: 'keep' };

/**
 * What is to be done about a slot or lock (design 3.4a). A job is never ended for having no execution: only for a
 * cancel or a time limit that nobody obeyed in time.
 */
export function inspect({ hold, job, run }: HoldFacts, now: number): Care {
  if (job?.status !== 'running' || job.token !== hold.token) {
    const revokedAt = job && 'finished' in job ? job.finished : undefined;
    return isOver(run, now, revokedAt) ? { kind: 'release' } : { kind: 'keep' };
  }
  const graceMs = (run?.graceSeconds ?? 0) * 1000;
  const stopAt = Math.min(job.cancelRequested ?? Number.POSITIVE_INFINITY, run?.limitAt ?? Number.POSITIVE_INFINITY);
  if (now > stopAt + graceMs + afterGraceMs) return { kind: 'end' };
  return { kind: 'start' };
}

export type RowCare = 'keep' | 'drop';

/** A queue row whose job is not queued leads nowhere. */
export const inspectRow = (job: Job | undefined): RowCare => (job?.status === 'queued' ? 'keep' : 'drop');
