import type { RunnerManifest } from 'background-jobs-sdk';

/** Plain data: it is read at deploy, and nothing else of the runner is run then. */
export const manifest = {
  types: {
    word_count_job: {
      run_concurrently: true,
      // Counting a file again harms nobody, so that a job goes on when its process has died.
      resumable: true,
      files: { max: 20, types: ['.txt'] },
    },
  },
  memory_mb: 256,
} as const satisfies RunnerManifest;
