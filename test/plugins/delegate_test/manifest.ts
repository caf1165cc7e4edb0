import type { RunnerManifest } from '../../../schemas/runner-manifest.ts';

/** A type of ArchivesSpace's, handed to it as the built-in runner does, but waiting from the first look on. */
export const manifest = {
  types: { container_labels_job: { grace_seconds: 30 } },
  archivesspace: true,
} as const satisfies RunnerManifest;
