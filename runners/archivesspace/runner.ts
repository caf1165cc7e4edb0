/** ArchivesSpace's own job types: each job is run by ArchivesSpace itself, as the job's owner, and followed to its end. */
import { runner } from '../sdk/run.ts';
import { delegate, type Pace } from './delegate.ts';

export const pace: Pace = {
  lookEveryMs: 1_000,
  lookForMs: 60_000,
  firstWaitSeconds: 5,
  longestWaitSeconds: 60,
  stopForMs: 60_000,
  silenceMs: 15 * 60_000,
};
export const run = delegate(pace);

export const handler = runner(run);
