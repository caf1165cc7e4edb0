import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Route, routes } from '../../functions/api/routes.ts';
import { type Person, person, withSession } from '../helpers/stack.ts';
import { context, idOf, runThrough, useApi } from './service.ts';

// ArchivesSpace's default groups (backend/app/model/repository.rb, `after_create`), by a user of the stand-in in each.

const api = useApi();
const people = [
  'administrators',
  'managers',
  'archivists',
  'project-managers',
  'advanced-entry',
  'basic-entry',
  'viewers',
  'nobody',
] as const;
const usernames: Readonly<Record<(typeof people)[number], string>> = {
  administrators: 'admin',
  managers: 'manager',
  archivists: 'archivist',
  'project-managers': 'project-manager',
  'advanced-entry': 'advanced-entry',
  'basic-entry': 'data-entry',
  viewers: 'viewer',
  nobody: '',
};

/**
 * For each operation and group: what is answered in the own repository, then in another one. `+` yes, `-` no (403).
 * The archivist is a viewer in the other repository; administrators are global.
 *                                   admin  mgr    arch   proj   adv    basic  viewer nobody
 */
const own: Readonly<Record<string, string>> = {
  'login              ': '+      +      +      +      +      +      +      +',
  'logout             ': '+      +      +      +      +      +      +      +',
  'version            ': '+      +      +      +      +      +      +      +',
  'job-types          ': '+      +      +      +      +      +      +      +',
  'import-types       ': '+      +      +      +      +      +      +      +',
  'list-jobs          ': '+      +      +      +      +      +      +      -',
  'active-jobs        ': '+      +      +      +      +      +      +      -',
  'archived-jobs      ': '+      +      +      +      +      +      +      -',
  'show-job           ': '+      +      +      +      +      +      +      -',
  'job-log            ': '+      +      +      +      +      +      +      -',
  'job-records        ': '+      +      +      +      +      +      +      -',
  'output-files       ': '+      +      +      +      +      +      +      -',
  'output-file        ': '+      +      +      +      +      +      +      -',
  'create-job         ': '+      -      +      -      -      +      -      -',
  'create-job-with-files': '+    -      +      -      -      +      -      -',
  'cancel-job         ': '+      +      +      -      -      -      -      -',
  'delete-job         ': '+      +      +      -      -      -      -      -',
  'openapi            ': '+      +      +      +      +      +      +      +',
  'docs               ': '+      +      +      +      +      +      +      +',
  'page               ': '+      +      +      +      +      +      +      +',
  'list-types         ': '+      +      +      +      +      +      +      -',
  'browse-jobs        ': '+      +      +      +      +      +      +      -',
  'show-queue         ': '+      +      +      +      +      +      +      -',
  'job-status         ': '+      +      +      +      +      +      +      -',
  'job-events         ': '+      +      +      +      +      +      +      -',
  'job-files          ': '+      +      +      +      +      +      +      -',
  'file-link          ': '+      +      +      +      +      +      +      -',
  'create-upload      ': '+      -      +      -      -      +      -      -',
  'rerun-job          ': '+      -      +      -      -      +      -      -',
  // The same routes for import_job, which asks for import_records to create and cancel_importer_job to cancel.
  'create-job import  ': '+      -      +      -      -      -      -      -',
  'create-job-with-files import': '+ -   +      -      -      -      -      -',
  'cancel-job import  ': '+      -      -      -      -      -      -      -',
  'delete-job import  ': '+      -      -      -      -      -      -      -',
};
const elsewhere: Readonly<Record<string, string>> = {
  'login              ': '+      +      +      +      +      +      +      +',
  'logout             ': '+      +      +      +      +      +      +      +',
  'version            ': '+      +      +      +      +      +      +      +',
  'job-types          ': '+      +      +      +      +      +      +      +',
  'import-types       ': '+      +      +      +      +      +      +      +',
  'list-jobs          ': '+      -      +      -      -      -      -      -',
  'active-jobs        ': '+      -      +      -      -      -      -      -',
  'archived-jobs      ': '+      -      +      -      -      -      -      -',
  'show-job           ': '+      -      +      -      -      -      -      -',
  'job-log            ': '+      -      +      -      -      -      -      -',
  'job-records        ': '+      -      +      -      -      -      -      -',
  'output-files       ': '+      -      +      -      -      -      -      -',
  'output-file        ': '+      -      +      -      -      -      -      -',
  'create-job         ': '+      -      -      -      -      -      -      -',
  'create-job-with-files': '+    -      -      -      -      -      -      -',
  'cancel-job         ': '+      -      -      -      -      -      -      -',
  'delete-job         ': '+      -      -      -      -      -      -      -',
  'openapi            ': '+      +      +      +      +      +      +      +',
  'docs               ': '+      +      +      +      +      +      +      +',
  'page               ': '+      +      +      +      +      +      +      +',
  'list-types         ': '+      -      +      -      -      -      -      -',
  'browse-jobs        ': '+      -      +      -      -      -      -      -',
  'show-queue         ': '+      -      +      -      -      -      -      -',
  'job-status         ': '+      -      +      -      -      -      -      -',
  'job-events         ': '+      -      +      -      -      -      -      -',
  'job-files          ': '+      -      +      -      -      -      -      -',
  'file-link          ': '+      -      +      -      -      -      -      -',
  'create-upload      ': '+      -      -      -      -      -      -      -',
  'rerun-job          ': '+      -      -      -      -      -      -      -',
  'create-job import  ': '+      -      -      -      -      -      -      -',
  'create-job-with-files import': '+ -   -      -      -      -      -      -',
  'cancel-job import  ': '+      -      -      -      -      -      -      -',
  'delete-job import  ': '+      -      -      -      -      -      -      -',
};

const everybody = new Map<string, Person>();
let admin: Person;
/** An ended job with a file in each repository, by type. */
const ended = new Map<string, string>();
beforeAll(async () => {
  const { service } = api;
  for (const group of people) {
    const username = usernames[group];
    everybody.set(group, username ? await person(service.url, username) : withSession(service.url, undefined));
  }
  admin = await person(service.url, 'admin');
  for (const repo of [2, 3]) {
    const { body } = await admin.post<{ uri: string }>(`/repositories/${repo}/jobs`, {
      job: { jsonmodel_type: 'plain_job' },
    });
    await runThrough(service, body.uri, 'completed', { files: [{ name: 'a', content: 'b' }] });
    ended.set(String(repo), body.uri);
  }
});

const job = (type: string) => ({
  job: { jsonmodel_type: type, ...(type === 'import_job' && { import_type: 'ead_xml', filenames: ['a'] }) },
});

/** What the operation would do for somebody, of a job made for it. */
async function ask(operation: string, type: string, repo: number, group: string): Promise<number> {
  const { url } = api.service;
  const who = everybody.get(group) ?? withSession(url, undefined);
  const route = routes.find((one) => one.operation === operation);
  if (!route) throw new Error(`There is no operation ${operation}.`);
  const needsFresh = route.method === 'DELETE' || operation === 'cancel-job';
  const uri = needsFresh
    ? (await admin.post<{ uri: string }>(`/repositories/${repo}/jobs`, job(type))).body.uri
    : (ended.get(String(repo)) ?? '');
  const path = route.path
    .replace('{repo_id}', String(repo))
    .replace('{id}', String(idOf(uri)))
    .replace('{file_id}', '1')
    .replace('{username}', 'viewer');
  if (operation === 'login')
    return (await fetch(url + path, { method: 'POST', body: new URLSearchParams({ password: 'viewer' }) })).status;
  if (operation === 'logout') {
    // A session of its own, so that the others stay.
    const again = usernames[group as keyof typeof usernames];
    return (await (again ? await person(url, again) : who).post(path)).status;
  }
  if (operation === 'create-job-with-files') {
    const form = new FormData();
    form.set('job', JSON.stringify(job(type)));
    form.set('files[0]', new Blob(['x']), 'a.xml');
    return (await fetch(url + path, { method: 'POST', body: form, headers: who.headers() })).status;
  }
  if (operation === 'create-upload')
    return (await who.post(path, { name: 'a', size: 1, sha256: 'a'.repeat(64) })).status;
  if (operation === 'create-job') return (await who.post(path, job(type))).status;
  if (route.method === 'DELETE') return (await who.delete(path)).status;
  if (route.method === 'POST') return (await who.post(path)).status;
  return (await who.get(`${path}${/jobs$|archived$|records$/.test(path) ? '?page=1' : ''}`)).status;
}

const signs = (row: string) => row.split(/\s+/);
const cases = Object.entries({ own, elsewhere }).flatMap(([where, table]) =>
  Object.entries(table).map(([name, row]) => {
    const [operation = '', type] = name.trim().split(' ');
    return { where, operation, type: type === 'import' ? 'import_job' : 'plain_job', row };
  }),
);

describe('who may do what', () => {
  test.each(cases)('$operation of a $type in the $where repository', async ({ where, operation, type, row }) => {
    const repo = where === 'own' ? 2 : 3;
    const expected = people.map((group, i) => `${group} ${signs(row)[i] === '+' ? 200 : 403}`);

    const found = [];
    for (const group of people) found.push(`${group} ${await ask(operation, type, repo, group)}`);

    expect(found).toEqual(expected);
  });

  test('the tables have a row for every route', () => {
    const rows = (table: object) => new Set(Object.keys(table).map((name) => name.trim().split(' ')[0]));
    const all = new Set<string>(routes.map(({ operation }) => operation));

    expect(rows(own)).toEqual(all);
    expect(rows(elsewhere)).toEqual(all);
  });
});

describe('the table of routes', () => {
  test.each(routes.map((route: Route) => route))('$method $path has a permission, or a reason for none', (route) => {
    expect(Boolean(route.permission) !== Boolean(route.open)).toBe(true);
    if (route.path.includes('/jobs') && !route.open) expect(route.permission).toBeDefined();
  });

  test.each(routes.map((route: Route) => route))('$method $path is answered by its function', async (route) => {
    const pathParameters = { repo_id: '2', id: '999999', file_id: '1', username: 'viewer' };
    const event = {
      routeKey: `${route.method} ${route.path}`,
      rawQueryString: '',
      headers: {},
      pathParameters,
      requestContext: { requestId: 'r', http: { sourceIp: '127.0.0.1' } },
      isBase64Encoded: false,
    } as unknown as APIGatewayProxyEventV2;

    const { statusCode = 500, body } = await api.service.handlers[route.function](event, context);

    expect(statusCode).toBeLessThan(500);
    expect(body).not.toBe('{"error":"Not found"}\n');
  });

  test('writing is not done by the function that reads', () => {
    for (const route of routes.filter((one: Route) => one.method !== 'GET' && one.function === 'read'))
      expect(route.operation).toBe('logout');
  });
});
