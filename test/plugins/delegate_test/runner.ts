import { delegate } from '../../../runners/archivesspace/delegate.ts';
import { runner } from '../../../runners/sdk/run.ts';

export const run = delegate({
  lookEveryMs: 100,
  lookForMs: 0,
  firstWaitSeconds: 1,
  longestWaitSeconds: 1,
  stopForMs: 1_000,
  silenceMs: 10_000,
});

export const handler = runner(run);
