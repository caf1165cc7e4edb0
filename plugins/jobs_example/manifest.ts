import type { RunnerManifest } from '../../schemas/runner-manifest.ts';

/**
 * Which job types this runner works on. Plain data: it is read at deploy without running any code of the runner.
 * Two types may share a runner; `ctx.job.type` tells it which one a job is of.
 */
export const manifest = {
  types: {
    // Any number of these may run at once, as long as there are threads.
    slow_nothing_job: { run_concurrently: true },
    // The default: while one of these runs, the next one waits, and jobs of other types pass it.
    slow_serial_job: {},
  },
  // Nothing in here needs much.
  memory_mb: 256,
} as const satisfies RunnerManifest;
