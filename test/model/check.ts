/**
 * The model check as a program: `node test/model/check.ts [--long] [--only name] [--mutant name] [--mutants]`.
 * Prints states, transitions, depth and seconds of each scenario, and for a violated property the shortest trace.
 */
import { parseArgs } from 'node:util';
import { type Explored, Explorer } from './engine.ts';
import { Healer } from './heal.ts';
import { kindsOf, modelOf } from './model.ts';
import { type Mutant, mutants } from './mutants.ts';
import type { Changed } from './protocol.ts';
import { ciScenarios, longScenarios } from './scenarios.ts';
import { type Scenario, World } from './world.ts';

export interface Checked extends Explored {
  readonly scenario: string;
  /** How many different states were healed. */
  readonly healed: number;
}

/**
 * Explores a scenario to its end.
 *
 * @param changed what a mutant does otherwise
 */
export function check(scenario: Scenario, changed: Changed = {}): Checked {
  const world = new World(scenario, changed);
  const explorer = new Explorer(modelOf(world));
  const healer = new Healer(world, explorer, kindsOf(world));
  const explored = explorer.explore(scenario.mostStates, (state) => healer.check(state));
  return { ...explored, scenario: scenario.name, healed: healer.count };
}

/** Explores until the mutant is caught. */
export const checkMutant = ({ scenario, changed }: Mutant): Checked => check(scenario, changed);

export function render({ scenario, states, transitions, depth, healed, seconds, whole, violation }: Checked): string {
  const count = (n: number) => n.toLocaleString('en');
  const line = [
    scenario.padEnd(34),
    `${count(states).padStart(12)} states`,
    `${count(transitions).padStart(12)} transitions`,
    `depth ${String(depth).padStart(3)}`,
    `${count(healed).padStart(9)} healed`,
    `${seconds.toFixed(1).padStart(6)} s`,
  ].join('  ');
  if (!violation) return `${line}  ${whole ? 'holds' : 'holds as far as explored'}`;
  const trace = violation.lines.map((step, i) => `    ${String(i + 1).padStart(3)}  ${step}`);
  return [`${line}  VIOLATED: ${violation.property}`, ...trace].join('\n');
}

function main(): void {
  const { values } = parseArgs({
    options: {
      long: { type: 'boolean' },
      only: { type: 'string' },
      mutant: { type: 'string' },
      mutants: { type: 'boolean' },
    },
  });
  if (values.mutant !== undefined || values.mutants) {
    for (const mutant of mutants.filter(({ name }) => values.mutant === undefined || name.includes(values.mutant))) {
      const checked = checkMutant(mutant);
      const { violation, seconds, states } = checked;
      console.log(
        values.mutants
          ? `${mutant.name.padEnd(44)} ${violation ? `${violation.property}, ${violation.lines.length} steps` : 'NOT CAUGHT'} (${states} states, ${seconds.toFixed(2)} s)`
          : `${mutant.what}\n${render(checked)}`,
      );
      if (!violation) process.exitCode = 1;
    }
    return;
  }
  const scenarios = values.long ? [...ciScenarios, ...longScenarios] : ciScenarios;
  let states = 0;
  let transitions = 0;
  let seconds = 0;
  for (const scenario of scenarios.filter(({ name }) => values.only === undefined || name.includes(values.only))) {
    const checked = check(scenario);
    console.log(render(checked));
    states += checked.states;
    transitions += checked.transitions;
    seconds += checked.seconds;
    if (checked.violation) process.exitCode = 1;
  }
  console.log(
    `${states.toLocaleString('en')} states, ${transitions.toLocaleString('en')} transitions, ${seconds.toFixed(1)} s`,
  );
}

if (import.meta.main) main();
