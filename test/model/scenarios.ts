import type { Scenario } from './world.ts';

const types = { A: { concurrent: false }, B: { concurrent: true } } as const;

export const ciScenarios: readonly Scenario[] = [
  {
    name: 'x',
    slots: 2,
    types,
    jobs: [
      { type: 'A', segments: 1, created: true },
      { type: 'A', segments: 1, created: true },
      { type: 'B', segments: 1, created: true },
    ],
    passes: 1,
    faults: 1,
  },
];

export const longScenarios: readonly Scenario[] = [];
