import { freeSlots } from '../../core/dispatch.ts';
import type { Board, Hold } from '../../core/job.ts';
import { missing, type User } from '../../core/permissions.ts';
import type { Waiting } from '../../core/waiting.ts';
import type { Holder, Slots, WaitingFor } from '../../schemas/extensions.ts';
import { uriOf } from './brief.ts';
import { jobTime } from './wire.ts';

export const slotsOf = (board: Board): Slots => ({
  limit: board.settings.limit,
  free: freeSlots(board).length,
  paused: board.settings.paused,
});

/** A job that holds something, as far as this reader may know: of a repository that is closed to them, type and since when. */
export function holderOf({ job, type, repo, since }: Hold, reader: User): Holder {
  const told = { job_type: type, since: jobTime(since) };
  if (repo === undefined || missing(reader, repo, ['view_repository']).length > 0) return { visible: false, ...told };
  return { visible: true, id: job, uri: uriOf(repo, job), ...told };
}

export const waitingFor = (reasons: readonly Waiting[], reader: User): readonly WaitingFor[] =>
  reasons.map((waiting) =>
    'holders' in waiting
      ? { reason: waiting.reason, holders: waiting.holders.map((hold) => holderOf(hold, reader)) }
      : waiting,
  );
