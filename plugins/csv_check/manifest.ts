import type { RunnerManifest } from '../../schemas/runner-manifest.ts';

export const manifest = {
  types: {
    csv_check_job: {
      // It only reads its own file, so any number may run beside each other.
      run_concurrently: true,
      // What one batch does, it may do again: a job whose process died goes on from its last checkpoint.
      resumable: true,
      files: { min: 1, max: 1, types: ['.csv', 'text/csv'] },
    },
  },
} as const satisfies RunnerManifest;
