import { parseArgs } from 'node:util';
import { healthy } from './mutants.ts';
import { type Report, simulate } from './simulate.ts';

/**
 * Simulates seeds: `--seeds N` from `--from`, or one with `--seed N`; with `--trace` the end of its events, with
 * `--trace-lines N` more of them.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    'trace-lines': { type: 'string', default: '200' },
  },
});

const started = performance.now();
const from = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const totals = { jobs: 0, simulatedMs: 0, steps: 0, checks: 0 };
const faults = new Map<string, number>();
const outcomes: Record<string, number> = {};
for (let seed = from; seed < from + count; seed++) {
  const lines: string[] = [];
  const report: Report = await simulate(seed, {
    mutant: healthy,
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

function list(counts: readonly (readonly [string, number])[]): string {
  return counts.map(([name, times]) => `${name} ${times}`).join(', ');
}
