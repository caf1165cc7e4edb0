import { UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { keys } from '../../core/table.ts';
import { type Person, person, type WireJob, withSession } from '../helpers/stack.ts';
import { clear, end, idOf, runThrough, start, useApi } from './service.ts';

// ArchivesSpace: backend/app/controllers/job.rb, the listings; backend/app/lib/rest.rb, `paginated`.

const api = useApi();
let archivist: Person;
beforeEach(async () => {
  archivist ??= await person(api.service.url, 'archivist');
  await clear(api.service);
});
const jobs = '/repositories/2/jobs';
const at = (seconds: number) => Date.UTC(2026, 7, 20, 13, 0, 0) + seconds * 1000;
const ids = (wire: readonly WireJob[]) => wire.map(({ uri }) => idOf(uri));
interface Page {
  readonly first_page: number;
  readonly last_page: number;
  readonly this_page: number;
  readonly total: number;
  readonly results: readonly WireJob[];
}
const page = async (query: string, path = jobs) => (await archivist.get<Page>(`${path}?${query}`)).body;

/** One ended job of each kind, made anew for the file: [canceled, completed, completed, failed]. */
let ended: readonly number[];
beforeAll(async () => {
  archivist = await person(api.service.url, 'archivist');
  const uris = [];
  for (let n = 0; n < 4; n++) uris.push(await archivist.create('plain_job', { source: `/x/${n}` }));
  const [first = '', second = '', third = '', fourth = ''] = uris;
  await archivist.cancel(second);
  await runThrough(api.service, first, 'completed', {}, at(30));
  await runThrough(api.service, fourth, 'completed', {}, at(10));
  await runThrough(api.service, third, 'failed', {}, at(20));
  ended = [second, first, fourth, third].map(idOf);
});

describe('paging', () => {
  test('page gives the envelope of first, last and this page, total and results', async () => {
    expect(await page('page=2&page_size=3')).toEqual({
      first_page: 1,
      last_page: 2,
      this_page: 2,
      total: 4,
      results: [expect.objectContaining({ uri: `${jobs}/${ended[3]}` })],
    });
  });

  test('page_size is 10 where it is not given, and 250 at most', async () => {
    expect((await page('page=1')).last_page).toBe(1);
    expect((await page('page=1&page_size=100000')).results).toHaveLength(4);
  });

  test('a page after the last one is empty', async () => {
    expect(await page('page=9')).toMatchObject({ this_page: 9, total: 4, results: [] });
  });

  test('an empty repository has one page', async () => {
    const admin = await person(api.service.url, 'admin');

    expect((await admin.get('/repositories/3/jobs?page=1')).body).toEqual({
      first_page: 1,
      last_page: 1,
      this_page: 1,
      total: 0,
      results: [],
    });
  });

  test('id_set gives a bare array of jobs, by commas or as a list; unknown ids are passed over', async () => {
    const [a, b] = ended;
    for (const query of [`id_set=${a},${b},999999`, `id_set[]=${a}&id_set[]=${b}`, `id_set=${a}&id_set=${b}`]) {
      expect(ids((await archivist.get<WireJob[]>(`${jobs}?${query}`)).body)).toEqual([a, b]);
    }
  });

  test('id_set finds no job of another repository', async () => {
    const admin = await person(api.service.url, 'admin');

    expect((await admin.get(`/repositories/3/jobs?id_set=${ended.join(',')}`)).body).toEqual([]);
  });

  test('all_ids gives a bare array of ids', async () => {
    expect((await archivist.get(`${jobs}?all_ids=true`)).body).toEqual(ended);
    expect((await archivist.get(`${jobs}?all_ids=True`)).body).toEqual(ended);
  });

  test('page goes before id_set, and id_set before all_ids', async () => {
    expect(await page(`page=1&id_set=${ended[0]}&all_ids=true`)).toMatchObject({ total: 4 });
    expect(ids((await archivist.get<WireJob[]>(`${jobs}?all_ids=true&id_set=${ended[2]}`)).body)).toEqual([ended[2]]);
  });

  test('none of them is 400, naming the three', async () => {
    const required = ['Parameter required but no value provided'];

    for (const path of [jobs, `${jobs}/archived`, `${jobs}/${ended[0]}/records`])
      expect(await archivist.get(path)).toMatchObject({
        status: 400,
        body: { error: { page: required, id_set: required, all_ids: required } },
      });
  });

  test.each([
    ['page=0', 'page'],
    ['page=x', 'page'],
    ['page=1&page_size=x', 'page_size'],
    ['page=1&page_size=0', 'page_size'],
    ['id_set=1,x', 'id_set'],
    [`id_set=${Array.from({ length: 251 }, (_, n) => n).join(',')}`, 'id_set'],
    ['all_ids=1&modified_since=x', 'modified_since'],
    ['page=1&sort_direction=up', 'sort_direction'],
  ])('%s is 400 and names the parameter', async (query, name) => {
    expect(await archivist.get(`${jobs}?${query}`)).toMatchObject({
      status: 400,
      body: { error: { [name]: [expect.any(String)] } },
    });
  });

  test('sort_field and sort_direction change nothing', async () => {
    expect(ids((await page('page=1&sort_field=id&sort_direction=desc')).results)).toEqual(ended);
  });
});

describe('GET jobs', () => {
  test('is ordered by status as a word, then by id', async () => {
    const [running = '', queued = ''] = [await archivist.create('plain_job'), await archivist.create('plain_job')];
    await start(api.service, idOf(running));

    const { results } = await page('page=1');

    expect(results.map(({ status }) => status)).toEqual([
      'canceled',
      'completed',
      'completed',
      'failed',
      'queued',
      'running',
    ]);
    expect(ids(results)).toEqual([...ended, idOf(queued), idOf(running)]);
  });

  test('queue_position counts queued jobs of all repositories and types, from 0', async () => {
    const admin = await person(api.service.url, 'admin');
    await admin.post('/repositories/3/jobs', { job: { jsonmodel_type: 'gone_job' } });
    await archivist.create('plain_job');
    await archivist.create('gone_job');

    const { results } = await page('page=1');

    expect(results.filter(({ status }) => status === 'queued').map((job) => job.queue_position)).toEqual([1, 2]);
    expect(results.filter(({ status }) => status !== 'queued').some((job) => 'queue_position' in job)).toBe(false);
  });
});

describe('modified_since', () => {
  const changed = async (since: number) => (await archivist.get(`${jobs}?all_ids=1&modified_since=${since}`)).body;

  test('keeps what changed in that second or later, by system_mtime', async () => {
    const [canceled, first, fourth, third] = ended;

    expect(await changed(at(20) / 1000)).toEqual([canceled, first, third]);
    expect(await changed(at(20) / 1000 + 1)).toEqual([canceled, first]);
    expect(await changed(0)).toEqual([canceled, first, fourth, third]);
    expect(await changed(Date.now() / 1000 + 60)).toMatchObject({ error: {} });
    expect(await changed(Math.ceil(Date.now() / 1000) + 60)).toEqual([]);
  });

  test('counts in every mode', async () => {
    expect((await page(`page=1&modified_since=${at(25) / 1000}`)).total).toBe(2);
    expect(
      ids((await archivist.get<WireJob[]>(`${jobs}?id_set=${ended.join(',')}&modified_since=${at(25) / 1000}`)).body),
    ).toEqual([ended[0], ended[1]]);
  });
});

describe('what the index has not heard of yet', () => {
  /** Makes the index say of a job what it said before: an index is not told at once. */
  const lag = async (id: number, gsk: string) => {
    const { client, name } = api.service.table;
    await client.send(
      new UpdateItemCommand({
        TableName: name,
        Key: marshall(keys.job(id)),
        UpdateExpression: 'SET gsk = :g',
        ExpressionAttributeValues: { ':g': { S: gsk } },
      }),
    );
  };
  /** Takes a job out of the index. */
  const hide = async (id: number) => {
    const { client, name } = api.service.table;
    await client.send(
      new UpdateItemCommand({ TableName: name, Key: marshall(keys.job(id)), UpdateExpression: 'REMOVE gsk, gpk' }),
    );
  };

  test('queued and running jobs are listed all the same', async () => {
    const [running = '', queued = ''] = [await archivist.create('plain_job'), await archivist.create('plain_job')];
    await start(api.service, idOf(running));
    await hide(idOf(running));
    await hide(idOf(queued));

    expect(ids((await page('page=1')).results).slice(4)).toEqual([idOf(queued), idOf(running)]);
    expect((await archivist.get(`${jobs}?all_ids=1`)).body).toEqual([...ended, idOf(queued), idOf(running)]);
    expect(ids((await archivist.get<WireJob[]>(`${jobs}/active`)).body)).toEqual([idOf(running), idOf(queued)]);
  });

  test('a job that has ended is listed as ended, and found by modified_since, though the index says queued', async () => {
    const uri = await archivist.create('plain_job');
    await runThrough(api.service, uri, 'completed', {}, at(40));
    await lag(idOf(uri), `queued#${String(idOf(uri)).padStart(12, '0')}`);

    expect((await archivist.get(`${jobs}?all_ids=1&modified_since=${at(35) / 1000}`)).body).toEqual([
      ended[0],
      idOf(uri),
    ]);
    expect((await archivist.get<Page>(`${jobs}/archived?page=1`)).body.total).toBe(5);
    expect((await archivist.get(`${jobs}/active`)).body).toEqual([]);
    await (await person(api.service.url, 'admin')).delete(uri);
  });

  test('a deleted job is in no listing', async () => {
    const admin = await person(api.service.url, 'admin');
    const uri = await archivist.create('plain_job');
    await runThrough(api.service, uri);
    await admin.delete(uri);

    expect((await archivist.get(`${jobs}?all_ids=1`)).body).toEqual(ended);
    expect((await archivist.get(`${jobs}?id_set=${idOf(uri)}`)).body).toEqual([]);
  });
});

describe('GET jobs/active', () => {
  test('is a bare array: running jobs, latest change first, then queued ones, oldest first', async () => {
    const uris = [];
    for (let n = 0; n < 4; n++) uris.push(await archivist.create('plain_job'));
    const [a = 0, b = 0, c = 0, d = 0] = uris.map(idOf);
    await start(api.service, a, at(0));
    await start(api.service, b, at(5));

    const { body } = await archivist.get<WireJob[]>(`${jobs}/active`);

    expect(ids(body)).toEqual([b, a, c, d]);
    expect(body.map(({ status }) => status)).toEqual(['running', 'running', 'queued', 'queued']);
    expect(body.map((job) => job.queue_position)).toEqual([undefined, undefined, 0, 1]);
  });

  test('has no job of another repository', async () => {
    const admin = await person(api.service.url, 'admin');
    await archivist.create('plain_job');

    expect((await admin.get('/repositories/3/jobs/active')).body).toEqual([]);
  });
});

describe('GET jobs/archived', () => {
  test('has the jobs that are neither running nor queued, the latest end first', async () => {
    const [canceled, first, fourth, third] = ended;
    const running = await archivist.create('plain_job');
    await start(api.service, idOf(running));

    expect(ids((await page('page=1', `${jobs}/archived`)).results)).toEqual([canceled, first, third, fourth]);
    expect((await archivist.get(`${jobs}/archived?all_ids=1`)).body).toEqual([canceled, first, third, fourth]);
    expect(ids((await archivist.get<WireJob[]>(`${jobs}/archived?id_set=${third},${idOf(running)}`)).body)).toEqual([
      third,
    ]);
  });

  test('a job that was canceled while it was queued has a time_finished', async () => {
    expect((await page('page=1', `${jobs}/archived`)).results[0]).toHaveProperty('time_finished');
  });
});

describe('resolve[]', () => {
  test('repository embeds the repository, on every route that shows jobs', async () => {
    await archivist.create('plain_job');
    const repository = {
      ref: '/repositories/2',
      _resolved: expect.objectContaining({ repo_code: 'EXAMPLE', uri: '/repositories/2' }),
    };
    const resolve = 'resolve[]=repository';

    expect(await page(`page=1&${resolve}`)).toMatchObject({
      results: expect.arrayContaining([expect.objectContaining({ repository })]),
    });
    for (const path of [`${jobs}/active?${resolve}`, `${jobs}?id_set=${ended[0]}&${resolve}`])
      expect((await archivist.get(path)).body).toEqual([expect.objectContaining({ repository })]);
    expect((await archivist.get(`${jobs}/${ended[0]}?${resolve}`)).body).toMatchObject({ repository });
  });

  test('without it there is the reference alone', async () => {
    expect((await archivist.get(`${jobs}/${ended[0]}`)).body).toMatchObject({ repository: { ref: '/repositories/2' } });
    expect((await archivist.get<WireJob>(`${jobs}/${ended[0]}`)).body['repository']).not.toHaveProperty('_resolved');
  });

  test('names that nothing bears here, and nested ones, are let pass', async () => {
    const { status, body } = await archivist.get<WireJob>(
      `${jobs}/${ended[0]}?resolve[]=subjects&resolve[]=repository::agent_representation&resolve[]=`,
    );

    expect(status).toBe(200);
    expect(body['repository']).toMatchObject({ _resolved: { repo_code: 'EXAMPLE' } });
  });

  test('a plain resolve= is 400, with the hint to write resolve[]', async () => {
    for (const path of [`${jobs}/active`, `${jobs}/${ended[0]}`])
      expect(await archivist.get(`${path}?resolve=repository`)).toMatchObject({
        status: 400,
        body: {
          error: { resolve: [expect.stringContaining('Perhaps you meant to specify an array like: resolve[]=')] },
        },
      });
  });
});

describe('the types', () => {
  const anybody = () => withSession(api.service.url, undefined);

  test('GET /job_types is an object of types with their permissions, for everybody', async () => {
    const { status, body } = await anybody().get<Record<string, unknown>>('/job_types');

    expect(status).toBe(200);
    expect(body['import_job']).toEqual({
      create_permissions: ['import_records'],
      cancel_permissions: ['cancel_importer_job'],
    });
    expect(body['plain_job']).toEqual({ create_permissions: [], cancel_permissions: [] });
  });

  test('hidden types are left out of it', async () => {
    expect((await anybody().get('/job_types')).body).not.toHaveProperty('hidden_job');
  });

  test('GET jobs/import_types is an array of names and descriptions, for everybody', async () => {
    expect(await anybody().get(`${jobs}/import_types`)).toMatchObject({
      status: 200,
      body: [{ name: 'ead_xml', description: 'Import EAD records from an XML file' }],
    });
  });

  test('the repository of import_types must exist', async () => {
    expect((await anybody().get('/repositories/99/jobs/import_types')).status).toBe(400);
  });
});

test('a page that is too large for a Lambda’s answer is refused, and a smaller one given', async () => {
  const source = 'x'.repeat(120_000);
  for (let n = 0; n < 52; n++) await archivist.create('plain_job', { source });

  expect(await archivist.get(`${jobs}/active`)).toMatchObject({
    status: 413,
    body: { error: expect.stringContaining('page_size') },
  });
  expect((await page('page=1&page_size=20')).results).toHaveLength(20);
});

test('all of this is 200 when nothing of it is to be had', async () => {
  const uri = await archivist.create('plain_job');
  const job = await start(api.service, idOf(uri));
  await end(api.service, job);

  for (const path of ['', '/log', '/output_files', '/records?page=1'])
    expect((await archivist.get(uri + path)).status).toBe(200);
});
