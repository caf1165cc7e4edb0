import { beforeEach, describe, expect, test } from 'vitest';
import { keys } from '../../core/table.ts';
import { type Person, person, type WireJob, withSession } from '../helpers/stack.ts';
import { clear, idOf, runThrough, under, useApi } from './service.ts';

// ArchivesSpace: backend/app/controllers/job.rb, POST jobs and jobs_with_files; common/schemas/job.rb.

const api = useApi();
let archivist: Person;
beforeEach(async () => {
  archivist ??= await person(api.service.url, 'archivist');
  await clear(api.service);
});
const jobs = '/repositories/2/jobs';
const wrapper = (type: string, params: Record<string, unknown> = {}, more: Record<string, unknown> = {}) => ({
  jsonmodel_type: 'job',
  job: { jsonmodel_type: type, ...params },
  ...more,
});
const made = async (body: unknown) => {
  const { status, body: answer, text } = await archivist.post<{ uri: string; id: number }>(jobs, body);
  expect(status, text).toBe(200);
  return archivist.show(answer.uri);
};

describe('POST /repositories/:repo_id/jobs', () => {
  test('answers 200 with status Created, id, lock_version 0, stale null, uri and no warnings', async () => {
    const { status, body } = await archivist.post<{ id: number }>(jobs, wrapper('plain_job', { source: '/x/1' }));

    expect(status).toBe(200);
    expect(body).toEqual({
      status: 'Created',
      id: expect.any(Number),
      lock_version: 0,
      stale: null,
      uri: `/repositories/2/jobs/${body.id}`,
      warnings: [],
    });
  });

  test('ids are whole numbers that grow', async () => {
    const first = idOf((await made(wrapper('plain_job'))).uri);

    expect(idOf((await made(wrapper('plain_job'))).uri)).toBe(first + 1);
  });

  test('the job type is taken from job.jsonmodel_type', async () => {
    expect(await made(wrapper('plain_job', {}, { job_type: 'import_job' }))).toMatchObject({ job_type: 'plain_job' });
  });

  test('a new job is queued, and belongs to whoever asked', async () => {
    expect(await made(wrapper('plain_job'))).toMatchObject({
      status: 'queued',
      owner: 'archivist',
      created_by: 'archivist',
      lock_version: 0,
    });
  });

  test('readonly fields from clients are ignored', async () => {
    const readonly = {
      status: 'completed',
      owner: 'admin',
      time_submitted: '2001-01-01 00:00:00 UTC',
      time_started: 'x',
      time_finished: 'x',
      queue_position: 99,
      has_modified_records: true,
      inactive_record: true,
      lock_version: 7,
      uri: '/repositories/3/jobs/1',
    };

    const job = await made(wrapper('plain_job', {}, readonly));

    expect(job).toMatchObject({
      status: 'queued',
      owner: 'archivist',
      queue_position: 0,
      has_modified_records: false,
      inactive_record: false,
      lock_version: 0,
    });
    expect(job['time_submitted']).not.toMatch(/^2001/);
    expect(job).not.toHaveProperty('time_started');
  });

  test.each([
    ['an empty string', ''],
    ['null', null],
    ['an empty map', {}],
  ])('%s counts as missing', async (_what, value) => {
    expect(await archivist.post(jobs, wrapper('replace_job', { find: value, replace: 'x' }))).toMatchObject({
      status: 400,
      body: { error: { find: ['Property is required but was missing'] } },
    });
  });

  test('an empty string where the schema says minLength 0 is a value', async () => {
    const job = await made(wrapper('replace_job', { find: 'a', replace: '', note: '' }));

    expect(job['job']).toEqual({ jsonmodel_type: 'replace_job', find: 'a', replace: '' });
  });

  test('unknown properties inside job are accepted, stored, and left out when it is read', async () => {
    const job = await made(wrapper('plain_job', { source: '/x/1', whatever: 5 }));

    expect(job['job']).toEqual({ jsonmodel_type: 'plain_job', source: '/x/1', format: 'tsv' });
    const [stored] = await under(api.service, keys.job(idOf(job.uri)).pk);
    expect(JSON.parse(String(stored?.['params']))).toMatchObject({ whatever: 5 });
  });

  test('defaults of the schema are not stored, and applied when it is read', async () => {
    const job = await made(wrapper('plain_job'));

    expect(job['job']).toEqual({ jsonmodel_type: 'plain_job', format: 'tsv' });
    const [stored] = await under(api.service, keys.job(idOf(job.uri)).pk);
    expect(JSON.parse(String(stored?.['params']))).toEqual({ jsonmodel_type: 'plain_job' });
  });

  test('a type nobody registered is 404', async () => {
    expect(await archivist.post(jobs, wrapper('foo_job'))).toMatchObject({
      status: 404,
      body: { error: 'No runner found for foo_job' },
    });
  });

  test.each([
    ['a body without job', {}, { job: ['Property is required but was missing'] }],
    ['a job that is a string', { job: 'x' }, { job: ['Must be an object (you provided a String)'] }],
    ['a job that is a list', { job: [1] }, { job: ['Must be an object (you provided a Array)'] }],
    [
      'a job without a type',
      { job: { source: 'x' } },
      { 'job/jsonmodel_type': ['Property is required but was missing'] },
    ],
    [
      'job_params that are no string',
      wrapper('plain_job', {}, { job_params: { a: 1 } }),
      { job_params: ['Must be a string (you provided a Hash)'] },
    ],
    [
      'a parameter of another kind',
      wrapper('plain_job', { source: 5 }),
      { source: ['Must be a string (you provided a Integer)'] },
    ],
    [
      'a nested parameter',
      wrapper('plain_job', { nested: { deep: true } }),
      { 'nested/deep': ['Must be a string (you provided a TrueClass)'] },
    ],
    [
      'too few entries',
      wrapper('import_job', { import_type: 'ead_xml', filenames: [] }),
      { filenames: ['At least 1 item(s) is required'] },
    ],
    [
      'a word of no list',
      wrapper('import_job', { import_type: 'x', filenames: ['a'] }),
      { import_type: ["Invalid value 'x'.  Must be one of: ead_xml"] },
    ],
  ])('%s is 400, by path of the field, with the object as Ruby shows it', async (_what, body, error) => {
    const refused = await archivist.post(jobs, body);

    expect(refused).toMatchObject({ status: 400, body: { error, warning: null } });
    expect((refused.body as { invalid_object: string }).invalid_object).toMatch(/^#<JSONModel\(:\w+\) \{/);
  });

  test('JSON that cannot be parsed is 400', async () => {
    expect(await archivist.post(jobs, '{"job":')).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(/^Had some trouble parsing your request: /) },
    });
  });

  test('a job in a repository that does not exist is 400', async () => {
    expect(await archivist.post('/repositories/99/jobs', wrapper('plain_job'))).toMatchObject({
      status: 400,
      body: { error: { repo_id: ['Failed validation -- The Repository must exist'] } },
    });
  });

  test('an unauthorised caller with a bad body sees 400, not 403', async () => {
    const viewer = await person(api.service.url, 'viewer');

    expect((await viewer.post(jobs, {})).status).toBe(400);
    expect((await viewer.post(jobs, '{')).status).toBe(400);
    expect((await viewer.post(jobs, wrapper('plain_job', { source: 5 }))).status).toBe(403);
  });

  test('create_job and each of the type’s create permissions are needed', async () => {
    const as = async (who: string) => (await person(api.service.url, who)).post(jobs, wrapper('hidden_job'));

    expect(await as('viewer')).toMatchObject({ status: 403, body: { missing_permissions: ['create_job'] } });
    expect(await as('archivist')).toMatchObject({ status: 403, body: { missing_permissions: ['manage_repository'] } });
    expect(await as('admin')).toMatchObject({ status: 200 });
  });

  test('the type’s permissions are asked before its schema', async () => {
    const entry = await person(api.service.url, 'data-entry');

    expect((await entry.post(jobs, wrapper('import_job', { filenames: 'x' }))).status).toBe(403);
  });

  test('import_job without any file is accepted', async () => {
    expect(await made(wrapper('import_job', { import_type: 'ead_xml', filenames: ['a.xml'] }))).toMatchObject({
      status: 'queued',
    });
  });
});

describe('job_params', () => {
  test('is a string of JSON, and comes back encoded once more', async () => {
    expect(await made(wrapper('plain_job', {}, { job_params: '{"rid":5}' }))).toMatchObject({
      job_params: '"{\\"rid\\":5}"',
    });
  });

  test('the word null of the staff UI becomes an empty string', async () => {
    expect(await made(wrapper('plain_job', {}, { job_params: 'null' }))).toMatchObject({ job_params: '""' });
  });

  test('is absent where none was given', async () => {
    expect(await made(wrapper('plain_job'))).not.toHaveProperty('job_params');
  });

  test('what one GET gave can be sent again', async () => {
    const first = await made(wrapper('plain_job', {}, { job_params: '{"a":"b\\\\c \\"d\\""}' }));
    const again = await made(wrapper('plain_job', {}, { job_params: first['job_params'] }));

    expect(JSON.parse(JSON.parse(String(again['job_params'])) as string)).toBe('{"a":"b\\\\c \\"d\\""}');
  });

  test('may be longer than 255 characters', async () => {
    const long = JSON.stringify({ x: 'y'.repeat(2_000) });

    expect(JSON.parse(String((await made(wrapper('plain_job', {}, { job_params: long })))['job_params']))).toBe(long);
  });
});

describe('POST /repositories/:repo_id/jobs_with_files', () => {
  const importing = (names: readonly string[]) => ({
    jsonmodel_type: 'import_job',
    import_type: 'ead_xml',
    filenames: names,
  });
  const contents = async (uri: string) => {
    const { body: ids } = await archivist.get<number[]>(`${uri}/output_files`);
    return Promise.all(ids.map(async (id) => (await archivist.get<string>(`${uri}/output_files/${id}`)).text));
  };

  test('takes job as JSON text and files[0], files[1], … in the order of their numbers', async () => {
    const numbers = Array.from({ length: 12 }, (_, n) => n);
    const files = [11, 2, 0, 1, 10, 3, 4, 5, 6, 7, 8, 9].map((n) => ({
      field: `files[${n}]`,
      name: `${n}.xml`,
      content: `file ${n}`,
    }));

    const { status, body } = await archivist.upload(importing(numbers.map((n) => `${n}.xml`)), files);

    expect(status).toBe(200);
    expect(await contents(body.uri)).toEqual(numbers.map((n) => `file ${n}`));
  });

  test('takes files[] in their order', async () => {
    const files = ['a', 'b', 'c'].map((name) => ({ field: 'files[]', name, content: name }));

    expect(await contents((await archivist.upload(importing(['a', 'b', 'c']), files)).body.uri)).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  test('takes job with a content type of its own', async () => {
    const form = new FormData();
    form.set('job', new Blob([JSON.stringify({ job: importing(['a']) })], { type: 'application/json' }));
    form.set('files[0]', new Blob(['x']), 'a.xml');
    const headers = archivist.headers();

    const answer = await fetch(`${api.service.url}${jobs}_with_files`, { method: 'POST', body: form, headers });

    expect(answer.status).toBe(200);
  });

  test('without job or files is 400', async () => {
    const form = new FormData();
    form.set('x', 'y');
    const headers = archivist.headers();

    const answer = await fetch(`${api.service.url}${jobs}_with_files`, { method: 'POST', body: form, headers });

    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({
      error: {
        job: ['Parameter required but no value provided'],
        files: ['Parameter required but no value provided'],
      },
    });
  });

  test('a plain files part is not one of a list', async () => {
    expect(await archivist.upload(importing(['a']), [{ field: 'files', name: 'a', content: 'x' }])).toMatchObject({
      status: 400,
      body: { error: { files: ['Parameter required but no value provided'] } },
    });
  });

  test('two files of one number are refused: which one was meant is not known', async () => {
    const files = ['a', 'b'].map((name) => ({ field: 'files[0]', name, content: name }));

    expect(await archivist.upload(importing(['a', 'b']), files)).toMatchObject({ status: 400 });
  });

  test('needs what creating needs', async () => {
    const files = [{ field: 'files[0]', name: 'a', content: 'x' }];
    const as = async (who: string) => (await person(api.service.url, who)).upload(importing(['a']), files);

    expect((await as('viewer')).status).toBe(403);
    expect((await as('data-entry')).status).toBe(403);
    expect((await withSession(api.service.url, undefined).upload(importing(['a']), files)).status).toBe(403);
  });

  test('more than fits into a Lambda is 413, and nothing is stored', async () => {
    const files = [{ field: 'files[0]', name: 'a', content: 'x'.repeat(4_300_000) }];

    expect(await archivist.upload(importing(['a']), files)).toMatchObject({
      status: 413,
      body: { error: expect.stringContaining('at most') },
    });
  });

  test.each([
    ['../../etc/passwd', 'passwd'],
    ['C:\\temp\\a.xml', 'a.xml'],
    ['a%0d%0aSet-Cookie: x=1', 'a%0d%0aSet-Cookie: x=1'],
    ['..', 'file'],
    ['"; filename="evil.exe', '"; filename="evil.exe'],
    ['šílené 茶.xml', 'šílené 茶.xml'],
    ['gpj.\u202Eexe', 'gpj.exe'],
  ])('a file called %j comes back as an attachment that cannot leave its header', async (given, kept) => {
    const boundary = 'b0undary';
    const quoted = given.replaceAll('"', '\\"');
    const body = [
      `--${boundary}\r\nContent-Disposition: form-data; name="job"\r\n\r\n${JSON.stringify({ job: importing(['a']) })}\r\n`,
      `--${boundary}\r\nContent-Disposition: form-data; name="files[0]"; filename="${quoted}"\r\n\r\nx\r\n--${boundary}--\r\n`,
    ].join('');
    const created = await fetch(`${api.service.url}${jobs}_with_files`, {
      method: 'POST',
      body,
      headers: { ...archivist.headers(), 'content-type': `multipart/form-data; boundary=${boundary}` },
    });
    expect(created.status).toBe(200);
    const { uri } = (await created.json()) as { uri: string };

    const { headers } = await archivist.get(`${uri}/output_files/1`);

    const disposition = headers.get('content-disposition') ?? '';
    expect(disposition).toMatch(/^attachment; filename="[^"\\\r\n]*"; filename\*=UTF-8''[\w.!~'()*%-]+$/);
    expect(decodeURIComponent(disposition.split("''")[1] ?? '')).toBe(kept);
    expect(headers.get('set-cookie')).toBeNull();
  });
});

test('a raw line break in a file’s name ends no header of ours', async () => {
  const boundary = 'b0undary';
  const job = JSON.stringify({ job: { jsonmodel_type: 'plain_job' } });
  const body = [
    `--${boundary}\r\nContent-Disposition: form-data; name="job"\r\n\r\n${job}\r\n`,
    `--${boundary}\r\nContent-Disposition: form-data; name="files[0]"; filename="a\r\nSet-Cookie: x=1"\r\n\r\nx\r\n--${boundary}--\r\n`,
  ].join('');
  const headers = { ...archivist.headers(), 'content-type': `multipart/form-data; boundary=${boundary}` };
  const created = await fetch(`${api.service.url}${jobs}_with_files`, { method: 'POST', body, headers });
  const { uri } = (await created.json()) as { uri: string };

  const file = await archivist.get(`${uri}/output_files/1`);

  expect(file.headers.get('content-disposition')).toMatch(
    /^attachment; filename="[^"\r\n]*"; filename\*=UTF-8''[^\r\n]*$/,
  );
  expect(file.headers.get('set-cookie')).toBeNull();
});

test('a job that the service creates is one that a dispatcher can start', async () => {
  const job = await made(wrapper('plain_job'));
  await runThrough(api.service, job.uri);

  expect(await archivist.get<WireJob>(job.uri)).toMatchObject({ body: { status: 'completed' } });
});
