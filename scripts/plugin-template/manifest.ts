import type { RunnerManifest } from '../../schemas/runner-manifest.ts';

/** The job types of this runner, and what it needs. Plain data: it is read at deploy without running any code of the runner. */
export const manifest = {
  types: {
    new_plugin_job: {
      // Several of its jobs may run at once: they have nothing in common.
      run_concurrently: true,
      // If its process dies, a job goes on from its last checkpoint: what comes after one may be done again.
      resumable: true,
      files: { min: 1, max: 20, types: ['.txt', '.csv', 'text/*'] },
    },
  },
  memory_mb: 256,
} as const satisfies RunnerManifest;
