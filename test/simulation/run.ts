import { parseArgs } from 'node:util';
import { mutants } from './mutants.ts';
import { healthy } from './planting.ts';
import { type Report, simulate } from './simulate.ts';

/**
 * Simulates seeds: `--seeds N` from `--from`, or one with `--seed N`; with `--trace` the end of its events, with
 * `--trace-lines N` more of them. `--mutants` plants each bug in turn, `--mutant NAME` one.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    'trace-lines': { type: 'string', default: '200' },
    mutants: { type: 'boolean', default: false },
    mutant: { type: 'string' },
  },
});

const started = performance.now();
if (values.mutants) await hunt(Number(values.seeds));
const mutant = mutants.find(({ name }) => values.mutant !== undefined && name.includes(values.mutant)) ?? healthy;
const from = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const totals = { jobs: 0, simulatedMs: 0, steps: 0, checks: 0 };
const faults = new Map<string, number>();
const outcomes: Record<string, number> = {};
for (let seed = from; seed < from + count; seed++) {
  const lines: string[] = [];
  const report: Report = await simulate(seed, {
    mutant,
    ...(values.trace && { trace: (line: string) => void lines.push(line) }),
  });
  totals.jobs += report.jobs;
  totals.simulatedMs += report.simulatedMs;
  totals.steps += report.steps;
  totals.checks += report.checks;
  for (const [kind, times] of report.faults) faults.set(kind, (faults.get(kind) ?? 0) + times);
  for (const [kind, times] of Object.entries(report.outcomes)) outcomes[kind] = (outcomes[kind] ?? 0) + times;
  if (values.trace) console.log(lines.slice(-Number(values['trace-lines'])).join('\n'));
  if (report.violation) {
    console.log(`seed ${seed}, step ${report.steps}: ${report.violation.message}`);
    process.exitCode = 1;
  }
}
const days = totals.simulatedMs / 86_400_000;
console.log(
  `${count} seeds, ${totals.jobs} jobs (${list(Object.entries(outcomes))}), ${days.toFixed(1)} simulated days, ${totals.steps} steps, ` +
    `${totals.checks} invariant checks, ${((performance.now() - started) / 1000).toFixed(1)} s; faults: ${list([...faults].sort(([, a], [, b]) => b - a))}`,
);

/** Plants each bug in turn, and says which promise it broke first. */
async function hunt(mostSeeds: number): Promise<never> {
  for (const planted of mutants) {
    const begun = performance.now();
    let steps = 0;
    let found = 'NOT CAUGHT';
    for (let seed = 1; seed <= mostSeeds; seed++) {
      const report = await simulate(seed, { mutant: planted });
      steps += report.steps;
      if (!report.violation) continue;
      found = `${seed} seeds, ${steps} steps: ${report.violation.message}`;
      break;
    }
    console.log(`${planted.name}\n    ${found} (${Math.round(performance.now() - begun)} ms)`);
    if (found === 'NOT CAUGHT') process.exitCode = 1;
  }
  process.exit();
}

function list(counts: readonly (readonly [string, number])[]): string {
  return counts.map(([name, times]) => `${name} ${times}`).join(', ');
}
