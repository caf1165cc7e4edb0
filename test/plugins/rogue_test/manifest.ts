import type { RunnerManifest } from '../../../schemas/runner-manifest.ts';

/** A runner that knows the table and keeps to no protocol: what it may do with its own runs, it does wrong. */
export const manifest = {
  types: { rogue_job: { run_concurrently: true, grace_seconds: 0 } },
  memory_mb: 256,
  timeout_seconds: 8,
} as const satisfies RunnerManifest;
