/**
 * Who may do what in the stand-in: users in groups of repositories, each group with the permissions that ArchivesSpace
 * gives it in a new repository (`Repository#after_create`). The passwords are known to everybody; it listens on loopback.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

export const REPOSITORIES = [
  { id: 2, code: 'EXAMPLE', name: 'Example Archives' },
  { id: 3, code: 'OTHER', name: 'Other Archives' },
] as const;

/** Users and permissions without a repository belong to the hidden repository 1, called so in a user's permissions. */
const GLOBAL = '_archivesspace';

const VIEW = ['view_repository'];
const UPDATE = ['update_accession_record', 'update_digital_object_record', 'update_resource_record'];
const DESCRIBE = [
  'manage_agent_record',
  'manage_container_record',
  'manage_custom_report_templates',
  'manage_subject_record',
  'update_agent_record',
  'update_container_record',
  'update_event_record',
  'update_subject_record',
];
const GROUPS = {
  'repository-managers': [
    ...VIEW,
    ...UPDATE,
    ...DESCRIBE,
    'cancel_job',
    'delete_archival_record',
    'import_records',
    'manage_repository',
    'suppress_archival_record',
  ],
  'repository-archivists': [...VIEW, ...UPDATE, ...DESCRIBE, 'cancel_job', 'create_job', 'import_records'],
  'repository-project-managers': [...VIEW, ...UPDATE, ...DESCRIBE, 'import_records'],
  'repository-advanced-data-entry': [...VIEW, ...UPDATE, ...DESCRIBE, 'import_records'],
  'repository-basic-data-entry': [...VIEW, ...UPDATE, 'create_job'],
  'repository-viewers': VIEW,
} as const;

const EVERYTHING = [
  ...new Set([
    ...Object.values(GROUPS).flat(),
    'administer_system',
    'become_user',
    'cancel_importer_job',
    'create_repository',
    'index_system',
    'manage_users',
    'view_all_records',
    'view_suppressed',
  ]),
].sort();

export interface User {
  readonly id: number;
  readonly username: string;
  readonly name: string;
  readonly passwordDigest: Buffer;
  readonly isAdmin: boolean;
  /** By repository URI, and under `_archivesspace` what holds everywhere. */
  readonly permissions: Readonly<Record<string, readonly string[]>>;
}

/** All users by username; `serviceUser` is one more, who may become any user and do nothing else. */
export function createUsers(serviceUser?: { name: string; password: string }): ReadonlyMap<string, User> {
  const users: Omit<User, 'id'>[] = [
    { ...named('admin', 'Administrator'), isAdmin: true, permissions: everywhere(EVERYTHING) },
    member('archivist', 'Ada Archivist', { 2: 'repository-archivists', 3: 'repository-viewers' }),
    member('manager', 'Mo Manager', { 2: 'repository-managers' }),
    member('data-entry', 'Dana Entry', { 2: 'repository-basic-data-entry' }),
    member('viewer', 'Vic Viewer', { 2: 'repository-viewers' }),
    member('project-manager', 'Pia Planner', { 2: 'repository-project-managers' }),
    member('advanced-entry', 'Amy Entry', { 2: 'repository-advanced-data-entry' }),
  ];
  if (serviceUser !== undefined) {
    const { name, password } = serviceUser;
    users.push({ ...named(name, name, password), isAdmin: false, permissions: everywhere(['become_user']) });
  }
  return new Map(users.map((user, index) => [user.username, { id: index + 1, ...user }]));
}

/** True when the user holds the permission in the repository, or everywhere. `user` undefined is anonymous: always false. */
export function can(user: User | undefined, permission: string, repositoryId?: number): boolean {
  if (user === undefined) return false;
  const here = repositoryId === undefined ? undefined : user.permissions[`/repositories/${repositoryId}`];
  return (here ?? []).includes(permission) || (user.permissions[GLOBAL] ?? []).includes(permission);
}

/** Takes the same time for a wrong password and for a user who does not exist. */
export function isPassword(user: User | undefined, password: string): boolean {
  const matches = timingSafeEqual(user?.passwordDigest ?? digest('nobody'), digest(password));
  return user !== undefined && matches;
}

/** The user as ArchivesSpace answers it on login and as current user. */
export function describeUser(user: User): Record<string, unknown> {
  return {
    lock_version: 0,
    username: user.username,
    name: user.name,
    is_system_user: user.isAdmin,
    is_hidden_user: false,
    jsonmodel_type: 'user',
    groups: [],
    is_admin: user.isAdmin,
    uri: `/users/${user.id}`,
    agent_record: { ref: `/agents/people/${user.id}` },
    permissions: user.permissions,
  };
}

function named(username: string, name: string, password = username) {
  return { username, name, passwordDigest: digest(password) };
}

function member(username: string, name: string, groups: Readonly<Record<number, keyof typeof GROUPS>>) {
  const held = Object.entries(groups).map(([id, group]) => [`/repositories/${id}`, [...GROUPS[group]].sort()] as const);
  return { ...named(username, name), isAdmin: false, permissions: { ...Object.fromEntries(held), [GLOBAL]: [] } };
}

// As the original: who is only in global groups has an entry for repository 1, and none for the others.
function everywhere(permissions: readonly string[]) {
  return { '/repositories/1': permissions, [GLOBAL]: permissions };
}

function digest(password: string): Buffer {
  return createHash('sha256').update(password).digest();
}
