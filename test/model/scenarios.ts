import type { Fault, Scenario } from './world.ts';

/**
 * Jobs, one word each: `A` of a type that does not run concurrently, `B` of one that does, `C` of one that is no longer
 * registered, `R` of one that does not run concurrently and is resumable; `2` segments, `c` may be canceled, `h` wants to be told of it between segments, `l` logs, `n` created at
 * any time instead of in the beginning.
 */
export function scenario(
  name: string,
  jobs: string,
  options: Pick<Scenario, 'slots' | 'passes' | 'faults'> & Partial<Scenario>,
): Scenario {
  const all = {
    A: { concurrent: false },
    B: { concurrent: true },
    C: { concurrent: true, retired: true },
    R: { concurrent: false, resumable: true },
  } as const;
  return {
    name,
    types: Object.fromEntries(Object.entries(all).filter(([type]) => jobs.includes(type))),
    jobs: jobs.split(' ').map((job) => ({
      type: job[0] ?? '',
      segments: job.includes('2') ? 2 : 1,
      cancel: job.includes('c'),
      heeds: job.includes('h'),
      logs: job.includes('l'),
      created: !job.includes('n'),
    })),
    ...options,
  };
}

const torn: readonly Fault[] = ['torn'];
/** A process dies, and its state machine's finisher is invoked twice. */
const breaks: readonly Fault[] = ['crash', 'late finisher'];
const two = { slots: 2, passes: 2 } as const;
const one = { slots: 2, passes: 1 } as const;

/** Small enough for each run of the tests. */
export const testScenarios: readonly Scenario[] = [
  scenario('two passes, any fault', 'A A', { ...two, faults: 1 }),
  scenario('one slot, any fault', 'A A B', { slots: 1, passes: 1, faults: 1 }),
  scenario('a transaction seen in part', 'A2 A B', { ...one, faults: 1, only: torn }),
  scenario('reads answered in any order', 'A2 A', { ...one, faults: 1, apart: true }),
  scenario('two segments, logs, any fault', 'A2l A', { ...one, faults: 1 }),
  scenario('a cancel', 'A2c A', { ...one, faults: 0 }),
  scenario('an unregistered type', 'Cn A Bn', { ...one, faults: 0 }),
  scenario('resumable, a late finisher', 'R R', { ...one, faults: 2, only: breaks }),
  scenario('resumable, logs, any fault', 'Rl', { ...one, faults: 2 }),
];

/** Each one explored to its end; together within two minutes on one core. */
export const ciScenarios: readonly Scenario[] = [
  ...testScenarios,
  scenario('two passes, created at any time', 'An An Bn', { ...two, faults: 0 }),
  scenario('two passes, more jobs than slots', 'A B B', { ...two, faults: 0 }),
  scenario('two passes, any order of reads', 'A A B', { ...two, faults: 0, apart: true }),
  scenario('two segments, three jobs', 'A2 A B', { ...one, faults: 1 }),
  scenario('two faults', 'A2 A', { ...one, faults: 2 }),
  scenario('cancel, two segments, three jobs', 'A2c A B', { ...one, faults: 0 }),
  scenario('cancel, two segments, any fault', 'A2cl', { ...one, faults: 1 }),
  scenario('cancel that is passed on, any fault', 'A2ch', { ...one, faults: 1 }),
  scenario('cancel, seen in part', 'A2c', { ...one, faults: 1, only: torn }),
  scenario('resumable, canceled, any fault', 'R2c', { ...one, faults: 1 }),
  scenario('resumable, canceled, a late finisher', 'R2ch', { ...one, faults: 2, tries: 2, only: breaks }),
];

/** Half an hour and up to 8 GB. What has `mostStates` is too large to be explored to its end. */
export const longScenarios: readonly Scenario[] = [
  scenario('two passes, three jobs, a crash', 'A A B', { ...two, faults: 1, only: ['crash', 'start'] }),
  scenario('two passes, three jobs, any fault', 'A A B', { ...two, faults: 1, mostStates: 60_000_000 }),
  scenario('two passes, four jobs', 'A A B B', { ...two, faults: 0 }),
  scenario('two jobs canceled', 'Ac Ac', { ...one, faults: 0 }),
  scenario('cancel, two jobs, any fault', 'A2ch A', { ...one, faults: 1 }),
  scenario('cancel, two faults', 'A2cl', { ...one, faults: 2 }),
  scenario('cancel, three jobs, any fault', 'A2c A B', { ...one, faults: 1, mostStates: 60_000_000 }),
  scenario('two faults, three jobs', 'A2 A B', { ...one, faults: 2 }),
  scenario('resumable, two jobs, two faults', 'R2 R', { ...one, faults: 2 }),
  scenario('resumable, canceled, two faults', 'R2ch', { ...one, faults: 2 }),
  scenario('resumable, three faults', 'Rl', { ...one, faults: 3, tries: 2 }),
  scenario('everything at once', 'A2cln An Bn', { ...two, faults: 2, mostStates: 40_000_000 }),
];
