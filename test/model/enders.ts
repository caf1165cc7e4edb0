/** What ends runs: `endRun` (functions/end.ts) as a step machine, and who calls it: finisher, status event, sweep, cancel. */
import type { Witness } from '../../core/ending.ts';
import type { Job, Run, RunningJob } from '../../core/job.ts';
import type { Write } from '../../core/writes.ts';
import type { Hands, Process } from './engine.ts';
import { begin, ensureStarted, type May, mayCommit, type Pass, viewOf, waits } from './passes.ts';
import { blocked, type Execution, type View, type World } from './world.ts';

/** What `endRun` has in memory. */
export interface Ender {
  readonly at: 'look' | 'ends' | 'write' | 'after' | 'release';
  readonly job: number;
  readonly token: string;
  /** null: nobody waited to the end. */
  readonly witness: Witness | null;
  readonly board?: { readonly slot?: number; readonly lock: boolean; readonly freed?: View; readonly whole?: View };
  /** null: there is none. */
  readonly run?: Run | null;
  /** Where the log ends, when the run did not say so. */
  readonly log?: number;
}

type Done = (hands: Hands, board: View | undefined) => void;

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
 * @param done is called with the board as it is after this; only who makes a dispatch pass with it `wants` it
 */
function endRun(
  world: World,
  read: Hands['read'],
  may: May,
  by: number,
  name: string,
  state: Ender,
  keep: (hands: Hands, next: Ender) => void,
  done: Done,
  wantsBoard: boolean,
): void {
  const { job: id, token, witness } = state;
  const { type } = world.spec(id);
  const looked = (next: Ender): Ender => {
    if (next.board === undefined || next.run === undefined) return next;
    const run = next.run?.token === token ? next.run : null;
    const mustFind = (run !== null || next.run === null) && !run?.end && world.spec(id).logs;
    return { ...next, at: mustFind ? 'ends' : 'write' };
  };
  if (state.at === 'look') {
    const readBoard = (hands: Hands, next: Ender): Ender => {
      const board = world.readBoard(hands.read);
      const slot = board.slots.find((held) => held.job === id && held.token === token);
      const lock = board.locks.find((held) => held.job === id && held.token === token);
      const freed = viewOf(world, {
        ...board,
        slots: board.slots.filter((held) => held !== slot),
        locks: board.locks.filter((held) => held !== lock),
      });
      const views = wantsBoard && { freed, whole: viewOf(world, board) };
      return { ...next, board: { ...(slot && { slot: slot.n }), lock: lock !== undefined, ...views } };
    };
    const readRun = (hands: Hands, next: Ender): Ender => ({ ...next, run: world.readRun(hands.read, id) ?? null });
    if (!world.scenario.apart) {
      // Its own holds are there since before it began: an older board could only make a release that is refused.
      may(`${name} reads the board and run ${id}`, (hands) =>
        keep(hands, looked(readRun(hands, readBoard(hands, state)))),
      );
      return;
    }
    if (state.board === undefined)
      may(`${name} reads the board`, (hands) => keep(hands, looked(readBoard(hands, state))));
    if (state.run === undefined) may(`${name} reads run ${id}`, (hands) => keep(hands, looked(readRun(hands, state))));
    return;
  }
  if (state.at === 'ends') {
    may(`${name} looks where log ${id} ends`, (hands) => {
      keep(hands, { ...state, at: 'write', log: hands.read(world.log[id - 1] as number) ? 1 : 0 });
    });
    return;
  }
  const board = state.board as NonNullable<Ender['board']>;
  const releases: Write[] = [
    ...(board.slot !== undefined ? [world.p.releaseSlot(board.slot, { job: id, token })] : []),
    ...(board.lock ? [world.p.releaseLock(type, { job: id, token })] : []),
  ];
  if (state.at === 'release') {
    const [first] = releases;
    if (!first) throw new Error('There is nothing to release.');
    may(`${name} releases what job ${id} holds`, (hands) => {
      world.commit(hands, first);
      const { slot: _slot, ...rest } = board;
      const left = board.slot !== undefined && board.lock ? { ...rest, lock: true } : undefined;
      if (left) keep(hands, { ...state, board: left });
      else done(hands, board.freed);
    });
    if (world.left(read, 'crash'))
      may(`! ${name} crashes`, (hands) => {
        world.spend(hands);
        hands.write(by, undefined);
      });
    return;
  }
  if (state.at === 'after') {
    may(`${name} reads run ${id} again, for job ${id} was settled before`, (hands) => {
      const now = world.now(hands.read, id);
      settledBefore(hands, world.p.judge(world.readRun(hands.read, id), witness ?? undefined, now).certain);
    });
    return;
  }
  const stored = state.run ?? undefined;
  const run = stored?.token === token ? stored : undefined;
  mayCommit(world, read, may, by, `${name} ends job ${id}`, (hands, commit) => {
    const now = world.now(hands.read, id);
    const ending = world.p.judge(stored, witness ?? undefined, now);
    if (run || !stored) {
      const ends = run?.end ? run.ends : { log: state.log ?? 0, files: 0, records: 0 };
      const settlement = { outcome: ending.outcome, ...(ending.failure && { failure: ending.failure }), ends };
      const writes: Write[] = [world.p.settle({ id, token }, settlement, now)];
      if (run && ending.revoke !== 'no') writes.push(world.p.revoke(run, ending.revoke === 'seen' ? run : undefined));
      const written = commit(ending.certain ? [...writes, ...releases] : writes);
      if (written.done) {
        done(hands, ending.certain ? board.freed : board.whole);
        return;
      }
      if (written.refused[0] === undefined) {
        keep(hands, ender(id, token, witness));
        return;
      }
    }
    if (world.p.endReadsAgain) {
      const { run: _run, log: _log, ...rest } = state;
      keep(hands, { ...rest, at: 'after' });
    } else settledBefore(hands, ending.certain || world.p.isOver(stored, now));
  });

  function settledBefore(hands: Hands, certain: boolean): void {
    if (!certain) return done(hands, board.whole);
    if (releases.length === 0) return done(hands, board.freed);
    const { run: _run, log: _log, ...rest } = state;
    keep(hands, { ...rest, at: 'release' });
  }
}

/** The last state of the state machine, Finish (functions/finisher.ts): ends the run, then makes a dispatch pass. */
export function finisherProcess(world: World, id: number): Process {
  const me = world.finisher[id - 1] as number;
  const name = `finisher ${id}`;
  return (read, may) => {
    if (waits(world, read, me)) return;
    const state = read(me) as Ender | undefined;
    if (!state) {
      for (const { token, at, error } of world.executions(read, id)) {
        if (at !== 'finish') continue;
        // The state's first step is a read; being called needs no step of its own.
        const called = ender(id, token, error === undefined ? {} : { error });
        endRun(
          world,
          read,
          may,
          me,
          name,
          called,
          (hands, next) => hands.write(me, next),
          () => undefined,
          true,
        );
      }
      return;
    }
    const finished = (hands: Hands) => {
      hands.write(me, undefined);
      const all = world.executions(hands.read, id);
      hands.write(
        world.execution[id - 1] as number,
        all.map((execution) =>
          execution.token === state.token && execution.at === 'finish' ? closed(execution, 'SUCCEEDED') : execution,
        ),
      );
    };
    const step = (label: string, last: (hands: Hands, board: View | undefined) => void, fault = false) =>
      endRun(
        world,
        read,
        (words, act) => may(fault ? `! ${words}${label}` : `${words}${label}`, act),
        me,
        name,
        state,
        (hands, next) => (label ? hands.giveUp() : hands.write(me, next)),
        last,
        true,
      );
    const idle = world.pass.find((part) => read(part) === undefined);
    if (idle !== undefined && state.at !== 'look' && state.at !== 'ends')
      step(' and makes a pass', (hands, view) => {
        finished(hands);
        const board = world.readBoard(hands.read);
        const seen = view as View;
        // What its own view shows as blocked was freed later than it read, if it is free.
        const since = world
          .runnable(hands.read, board)
          .filter(
            (job) =>
              !blocked({ ...board, slots: slotsOf(seen), locks: locksOf(seen) }, world.spec(job).type, world.scenario),
          );
        const pass: Pass | undefined = begin(world, seen, since);
        if (pass === undefined) hands.giveUp();
        hands.write(idle, pass);
      });
    step('', finished);
    if (world.left(read, 'crash') && (state.at === 'write' || state.at === 'release'))
      step(
        ' and its answer is lost',
        (hands) => {
          world.spend(hands);
          hands.write(me, undefined);
        },
        true,
      );
  };
}

const slotsOf = (view: View) => view.slots.map((slot) => ({ ...slot, job: 0, token: '', since: 0 }));
const locksOf = (view: View) => view.locks.map((type) => ({ type, job: 0, token: '', since: 0 }));

export function closed({ token, seg }: Execution, status: NonNullable<Execution['status']>): Execution {
  return { token, at: 'closed', seg, status };
}

/** The rule for executions that failed, timed out or were aborted: never, once, often, late, in any order. */
export function eventProcess(world: World): Process {
  const me = world.event;
  return (read, may) => {
    if (waits(world, read, me)) return;
    const state = read(me) as Ender | undefined;
    const call = (called: Ender) =>
      endRun(
        world,
        read,
        may,
        me,
        'event',
        called,
        (hands, next) => hands.write(me, next),
        (hands) => hands.write(me, undefined),
        false,
      );
    if (state) return call(state);
    for (const id of world.ids)
      for (const { token, status } of world.executions(read, id)) {
        if (status !== 'ABORTED' && status !== 'FAILED') continue;
        // Where a job has ended and holds nothing, an end finds nothing to do.
        const { slots, locks } = world.readBoard(read);
        const held = [...slots, ...locks].some((hold) => hold.token === token);
        if (held || world.readJob(read, id)?.status === 'running') call(ender(id, token, null));
      }
  };
}

/** What the sweep has in memory. It cares for one hold at a time; which one, and when, is free. */
type Sweep =
  | {
      readonly at: 'care';
      readonly hold: { readonly job: number; readonly type: string; readonly token: string };
      readonly slots: readonly number[];
      readonly locks: readonly string[];
      /** null: there is none. */
      readonly job?: Job | null;
      readonly run?: Run | null;
    }
  | {
      readonly at: 'free';
      readonly hold: { readonly job: number; readonly token: string };
      readonly slots: readonly number[];
      readonly locks: readonly string[];
      readonly job: Job | null;
    }
  | { readonly at: 'start'; readonly job: number; readonly token: string }
  | { readonly at: 'end'; readonly ender: Ender }
  | { readonly at: 'queued'; readonly job: Job }
  | { readonly at: 'requeue'; readonly job: Job }
  | { readonly at: 'slotless'; readonly job: RunningJob }
  | { readonly at: 'lost'; readonly job: RunningJob; readonly run?: Run | null };

/** The sweep without its dispatch pass (functions/sweep-pass.ts): `care` for each hold, `repair` of each job. */
export function sweepProcess(world: World): Process {
  const me = world.sweep;
  return (read, may) => {
    if (waits(world, read, me)) return;
    const state = read(me) as Sweep | undefined;
    const keep = (hands: Hands, next: Sweep | undefined) => hands.write(me, next);
    if (!state) return idle();
    switch (state.at) {
      case 'care':
        return care(state);
      case 'free':
        return free(state);
      case 'start':
        may(`sweep starts the execution of job ${state.job}, or finds it`, (hands) => {
          const execution = ensureStarted(world, hands, state.job, state.token);
          if (execution.at === 'closed') keep(hands, { at: 'end', ender: ender(state.job, state.token, null) });
          else keep(hands, undefined);
        });
        return;
      case 'end':
        return endRun(
          world,
          read,
          may,
          me,
          'sweep',
          state.ender,
          (hands, next) => keep(hands, { at: 'end', ender: next }),
          (hands) => keep(hands, undefined),
          false,
        );
      case 'queued':
        may(`sweep looks for the row of job ${state.job.id}`, (hands) => {
          keep(hands, world.readRow(hands.read, state.job.id) ? undefined : { at: 'requeue', job: state.job });
        });
        return;
      case 'requeue':
        mayCommit(world, read, may, me, `sweep puts back the row of job ${state.job.id}`, (hands, commit) => {
          commit(world.p.requeue(state.job));
          keep(hands, undefined);
        });
        return;
      case 'slotless':
        may(`sweep looks at the slot of job ${state.job.id}`, (hands) => {
          const slot = hands.read(world.slot[state.job.slot] as number) as { token?: string } | undefined;
          keep(hands, slot?.token === state.job.token ? undefined : { at: 'lost', job: state.job });
        });
        return;
      case 'lost':
        return lost(state);
      default:
        state satisfies never;
    }

    function idle(): void {
      const board = world.readBoard(read);
      const holds = new Map([...board.slots, ...board.locks].map((hold) => [`${hold.job} ${hold.token}`, hold]));
      for (const { job, type, token } of holds.values())
        may(`sweep sees what job ${job} holds`, (hands) => {
          const slots = board.slots.filter((held) => held.token === token).map(({ n }) => n);
          const locks = board.locks.filter((held) => held.token === token).map((held) => held.type);
          keep(hands, { at: 'care', hold: { job, type, token }, slots, locks });
        });
      for (const id of world.ids) {
        const job = world.readJob(read, id);
        if (job?.status === 'queued')
          may(`sweep reads queued job ${id}`, (hands) => keep(hands, { at: 'queued', job }));
        if (job?.status === 'running')
          may(`sweep reads running job ${id}`, (hands) => keep(hands, { at: 'slotless', job }));
      }
    }

    function care(state: Extract<Sweep, { at: 'care' }>): void {
      const id = state.hold.job;
      const looked = (hands: Hands, next: typeof state): void => {
        const { hold, job, run, slots, locks } = next;
        if (job === undefined || run === undefined) return keep(hands, next);
        const what = world.p.inspect(
          { hold: { ...hold, since: 0 }, job: job ?? undefined, run: run ?? undefined },
          world.now(hands.read, id),
        );
        switch (what.kind) {
          case 'keep':
            return keep(hands, undefined);
          case 'end':
            return keep(hands, { at: 'end', ender: ender(id, hold.token, null) });
          case 'release':
            return keep(hands, { at: 'free', hold: { job: id, token: hold.token }, slots, locks, job });
          case 'start':
            return keep(hands, { at: 'start', job: id, token: hold.token });
          default:
            what satisfies never;
        }
      };
      if (state.job === undefined)
        may(`sweep reads job ${id}`, (hands) =>
          looked(hands, { ...state, job: world.readJob(hands.read, id) ?? null }),
        );
      if (state.run === undefined && (state.job !== undefined || !world.p.sweepReadsJobFirst))
        may(`sweep reads run ${id}`, (hands) =>
          looked(hands, { ...state, run: world.readRun(hands.read, id) ?? null }),
        );
    }

    function free(state: Extract<Sweep, { at: 'free' }>): void {
      const { hold, slots, locks } = state;
      if (world.p.sweepChecksJob) {
        mayCommit(world, read, may, me, `sweep releases what job ${hold.job} held`, (hands, commit) => {
          commit([
            { op: 'check', key: world.p.keys.job(hold.job), when: asSeen(state.job, hold.token) },
            ...slots.map((n) => world.p.releaseSlot(n, hold)),
            ...locks.map((type) => world.p.releaseLock(type, hold)),
          ]);
          keep(hands, undefined);
        });
        return;
      }
      const [slot, ...slotsLeft] = slots;
      const [lock, ...locksLeft] = locks;
      may(`sweep releases what job ${hold.job} held`, (hands) => {
        if (slot !== undefined) {
          world.commit(hands, world.p.releaseSlot(slot, hold));
          keep(hands, slotsLeft.length || lock !== undefined ? { ...state, slots: slotsLeft } : undefined);
        } else if (lock !== undefined) {
          world.commit(hands, world.p.releaseLock(lock, hold));
          keep(hands, locksLeft.length ? { ...state, locks: locksLeft } : undefined);
        }
      });
      if (world.left(read, 'crash'))
        may('! sweep crashes', (hands) => {
          world.spend(hands);
          keep(hands, undefined);
        });
    }

    function lost(state: Extract<Sweep, { at: 'lost' }>): void {
      const { job, run } = state;
      if (run === undefined) {
        may(`sweep reads run ${job.id}`, (hands) => {
          keep(hands, { ...state, run: world.readRun(hands.read, job.id) ?? null });
        });
        return;
      }
      mayCommit(world, read, may, me, `sweep settles job ${job.id}, which has no slot`, (hands, commit) => {
        const now = world.now(hands.read, job.id);
        const mine = run?.token === job.token ? run : undefined;
        const { outcome } = world.p.judge(mine, undefined, now);
        const log = hands.read(world.log[job.id - 1] as number) ? 1 : 0;
        const ends = mine?.end ? mine.ends : { log, files: 0, records: 0 };
        commit(world.p.settleLost(job, mine, { outcome, ends }, now));
        keep(hands, undefined);
      });
    }
  };
}

/** The job is not running under this token, and never will be. */
function asSeen(job: Job | null, token: string): Write['when'] {
  if (!job) return [{ item: 'absent' }];
  if (!('token' in job) || job.token !== token) return [{ attr: 'token', differs: token }];
  return [{ attr: 'status', equals: job.status }];
}

/** What a cancel has in memory. */
type Cancel =
  | { readonly at: 'write'; readonly job: Job }
  | { readonly at: 'between'; readonly job: RunningJob }
  | { readonly at: 'end'; readonly ender: Ender };

/** POST …/cancel (functions/api/cancel-job.ts); dies where it likes. */
export function cancelProcess(world: World): Process {
  const me = world.cancel;
  return (read, may) => {
    if (waits(world, read, me)) return;
    const state = read(me) as Cancel | undefined;
    const keep = (hands: Hands, next: Cancel | undefined) => hands.write(me, next);
    if (!state) {
      for (const id of world.ids) {
        if (!world.spec(id).cancel) continue;
        const job = world.readJob(read, id);
        if (job?.status === 'queued' || (job?.status === 'running' && job.cancelRequested === undefined))
          may(`cancel reads job ${id}`, (hands) => keep(hands, { at: 'write', job }));
      }
      return;
    }
    if (state.at === 'write') {
      const { job } = state;
      mayCommit(world, read, may, me, `cancel of job ${job.id} is written`, (hands, commit) => {
        const now = world.now(hands.read, job.id);
        const written = commit(
          job.status === 'queued'
            ? world.p.cancelQueued(job, 'somebody', now)
            : world.p.requestCancel(job as RunningJob, 'somebody', now),
        );
        // Refused: the job is read again, which is how a cancel begins.
        keep(hands, written.done && job.status === 'running' ? { at: 'between', job } : undefined);
      });
      return;
    }
    if (state.at === 'between') {
      const { job } = state;
      may(`cancel reads run ${job.id}`, (hands) => {
        const run = world.readRun(hands.read, job.id);
        const ends = run?.token === job.token && !run.open && !run.end;
        keep(hands, ends ? { at: 'end', ender: ender(job.id, job.token, null) } : undefined);
      });
      may('cancel is given up', (hands) => keep(hands, undefined));
      return;
    }
    endRun(
      world,
      read,
      may,
      me,
      'cancel',
      state.ender,
      (hands, next) => keep(hands, { at: 'end', ender: next }),
      (hands) => keep(hands, undefined),
      false,
    );
  };
}
