import { freeSlots, isBlocked } from './dispatch.ts';
import { type Board, type Hold, typeIn } from './job.ts';

/** Why a queued job has not started. */
export type Waiting =
  | { readonly reason: 'paused' }
  | { readonly reason: 'limit_is_zero' }
  | { readonly reason: 'unregistered_type' }
  | { readonly reason: 'type_is_running'; readonly holders: readonly Hold[] }
  | { readonly reason: 'no_free_slot'; readonly holders: readonly Hold[] }
  | { readonly reason: 'older_jobs_first' };

/**
 * Why a job of this type does not start, by the rules that dispatching goes by (`next` of core/dispatch.ts); the most
 * decisive reason first. Empty: it is about to start.
 *
 * @param board slots, locks and settings as one read saw them
 * @param older how many older jobs are queued, by type; types that are not in it have none
 */
export function whyWaiting(board: Board, older: ReadonlyMap<string, number>, type: string): readonly Waiting[] {
  const { settings, slots, locks } = board;
  const options = typeIn(settings, type);
  const free = freeSlots(board).length;
  const reasons: Waiting[] = [];
  if (settings.paused) reasons.push({ reason: 'paused' });
  if (!options || options.retired !== undefined) return [...reasons, { reason: 'unregistered_type' }];
  if (settings.limit === 0) reasons.push({ reason: 'limit_is_zero' });
  if (isBlocked(board, type))
    reasons.push({
      reason: 'type_is_running',
      holders: oncePerJob([...slots, ...locks].filter((h) => h.type === type)),
    });
  if (free === 0 && settings.limit > 0) reasons.push({ reason: 'no_free_slot', holders: oncePerJob(slots) });
  const olderOfItsOwn = !options.concurrent && (older.get(type) ?? 0) > 0;
  if (olderOfItsOwn || mayStart(board, older) >= Math.max(1, free)) reasons.push({ reason: 'older_jobs_first' });
  return reasons;
}

/** How many of these jobs could take a slot: those of a type that runs, and one of a type that runs one at a time. */
function mayStart(board: Board, queued: ReadonlyMap<string, number>): number {
  let count = 0;
  for (const [type, jobs] of queued) {
    const options = typeIn(board.settings, type);
    if (!options || options.retired !== undefined || isBlocked(board, type)) continue;
    count += options.concurrent ? jobs : Math.min(1, jobs);
  }
  return count;
}

/** A job that may not run beside another of its type holds a slot and a lock. */
function oncePerJob(holds: readonly Hold[]): readonly Hold[] {
  const byJob = new Map<number, Hold>();
  for (const hold of holds) if (!byJob.has(hold.job)) byJob.set(hold.job, hold);
  return [...byJob.values()].sort((a, b) => a.since - b.since || a.job - b.job);
}
