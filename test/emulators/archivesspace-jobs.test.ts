// The stand-in's own background jobs: what a client of the original finds there (its job routes, and its queue's rules).
import { afterEach, expect, test } from 'vitest';
import type { OnJob } from '../../local/archivesspace/jobs.ts';
import { makePdf } from '../../local/archivesspace/pdf.ts';
import { startArchivesSpace } from '../../local/archivesspace/server.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const jobs = '/repositories/2/jobs';
const resource = {
  jsonmodel_type: 'resource',
  uri: '/repositories/2/resources/import_a1',
  title: 'Papers of Zoë Ångström',
  id_0: 'MS-1',
  level: 'collection',
  finding_aid_language: 'eng',
  finding_aid_script: 'Latn',
  extents: [{ portion: 'whole', number: '3', extent_type: 'linear_feet' }],
  dates: [{ date_type: 'inclusive', label: 'creation', begin: '1901', end: '1933-05' }],
  lang_materials: [{ language_and_script: { language: 'eng', script: 'Latn' } }],
};
const component = (name: string, publish: boolean) => ({
  jsonmodel_type: 'archival_object',
  uri: `/repositories/2/archival_objects/import_${name}`,
  title: `Component ${name}`,
  level: 'file',
  publish,
  resource: { ref: resource.uri },
});
const pdf = (more: Record<string, unknown> = {}) => ({
  job: { jsonmodel_type: 'print_to_pdf_job', source: '/repositories/2/resources/1', ...more },
});

async function start(onJob?: OnJob) {
  const backend = await startArchivesSpace(onJob ? { onJob } : {});
  cleanups.push(backend.close);
  const as = async (username: string) => {
    const login = await fetch(`${backend.url}/users/${username}/login?password=${username}`, { method: 'POST' });
    const headers = { 'x-archivesspace-session': ((await login.json()) as { session: string }).session };
    const send = async (method: string, path: string, body?: unknown) => {
      const init = body instanceof FormData ? body : JSON.stringify(body);
      const response = await fetch(`${backend.url}${path}`, {
        method,
        headers,
        ...(body !== undefined && { body: init }),
      });
      const bytes = Buffer.from(await response.arrayBuffer());
      const isJson = response.headers.get('content-type') === 'application/json';
      return { status: response.status, bytes, body: isJson ? JSON.parse(bytes.toString()) : bytes.toString() };
    };
    return {
      get: (path: string) => send('GET', path),
      post: (path: string, body?: unknown) => send('POST', path, body),
      delete: (path: string) => send('DELETE', path),
      until: (uri: string, status: string) =>
        expect.poll(async () => (await send('GET', uri)).body.status, { timeout: 5_000, interval: 5 }).toBe(status),
    };
  };
  const archivist = await as('archivist');
  await archivist.post('/repositories/2/batch_imports', [resource, component('a2', true), component('a3', false)]);
  return { as, archivist };
}

test('a PDF is made: queued, running, completed, with a log and one file', async () => {
  const hold = Promise.withResolvers<void>();
  const { archivist } = await start(() => hold.promise);

  const { status, body } = await archivist.post(jobs, pdf());
  expect({ status, body }).toEqual({
    status: 200,
    body: { status: 'Created', id: 1, lock_version: 0, stale: null, uri: `${jobs}/1`, warnings: [] },
  });
  await archivist.until(body.uri, 'running');
  const log = await archivist.get(`${body.uri}/log`);
  expect(log.body).toBe('Generating PDF for Papers of Zoë Ångström  (“MS-1”)\n');
  expect((await archivist.get(`${body.uri}/log?offset=${log.bytes.length - 5}`)).bytes).toEqual(log.bytes.subarray(-5));
  expect((await archivist.get(`${body.uri}/output_files`)).body).toEqual([]);
  hold.resolve();
  await archivist.until(body.uri, 'completed');

  const [id] = (await archivist.get(`${body.uri}/output_files`)).body;
  const file = (await archivist.get(`${body.uri}/output_files/${id}`)).bytes.toString('latin1');
  expect(file).toContain('(Papers of Zoë Ångström) Tj');
  expect(file).toContain('Component a2');
  expect(file).not.toContain('Component a3');
  expect((await archivist.get(body.uri)).body).toMatchObject({
    time_submitted: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/),
    time_finished: expect.any(String),
    owner: 'archivist',
    lock_version: 2,
  });
  expect((await archivist.get(`${body.uri}/records?page=1`)).body).toMatchObject({ total: 0, results: [] });
});

test('a PDF has what is not published, and URIs, where that is asked for', async () => {
  const { archivist } = await start();
  const { body } = await archivist.post(jobs, pdf({ include_unpublished: true, include_uris: true }));
  await archivist.until(body.uri, 'completed');

  const [id] = (await archivist.get(`${body.uri}/output_files`)).body;
  expect((await archivist.get(`${body.uri}/output_files/${id}`)).bytes.toString('latin1')).toMatch(
    /Component a3 {2}\/repositories\/2\/archival_objects\/2/,
  );
});

test('the places of all objects in a PDF of several pages are where its table says', () => {
  const file = Buffer.from(
    makePdf(
      'T (1) \\ 茶',
      Array.from({ length: 130 }, (_, n) => `Line ${n} é`),
    ),
  ).toString('latin1');

  const at = Number(/startxref\n(\d+)\n/.exec(file)?.[1]);
  const offsets = [...file.slice(at).matchAll(/^(\d{10}) 00000 n/gm)].map(([, offset]) => Number(offset));
  expect(file.slice(at, at + 4)).toBe('xref');
  expect(offsets.map((offset) => Number.parseInt(file.slice(offset), 10))).toEqual(offsets.map((_, n) => n + 1));
  expect(file).toContain('/Count 3');
  expect(file).toContain('/Title (T \\(1\\) \\\\ ?)');
  for (const [, length, content] of file.matchAll(/<< \/Length (\d+) >>\nstream\n(.*?)\nendstream/gs))
    expect(content).toHaveLength(Number(length));
});

test('one job of a type runs at a time, the oldest first, and a queued one says how many are before it', async () => {
  const holds = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { archivist } = await start(({ id }) => holds[id - 1]?.promise);
  for (let n = 0; n < 3; n++) await archivist.post(jobs, pdf());
  await archivist.until(`${jobs}/1`, 'running');

  expect((await archivist.get(`${jobs}/3`)).body).toMatchObject({ status: 'queued', queue_position: 1 });
  holds[0]?.resolve();
  await archivist.until(`${jobs}/2`, 'running');
  expect((await archivist.get(`${jobs}/3`)).body).toMatchObject({ status: 'queued', queue_position: 0 });
  holds[1]?.resolve();
  await archivist.until(`${jobs}/3`, 'completed');
});

test('a cancel of a running job says so at once, and its work goes on to its end', async () => {
  const hold = Promise.withResolvers<void>();
  const { archivist } = await start(() => hold.promise);
  await archivist.post(jobs, pdf());
  await archivist.until(`${jobs}/1`, 'running');

  expect((await archivist.post(`${jobs}/1/cancel`)).body).toEqual({
    status: 'Updated',
    id: 1,
    lock_version: 2,
    stale: null,
  });
  expect((await archivist.get(`${jobs}/1`)).body).not.toHaveProperty('time_finished');
  hold.resolve();
  await expect.poll(async () => (await archivist.get(`${jobs}/1`)).body).toHaveProperty('time_finished');
  expect((await archivist.get(`${jobs}/1`)).body.status).toBe('canceled');
  expect((await archivist.get(`${jobs}/1/output_files`)).body).toHaveLength(1);
});

test('a queued job that is canceled never starts, a failed one says why in its log', async () => {
  const hold = Promise.withResolvers<void>();
  const { archivist } = await start(() => hold.promise);
  await archivist.post(jobs, pdf());
  await archivist.post(jobs, pdf());
  await archivist.until(`${jobs}/1`, 'running');
  await archivist.post(`${jobs}/2/cancel`);
  hold.reject(new Error('The press is jammed.'));
  await archivist.until(`${jobs}/1`, 'failed');

  expect((await archivist.get(`${jobs}/1/log`)).body).toContain('The press is jammed.\n');
  expect((await archivist.get(`${jobs}/2`)).body).toMatchObject({ status: 'canceled' });
  expect((await archivist.get(`${jobs}/2`)).body).not.toHaveProperty('time_started');
});

test.each<[string, unknown, number, unknown]>([
  ['without a job', {}, 400, { job: ['Property is required but was missing'] }],
  ['without a property', pdf({ source: '' }), 400, { source: ['Property is required but was missing'] }],
  ['of a type without a runner', { job: { jsonmodel_type: 'report_job' } }, 404, 'No runner found for report_job'],
])('a job %s is refused as the original does', async (_, body, status, error) => {
  const { archivist } = await start();

  expect(await archivist.post(jobs, body)).toMatchObject({ status, body: { error } });
});

test.each([
  ['viewer', 403, 403, 200],
  ['manager', 403, 200, 200],
  ['data-entry', 200, 403, 200],
  ['archivist', 200, 200, 200],
])('%s: create %i, cancel %i, show %i', async (username, create, cancel, show) => {
  const { as, archivist } = await start();
  await archivist.post(jobs, pdf());
  const user = await as(username);

  expect((await user.post(jobs, pdf())).status).toBe(create);
  expect((await user.post(`${jobs}/1/cancel`)).status).toBe(cancel);
  expect((await user.get(`${jobs}/1`)).status).toBe(show);
  expect((await user.get('/repositories/3/jobs/1')).status).toBe(username === 'archivist' ? 404 : 403);
  expect((await user.get('/repositories/9/jobs/1')).status).toBe(400);
});

test('files come first in the list of files, sorted by their index as text', async () => {
  const { archivist } = await start();
  const form = new FormData();
  form.set('job', JSON.stringify(pdf()));
  for (const index of [2, 0, 10]) form.set(`files[${index}]`, new Blob([`at ${index}`]), 'a');

  const { body } = await archivist.post('/repositories/2/jobs_with_files', form);
  await archivist.until(body.uri, 'completed');

  const ids: number[] = (await archivist.get(`${body.uri}/output_files`)).body;
  const files = await Promise.all(ids.map(async (id) => (await archivist.get(`${body.uri}/output_files/${id}`)).body));
  expect(files.slice(0, 3)).toEqual(['at 0', 'at 10', 'at 2']);
  expect(ids).toHaveLength(4);
  await archivist.delete(body.uri);
  expect((await archivist.get(body.uri)).status).toBe(404);
});
