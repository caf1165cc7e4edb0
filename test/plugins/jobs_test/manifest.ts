import type { RunnerManifest } from '../../../schemas/runner-manifest.ts';

/** Job types that behave, and misbehave, as the integration tests need it. */
export const manifest = {
  types: {
    quick_job: { run_concurrently: true },
    serial_a_job: {},
    serial_b_job: {},
    deaf_job: { grace_seconds: 2 },
    limited_job: { run_concurrently: true, time_limit_seconds: 1, grace_seconds: 1 },
    faulty_job: { run_concurrently: true },
    segments_job: { run_concurrently: true },
    guarded_job: {
      hidden: true,
      create_permissions: ['import_records', 'manage_repository'],
      cancel_permissions: 'manage_repository',
    },
  },
  archivesspace: true,
  memory_mb: 192,
  timeout_seconds: 5,
} as const satisfies RunnerManifest;
