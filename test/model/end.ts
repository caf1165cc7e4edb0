/** `endRun` (functions/end.ts) as a step machine: each read and each conditional write is one step. */
import type { Witness } from '../../core/ending.ts';
import type { Outcome, Run } from '../../core/job.ts';
import type { Write } from '../../core/writes.ts';
import type { Hands } from './engine.ts';
import { type May, mayCommit, viewOf } from './passes.ts';
import type { View, World } from './world.ts';

/** What `endRun` has in memory: of what it read, as much as its writes depend on. */
export interface Ender {
  readonly at: 'look' | 'ends' | 'write' | 'after' | 'release';
  readonly job: number;
  readonly token: string;
  /** null: nobody waited to the end. */
  readonly witness: Witness | null;
  readonly holds?: {
    readonly slot?: number;
    readonly lock: boolean;
    /** The board without them, for a dispatch pass. */
    readonly freed?: View;
  };
  /** What it read of the run, as long as that is all; null: there is none. */
  readonly run?: Run | null;
  readonly plan?: {
    readonly outcome: Outcome;
    readonly log: number;
    readonly certain: boolean;
    readonly over: boolean;
    readonly revoke?: 'always' | { readonly segment: number; readonly open: boolean };
  };
}

export type Done = (hands: Hands, board: View | undefined) => void;

export const ender = (job: number, token: string, witness: Witness | null): Ender => ({
  at: 'look',
  job,
  token,
  witness,
});

/**
 * The steps of `endRun`.
 *
 * @param keep writes its memory
 * @param done is called with the board as it is after this, when `wantsBoard`
 */
export function endRun(
  world: World,
  read: Hands['read'],
  may: May,
  by: number,
  name: string,
  state: Ender,
  keep: (hands: Hands, next: Ender) => void,
  done: Done,
  wantsBoard: boolean,
) {
  const { job: id, token, witness, holds, plan } = state;
  const { type } = world.spec(id);
  switch (state.at) {
    case 'look':
      if (!world.scenario.apart)
        // Its own holds are there since before it began: an older board could only make a release that is refused.
        return may(`${name} reads the board and run ${id}`, (hands) =>
          looked(hands, readRun(hands, readBoard(hands, state))),
        );
      if (!holds) may(`${name} reads the board`, (hands) => looked(hands, readBoard(hands, state)));
      if (state.run === undefined) may(`${name} reads run ${id}`, (hands) => looked(hands, readRun(hands, state)));
      return;
    case 'ends':
      return may(`${name} looks where log ${id} ends`, (hands) => {
        const log = hands.read(world.log[id - 1] as number) ? 1 : 0;
        keep(hands, { ...state, at: 'write', plan: { ...(plan as NonNullable<typeof plan>), log } });
      });
    case 'write':
      return mayCommit(world, read, may, by, `${name} ends job ${id}`, (hands, commit) => {
        const { outcome, log, certain, revoke } = plan as NonNullable<typeof plan>;
        const ends = { log, files: 0, records: 0 };
        const writes: Write[] = [world.p.settle({ id, token }, { outcome, ends }, world.now(hands.read, id))];
        if (revoke) writes.push(world.p.revoke({ id, type, token }, revoke === 'always' ? undefined : revoke));
        const written = commit(certain ? [...writes, ...releases(state)] : writes);
        if (written.done) done(hands, certain ? holds?.freed : whole(state));
        else if (written.refused[0] === undefined) keep(hands, ender(id, token, witness));
        else settledBefore(hands, state);
      });
    case 'after':
      return may(`${name} reads run ${id} again, for its job was settled before`, (hands) => {
        const now = world.now(hands.read, id);
        if (world.p.judge(world.readRun(hands.read, id), witness ?? undefined, now).certain) release(hands, state);
        else done(hands, whole(state));
      });
    case 'release':
      may(`${name} releases what job ${id} holds`, (hands) => {
        const [first, ...others] = releases(state);
        if (first) world.commit(hands, first);
        const { slot: _slot, ...rest } = holds as NonNullable<typeof holds>;
        if (others.length) keep(hands, { ...state, holds: rest });
        else done(hands, holds?.freed);
      });
      if (world.left(read, 'crash'))
        may(`! ${name} crashes`, (hands) => {
          world.spend(hands);
          hands.write(by, undefined);
        });
      return;
    default:
      state.at satisfies never;
  }

  function readBoard(hands: Hands, next: Ender): Ender {
    const board = world.readBoard(hands.read);
    const mine = (hold: { readonly job: number; readonly token: string }) => hold.job === id && hold.token === token;
    const slot = board.slots.find(mine);
    const freed = viewOf(world, {
      ...board,
      slots: board.slots.filter((held) => !mine(held)),
      locks: board.locks.filter((held) => !mine(held)),
    });
    const lock = board.locks.some(mine);
    return { ...next, holds: { ...(slot && { slot: slot.n }), lock, ...(wantsBoard && { freed }) } };
  }

  function readRun(hands: Hands, next: Ender): Ender {
    return { ...next, run: world.readRun(hands.read, id) ?? null };
  }

  function looked(hands: Hands, next: Ender) {
    if (next.holds === undefined || next.run === undefined) return keep(hands, next);
    const { run: found, ...rest } = next;
    const stored = found ?? undefined;
    const run = stored?.token === token ? stored : undefined;
    if (run && world.p.isStale(run, witness ?? undefined)) return done(hands, whole(rest));
    const now = world.now(hands.read, id);
    const { outcome, certain, revoke } = world.p.judge(stored, witness ?? undefined, now);
    const plan: NonNullable<Ender['plan']> = {
      outcome,
      log: run?.end ? run.ends.log : 0,
      certain,
      over: certain || world.p.isOver(stored, now),
      ...(run && revoke === 'always' && { revoke }),
      ...(run && revoke === 'seen' && { revoke: { segment: run.segment, open: run.open } }),
    };
    // Under another token than its own: settled before.
    if (stored && !run) settledBefore(hands, { ...rest, plan });
    else keep(hands, { ...rest, at: !run?.end && world.spec(id).logs ? 'ends' : 'write', plan });
  }

  function releases({ holds }: Ender): readonly Write[] {
    const hold = { job: id, token };
    return [
      ...(holds?.slot !== undefined ? [world.p.releaseSlot(holds.slot, hold)] : []),
      ...(holds?.lock ? [world.p.releaseLock(type, hold)] : []),
    ];
  }

  function settledBefore(hands: Hands, next: Ender) {
    const { plan, ...rest } = next;
    if (world.p.ways.endReadsAgain && releases(next).length > 0) keep(hands, { ...rest, at: 'after' });
    else if (plan?.over) release(hands, next);
    else done(hands, whole(next));
  }

  function release(hands: Hands, { plan: _plan, ...next }: Ender) {
    if (releases(next).length > 0) keep(hands, { ...next, at: 'release' });
    else done(hands, next.holds?.freed);
  }

  /** The board as it was read. */
  function whole({ holds }: Ender): View | undefined {
    if (!holds?.freed) return undefined;
    const { freed, slot, lock } = holds;
    const held = world.scenario.types[type]?.concurrent ? '' : type;
    return {
      slots: slot === undefined ? freed.slots : [...freed.slots, { n: slot, type: held }].sort((a, b) => a.n - b.n),
      locks: lock ? [...freed.locks, type] : freed.locks,
    };
  }
}
