import { describe, expect, test } from 'vitest';
import { check, checkMutant } from './check.ts';
import { mutants } from './mutants.ts';
import { testScenarios } from './scenarios.ts';

/** Fewer states than this: a process of the model does not run any more, and nothing is proved. */
const leastStates: Readonly<Record<string, number>> = {
  'two passes, any fault': 300_000,
  'one slot, any fault': 50_000,
  'a transaction seen in part': 100_000,
  'reads answered in any order': 100_000,
  'two segments, logs, any fault': 100_000,
  'a cancel': 100_000,
  'an unregistered type': 500,
  'resumable, a late finisher': 50_000,
  'resumable, logs, any fault': 100_000,
};

describe('The protocol, explored to the end', () => {
  for (const scenario of testScenarios)
    test(`holds: ${scenario.name} (${scenario.jobs.length} jobs, ${scenario.slots} slots)`, {
      timeout: 120_000,
    }, () => {
      const { violation, whole, states, healed } = check(scenario);
      expect(violation).toBeUndefined();
      expect(whole).toBe(true);
      expect(states).toBeGreaterThan(leastStates[scenario.name] as number);
      expect(healed).toBeGreaterThan(0);
    });
});

describe('A planted bug is caught', () => {
  for (const mutant of mutants)
    test(`${mutant.name}: ${mutant.what}`, { timeout: 60_000 }, () => {
      const { violation } = checkMutant(mutant);
      expect(violation?.property).toBe(mutant.caughtBy);
      expect(check(mutant.scenario).violation).toBeUndefined();
    });
});
