/**
 * What is not ours: Step Functions and Lambda, with the harness inside (runners/sdk), people who create jobs, time.
 *
 * Steps between which nobody can tell a difference are one: a state is entered and its Lambda is invoked; a segment is
 * claimed and its body begins; a body's last write is done, its handler returns and the execution sees it.
 *
 * One thing is assumed of the platform: it does not tell an execution that an invocation was refused, or died before
 * it claimed its segment, and invoke that segment once more after all. An invocation repeated while the first one is
 * under way, or after that one has claimed, is in the model.
 */
import { refusedSegment } from '../../core/ending.ts';
import { revoked } from '../../core/job.ts';
import { closed, witnessOf } from './enders.ts';
import type { Hands, Process } from './engine.ts';
import { finishing } from './resume.ts';
import { type Execution, type Ghost, type Invocation, invocationMs, type Torn, type World } from './world.ts';

export function createProcess(world: World, id: number): Process {
  return (read, may) => {
    if (read(world.job[id - 1] as number) !== undefined) return;
    may(`job ${id} is created`, (hands) => world.commit(hands, world.creation(id)));
  };
}

/** The execution leaves `Run` with what its invocation gave; where it does not wait for that, nobody sees it. */
function leaveRun(
  world: World,
  hands: Hands,
  id: number,
  { token, seg }: Invocation,
  result: string | undefined,
): void {
  const part = world.execution[id - 1] as number;
  const all = world.executions(hands.read, id);
  const i = all.findIndex((execution) => execution.token === token && execution.at === 'run' && execution.seg === seg);
  if (i < 0) return;
  if (result === 'JobContinue') {
    hands.write(part, all.with(i, { token, at: 'run', seg: seg + 1 }));
    world.invoke(hands, id, token, seg + 1, 'a');
  } else hands.write(part, all.with(i, { token, at: 'finish', seg, ...(result !== undefined && { error: result }) }));
}

/** Another invocation of the same segment is under way. */
const hasTwin = (invocations: readonly Invocation[], { token, seg, claim }: Invocation) =>
  invocations.some((other) => other.token === token && other.seg === seg && other.claim !== claim);

/** The state machine of one job (infra/workflow.ts): Run, segment after segment, then Finish; here, what goes wrong in it. */
export function executionProcess(world: World, id: number): Process {
  const me = world.execution[id - 1] as number;
  return (read, may) => {
    const all = world.executions(read, id);
    for (const [i, execution] of all.entries()) {
      const { token, at, seg } = execution;
      const becomes = (hands: Hands, next: Execution) => {
        world.spend(hands);
        hands.write(me, all.with(i, next));
      };
      const fails = (error: string): Execution => ({ token, at: 'finish', seg, error });
      const waiting = (hands: Hands) => {
        const invocations = world.invoked(hands.read, id);
        const i = invocations.findIndex(
          (other) => other.token === token && other.seg === seg && other.pc === 'invoked',
        );
        // It is never told that an invocation was refused, or died before it did anything, while a repeated one runs.
        if (i < 0 || hasTwin(invocations, invocations[i] as Invocation)) hands.giveUp();
        else hands.write(world.invocations[id - 1] as number, invocations.toSpliced(i, 1));
      };
      if (at === 'run' && world.left(read, 'refused'))
        may(`! the invocation of job ${id} is refused`, (hands) => {
          waiting(hands);
          becomes(hands, fails('Lambda.ResourceNotFoundException'));
        });
      if (at === 'run' && world.left(read, 'lost sight')) {
        may(`! the platform loses sight of job ${id}, whose invocation goes on`, (hands) =>
          becomes(hands, fails('Lambda.SdkClientException')),
        );
        may(`! the platform loses sight of job ${id}, whose invocation never began`, (hands) => {
          waiting(hands);
          becomes(hands, fails('Lambda.SdkClientException'));
        });
      }
      if (at !== 'closed' && world.left(read, 'stop'))
        may(`! an operator stops the execution of job ${id}`, (hands) => becomes(hands, closed(execution, 'ABORTED')));
      const late = world.late[id - 1] as number;
      if (at === 'finish' && world.scenario.types[world.spec(id).type]?.resumable && world.left(read, 'late finisher'))
        may(`! the finisher of job ${id} is invoked again, and the first one goes on`, (hands) => {
          if (hands.read(late) !== undefined) hands.giveUp();
          world.spend(hands);
          hands.write(late, finishing(world, id, token, witnessOf(execution)));
        });
      const begun = () => (read(world.ghost[id - 1] as number) as Ghost).started.includes(seg);
      if (world.left(read, 'repeat') && (at === 'run' || begun()))
        may(`! segment ${seg} of job ${id} is invoked once more`, (hands) => {
          world.spend(hands);
          world.invoke(hands, id, token, seg, 'b');
        });
    }
  };
}

/** Runner Lambdas of one job: `invoke` (runners/sdk/run.ts) and the watch (runners/sdk/watch.ts). */
export function runnerProcess(world: World, id: number): Process {
  const me = world.invocations[id - 1] as number;
  const { type, segments, logs = false, heeds = false } = world.spec(id);
  return (read, may) => {
    for (const [i, invocation] of world.invoked(read, id).entries()) {
      const { token, seg, claim, pc, logged } = invocation;
      const who = `runner ${id}${claim === 'a' ? '' : ' (repeated)'}`;
      const ref = { id, type, token };
      const becomes = (hands: Hands, change: Partial<Invocation>) =>
        hands.write(me, world.invoked(hands.read, id).with(i, { ...invocation, ...change }));
      const end = (hands: Hands, result?: string) => {
        hands.write(me, world.invoked(hands.read, id).toSpliced(i, 1));
        leaveRun(world, hands, id, invocation, result);
      };
      const breaks = (hands: Hands) => {
        if (!world.scenario.types[type]?.resumable) return;
        const ghost = hands.read(world.ghost[id - 1] as number) as Ghost;
        const broken = (ghost.broken ?? 0) + 1;
        hands.write(world.ghost[id - 1] as number, { ...ghost, broken } satisfies Ghost);
      };
      const ends = { log: logged ? 1 : 0, files: 0, records: 0 };
      const logKey = world.p.keys.log(type, id, 0);
      const says = (label: string, result: string | undefined, write: Parameters<World['commit']>[1]) =>
        may(`${who} ${label}`, (hands) => {
          const written = world.commit(hands, write);
          end(hands, written.done ? result : 'Fault');
        });
      const canceled = () =>
        says('says it was canceled', undefined, world.p.endRun(ref, seg, { outcome: 'canceled' }, ends));
      if (pc === 'ghost') {
        may(`a late write of ${who} arrives`, (hands) => {
          world.commit(hands, world.p.append(logKey, token, seg, { size: 1 }));
          hands.write(me, world.invoked(hands.read, id).toSpliced(i, 1));
        });
        continue;
      }
      if (world.left(read, 'crash') && !(pc === 'invoked' && hasTwin(world.invoked(read, id), invocation)))
        may(`! ${who} crashes`, (hands) => {
          world.spend(hands);
          breaks(hands);
          end(hands, 'Runtime.ExitError');
        });
      if (pc === 'invoked') {
        may(`${who} claims segment ${seg}`, (hands) => {
          const deadline = world.now(hands.read, id) + invocationMs;
          if (!world.commit(hands, world.p.claimSegment(ref, seg, claim, deadline)).done)
            return end(hands, refusedSegment);
          world.shiftTime(hands, id);
          // Canceled before this segment: it ends without its body, unless that asked to be told.
          const run = world.readRun(hands.read, id);
          if (run?.cancelAt !== undefined && !run.heedsCancel) return becomes(hands, { pc: 'early' });
          const ghost = hands.read(world.ghost[id - 1] as number) as Ghost;
          if (ghost.started.includes(seg)) hands.violate("a segment's body began twice");
          if (world.invoked(hands.read, id).some((other) => other.pc === 'body'))
            hands.violate('a body began while another one of its job ran');
          hands.write(world.ghost[id - 1] as number, { ...ghost, started: [...ghost.started, seg] } satisfies Ghost);
          // A later segment's log begins where that of the one before ended.
          becomes(hands, { pc: 'body', logged: logs && hands.read(world.log[id - 1] as number) !== undefined });
        });
        continue;
      }
      if (pc === 'early') {
        canceled();
        continue;
      }
      if (seg < segments)
        says(
          'goes on in another segment',
          'JobContinue',
          world.p.closeSegment(ref, seg, { state: 's', ends, heedsCancel: heeds }),
        );
      says('ends', undefined, world.p.endRun(ref, seg, { outcome: 'completed' }, ends));
      const run = world.readRun(read, id);
      if (run?.cancelAt !== undefined) canceled();
      if (logs && !logged)
        may(`${who} writes its log`, (hands) => {
          world.commit(hands, world.p.append(logKey, token, seg, { size: 1 }));
          // A place that a late write of this run took is as good: the harness goes on behind it.
          becomes(hands, { logged: true });
        });
      // A watch is stopped before its handler returns: else Lambda thaws it in the next job of its environment.
      for (const other of world.p.ways.watchThaws ? world.ids : [])
        if (other !== id && world.spec(other).type === type && world.readRun(read, other)?.token === revoked)
          may(`the watch of job ${other} kills ${who}`, (hands) => {
            hands.violate('a watch killed the process of another job');
            end(hands, 'Runtime.ExitError');
          });
      const clock = () => read(world.clock[id - 1] as number) as number;
      if (run !== undefined && (run.token !== token || (run.cancelAt !== undefined && clock() > 0)))
        may(`the watch kills ${who}`, (hands) => end(hands, 'Runtime.ExitError'));
      if (logs && !logged && world.left(read, 'late write'))
        may(`! ${who} crashes, a write of it still on its way`, (hands) => {
          world.spend(hands);
          breaks(hands);
          end(hands, 'Runtime.ExitError');
          hands.write(me, [...world.invoked(hands.read, id), { ...invocation, pc: 'ghost' }]);
        });
    }
  };
}

/** Time, as far as it decides anything of a job. */
export function clockProcess(world: World, id: number): Process {
  const me = world.clock[id - 1] as number;
  return (read, may) => {
    if (world.p.ways.lockExpires) expires();
    const clock = read(me) as number;
    if (clock === 3) return;
    const job = world.readJob(read, id);
    if (!job || !('token' in job)) return;
    if (clock !== 1 && job.status === 'running' && job.cancelRequested === world.now(read, id))
      may(`the grace of job ${id} passes`, (hands) => hands.write(me, clock + 1));
    if (clock >= 2 || !world.readRun(read, id)?.open) return;
    // When the deadline passes Lambda has ended the invocation; and nobody asks for it when nothing is held any more.
    if (world.invoked(read, id).some(({ pc }) => pc === 'body' || pc === 'early')) return;
    const { slots, locks } = world.readBoard(read);
    if ([...slots, ...locks].some((hold) => hold.job === id))
      may(`the deadline of job ${id} passes`, (hands) => hands.write(me, 2));

    function expires(): void {
      const lock = world.lock.get(world.spec(id).type) as number;
      if (world.readBoard(read).locks.some((held) => held.job === id))
        may(`the lock of job ${id} expires`, (hands) => hands.write(lock, undefined));
    }
  };
}

/** A transaction that could be seen in part becomes visible whole. */
export function tornProcess(world: World): Process {
  return (read, may) => {
    if (!world.may('torn')) return;
    const torn = read(world.torn) as Torn | undefined;
    if (!torn) return;
    may('the rest of the transaction can be seen', (hands) => {
      for (const [part, value] of torn.rest) hands.write(part, value);
      hands.write(world.torn, undefined);
    });
  };
}
