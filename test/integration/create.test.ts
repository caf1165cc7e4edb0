import { describe, expect, test } from 'vitest';
import { items, useService, withSession } from '../helpers/stack.ts';

const stack = useService();
const job = (type: string, params: Record<string, unknown> = {}) => ({ job: { jsonmodel_type: type, ...params } });
const stored = async () => (await items(stack.service)).filter(({ sk }) => sk === 'JOB').length;

describe('what cannot be a job is refused, with a message that names the field, and nothing is stored', () => {
  test.each([
    ['a type nobody registered', job('unheard_of_job'), 404, { error: 'No runner found for unheard_of_job' }],
    [
      'a parameter that is missing',
      job('slow_nothing_job'),
      400,
      { error: { times: ['Property is required but was missing'] } },
    ],
    [
      'an empty string for a required parameter',
      job('slow_nothing_job', { times: '' }),
      400,
      { error: { times: ['Property is required but was missing'] } },
    ],
    [
      'a parameter of the wrong kind',
      job('slow_nothing_job', { times: 3 }),
      400,
      { error: { times: ['Must be a string (you provided a Integer)'] } },
    ],
    ['a body without a job', {}, 400, { error: { job: ['Property is required but was missing'] } }],
    [
      'a job that is not an object',
      { job: 'import_job' },
      400,
      { error: { job: ['Must be an object (you provided a String)'] } },
    ],
    [
      'a body that is not JSON',
      '{"job":',
      400,
      { error: expect.stringContaining('Had some trouble parsing your request') },
    ],
  ])('%s', async (_what, body, status, answer) => {
    const archivist = await stack.as('archivist');
    const before = await stored();

    const refused = await archivist.post('/repositories/2/jobs', body);

    expect(refused).toMatchObject({ status, body: answer });
    expect(await stored()).toBe(before);
  });

  test('a repository that does not exist', async () => {
    const admin = await stack.as('admin');

    expect(await admin.post('/repositories/99/jobs', job('quick_job'))).toMatchObject({
      status: 400,
      body: { error: { repo_id: ['Failed validation -- The Repository must exist'] } },
    });
    expect(await admin.post('/repositories/two/jobs', job('quick_job'))).toMatchObject({
      status: 400,
      body: { error: { repo_id: ["Wanted type Integer but got 'two'"] } },
    });
  });

  test('more bytes than Lambda takes', async () => {
    const archivist = await stack.as('archivist');

    const refused = await archivist.upload(
      { jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: ['big.xml'] },
      [{ field: 'files[0]', name: 'big.xml', content: 'x'.repeat(4_300_000) }],
    );

    expect(refused).toMatchObject({ status: 413, body: { error: expect.stringContaining('at most') } });
  });
});

describe('who may', () => {
  test.each([
    ['archivist', 'quick_job', 200],
    ['data-entry', 'quick_job', 200],
    ['manager', 'quick_job', 403],
    ['viewer', 'quick_job', 403],
    ['data-entry', 'import_job', 403],
    ['archivist', 'guarded_job', 403],
    ['admin', 'guarded_job', 200],
  ])('create: %s, a %s', async (who, type, status) => {
    const params = type === 'import_job' ? { import_type: 'ead_xml', filenames: ['a.xml'] } : {};

    expect((await (await stack.as(who)).post('/repositories/2/jobs', job(type, params))).status).toBe(status);
  });

  test('is told which permission is missing', async () => {
    expect((await (await stack.as('viewer')).post('/repositories/2/jobs', job('quick_job'))).body).toEqual({
      error: 'Access denied',
      missing_permissions: ['create_job'],
    });
  });

  test.each([
    ['archivist', 'quick_job', 200],
    ['data-entry', 'quick_job', 403],
    ['manager', 'quick_job', 200],
    ['viewer', 'quick_job', 403],
    ['archivist', 'guarded_job', 403],
    ['admin', 'guarded_job', 200],
  ])('cancel: %s, a %s', async (who, type, status) => {
    const uri = await (await stack.as('admin')).create(type);

    expect((await (await stack.as(who)).cancel(uri)).status).toBe(status);
  });

  test('look: whoever may view the repository, and nobody else', async () => {
    const uri = await (await stack.as('archivist')).create('quick_job');
    const viewer = await stack.as('viewer');
    const nobody = withSession(stack.service.apiUrl, undefined);

    for (const path of ['', '/log', '/records?page=1', '/output_files']) {
      expect((await viewer.get(uri + path)).status).toBe(200);
      expect((await nobody.get(uri + path)).status).toBe(403);
    }
  });

  test('a job of another repository is not found, on any route', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('quick_job', { say: 'Only here' });
    await archivist.until(uri, 'completed');
    const elsewhere = uri.replace('/repositories/2/', '/repositories/3/');

    for (const path of ['', '/log', '/records?page=1', '/output_files', '/output_files/1']) {
      expect(await archivist.get(elsewhere + path)).toMatchObject({ status: 404, body: { error: 'Job not found' } });
    }
    expect((await archivist.cancel(elsewhere)).status).toBe(403);
    expect(await (await stack.as('admin')).cancel(elsewhere)).toMatchObject({ status: 404 });
  });

  test('a session that is gone is answered with 412 before anything else', async () => {
    const stranger = withSession(stack.service.apiUrl, 'f'.repeat(64));

    expect(await stranger.get('/repositories/2/jobs/999999')).toMatchObject({
      status: 412,
      body: { code: 'SESSION_GONE' },
    });
  });
});

describe('the lists', () => {
  test('of types leave out the hidden ones', async () => {
    const { body } = await withSession(stack.service.apiUrl, undefined).get<Record<string, unknown>>('/job_types');

    expect(body['import_job']).toEqual({
      create_permissions: ['import_records'],
      cancel_permissions: ['cancel_importer_job'],
    });
    expect(body['slow_nothing_job']).toEqual({ create_permissions: [], cancel_permissions: [] });
    expect(body).not.toHaveProperty('guarded_job');
  });

  test('of jobs come by page, by ids or as all ids, ordered by status and id', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('faulty_job', { fault: 'throw' });
    await archivist.until(uri, 'failed');

    const all = await archivist.get<number[]>('/repositories/2/jobs?all_ids=true');
    const page = await archivist.get<{ results: { uri: string; status: string }[]; total: number; last_page: number }>(
      '/repositories/2/jobs?page=1&page_size=3',
    );
    const set = await archivist.get<{ uri: string }[]>(`/repositories/2/jobs?id_set=${uri.split('/').at(-1)}`);

    expect(page.body.results.map((one) => Number(one.uri.split('/').at(-1)))).toEqual(all.body.slice(0, 3));
    expect(page.body).toMatchObject({ total: all.body.length, last_page: Math.ceil(all.body.length / 3) });
    const statuses = page.body.results.map(({ status }) => status);
    expect(statuses).toEqual(statuses.toSorted());
    expect(set.body).toMatchObject([{ uri }]);
    expect((await archivist.get('/repositories/2/jobs')).body).toMatchObject({
      error: { page: ['Parameter required but no value provided'] },
    });
  });

  test('of active jobs have the running ones first', async () => {
    const archivist = await stack.as('archivist');
    const running = [
      await archivist.create('quick_job', { seconds: 2 }),
      await archivist.create('quick_job', { seconds: 2 }),
    ];
    for (const uri of running) await archivist.until(uri, 'running');
    const queued = await archivist.create('quick_job');

    const { body } = await archivist.get<{ uri: string; status: string }[]>('/repositories/2/jobs/active');

    expect(body.map(({ status }) => status)).toEqual(['running', 'running', 'queued']);
    expect(body.at(-1)?.uri).toBe(queued);
  });
});
