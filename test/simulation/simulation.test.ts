import { describe, expect, test } from 'vitest';
import { mutants } from './mutants.ts';
import { simulate } from './simulate.ts';

/** More by command: `node test/simulation/run.ts --seeds 2000`. */
const seeds = 40;
/** Rare bugs need a meeting of two processes within milliseconds. */
const mostSeeds = 80;

test(`every promise holds through ${seeds} simulated troubles`, async () => {
  let jobs = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const report = await simulate(seed);
    expect(report.violation, `seed ${seed}`).toBeUndefined();
    jobs += report.jobs;
  }
  expect(jobs).toBeGreaterThan(seeds * 20);
}, 120_000);

test('a seed gives the same run each time', async () => {
  const traces: string[][] = [[], []];
  for (const trace of traces) await simulate(7, { trace: (line) => trace.push(line) });

  expect(traces[0]?.length).toBeGreaterThan(100);
  expect(traces[1]).toEqual(traces[0]);
});

describe('a planted bug is caught', () => {
  // Those that many seeds pass by are left to `npm run verify`, which plants them all.
  test.each(mutants.filter(({ seldom }) => !seldom).map((mutant) => [mutant.name, mutant] as const))(
    '%s',
    async (_name, mutant) => {
      let caughtBy: string | undefined;
      for (let seed = 1; seed <= mostSeeds && caughtBy === undefined; seed++)
        caughtBy = (await simulate(seed, { mutant })).violation?.invariant;

      expect(caughtBy).toBeDefined();
    },
    120_000,
  );
});
