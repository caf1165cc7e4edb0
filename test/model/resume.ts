/** `resumeRun` (functions/resume.ts) as a step machine: its read and its conditional write are one step each. */
import type { Resumption, Witness } from '../../core/ending.ts';
import type { Run } from '../../core/job.ts';
import { maxInterruptions } from '../../core/limits.ts';
import { type Ender, ender } from './end.ts';
import type { Hands } from './engine.ts';
import type { May } from './passes.ts';
import type { World } from './world.ts';

/** What `resumeRun` has in memory. */
export interface Resumer {
  readonly at: 'resume';
  readonly job: number;
  readonly token: string;
  readonly witness: Witness;
  /** What it read and decided. */
  readonly plan?: {
    readonly run: Pick<Run, 'segment' | 'open' | 'interruptions'>;
    readonly next: Pick<Resumption, 'segment' | 'interruptions'>;
  };
}

/** With what the finisher begins. It reads the run of every job that broke off; where that cannot matter it is no step. */
export function finishing(world: World, job: number, token: string, witness: Witness): Resumer | Ender {
  const { resumable } = world.scenario.types[world.spec(job).type] ?? {};
  return resumable && witness.error !== undefined ? { at: 'resume', job, token, witness } : ender(job, token, witness);
}

/**
 * The steps of `resumeRun`.
 *
 * @param keep writes its memory
 * @param goesOn is called in the step in which the run is led on
 */
export function resumeRun(
  world: World,
  may: May,
  name: string,
  { plan, ...state }: Resumer,
  keep: (hands: Hands, next: Resumer | Ender) => void,
  goesOn: (hands: Hands, segment: number) => void,
) {
  const { job: id, token, witness } = state;
  if (!plan)
    return may(`${name} reads run ${id}, which broke off`, (hands) => {
      const run = world.readRun(hands.read, id);
      const next = run?.token === token ? decided(world, run, witness, world.now(hands.read, id)) : undefined;
      if (!run || !next) return keep(hands, ender(id, token, witness));
      const { segment, open, interruptions } = run;
      keep(hands, {
        ...state,
        plan: { run: { segment, open, ...(interruptions !== undefined && { interruptions }) }, next },
      });
    });
  may(`${name} lets run ${id} go on`, (hands) => {
    const { run, next } = plan;
    const ref = { id, type: world.spec(id).type, token, ...run };
    const written = world.commit(hands, world.p.interrupt(ref, 'It broke off.', next.interruptions, next.segment - 1));
    if (!written.done) return keep(hands, state);
    if (world.invoked(hands.read, id).some(({ pc }) => pc === 'body'))
      hands.violate('a run was led on while its body ran');
    if (world.readRun(hands.read, id)?.cancelAt !== undefined) hands.violate('a canceled run was led on');
    goesOn(hands, next.segment);
  });
}

/** The project's own decision, for a run that broke off so often before that it may go on as often as the scenario says. */
function decided(world: World, run: Run, witness: Witness, now: number): Resumption | undefined {
  const before = maxInterruptions - world.tries;
  const next = world.p.resumption({ ...run, interruptions: (run.interruptions ?? 0) + before }, witness, now);
  return next && { ...next, interruptions: next.interruptions - before };
}
