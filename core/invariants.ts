import { type Board, type Hold, type Job, typeIn } from './job.ts';

/** A promise of docs/guarantees.md that live data breaks. */
export interface Violation {
  readonly promise: 'two of a type' | 'slot twice' | 'lock without slot' | 'slot under an old token';
  readonly job: number;
  readonly type: string;
}

/**
 * The promises that can be seen broken on the board and its jobs. Slots are items below the limit, one owner each, so
 * their number needs no looking at; what could go wrong is who holds them.
 *
 * @param jobs the job of each hold, by id; a hold whose job is missing or has ended is the sweep's to free, no violation
 */
export function violations(board: Board, jobs: ReadonlyMap<number, Job>): readonly Violation[] {
  const runs = ({ job: id, token }: Hold) => {
    const job = jobs.get(id);
    return job?.status === 'running' && job.token === token;
  };
  const found: Violation[] = [];
  const add = (promise: Violation['promise'], { job, type }: Hold) => found.push({ promise, job, type });
  for (const slot of board.slots) {
    const job = jobs.get(slot.job);
    if (job?.status === 'running' && job.token !== slot.token) add('slot under an old token', slot);
    if (board.slots.some((other) => other.n < slot.n && other.job === slot.job)) add('slot twice', slot);
    const lock = board.locks.find(({ type }) => type === slot.type);
    const serial = typeIn(board.settings, slot.type)?.concurrent === false;
    // Jobs of a type that was concurrent until a deploy run on without a lock; then nobody has taken the lock yet.
    if (serial && lock && lock.token !== slot.token && runs(lock) && runs(slot)) add('two of a type', slot);
  }
  for (const lock of board.locks) {
    if (runs(lock) && !board.slots.some(({ token }) => token === lock.token)) add('lock without slot', lock);
  }
  return found;
}
