import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { maxFileBytes, maxUploads } from '../../core/limits.ts';
import type { CreatedReply, FilesReply, UploadReply } from '../../schemas/extensions.ts';
import { call } from '../helpers/call.ts';
import { items, type Person, useService } from '../helpers/stack.ts';

// Files that are sent ahead of their job, over the whole local stack: its S3 checks signatures as AWS does.

const stack = useService();
let archivist: Person;
beforeAll(async () => {
  archivist = await stack.as('archivist');
});
const jobs = '/repositories/2/jobs';
const send = async <Body>(username: string, path: string, body: unknown, headers: Record<string, string> = {}) =>
  call<Body>(stack.service.apiUrl, await stack.as(username), 'POST', path, { body, headers });
const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest();

/** Asks for a place for this content. */
async function announce(content: string, more: Record<string, unknown> = {}, username = 'archivist', path = jobs) {
  const size = Buffer.byteLength(content);
  const sum = sha256(content).toString('base64');
  return send<UploadReply>(username, `${path}/uploads`, { name: 'a.xml', size, sha256: sum, ...more });
}

const put = ({ url, headers }: UploadReply, content: string, more: Record<string, string> = {}) =>
  fetch(url, { method: 'PUT', body: content, headers: { ...headers, ...more } });

async function sent(content: string, more: Record<string, unknown> = {}): Promise<string> {
  const { body, text } = await announce(content, more);
  const response = await put(body, content);
  expect(response.status, `${text} ${await response.text()}`).toBe(200);
  return body.upload_id;
}

/** Creates a job of a type that does not start while the tests look at it: nothing of it is run that could fail. */
const create = (uploads: unknown, username = 'archivist', path = jobs, headers: Record<string, string> = {}) =>
  send<CreatedReply>(username, path, { job: { jsonmodel_type: 'quick_job' }, uploads }, headers);

const storedJobs = async () => (await items(stack.service)).filter(({ sk }) => sk === 'JOB').length;

describe('a file that is sent ahead', () => {
  test('is read by the job that names it, whole and under its name', async () => {
    const ead = readFileSync('examples/novak-tanaka.xml', 'utf8');
    const upload = await sent(ead, { name: 'dir/Novák.xml', content_type: 'application/xml' });

    const made = await send<CreatedReply>('archivist', jobs, {
      job: { jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: ['Novák.xml'] },
      uploads: [upload],
    });
    const { uri } = made.body;
    await archivist.until(uri, 'completed', 20_000);

    const { files } = (await archivist.get<FilesReply>(`${uri}/files`)).body;
    const input = files.filter(({ kind }) => kind === 'input');
    expect(input).toEqual([
      {
        id: 1,
        name: 'Novák.xml',
        size: Buffer.byteLength(ead),
        content_type: 'application/xml',
        kind: 'input',
        url: `${uri}/output_files/1`,
      },
    ]);
    const { body: link } = await archivist.get<{ link: string }>(`${uri}/files/1`);
    expect(sha256(new Uint8Array(await (await fetch(link.link)).arrayBuffer()))).toEqual(sha256(ead));
  });

  test('may be larger than what a form takes, and is read in the order in which it is named', async () => {
    const large = 'x'.repeat(5 * 1024 * 1024);
    const ids = [await sent('first', { name: '1.txt' }), await sent(large, { name: '2.txt' })];

    const { body } = await create(ids.toReversed());

    const { files } = (await archivist.get<FilesReply>(`${body.uri}/files`)).body;
    expect(files.slice(0, 2)).toMatchObject([
      { name: '2.txt', size: large.length },
      { name: '1.txt', size: 5 },
    ]);
  });

  test('goes with files of a form', async () => {
    const form = new FormData();
    const uploads = [await sent('ahead', { name: 'ahead.txt' })];
    form.set('job', JSON.stringify({ job: { jsonmodel_type: 'quick_job' }, uploads }));
    form.append('files[0]', new Blob(['within']), 'within.txt');

    const { body } = await call<CreatedReply>(stack.service.apiUrl, archivist, 'POST', `${jobs}_with_files`, {
      body: form,
    });

    const { files } = (await archivist.get<FilesReply>(`${body.uri}/files`)).body;
    expect(files.map(({ name }) => name)).toEqual(['within.txt', 'ahead.txt']);
  });

  test('may name its checksum in hex', async () => {
    const content = 'hex';
    const { body } = await announce(content, { sha256: sha256(content).toString('hex') });

    expect((await put(body, content)).status).toBe(200);
  });

  test('is taken once, however many jobs name it at once', async () => {
    const upload = await sent('once');
    const before = await storedJobs();

    const answers = await Promise.all([1, 2, 3, 4].map(() => create([upload])));

    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409]);
    expect((await create([upload])).status).toBe(409);
    expect(await storedJobs()).toBe(before + 1);
  });

  test('is taken once by a create that is repeated under its Idempotency-Key', async () => {
    const upload = await sent('repeated');
    const again = () => create([upload], 'archivist', jobs, { 'Idempotency-Key': upload });

    const answers = [await again(), await again(), ...(await Promise.all([again(), again()]))];

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });

  test('cannot be changed after it was sent, not even before its job is created', async () => {
    const { body } = await announce('good');
    await put(body, 'good');

    const replaced = await put(body, 'good');

    expect(replaced.status).toBe(412);
    expect((await create([body.upload_id])).status).toBe(200);
  });
});

describe('the bucket refuses', () => {
  test.each<[string, string, (place: UploadReply) => Promise<Response>, number]>([
    ['other content of the same length', 'good', (place) => put(place, 'evil'), 400],
    ['longer content', 'good', (place) => put(place, 'good and more'), 403],
    ['shorter content', 'good', (place) => put(place, 'go'), 403],
    [
      'another checksum',
      'good',
      (place) => put(place, 'evil', { 'x-amz-checksum-sha256': sha256('evil').toString('base64') }),
      403,
    ],
    [
      'leave to overwrite',
      'good',
      ({ url, headers: { 'if-none-match': _, ...rest } }) => fetch(url, { method: 'PUT', body: 'good', headers: rest }),
      403,
    ],
    [
      'no checksum',
      'good',
      ({ url, headers: { 'x-amz-checksum-sha256': _, ...rest } }) =>
        fetch(url, { method: 'PUT', body: 'good', headers: rest }),
      403,
    ],
    ['another key', 'good', (place) => put({ ...place, url: place.url.replace('/uploads/', '/inputs/') }, 'good'), 403],
    ['reading', 'good', ({ url }) => fetch(url), 403],
  ])('%s', async (_, content, attempt, status) => {
    const { body } = await announce(content);

    const response = await attempt(body);

    expect(response.status, await response.text()).toBe(status);
    expect((await create([body.upload_id])).text).toContain('has not been sent');
  });
});

describe('a create is refused, and stores nothing, when it names', () => {
  test.each<[string, () => Promise<unknown>, string]>([
    ['an upload that nobody announced', async () => ['AAAAAAAAAAAAAAAAAAAAAAAA'], 'No upload'],
    ['an upload that was not sent', async () => [(await announce('never')).body.upload_id], 'has not been sent'],
    ['an upload of somebody else', async () => [await sentBy('data-entry', jobs)], 'No upload'],
    ['an upload twice', async () => Array(2).fill(await sent('twice')), 'once'],
    ['more uploads than a job takes', async () => Array.from({ length: maxUploads + 1 }, (_, i) => `u${i}`), 'At most'],
    ['uploads that are no list', async () => 'all of them', 'Must be an array'],
    ['an upload that is a path', async () => ['../inputs/import_job/1/0'], 'pattern'],
  ])('%s', async (_, uploads, problem) => {
    const named = await uploads();
    const before = await storedJobs();

    const { status, text } = await create(named);

    expect([status, text]).toEqual([400, expect.stringContaining(problem)]);
    expect(await storedJobs()).toBe(before);
  });

  test('an upload of the same user in another repository', async () => {
    const upload = await sentBy('admin', '/repositories/3/jobs');

    expect((await create([upload], 'admin')).status).toBe(400);
    expect((await create([upload], 'admin', '/repositories/3/jobs')).status).toBe(200);
  });
});

async function sentBy(username: string, path: string): Promise<string> {
  const content = `of ${username}`;
  const { body } = await announce(content, {}, username, path);
  await put(body, content);
  return body.upload_id;
}

describe('a place for a file', () => {
  test('says how to send it, and for how long', async () => {
    const { status, body } = await announce('content');

    expect(status).toBe(200);
    expect(body).toEqual({
      upload_id: expect.stringMatching(/^[\w-]{32}$/),
      method: 'PUT',
      url: expect.stringContaining(`/uploads/${body.upload_id}?`),
      headers: { 'if-none-match': '*', 'x-amz-checksum-sha256': sha256('content').toString('base64') },
      expires: expect.stringMatching(/ UTC$/),
    });
    const { searchParams } = new URL(body.url);
    expect(searchParams.get('X-Amz-Expires')).toBe('900');
    expect(searchParams.get('X-Amz-SignedHeaders')?.split(';').sort()).toEqual([
      'content-length',
      'host',
      'if-none-match',
      'x-amz-checksum-sha256',
    ]);
  });

  test('is noted for a day', async () => {
    const { body } = await announce('noted');
    const note = (await items(stack.service)).find(({ pk }) => pk === `UPLOAD#${body.upload_id}`);
    const seconds = Number(note?.['expires']) - Date.now() / 1000;

    expect(seconds).toBeGreaterThan(86_000);
    expect(seconds).toBeLessThan(86_500);
  });

  const good = { name: 'a', size: 1, sha256: sha256('a').toString('hex') };
  test.each<[string, unknown, string]>([
    ['no name', { ...good, name: undefined }, 'name'],
    ['an empty name', { ...good, name: '' }, 'name'],
    ['a name that is no text', { ...good, name: ['a'] }, 'name'],
    ['no size', { ...good, size: undefined }, 'size'],
    ['a size in words', { ...good, size: 'large' }, 'size'],
    ['a size below nothing', { ...good, size: -1 }, 'size'],
    ['a size that is too large', { ...good, size: maxFileBytes + 1 }, 'size'],
    ['no checksum', { ...good, sha256: undefined }, 'sha256'],
    ['a checksum that is too short', { ...good, sha256: 'abc' }, 'sha256'],
    ['a checksum with a line break', { ...good, sha256: `${'a'.repeat(43)}\n` }, 'sha256'],
    ['a type with a line break', { ...good, content_type: 'text/csv\r\nx: y' }, 'content_type'],
  ])('is refused for %s, by name of the field', async (_, body, field) => {
    const answer = await send<{ error: Record<string, string[]> }>('archivist', `${jobs}/uploads`, body);

    expect([answer.status, Object.keys(answer.body.error)]).toEqual([400, [field]]);
  });

  test.each(['[]', 'null', '"a"', '{', ''])('is refused for the body %j', async (body) => {
    expect((await archivist.post(`${jobs}/uploads`, body)).status).toBe(400);
  });

  test('needs create_job', async () => {
    expect((await announce('x', {}, 'viewer')).status).toBe(403);
  });
});

test('a form that is too large names the way for larger files', async () => {
  const form = new FormData();
  form.set('job', JSON.stringify({ job: { jsonmodel_type: 'quick_job' } }));
  form.append('files[0]', new Blob(['x'.repeat(4 * 1024 * 1024)]), 'large.txt');

  const { status, text } = await call(stack.service.apiUrl, archivist, 'POST', `${jobs}_with_files`, { body: form });

  expect([status, text]).toEqual([413, expect.stringContaining('/jobs/uploads')]);
});
