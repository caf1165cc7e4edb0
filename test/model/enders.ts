/** Who calls `endRun` besides the sweep: the finisher, the rule for failed executions, people who cancel. */
import type { Witness } from '../../core/ending.ts';
import type { RunningJob } from '../../core/job.ts';
import { type Done, type Ender, ender, endRun } from './end.ts';
import type { Hands, Process } from './engine.ts';
import { begin, boardOf, mayCommit, type Pass, waits } from './passes.ts';
import { finishing, type Resumer, resumeRun } from './resume.ts';
import { blocked, type Execution, type View, type World } from './world.ts';

/**
 * The last state of the state machine, Finish (functions/finisher.ts): lets a resumable run go on that broke off, or ends
 * the run and makes a dispatch pass.
 */
export function finisherProcess(world: World, id: number): Process {
  const me = world.finisher[id - 1] as number;
  const name = `finisher ${id}`;
  return (read, may) => {
    if (waits(world, read, me)) return;
    const running = read(me) as Resumer | Ender | undefined;
    if (running) return steps(running);
    // The first step is a read; being called needs no step of its own.
    for (const execution of world.executions(read, id))
      if (execution.at === 'finish') steps(finishing(world, id, execution.token, witnessOf(execution)));

    function steps(state: Resumer | Ender) {
      if (state.at === 'resume') return resumes(state);
      const finished = (hands: Hands) => {
        hands.write(me, undefined);
        const all = world.executions(hands.read, id);
        const i = all.findIndex(({ token, at }) => token === state.token && at === 'finish');
        if (i >= 0)
          hands.write(world.execution[id - 1] as number, all.with(i, closed(all[i] as Execution, 'SUCCEEDED')));
      };
      const going = (prefix: string, suffix: string, last: Done) =>
        endRun(
          world,
          read,
          (words, act) => may(`${prefix}${words}${suffix}`, act),
          me,
          name,
          state,
          (hands, next) => (suffix ? hands.giveUp() : hands.write(me, next)),
          last,
          true,
        );
      const idle = world.pass.find((part) => read(part) === undefined);
      if (idle !== undefined)
        going('', ' and makes a pass', (hands, view) => {
          finished(hands);
          const seen = boardOf(world, view as View);
          // What its own view shows as blocked was freed later than it read, if it is free.
          const since = world
            .runnable(hands.read)
            .filter((job) => !blocked(seen, world.spec(job).type, world.scenario));
          const pass: Pass | undefined = begin(world, view as View, since);
          if (pass === undefined) hands.giveUp();
          hands.write(idle, pass);
        });
      going('', '', finished);
      if (world.left(read, 'crash'))
        going('! ', ' and its answer is lost', (hands) => {
          world.spend(hands);
          hands.write(me, undefined);
        });
    }

    function resumes(state: Resumer) {
      resumeRun(
        world,
        may,
        name,
        state,
        (hands, next) => hands.write(me, next),
        (hands, segment) => {
          hands.write(me, undefined);
          leadOn(world, hands, state, segment);
        },
      );
      if (state.plan && world.left(read, 'crash'))
        resumeRun(
          world,
          (words, act) => may(`! ${words} and its answer is lost`, act),
          name,
          state,
          (hands) => hands.giveUp(),
          (hands) => {
            world.spend(hands);
            hands.write(me, undefined);
          },
        );
    }
  };
}

/** The state machine leaves Finish for another segment. Nobody waits for its wait: an invocation may be as late. */
function leadOn(world: World, hands: Hands, { job: id, token, witness }: Resumer, segment: number): void {
  const all = world.executions(hands.read, id);
  const i = all.findIndex((one) => one.token === token && one.at === 'finish' && one.seg === witness.segment);
  if (i < 0) return;
  hands.write(world.execution[id - 1] as number, all.with(i, { token, at: 'run', seg: segment }));
  world.invoke(hands, id, token, segment, 'a');
}

export const witnessOf = ({ seg, error }: Execution): Witness => ({
  ...(error !== undefined && { error }),
  segment: seg,
});

/**
 * A finisher that the state machine does not wait for any more: it was invoked again, and may have gone on since. The
 * pass that it makes is like any other one.
 */
export function lateFinisherProcess(world: World, id: number): Process {
  const me = world.late[id - 1] as number;
  const name = `late finisher ${id}`;
  return (read, may) => {
    if (waits(world, read, me)) return;
    const state = read(me) as Resumer | Ender | undefined;
    if (!state) return;
    const keep = (hands: Hands, next: Resumer | Ender) => hands.write(me, next);
    const over = (hands: Hands) => hands.write(me, undefined);
    if (state.at === 'resume') resumeRun(world, may, name, state, keep, over);
    else endRun(world, read, may, me, name, state, keep, over, false);
  };
}

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

/** What a cancel has in memory. */
type Cancel =
  /** With a token: the job was running. */
  | { readonly at: 'write'; readonly job: number; readonly token?: string; readonly slot?: number }
  | { readonly at: 'between'; readonly job: number; readonly token: string }
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
          may(`cancel reads job ${id}`, (hands) =>
            keep(hands, {
              at: 'write',
              job: id,
              ...(job.status === 'running' && { token: job.token, slot: job.slot }),
            }),
          );
      }
      return;
    }
    if (state.at === 'write') {
      const { job: id, token, slot = 0 } = state;
      mayCommit(world, read, may, me, `cancel of job ${id} is written`, (hands, commit) => {
        const now = world.now(hands.read, id);
        const written = commit(
          token === undefined
            ? world.p.cancelQueued(world.jobOf(id, { status: 'queued' }), 'somebody', now)
            : world.p.requestCancel(world.jobOf(id, { status: 'running', token, slot }) as RunningJob, 'somebody', now),
        );
        // Refused: the job is read again, which is how a cancel begins.
        keep(hands, written.done && token !== undefined ? { at: 'between', job: id, token } : undefined);
      });
      return;
    }
    if (state.at === 'between') {
      const { job: id, token } = state;
      may(`cancel reads run ${id}`, (hands) => {
        const run = world.readRun(hands.read, id);
        const ends = run?.token === token && !run.open && !run.end && !run.heedsCancel;
        keep(hands, ends ? { at: 'end', ender: ender(id, token, null) } : undefined);
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
