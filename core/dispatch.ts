import { type Board, type DispatchType, type QueueRow, typeIn } from './job.ts';

/** The first rows of each type's queue, oldest first. */
export type Heads = ReadonlyMap<string, readonly QueueRow[]>;

export type Choice =
  | { readonly kind: 'start'; readonly row: QueueRow; readonly slot: number; readonly type: DispatchType }
  /** Its type is no longer registered: it can never run. */
  | { readonly kind: 'fail'; readonly row: QueueRow }
  | { readonly kind: 'none'; readonly because: 'paused' | 'full' | 'nothing may run' };

/** The slots that may be handed out now: below the limit, free, and no more than the limit leaves while old ones run on. */
export function freeSlots(board: Board): readonly number[] {
  const taken = new Set(board.slots.map((slot) => slot.n));
  const free = Array.from({ length: board.settings.limit }, (_, n) => n).filter((n) => !taken.has(n));
  return free.slice(0, Math.max(0, board.settings.limit - board.slots.length));
}

/**
 * A type that may not run concurrently is blocked by its lock, and by any slot that holds a job of it: a type that
 * was concurrent until a deploy has running jobs without a lock.
 */
export function isBlocked(board: Board, type: string): boolean {
  const options = typeIn(board.settings, type);
  if (!options || options.concurrent) return false;
  return board.locks.some((lock) => lock.type === type) || board.slots.some((slot) => slot.type === type);
}

/** Whose heads a dispatcher must read to decide: types that may start a job, and retired ones, whose jobs must fail. */
export function typesToRead(board: Board): readonly string[] {
  if (board.settings.paused) return [];
  const full = freeSlots(board).length === 0;
  return Object.entries(board.settings.types)
    .filter(([name, type]) => type.retired !== undefined || (!full && !isBlocked(board, name)))
    .map(([name]) => name);
}

/**
 * The oldest job that may run (seed: "Jobs in the queue will be run in the order they were created"; "a job thread
 * will not run a job if there is already a job of that type running. The job will remain on the queue"). A blocked
 * type is skipped, not waited for; jobs of a retired type fail once nothing may start. Ids grow in creation order, so the smallest id is the oldest job.
 *
 * @param board slots, locks and settings as one read saw them
 * @param heads the heads of at least `typesToRead(board)`; heads of other types are ignored
 */
export function next(board: Board, heads: Heads): Choice {
  if (board.settings.paused) return { kind: 'none', because: 'paused' };
  const slot = freeSlots(board)[0];
  let oldest: QueueRow | undefined;
  let dead: QueueRow | undefined;
  for (const name of typesToRead(board)) {
    for (const row of heads.get(name) ?? []) {
      if (typeIn(board.settings, name)?.retired !== undefined) dead ??= row;
      else if (!oldest || row.id < oldest.id) oldest = row;
    }
  }
  const type = oldest && typeIn(board.settings, oldest.type);
  if (!oldest || !type || slot === undefined) {
    if (dead) return { kind: 'fail', row: dead };
    return { kind: 'none', because: slot === undefined ? 'full' : 'nothing may run' };
  }
  return { kind: 'start', row: oldest, slot, type };
}
