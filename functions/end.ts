import { commit } from '../aws/dynamo.ts';
import { findEnds, readBoard, readRun } from '../aws/reads.ts';
import { isStale, judge, type Witness } from '../core/ending.ts';
import { Fault } from '../core/errors.ts';
import type { Board, Ends, Run } from '../core/job.ts';
import { releaseLock, releaseSlot, revoke, settle } from '../core/table.ts';
import type { Write } from '../core/writes.ts';
import type { Service } from './service.ts';

/** How often an end is tried against a run or board that changes while it is read. */
const mostTries = 5;

/** Ending needs no state machine: an execution is never stopped by us. */
export type Ender = Pick<Service, 'table' | 'log' | 'now'>;

export interface RunRef {
  readonly job: number;
  readonly type: string;
  readonly token: string;
}

/**
 * Ends a run: settles its job, and frees its slot and lock when its end is certain (design 3.4). Idempotent by token;
 * a run that was ended before is left as it was, but for a slot or lock that can be freed now.
 *
 * @param witness what the state that waited for the runner saw; undefined when nobody waited to the end
 * @returns the board as it is after this, for a dispatch pass
 */
export async function endRun(service: Ender, ref: RunRef, witness: Witness | undefined): Promise<Board> {
  for (let tries = 0; tries < mostTries; tries++) {
    // Before the reads: a pause after them must not make a deadline seem passed that a later segment has moved.
    const now = service.now();
    const [board, stored] = await Promise.all([
      readBoard(service.table),
      readRun(service.table, { type: ref.type, id: ref.job }),
    ]);
    const slot = board.slots.find((held) => held.job === ref.job && held.token === ref.token);
    const lock = board.locks.find((held) => held.job === ref.job && held.token === ref.token);
    const releases = [...(slot ? [releaseSlot(slot.n, slot)] : []), ...(lock ? [releaseLock(lock.type, lock)] : [])];
    const freed: Board = {
      ...board,
      slots: board.slots.filter((held) => held !== slot),
      locks: board.locks.filter((held) => held !== lock),
    };

    const run = stored?.token === ref.token ? stored : undefined;
    if (run && isStale(run, witness)) return board;
    const ending = judge(stored, witness, now);
    if (run || !stored) {
      const ends = await endsOf(service, ref, run);
      const settlement = { outcome: ending.outcome, ...(ending.failure && { failure: ending.failure }), ends };
      const writes: Write[] = [settle({ id: ref.job, token: ref.token }, settlement, now)];
      if (run && ending.revoke !== 'no') writes.push(revoke(run, ending.revoke === 'seen' ? run : undefined));
      const written = await commit(service.table, ending.certain ? [...writes, ...releases] : writes);
      if (written.done) {
        logEnd(service, ref, settlement, ending.certain, run);
        return ending.certain ? freed : board;
      }
      // Refused for another reason than a settled job: the run or the board moved on. Look again.
      if (written.refused[0] === undefined) continue;
    }
    // Settled before, by whoever was first. Only the holds may be left. The run is read again: a segment may have
    // begun between the read above and the settlement, and none can begin after it.
    const after = await readRun(service.table, { type: ref.type, id: ref.job });
    if (!judge(after, witness, now).certain) return board;
    for (const release of releases) await commit(service.table, release);
    return freed;
  }
  throw new Fault('A run could not be ended: it changed each time it was read.', ref);
}

/**
 * Up to where a run counts: what it says itself at its end; otherwise log and records that are there, and the output
 * files of its last checkpoint.
 */
export async function endsOf({ table }: Pick<Ender, 'table'>, ref: RunRef, run: Run | undefined): Promise<Ends> {
  if (run?.end) return run.ends;
  return { ...(await findEnds(table, { type: ref.type, id: ref.job, token: ref.token })), files: run?.ends.files ?? 0 };
}

function logEnd(
  service: Ender,
  ref: RunRef,
  settlement: { readonly outcome: string; readonly failure?: unknown },
  certain: boolean,
  run: Run | undefined,
): void {
  const { outcome, failure } = settlement;
  service.log.info('A job ended.', { ...ref, outcome, failure, certain, correlation: run?.correlation });
}
