import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { commit, query, read } from '../../aws/dynamo.ts';
import { list } from '../../aws/objects.ts';
import { readAsked } from '../../core/idempotency.ts';
import { append, claimSegment, keys, saveProgress } from '../../core/table.ts';
import { registerTypes, type TypeRegistration, writeLimit } from '../../functions/registration.ts';
import type {
  CreatedReply,
  EventsReply,
  FilesReply,
  QueueReply,
  RerunReply,
  StatusReply,
  TypesReply,
  UploadReply,
} from '../../schemas/extensions.ts';
import type { FileRules } from '../../schemas/runner-manifest.ts';
import { clear, end, idOf, runThrough, start, useApi, writeAs } from '../conformance/service.ts';
import { call } from '../helpers/call.ts';
import { items } from '../helpers/scan.ts';
import { type Person, person, type WireJob } from '../helpers/stack.ts';

// docs/extensions.md. The API's functions in this process; no job runs but by hand.

const api = useApi();
const people = new Map<string, Person>();
async function as(username: string): Promise<Person> {
  const known = people.get(username) ?? (await person(api.service.url, username));
  people.set(username, known);
  return known;
}
const jobs = '/repositories/2/jobs';
const send = async <Body>(username: string, method: string, path: string, more: Parameters<typeof call>[4] = {}) =>
  call<Body>(api.service.url, await as(username), method, path, more);
const plain = (source: string) => ({ job: { jsonmodel_type: 'plain_job', source } });
async function create(type = 'plain_job', username = 'archivist', repo = 2): Promise<string> {
  const made = await send<CreatedReply>(username, 'POST', `/repositories/${repo}/jobs`, {
    body: { job: { jsonmodel_type: type } },
  });
  expect(made.status, made.text).toBe(200);
  return made.body.uri;
}
const status = async (uri: string, username = 'archivist') =>
  (await send<StatusReply>(username, 'GET', `${uri}/status`)).body;

beforeEach(async () => {
  await clear(api.service);
  await writeLimit(api.service.table, 2);
  const serial = {
    type: 'serial_job',
    schema: { type: 'object' },
    version: '1',
    hidden: false,
    createPermissions: [],
    cancelPermissions: [],
    graceSeconds: 30,
    concurrent: false,
  };
  await registerTypes(api.service.table, { owner: 'extensions', runner: 'arn:runner', types: [serial] }, Date.now());
});

describe('a create with an Idempotency-Key', () => {
  const key = () => `key-${Math.random()}`;
  const make = (idempotencyKey: string, body: unknown, username = 'archivist', path = jobs) =>
    send<CreatedReply>(username, 'POST', path, { body, headers: { 'Idempotency-Key': idempotencyKey } });
  const form = (content: string) => {
    const body = new FormData();
    body.set('job', JSON.stringify(plain('with a file')));
    body.append('files[0]', new Blob([content], { type: 'text/csv' }), 'a.csv');
    return body;
  };
  const storedJobs = async () => (await items(api.service.table)).filter(({ sk }) => sk === 'JOB').length;

  test('that is sent again gives the same job, and says that it does', async () => {
    const [one, before] = [key(), await storedJobs()];
    const first = await make(one, plain('a'));

    const again = await make(one, plain('a'));

    expect(again.body).toEqual(first.body);
    expect([first.headers.get('idempotency-replayed'), again.headers.get('idempotency-replayed')]).toEqual([
      null,
      'true',
    ]);
    expect(await storedJobs()).toBe(before + 1);
  });

  test('that is sent eight times at once gives one job', async () => {
    const [one, before] = [key(), await storedJobs()];

    const answers = await Promise.all(Array.from({ length: 8 }, () => make(one, plain('b'))));

    expect(answers.map((answer) => answer.status)).toEqual(Array(8).fill(200));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(await storedJobs()).toBe(before + 1);
  });

  test('gives another job to another user, in another repository, and with another key', async () => {
    const one = key();

    const made = [
      await make(one, plain('c')),
      await make(one, plain('c'), 'data-entry'),
      await make(one, plain('c'), 'admin'),
      await make(one, plain('c'), 'admin', '/repositories/3/jobs'),
      await make(key(), plain('c')),
    ];

    expect(made.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200]);
    expect(new Set(made.map(({ body }) => body.id)).size).toBe(5);
  });

  test('and another body is refused', async () => {
    const one = key();
    await make(one, plain('d'));

    const other = await make(one, plain('e'));

    expect([other.status, other.body]).toEqual([409, { error: expect.stringContaining('Idempotency-Key') }]);
  });

  test('and files knows them by their content', async () => {
    const one = key();
    const first = await make(one, form('x,y'), 'archivist', `${jobs}_with_files`);

    const again = await make(one, form('x,y'), 'archivist', `${jobs}_with_files`);
    const other = await make(one, form('x,z'), 'archivist', `${jobs}_with_files`);

    expect([first.status, again.body.id, other.status]).toEqual([200, first.body.id, 409]);
  });

  test('and files that is sent four times at once leaves no files without a job', async () => {
    const { table, objects } = api.service;
    const one = key();

    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => make(one, form('x,y'), 'archivist', `${jobs}_with_files`)),
    );

    const ids = new Set(answers.map(({ body }) => body.id));
    const placed = await list(objects, 'inputs/plain_job/', 1_000);
    const owned = new Set((await items(table)).filter(({ sk }) => sk === 'JOB' || sk === 'INPUTS').map(({ pk }) => pk));
    const noted = new Set((await items(table)).filter(({ pk }) => pk === 'LEFTOVER').map(({ id }) => id));
    const idIn = (name: string) => Number(name.split('/')[2]);
    expect(ids.size).toBe(1);
    expect(placed.length).toBeGreaterThan(0);
    for (const name of placed)
      expect([name, owned.has(`RUN#plain_job#${idIn(name)}`) || noted.has(idIn(name))]).toEqual([name, true]);
  });

  test('that was refused leaves the key free', async () => {
    const one = key();
    const refused = await make(one, { job: { jsonmodel_type: 'replace_job', find: 'x' } });

    const made = await make(one, { job: { jsonmodel_type: 'replace_job', find: 'x', replace: '' } });

    expect([refused.status, made.status]).toEqual([400, 200]);
  });

  test('makes a new job when the key is older than a day, though it is still stored', async () => {
    const { table } = api.service;
    const one = key();
    const first = await make(one, plain('f'));
    const note = (await items(table)).find((item) => readAsked(item)?.job === first.body.id);
    const noteKey = { pk: String(note?.['pk']), sk: String(note?.['sk']) };
    expect(Number(note?.['expires']) * 1000 - Date.now()).toBeGreaterThan(23 * 3_600_000);
    await commit(table, { op: 'update', key: noteKey, set: { until: Date.now() - 1 }, when: [] });

    const made = await Promise.all([make(one, plain('f')), make(one, plain('f'))]);

    expect(made[0].body.id).toBeGreaterThan(first.body.id);
    expect(made[1].body.id).toBe(made[0].body.id);
    expect(readAsked(await read(table, noteKey))?.job).toBe(made[0].body.id);
  });

  test('without the header nothing more than the job is stored', async () => {
    const notes = async () => (await items(api.service.table)).filter(({ sk }) => sk === 'CREATE').length;
    const before = await notes();

    await create();

    expect(await notes()).toBe(before);
  });

  test.each(['', 'with space', 'x'.repeat(256)])('refuses the key %j', async (bad) => {
    expect((await make(bad, plain('g'))).status).toBe(400);
  });
});

describe('the status of a job', () => {
  test('has an ETag, and 304 for whoever has it, until something changes', async () => {
    const uri = await create();
    const first = await send<StatusReply>('archivist', 'GET', `${uri}/status`);
    const etag = first.headers.get('etag') ?? '';
    const again = () => send('archivist', 'GET', `${uri}/status`, { headers: { 'If-None-Match': `"x", W/${etag}` } });

    const unchanged = await again();
    const job = await start(api.service, idOf(uri));
    const changed = await again();

    expect([unchanged.status, unchanged.text, unchanged.headers.get('etag')]).toEqual([304, '', etag]);
    expect([changed.status, changed.body]).toMatchObject([200, { status: 'running', lock_version: 1 }]);
    await end(api.service, job);
  });

  test('says how far it is, and that it is stopping, and how it failed', async () => {
    const { table } = api.service;
    const uri = await create();
    const job = await start(api.service, idOf(uri));
    await commit(table, claimSegment(job, 1, 'claim', Date.now() + 60_000));
    await commit(table, saveProgress(job, 1, { done: 3, total: 9, message: 'three' }));
    await send('archivist', 'POST', `${uri}/cancel`);

    const stopping = await status(uri);

    expect(stopping).toEqual({
      id: idOf(uri),
      uri,
      job_type: 'plain_job',
      status: 'running',
      owner: 'archivist',
      time_submitted: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/),
      time_started: expect.stringMatching(/ UTC$/),
      progress: { done: 3, total: 9, message: 'three' },
      cancel_requested: { by: 'archivist', time: expect.stringMatching(/ UTC$/) },
      lock_version: 2,
    });
    const other = await create();
    await runThrough(api.service, other, 'failed');
    expect(await status(other)).toMatchObject({ failure: { kind: 'runner_error', reason: 'It was to fail.' } });
  });

  test('says that a job waits for its type, and which job of a repository that the reader may view has it', async () => {
    const running = await create('serial_job', 'admin', 3);
    await start(api.service, idOf(running));
    const waiting = await create('serial_job');

    const seen = (await status(waiting)).queue?.waiting_for;
    const unseen = (await status(waiting, 'manager')).queue?.waiting_for;

    // The archivist may view repository 3, the manager may not.
    const told = { job_type: 'serial_job', since: expect.stringMatching(/ UTC$/) };
    expect(seen).toEqual([
      { reason: 'type_is_running', holders: [{ visible: true, id: idOf(running), uri: running, ...told }] },
    ]);
    expect(unseen).toEqual([{ reason: 'type_is_running', holders: [{ visible: false, ...told }] }]);
  });

  test('says that all slots are taken, by whom, and that older jobs come first', async () => {
    const running = [await create(), await create()];
    for (const uri of running) await start(api.service, idOf(uri));
    const older = await create();
    const waiting = await create();

    expect((await status(older)).queue).toMatchObject({ position: 0, waiting_for: [{ reason: 'no_free_slot' }] });
    expect((await status(waiting)).queue).toMatchObject({
      position: 1,
      more: false,
      slots: { limit: 2, free: 0, paused: false },
      waiting_for: [
        { reason: 'no_free_slot', holders: running.map((uri) => ({ uri })) },
        { reason: 'older_jobs_first' },
      ],
    });
  });

  test('says that the queue is paused, or may run nothing', async () => {
    const { table } = api.service;
    const uri = await create();
    const set = (what: Record<string, boolean | number>) =>
      commit(table, { op: 'update', key: keys.settings, set: what, when: [] });

    await set({ paused: true });
    const paused = await status(uri);
    await set({ paused: false, limit: 0 });
    const none = await status(uri);

    expect(paused.queue).toMatchObject({ slots: { paused: true }, waiting_for: [{ reason: 'paused' }] });
    expect(none.queue).toMatchObject({ slots: { limit: 0, free: 0 }, waiting_for: [{ reason: 'limit_is_zero' }] });
  });

  test.each(['status', 'events', 'files', 'files/1'])(
    '%s of a job of another repository is not found',
    async (what) => {
      const uri = await create('plain_job', 'admin', 3);
      const asked = `${jobs}/${idOf(uri)}/${what}`;

      expect((await send('admin', 'GET', asked)).body).toEqual({ error: 'Job not found' });
      expect((await send('manager', 'GET', `${uri}/${what}`)).status).toBe(403);
    },
  );
});

test('the queue says what a job that is submitted now would find', async () => {
  const running = await create('serial_job');
  await start(api.service, idOf(running));
  await create();
  await create('serial_job', 'admin', 3);

  const { body, headers } = await send<QueueReply>('manager', 'GET', `${jobs}/queue?type=serial_job`);

  expect(body).toEqual({
    slots: { limit: 2, free: 1, paused: false },
    queued: 2,
    more: false,
    by_type: { plain_job: 1, serial_job: 1 },
    running: [{ visible: true, id: idOf(running), uri: running, job_type: 'serial_job', since: expect.any(String) }],
    waiting_for: [{ reason: 'type_is_running', holders: [expect.anything()] }, { reason: 'older_jobs_first' }],
  });
  expect(headers.get('etag')).toMatch(/^"/);
});

describe('the events of a job', () => {
  const events = async (uri: string, username = 'archivist') =>
    (await send<EventsReply>(username, 'GET', `${uri}/events`)).body.events;

  test('say in order who created and canceled it, and how it ended', async () => {
    const uri = await create();
    const job = await start(api.service, idOf(uri));
    await commit(api.service.table, claimSegment(job, 1, 'claim', Date.now() + 60_000));
    await send('manager', 'POST', `${uri}/cancel`);
    await end(api.service, job, 'canceled');

    expect(await events(uri)).toMatchObject([
      { event: 'created', by: 'archivist' },
      { event: 'started' },
      { event: 'cancel_requested', by: 'manager' },
      { event: 'finished', status: 'canceled' },
    ]);
  });

  test('say why it failed', async () => {
    const uri = await create();
    await runThrough(api.service, uri, 'failed');

    expect((await events(uri)).at(-1)).toMatchObject({ event: 'finished', failure: { kind: 'runner_error' } });
  });

  test('of a deleted job say who deleted it, to those who may view its repository', async () => {
    const uri = await create();
    await send('archivist', 'POST', `${uri}/cancel`);
    await send('manager', 'DELETE', uri);

    expect((await send('manager', 'GET', uri)).status).toBe(404);
    expect(await events(uri, 'manager')).toMatchObject([
      { event: 'cancel_requested', by: 'archivist' },
      { event: 'deleted', by: 'manager' },
    ]);
    expect((await send('archivist', 'GET', `/repositories/3/jobs/${idOf(uri)}/events`)).status).toBe(404);
  });
});

describe('a job that is made from an old one', () => {
  async function withFiles(): Promise<string> {
    const { body, text } = await (await as('archivist')).upload(
      { jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: ['é.xml', 'b.xml'] },
      [
        { field: 'files[0]', name: 'é.xml', content: '<ead>1</ead>' },
        { field: 'files[1]', name: 'b.xml', content: '<ead>2</ead>' },
      ],
    );
    expect(body.uri, text).toBeDefined();
    return body.uri;
  }

  test('has its parameters and files, is of whoever asks, and says from which it is', async () => {
    const old = await withFiles();
    await runThrough(api.service, old, 'failed', { files: [{ name: 'report.txt', content: 'r' }] });

    const made = await send<RerunReply>('admin', 'POST', `${old}/rerun`);

    const { uri } = made.body;
    expect(made.body).toEqual({ ...made.body, status: 'Created', lock_version: 0, rerun_of: old });
    const [was, is] = [await (await as('admin')).show(old), await (await as('admin')).show(uri)];
    expect(is).toMatchObject({
      status: 'queued',
      owner: 'admin',
      job: was['job'],
      rerun_of: old,
    } as Partial<WireJob>);
    const { files } = (await send<FilesReply>('admin', 'GET', `${uri}/files`)).body;
    expect(files).toMatchObject([
      { id: 1, name: 'é.xml', size: 12, kind: 'input', url: `${uri}/output_files/1` },
      { id: 2, name: 'b.xml', size: 12, kind: 'input' },
    ]);
    expect((await send<string>('admin', 'GET', files[1]?.url ?? '')).text).toBe('<ead>2</ead>');
    expect((await send<EventsReply>('admin', 'GET', `${uri}/events`)).body.events).toMatchObject([
      { event: 'created', by: 'admin', rerun_of: old },
    ]);
    expect(await status(uri)).toMatchObject({ rerun_of: old });
  });

  test('asks for the permissions to create one, of the type too', async () => {
    const imports = await withFiles();
    const hidden = await create('hidden_job', 'admin');

    expect((await send('viewer', 'POST', `${imports}/rerun`)).status).toBe(403);
    expect((await send('archivist', 'POST', `${hidden}/rerun`)).body).toMatchObject({
      error: 'Access denied',
      missing_permissions: ['manage_repository'],
    });
    expect((await send('admin', 'POST', `/repositories/3/jobs/${idOf(imports)}/rerun`)).status).toBe(404);
  });

  test('is made once for one Idempotency-Key', async () => {
    const old = await create();
    const again = () =>
      send<RerunReply>('archivist', 'POST', `${old}/rerun`, { headers: { 'idempotency-key': `again-${old}` } });

    const made = await Promise.all([again(), again()]);

    expect(made[1].body).toEqual(made[0].body);
    expect(made[0].body.rerun_of).toBe(old);
  });
});

describe('the log', () => {
  const log = async (uri: string, offset: number) => {
    const { text, headers } = await send<string>('archivist', 'GET', `${uri}/log?offset=${offset}`);
    return [text, ...['next', 'end', 'complete'].map((name) => headers.get(`x-job-log-${name}`))];
  };

  test('says where it ends, and whether more will come', async () => {
    const uri = await create();
    expect(await log(uri, 0)).toEqual(['', '0', '0', 'false']);
    const job = await start(api.service, idOf(uri));
    await writeAs(api.service, job, { log: 'čaj\n' });
    expect(await log(uri, 2)).toEqual(['aj\n', '5', '5', 'false']);
    expect(await log(uri, 5)).toEqual(['', '5', '5', 'false']);
    expect(await log(uri, 99)).toEqual(['', '99', '5', 'false']);
    const bytes = new Uint8Array(Buffer.from('more\n'));
    await commit(api.service.table, append(keys.log(job.type, job.id, 5), job.token, 1, { size: 5, bytes }));
    await end(api.service, job, 'completed', { log: '' });

    // The job recorded an end of 0 bytes: nothing beyond counts.
    expect(await log(uri, 0)).toEqual(['', '0', '0', 'true']);
  });

  test('of a job that has ended is complete', async () => {
    const uri = await create();
    await runThrough(api.service, uri, 'completed', { log: 'all of it\n' });

    expect(await log(uri, 4)).toEqual(['of it\n', '10', '10', 'true']);
  });
});

test('the listing of files tells inputs from outputs, and gives links that need no session', async () => {
  const uri = await create();
  const content = 'name,count\n';
  await runThrough(api.service, uri, 'completed', {
    files: [{ name: 'r "1".csv', contentType: 'text/csv', content }],
  });

  const { files } = (await send<FilesReply>('viewer', 'GET', `${uri}/files`)).body;
  const link = (await send<{ link: string }>('viewer', 'GET', `${uri}/files/1`)).body;
  const followed = await fetch(link.link);

  expect(files).toEqual([
    { id: 1, name: 'r "1".csv', size: 11, content_type: 'text/csv', kind: 'output', url: `${uri}/output_files/1` },
  ]);
  expect(link).toMatchObject({ ...files[0], link: expect.any(String), expires: expect.stringMatching(/ UTC$/) });
  expect(await followed.text()).toBe(content);
  expect(followed.headers.get('content-disposition')).toMatch(/^attachment; filename="r _1_\.csv"/);
  expect((await send('viewer', 'GET', `${uri}/files/2`)).status).toBe(404);
});

test('an entry of the queue is in the index as long as it is queued', async () => {
  const uri = await create();
  const queued = async () => {
    const found: unknown[] = [];
    for await (const item of query(api.service.table, 'QUEUE', { index: 'by-repo' })) found.push(item['id']);
    return found;
  };

  expect(await queued()).toContain(idOf(uri));
  await start(api.service, idOf(uri));
  expect(await queued()).not.toContain(idOf(uri));
});

describe('a type that says which files its jobs take', () => {
  const sheet = (files: FileRules): TypeRegistration => ({
    type: 'sheet_job',
    schema: { type: 'object', title: 'Sheets' },
    version: '1',
    hidden: false,
    createPermissions: [],
    cancelPermissions: [],
    graceSeconds: 30,
    concurrent: false,
    presentation: { description: 'Counts sheets.', translations: { de: { title: 'Blätter' } } },
    files,
  });
  const register = (files: FileRules) =>
    registerTypes(api.service.table, { owner: 'sheets', runner: 'arn:runner', types: [sheet(files)] }, Date.now());
  const job = { job: { jsonmodel_type: 'sheet_job' } };
  const byForm = (...files: readonly (readonly [name: string, content: string])[]) => {
    const body = new FormData();
    body.set('job', JSON.stringify(job));
    for (const [name, content] of files) body.append('files[]', new Blob([content]), name);
    return send<CreatedReply>('archivist', 'POST', `${jobs}_with_files`, { body });
  };
  const ahead = async (name: string, type: string) => {
    const sum = createHash('sha256').update('a,b').digest('hex');
    const asked = { name, size: 3, sha256: sum, content_type: type };
    const { body: place } = await send<UploadReply>('archivist', 'POST', `${jobs}/uploads`, { body: asked });
    await fetch(place.url, { method: 'PUT', headers: place.headers, body: 'a,b' });
    return send<CreatedReply>('archivist', 'POST', jobs, { body: { ...job, uploads: [place.upload_id] } });
  };
  const another = (name: string) => ({
    error: { files: [`${name} is not a file that sheet_job takes: .csv, text/csv`] },
  });

  // The API reads the types again after a while.
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
    vi.setSystemTime(Date.now() + 60_000);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('takes them by form, by upload and from an old job, and no others', async () => {
    await register({ max: 2, max_bytes: 10, types: ['.csv', 'text/csv'] });

    const made = await byForm(['a.csv', 'a,b'], ['B.CSV', 'c']);

    expect(made.status, made.text).toBe(200);
    expect((await ahead('a', 'text/csv')).status).toBe(200);
    expect(await byForm(['a.csv', 'a,b'], ['b.pdf', 'x'])).toMatchObject({ status: 400, body: another('b.pdf') });
    expect(await ahead('c.xml', 'text/xml')).toMatchObject({ status: 400, body: another('c.xml') });
    expect(await byForm(['a.csv', 'a'], ['b.csv', 'b'], ['c.csv', 'c'])).toMatchObject({
      status: 400,
      body: { error: { files: ['At most 2 files, not 3'] } },
    });
    const large = await byForm(['a.csv', 'a'], ['b.csv', '0123456789']);
    expect(large.status).toBe(413);
    expect(large.text).toContain('at most 10 bytes together; these are 11, the largest is b.csv with 10.');

    await register({ max: 1 });
    vi.setSystemTime(Date.now() + 60_000);
    expect(await send('archivist', 'POST', `${made.body.uri}/rerun`)).toMatchObject({
      status: 400,
      body: { error: { files: ['At most 1 file, not 2'] } },
    });
  });

  test('says so in the list of types, with its words; one registered before that has those of its schema', async () => {
    await register({ max: 2 });

    const { types } = (await send<TypesReply>('viewer', 'GET', `${jobs}/types`)).body;

    expect(types.find(({ type }) => type === 'sheet_job')).toStrictEqual({
      type: 'sheet_job',
      hidden: false,
      create_permissions: [],
      cancel_permissions: [],
      title: 'Sheets',
      description: 'Counts sheets.',
      translations: { de: { title: 'Blätter' } },
      files: { max: 2 },
      schema: { type: 'object', title: 'Sheets' },
    });
    expect(types.find(({ type }) => type === 'serial_job')).not.toHaveProperty('title');
  });
});
