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
    // All that a page can show of a type.
    sheet_job: {
      run_concurrently: true,
      title: 'Check sheets',
      description: 'Looks at spreadsheets.',
      form: {
        say: { multiline: true, placeholder: 'Such as: all boxes' },
        steps: { advanced: true },
      },
      translations: {
        de: {
          title: 'Tabellen prüfen',
          properties: {
            say: { title: 'Bemerkung', placeholder: 'Etwa: alle Kartons' },
            depth: { title: 'Wie genau?', values: { quick: 'Schnell', full: 'Gründlich' } },
          },
        },
      },
      files: { max: 2, max_bytes: 1_000, types: ['.csv', 'text/csv'] },
    },
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
