/** The sweep (functions/sweep-pass.ts) without its dispatch pass, as a step machine. */
import type { Job, Run, RunningJob } from '../../core/job.ts';
import { type Ender, ender, endRun } from './end.ts';
import type { Hands, Process } from './engine.ts';
import { ensureStarted, mayCommit, waits } from './passes.ts';
import type { World } from './world.ts';

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
      readonly job: Seen | null;
    }
  | { readonly at: 'start'; readonly job: number; readonly token: string }
  | { readonly at: 'end'; readonly ender: Ender }
  | { readonly at: 'queued' | 'requeue'; readonly job: number }
  | { readonly at: 'slotless'; readonly job: number; readonly token: string; readonly slot: number }
  | {
      readonly at: 'lost';
      readonly job: number;
      readonly token: string;
      readonly slot: number;
      readonly run?: Run | null;
    };

/** What a release needs to know of a job. */
interface Seen {
  readonly status: Job['status'];
  readonly token?: string;
}

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
          const missing = !world.executions(hands.read, state.job).some(({ token }) => token === state.token);
          if (missing && world.p.ways.sweepEndsUnstarted)
            return keep(hands, { at: 'end', ender: ender(state.job, state.token, null) });
          const execution = ensureStarted(world, hands, state.job, state.token);
          if (execution.at === 'closed' && world.p.ways.sweepEndsClosed)
            keep(hands, { at: 'end', ender: ender(state.job, state.token, null) });
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
        may(`sweep looks for the row of job ${state.job}`, (hands) => {
          keep(hands, world.readRow(hands.read, state.job) ? undefined : { at: 'requeue', job: state.job });
        });
        return;
      case 'requeue':
        mayCommit(world, read, may, me, `sweep puts back the row of job ${state.job}`, (hands, commit) => {
          commit(world.p.requeue(world.jobOf(state.job, { status: 'queued' })));
          keep(hands, undefined);
        });
        return;
      case 'slotless':
        may(`sweep looks at the slot of job ${state.job}`, (hands) => {
          const slot = hands.read(world.slot[state.slot] as number) as { token?: string } | undefined;
          keep(hands, slot?.token === state.token ? undefined : { ...state, at: 'lost' });
        });
        return;
      case 'lost':
        return lost(state);
      default:
        state satisfies never;
    }

    function idle() {
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
          may(`sweep reads queued job ${id}`, (hands) => keep(hands, { at: 'queued', job: id }));
        if (job?.status === 'running')
          may(`sweep reads running job ${id}`, (hands) =>
            keep(hands, { at: 'slotless', job: id, token: job.token, slot: job.slot }),
          );
      }
    }

    function care(state: Extract<Sweep, { at: 'care' }>) {
      const id = state.hold.job;
      const looked = (hands: Hands, next: typeof state) => {
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
            return keep(hands, { at: 'free', hold: { job: id, token: hold.token }, slots, locks, job: seen(job) });
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
      if (state.run === undefined && (state.job !== undefined || !world.p.ways.sweepReadsJobFirst))
        may(`sweep reads run ${id}`, (hands) =>
          looked(hands, { ...state, run: world.readRun(hands.read, id) ?? null }),
        );
    }

    function free(state: Extract<Sweep, { at: 'free' }>) {
      const { hold, slots, locks } = state;
      if (world.p.ways.sweepChecksJob) {
        mayCommit(world, read, may, me, `sweep releases what job ${hold.job} held`, (hands, commit) => {
          commit(
            world.p.releaseLeft(
              hold,
              state.job ? world.jobOf(hold.job, state.job as Partial<Job>) : undefined,
              slots,
              locks,
            ),
          );
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

    function lost(state: Extract<Sweep, { at: 'lost' }>) {
      const { job: id, token, slot, run } = state;
      if (run === undefined) {
        may(`sweep reads run ${id}`, (hands) => {
          keep(hands, { ...state, run: world.readRun(hands.read, id) ?? null });
        });
        return;
      }
      mayCommit(world, read, may, me, `sweep settles job ${id}, which has no slot`, (hands, commit) => {
        const now = world.now(hands.read, id);
        const mine = run?.token === token ? run : undefined;
        const { outcome } = world.p.judge(mine, undefined, now);
        const log = hands.read(world.log[id - 1] as number) ? 1 : 0;
        const ends = mine?.end ? mine.ends : { log, files: 0, records: 0 };
        const job = world.jobOf(id, { status: 'running', token, slot }) as RunningJob;
        commit(world.p.settleLost(job, mine, { outcome, ends }, now));
        keep(hands, undefined);
      });
    }
  };
}

/** Of a job what a release depends on. */
const seen = (job: Job | null): Seen | null =>
  job && { status: job.status, ...('token' in job && job.token !== undefined && { token: job.token }) };
