import { beforeEach, describe, expect, test } from 'vitest';
import { type Person, person, type WireJob, withSession } from '../helpers/stack.ts';
import { clear, end, idOf, runThrough, start, useApi } from './service.ts';

// ArchivesSpace's conventions (backend/app/main.rb, lib/rest.rb, lib/exceptions.rb), and its clients: the indexer
// (indexer/app/lib/periodic_indexer.rb), ArchivesSnake, scripts.

const api = useApi();
let archivist: Person;
beforeEach(async () => {
  archivist ??= await person(api.service.url, 'archivist');
  await clear(api.service);
});
const jobs = '/repositories/2/jobs';

describe('conventions of every route', () => {
  test('a session that is gone is 412 before anything else is looked at', async () => {
    const stranger = withSession(api.service.url, 'f'.repeat(64));

    for (const path of [`${jobs}/999999`, `${jobs}/x`, '/repositories/99/jobs', jobs, '/job_types'])
      expect(await stranger.get(path)).toMatchObject({
        status: 412,
        body: { code: 'SESSION_GONE', error: expect.stringContaining('No session found') },
      });
    expect((await stranger.post(jobs, '{')).status).toBe(412);
  });

  test('no session at all is somebody without permissions', async () => {
    expect(await withSession(api.service.url, undefined).get(`${jobs}?page=1`)).toMatchObject({
      status: 403,
      body: { error: 'Access denied', missing_permissions: ['view_repository'] },
    });
  });

  test('a login gives a session and the permissions by repository, with 200', async () => {
    const answer = await fetch(`${api.service.url}/users/archivist/login`, {
      method: 'POST',
      body: new URLSearchParams({ password: 'archivist', expiring: 'false' }),
    });

    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      session: expect.stringMatching(/^[0-9a-f]{64}$/),
      user: { username: 'archivist', permissions: { '/repositories/2': expect.arrayContaining(['create_job']) } },
    });
  });

  test('parameters are looked at before permissions', async () => {
    const nobody = withSession(api.service.url, undefined);

    for (const path of [
      jobs,
      `${jobs}/x`,
      `${jobs}/1/log?offset=x`,
      `${jobs}/active?resolve=x`,
      '/repositories/99/jobs',
    ])
      expect((await nobody.get(path)).status).toBe(400);
  });

  test('a repository that is no number, or does not exist, is 400 on every route', async () => {
    const admin = await person(api.service.url, 'admin');

    for (const path of ['/jobs?page=1', '/jobs/active', '/jobs/1', '/jobs/1/log', '/jobs/import_types']) {
      expect(await admin.get(`/repositories/two${path}`)).toMatchObject({
        status: 400,
        body: { error: { repo_id: ["Wanted type Integer but got 'two'"] } },
      });
      expect(await admin.get(`/repositories/99${path}`)).toMatchObject({
        status: 400,
        body: { error: { repo_id: ['Failed validation -- The Repository must exist'] } },
      });
    }
  });

  test('unknown parameters are dropped silently', async () => {
    expect((await archivist.get(`${jobs}?page=1&whatever[]=1&x=%00`)).status).toBe(200);
  });

  test('answers are JSON with a newline at the end, and are not kept', async () => {
    for (const path of ['/job_types', `${jobs}?page=1`, `${jobs}/999999`]) {
      const { text, headers } = await archivist.get(path);
      expect(text.endsWith('}\n')).toBe(true);
      expect(headers.get('content-type')).toBe('application/json');
      expect(headers.get('cache-control')).toBe('private, must-revalidate, max-age=0');
    }
  });

  test('permissions count in the repository of the job, and global ones everywhere', async () => {
    const admin = await person(api.service.url, 'admin');
    const elsewhere = { job: { jsonmodel_type: 'plain_job' } };

    expect((await archivist.post('/repositories/3/jobs', elsewhere)).status).toBe(403);
    expect((await archivist.get('/repositories/3/jobs?page=1')).status).toBe(200);
    expect((await admin.post('/repositories/3/jobs', elsewhere)).status).toBe(200);
  });
});

describe('the indexer’s round', () => {
  test('all_ids and modified_since, then id_set with resolve[], then output_files of each', async () => {
    const { service } = api;
    const indexer = await person(service.url, 'admin');
    const began = Math.floor(Date.now() / 1000) - 30;
    const done = await archivist.create('plain_job');
    await runThrough(service, done, 'completed', { files: [{ name: 'a.pdf', content: 'PDF' }] });
    const running = await archivist.create('plain_job');
    await start(service, idOf(running));
    const queued = await archivist.create('plain_job');
    const uploaded = (
      await archivist.upload({ jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: ['a.xml'] }, [
        { field: 'files[0]', name: 'a.xml', content: '<ead/>' },
      ])
    ).body.uri;
    const resolves = ['repository', 'repository::agent_representation', 'subjects', 'linked_agents', 'top_container'];
    const resolve = resolves.map((name) => `resolve[]=${encodeURIComponent(name)}`).join('&');

    const round = async (since: number) => {
      const ids = (await indexer.get<number[]>(`${jobs}?all_ids=true&modified_since=${since}`)).body;
      if (ids.length === 0) return [];
      const some = (await indexer.get<WireJob[]>(`${jobs}?id_set=${ids.join(',')}&${resolve}`)).body;
      return Promise.all(
        some.map(async (job) => ({ job, files: (await indexer.get<number[]>(`${job.uri}/output_files`)).body })),
      );
    };
    const first = await round(began);

    expect(first.map(({ job, files }) => [job.uri, job.status, files])).toEqual([
      [done, 'completed', [1]],
      [queued, 'queued', []],
      [uploaded, 'queued', [1]],
      [running, 'running', []],
    ]);
    for (const { job } of first) {
      expect(job['repository']).toMatchObject({ ref: '/repositories/2', _resolved: { repo_code: 'EXAMPLE' } });
      expect(new Date(String(job['system_mtime'])).getTime()).toBeGreaterThanOrEqual(began * 1000);
    }
    expect(await round(Math.floor(Date.now() / 1000) + 60)).toEqual([]);
    await (await person(service.url, 'admin')).delete(done);
    expect((await round(began)).map(({ job }) => job.uri)).not.toContain(done);
  });

  test('it asks ArchivesSpace for the repository once, not for each job', async () => {
    for (let n = 0; n < 5; n++) await archivist.create('plain_job');
    api.service.asked.length = 0;

    await archivist.get(`${jobs}/active?resolve[]=repository::x`);
    await archivist.get(`${jobs}/active?resolve[]=repository::x`);

    expect(api.service.asked.filter((line) => line === 'GET /repositories/2')).toHaveLength(1);
  });
});

describe('ArchivesSnake', () => {
  test('iterates all_ids beside page and page_size, and takes the pages', async () => {
    const made = [];
    for (let n = 0; n < 3; n++) made.push(await archivist.create('plain_job'));
    const seen: string[] = [];

    for (let page = 1, last = 1; page <= last; page++) {
      const { body } = await archivist.get<{ last_page: number; results: WireJob[] }>(
        `${jobs}?all_ids=True&page=${page}&page_size=2`,
      );
      last = body.last_page;
      seen.push(...body.results.map(({ uri }) => uri));
    }

    expect(seen).toEqual(made);
  });

  test('shows GET /version as text when it starts', async () => {
    expect(await withSession(api.service.url, undefined).get('/version')).toMatchObject({
      status: 200,
      text: expect.stringMatching(/\(v\d/),
    });
  });

  test('creates with status, has_modified_records and inactive_record in the body, as scripts send them', async () => {
    const body = {
      jsonmodel_type: 'job',
      status: 'queued',
      has_modified_records: false,
      inactive_record: false,
      job: { jsonmodel_type: 'plain_job', source: '/repositories/2/resources/1' },
    };

    expect(await archivist.post(jobs, body)).toMatchObject({ status: 200, body: { uri: expect.any(String) } });
  });

  test('polls the job, then fetches the first of its output files', async () => {
    const uri = await archivist.create('plain_job');
    expect((await archivist.show(uri)).status).toBe('queued');
    const running = await start(api.service, idOf(uri));
    expect((await archivist.show(uri)).status).toBe('running');
    await end(api.service, running, 'completed', { files: [{ name: 'labels.tsv', content: 'a\tb' }] });
    expect((await archivist.show(uri)).status).toBe('completed');

    const [first] = (await archivist.get<number[]>(`${uri}/output_files`)).body;
    expect((await archivist.get(`${uri}/output_files/${first}`)).text).toBe('a\tb');
  });
});
