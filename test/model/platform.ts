/** What is not ours: Step Functions and Lambda, with the harness inside (runners/sdk), people who create jobs, time. */
import { refusedSegment } from '../../core/ending.ts';
import { closed } from './enders.ts';
import type { Hands, Process } from './engine.ts';
import { type Execution, type Ghost, type Invocation, invocationMs, type Torn, type World } from './world.ts';

export function createProcess(world: World, id: number): Process {
  return (read, may) => {
    if (read(world.job[id - 1] as number) !== undefined) return;
    may(`job ${id} is created`, (hands) => world.commit(hands, world.creation(id)));
  };
}

/** The state machine of one job (infra/workflow.ts): Run, segment after segment, then Finish. */
export function executionProcess(world: World, id: number): Process {
  const me = world.execution[id - 1] as number;
  const there = world.invocations[id - 1] as number;
  return (read, may) => {
    const all = world.executions(read, id);
    for (const [i, execution] of all.entries()) {
      const { token, at, seg, invoked } = execution;
      const becomes = (hands: Hands, next: Execution) => hands.write(me, all.with(i, next));
      const finish = (error?: string): Execution => ({
        token,
        at: 'finish',
        seg,
        invoked,
        ...(error !== undefined && { error }),
      });
      const invoke = (hands: Hands, claim: string) => {
        const invocation: Invocation = { token, seg, claim, pc: 'invoked', logged: false };
        hands.write(there, [...world.invoked(hands.read, id), invocation]);
      };
      if (at === 'run' && !invoked) {
        may(`segment ${seg} of job ${id} is invoked`, (hands) => {
          invoke(hands, 'a');
          becomes(hands, { ...execution, invoked: true });
        });
        if (world.left(read, 'refused'))
          may(`! the invocation of job ${id} is refused`, (hands) => {
            world.spend(hands);
            becomes(hands, finish('Lambda.ResourceNotFoundException'));
          });
      }
      if (at === 'run' && invoked) {
        for (const [n, invocation] of world.invoked(read, id).entries()) {
          if (invocation.pc !== 'ended' || invocation.token !== token || invocation.seg !== seg) continue;
          const { result = '' } = invocation;
          may(`the execution of job ${id} sees ${result}`, (hands) => {
            hands.write(there, world.invoked(hands.read, id).toSpliced(n, 1));
            if (result === 'the result') becomes(hands, finish());
            else if (result === 'JobContinue') becomes(hands, { token, at: 'run', seg: seg + 1, invoked: false });
            else becomes(hands, finish(result));
          });
        }
        if (world.left(read, 'lost sight'))
          may(`! the platform loses sight of job ${id}`, (hands) => {
            world.spend(hands);
            becomes(hands, finish('Lambda.SdkClientException'));
          });
      }
      if (at !== 'closed' && world.left(read, 'stop'))
        may(`! an operator stops the execution of job ${id}`, (hands) => {
          world.spend(hands);
          becomes(hands, closed(execution, 'ABORTED'));
        });
      if (invoked && world.left(read, 'repeat'))
        may(`! segment ${seg} of job ${id} is invoked once more`, (hands) => {
          world.spend(hands);
          invoke(hands, 'b');
        });
    }
  };
}

/** Runner Lambdas of one job: `invoke` (runners/sdk/run.ts) and the watch (runners/sdk/watch.ts). */
export function runnerProcess(world: World, id: number): Process {
  const me = world.invocations[id - 1] as number;
  const { type, segments, logs = false } = world.spec(id);
  return (read, may) => {
    const all = world.invoked(read, id);
    for (const [i, invocation] of all.entries()) {
      const { token, seg, claim, pc, logged } = invocation;
      const who = `runner ${id}${claim === 'a' ? '' : ' (repeated)'}`;
      const ref = { id, type, token };
      const becomes = (hands: Hands, change: Partial<Invocation>) =>
        hands.write(me, world.invoked(hands.read, id).with(i, { ...invocation, ...change }));
      const gone = (hands: Hands) => hands.write(me, world.invoked(hands.read, id).toSpliced(i, 1));
      /** Its execution waits for the result, or nobody does. */
      const end = (hands: Hands, result: string) => {
        const waits = world
          .executions(hands.read, id)
          .some(
            (execution) =>
              execution.token === token && execution.at === 'run' && execution.seg === seg && execution.invoked,
          );
        if (waits) becomes(hands, { pc: 'ended', result });
        else gone(hands);
      };
      const ends = { log: logged ? 1 : 0, files: 0, records: 0 };
      const crash = () => {
        if (world.left(read, 'crash'))
          may(`! ${who} crashes`, (hands) => {
            world.spend(hands);
            end(hands, 'Runtime.ExitError');
          });
      };
      switch (pc) {
        case 'invoked':
          may(`${who} claims segment ${seg}`, (hands) => {
            const deadline = world.now(hands.read, id) + invocationMs;
            const written = world.commit(hands, world.p.claimSegment(ref, seg, claim, deadline));
            if (written.done) becomes(hands, { pc: 'claimed' });
            else end(hands, refusedSegment);
          });
          crash();
          break;
        case 'claimed':
          may(`${who} begins segment ${seg}`, (hands) => {
            if (world.readRun(hands.read, id)?.cancelAt !== undefined) return becomes(hands, { pc: 'early' });
            const ghost = hands.read(world.ghost[id - 1] as number) as Ghost;
            const what = `${seg}`;
            if (ghost.started.includes(what)) hands.violate("a segment's body began twice");
            hands.write(world.ghost[id - 1] as number, { ...ghost, started: [...ghost.started, what] } satisfies Ghost);
            becomes(hands, { pc: 'body' });
          });
          crash();
          break;
        case 'early':
          may(`${who} says it was canceled`, (hands) => {
            const written = world.commit(hands, world.p.endRun(ref, seg, { outcome: 'canceled' }, ends));
            if (written.done) becomes(hands, { pc: 'written', result: 'the result' });
            else end(hands, 'Fault');
          });
          break;
        case 'body':
          body();
          break;
        case 'written':
          may(`${who} returns`, (hands) => end(hands, invocation.result ?? ''));
          break;
        case 'ghost':
          may(`a late write of ${who} arrives`, (hands) => {
            world.commit(hands, world.p.append(logKey(), token, seg, { size: 1 }));
            gone(hands);
          });
          break;
        case 'ended':
          break;
        default:
          pc satisfies never;
      }

      function logKey() {
        return world.p.keys.log(type, id, 0);
      }

      function body(): void {
        const says = (label: string, result: string, write: Parameters<World['commit']>[1]) =>
          may(`${who} ${label}`, (hands) => {
            const written = world.commit(hands, write);
            if (written.done) becomes(hands, { pc: 'written', result });
            else end(hands, 'Fault');
          });
        if (seg < segments)
          says('goes on in another segment', 'JobContinue', world.p.closeSegment(ref, seg, 's', ends));
        says('ends', 'the result', world.p.endRun(ref, seg, { outcome: 'completed' }, ends));
        const run = world.readRun(read, id);
        if (run?.cancelAt !== undefined)
          says('obeys the cancel', 'the result', world.p.endRun(ref, seg, { outcome: 'canceled' }, ends));
        if (logs && !logged)
          may(`${who} writes its log`, (hands) => {
            const written = world.commit(hands, world.p.append(logKey(), token, seg, { size: 1 }));
            if (written.done) becomes(hands, { logged: true });
            else end(hands, 'Fault');
          });
        if (
          run !== undefined &&
          (run.token !== token || (run.cancelAt !== undefined && (read(world.clock[id - 1] as number) as number) > 0))
        )
          may(`the watch kills ${who}`, (hands) => end(hands, 'Runtime.ExitError'));
        crash();
        if (logs && !logged && world.left(read, 'late write'))
          may(`! ${who} crashes, a write of it still on its way`, (hands) => {
            world.spend(hands);
            end(hands, 'Runtime.ExitError');
            hands.write(me, [...world.invoked(hands.read, id), { ...invocation, pc: 'ghost' }]);
          });
      }
    }
  };
}

/** Time, as far as it decides anything of a job. */
export function clockProcess(world: World, id: number): Process {
  const me = world.clock[id - 1] as number;
  return (read, may) => {
    const clock = read(me) as number;
    if (clock === 3) return;
    const job = world.readJob(read, id);
    if (job?.status !== 'running' && job?.cancelRequested === undefined && clock >= 2) return;
    if ((clock === 0 || clock === 2) && job?.status === 'running' && job.cancelRequested === world.now(read, id))
      may(`the grace of job ${id} passes`, (hands) => hands.write(me, clock + 1));
    if (clock >= 2) return;
    // By the deadline Lambda has ended the invocation.
    const alive = world.invoked(read, id).some(({ pc }) => pc === 'claimed' || pc === 'body' || pc === 'early');
    if (world.readRun(read, id)?.open && !alive) may(`the deadline of job ${id} passes`, (hands) => hands.write(me, 2));
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
