import { describe, expect, test } from 'vitest';
import { defaultGroups, type GroupGrants, isGrant, permissionsOf, sameGroups } from '../../core/default-groups.ts';
import { missing } from '../../core/permissions.ts';

const asked = [
  'view_repository',
  'create_job',
  'cancel_job',
  'import_records',
  'cancel_importer_job',
  'manage_repository',
  'update_resource_record',
  'manage_custom_report_templates',
];

// archivesspace: backend/app/model/repository.rb, after_create. y: the group has the permission.
test.each([
  ['repository-managers', 'y-yy-yyy'],
  ['repository-archivists', 'yyyy--yy'],
  ['repository-project-managers', 'y--y--y-'],
  ['repository-advanced-data-entry', 'y--y--y-'],
  ['repository-basic-data-entry', 'yy----y-'],
  ['repository-viewers', 'y-------'],
  ['administrators', 'yyyyyyyy'],
] as const)('%s have what ArchivesSpace gives them in a new repository', (group, has) => {
  const held: readonly string[] = defaultGroups[group];

  expect(asked.map((code) => (held.includes(code) ? 'y' : '-')).join('')).toBe(has);
});

describe('the groups of a token', () => {
  const grants: GroupGrants = {
    staff: {
      '/repositories/2': ['repository-archivists', 'view_suppressed'],
      '/repositories/3': ['repository-viewers'],
    },
    entry: { '/repositories/2': ['repository-basic-data-entry'] },
    it: { _archivesspace: ['administrators'] },
  };
  const lacks = (groups: readonly string[], repo: number, ...codes: string[]) =>
    missing({ username: 'a', permissions: permissionsOf(grants, groups) }, repo, codes);

  test('give permissions in their repositories, and in no other', () => {
    expect(lacks(['staff'], 2, 'create_job', 'view_suppressed')).toEqual([]);
    expect(lacks(['staff'], 3, 'view_repository', 'create_job')).toEqual(['create_job']);
    expect(lacks(['staff'], 23, 'view_repository')).toEqual(['view_repository']);
  });

  test('add up', () => {
    expect(permissionsOf(grants, ['entry', 'staff'])['/repositories/2']).toEqual(
      [...new Set([...defaultGroups['repository-archivists'], 'view_suppressed'])].sort(),
    );
  });

  test('give permissions everywhere under _archivesspace', () => {
    expect(lacks(['it'], 77, 'create_job', 'administer_system')).toEqual([]);
  });

  test('that nobody named give nothing, whatever they are called', () => {
    expect(permissionsOf(grants, [])).toEqual({});
    expect(permissionsOf(grants, ['others', 'administrators', '__proto__', 'constructor', 'toString'])).toEqual({});
  });

  test('of a user pool made here are ArchivesSpace’s own, in all repositories', () => {
    expect(Object.keys(sameGroups)).toEqual(Object.keys(defaultGroups));
    expect(permissionsOf(sameGroups, ['repository-viewers'])).toEqual({ _archivesspace: ['view_repository'] });
  });
});

test.each([
  ['repository-archivists', true],
  ['administrators', true],
  ['create_job', true],
  ['archivists', false],
  ['repository-archivist', false],
  ['constructor', false],
  ['*', false],
])('%s can be granted: %s', (name, can) => {
  expect(isGrant(name)).toBe(can);
});
