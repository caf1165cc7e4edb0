import { describe, expect, test } from 'vitest';
import { asList, missing } from '../../core/permissions.ts';

const user = {
  username: 'archivist',
  permissions: {
    _archivesspace: ['create_repository'],
    '/repositories/2': ['create_job', 'import_records'],
    '/repositories/22': ['cancel_job'],
    '/repositories/undefined': ['odd'],
  },
};

describe('a user lacks', () => {
  test.each<[name: string, repo: number | undefined, needed: string[], lacking: string[]]>([
    ['nothing when nothing is needed', 2, [], []],
    ['nothing that is held in the repository', 2, ['create_job', 'import_records'], []],
    ['each permission that is not held, in the order asked', 2, ['x', 'create_job', 'y'], ['x', 'y']],
    ['what is held in another repository only', 3, ['create_job'], ['create_job']],
    ['what a repository with a longer number gives', 2, ['cancel_job'], ['cancel_job']],
    ['nothing that is held globally', 3, ['create_repository'], []],
    ['what a repository gives when only global permissions count', undefined, ['create_job'], ['create_job']],
    ['nothing global when only global permissions count', undefined, ['create_repository'], []],
    ['what a repository without a number gives when only global ones count', undefined, ['odd'], ['odd']],
    ['everything in a repository that is no number', Number.NaN, ['create_job'], ['create_job']],
  ])('%s', (_, repo, needed, lacking) => {
    expect(missing(user, repo, needed)).toEqual(lacking);
  });

  test('everything when nobody is logged in', () => {
    expect(missing({ username: '', permissions: {} }, 2, ['view_repository'])).toEqual(['view_repository']);
  });
});

test.each([
  [undefined, []],
  ['import_records', ['import_records']],
  [
    ['a', 'b'],
    ['a', 'b'],
  ],
  [[], []],
])('permissions %j are the list %j', (given, list) => {
  expect(asList(given)).toEqual(list);
});
