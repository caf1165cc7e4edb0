import type { RunnerManifest } from '../../schemas/runner-manifest.ts';

/** Longer than a wait of the runner and its time for stopping together: a cancel that comes during a wait is still passed on. */
const grace_seconds = 180;
const import_records = { create_permissions: 'import_records', cancel_permissions: 'cancel_importer_job' } as const;
const manage_repository = { create_permissions: 'manage_repository', cancel_permissions: 'manage_repository' } as const;
const administer_system = { create_permissions: 'administer_system', cancel_permissions: 'administer_system' } as const;

/** The job types that ArchivesSpace runs itself, with the options of its own runners (backend/app/lib/job_runners). */
export const manifest = {
  types: {
    bulk_archival_object_updater_job: { create_permissions: 'update_resource_record', grace_seconds },
    bulk_import_job: { ...import_records, grace_seconds },
    container_labels_job: { grace_seconds },
    find_and_replace_job: { ...manage_repository, grace_seconds },
    generate_arks_job: { ...administer_system, grace_seconds },
    generate_slugs_job: { ...administer_system, grace_seconds },
    ns2_remover_job: { ...administer_system, grace_seconds },
    print_to_pdf_job: { grace_seconds },
    report_job: { grace_seconds },
    resource_duplicate_job: { hidden: true, grace_seconds },
    top_container_linker_job: { hidden: true, grace_seconds },
    trim_whitespace_job: { grace_seconds },
  },
  archivesspace: true,
  // A file is held whole, once as it came and once as it goes.
  memory_mb: 1024,
} as const satisfies RunnerManifest;
