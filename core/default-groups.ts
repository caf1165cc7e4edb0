import type { User } from './permissions.ts';

/**
 * The permissions that ArchivesSpace gives the groups of a new repository, as far as its job types ask for any
 * (archivesspace: backend/app/model/repository.rb, `after_create`; `administrators` is global and has them all). They
 * count only where there is no ArchivesSpace to ask.
 */
export const defaultGroups = {
  'repository-managers': [
    'view_repository',
    'cancel_job',
    'import_records',
    'manage_repository',
    'update_resource_record',
    'manage_custom_report_templates',
  ],
  'repository-archivists': [
    'view_repository',
    'create_job',
    'cancel_job',
    'import_records',
    'update_resource_record',
    'manage_custom_report_templates',
  ],
  'repository-project-managers': ['view_repository', 'import_records', 'update_resource_record'],
  'repository-advanced-data-entry': ['view_repository', 'import_records', 'update_resource_record'],
  'repository-basic-data-entry': ['view_repository', 'create_job', 'update_resource_record'],
  'repository-viewers': ['view_repository'],
  administrators: [
    'view_repository',
    'create_job',
    'cancel_job',
    'import_records',
    'cancel_importer_job',
    'manage_repository',
    'update_resource_record',
    'manage_custom_report_templates',
    'view_suppressed',
    'administer_system',
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/**
 * What the groups of an issuer may: by the group's name there, then by repository URI (`_archivesspace`: in all of
 * them), names of default groups or single permission codes.
 */
export type GroupGrants = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** Each default group in all repositories, for an issuer whose groups are called so. */
export const sameGroups: GroupGrants = Object.fromEntries(
  Object.keys(defaultGroups).map((group) => [group, { _archivesspace: [group] }]),
);

const isDefaultGroup = (name: string): name is keyof typeof defaultGroups => Object.hasOwn(defaultGroups, name);

/** A default group, or what looks like one of ArchivesSpace's permission codes, which all have an underscore. */
export const isGrant = (name: string) => isDefaultGroup(name) || /^[a-z]+(_[a-z]+)+$/.test(name);

/** The permissions of somebody in these groups; groups that the grants do not name count for nothing. */
export function permissionsOf(grants: GroupGrants, groups: readonly string[]): User['permissions'] {
  const held = new Map<string, Set<string>>();
  for (const group of groups) {
    for (const [where, names] of Object.entries(Object.hasOwn(grants, group) ? (grants[group] ?? {}) : {})) {
      const here = held.get(where) ?? new Set();
      held.set(where, here);
      for (const name of names) for (const code of isDefaultGroup(name) ? defaultGroups[name] : [name]) here.add(code);
    }
  }
  return Object.fromEntries([...held].map(([where, codes]) => [where, [...codes].sort()]));
}
