import type { RunnerManifest } from '../../schemas/runner-manifest.ts';

export const manifest = {
  types: {
    import_job: {
      create_permissions: 'import_records',
      cancel_permissions: 'cancel_importer_job',
      // A batch that is being saved when the cancel comes may answer, so that the job knows what it created.
      grace_seconds: 300,
    },
  },
  archivesspace: true,
  memory_mb: 1024,
} as const satisfies RunnerManifest;
