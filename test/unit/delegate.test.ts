// Jobs that ArchivesSpace runs itself: created there once, followed, and brought over. What it answers is made up here.
import { describe, expect, test } from 'vitest';
import { ArchivesSpaceUnavailable } from '../../archivesspace/client.ts';
import { delegate, type Pace } from '../../runners/archivesspace/delegate.ts';
import { manifest } from '../../runners/archivesspace/manifest.ts';
import { pace as shipped } from '../../runners/archivesspace/runner.ts';
import { runForTest, type TestOptions } from '../../runners/sdk/testing.ts';
import { backend, completed, json, running, uri } from './delegate-backend.ts';

const pace: Pace = {
  lookEveryMs: 1,
  lookForMs: 5_000,
  firstWaitSeconds: 5,
  longestWaitSeconds: 60,
  stopForMs: 20,
  silenceMs: 60_000,
};
/** Waits from the first look on. */
const waiting: Pace = { ...pace, lookForMs: 0 };
const params = { jsonmodel_type: 'print_to_pdf_job', source: '/repositories/2/resources/1' };
const fault = new ArchivesSpaceUnavailable('ArchivesSpace could not be reached: GET /repositories/2/jobs/71');

const run = (there: ReturnType<typeof backend>, options: TestOptions = {}, at = pace) =>
  runForTest(delegate(at), {
    params,
    archivesspace: there.answer,
    ...options,
    job: { type: 'print_to_pdf_job', ...options.job },
  });

describe('a job is created in ArchivesSpace', () => {
  test('with its parameters and what was sent beside them', async () => {
    const there = backend([completed]);

    await run(there, {
      params: { report_type: 'r', format: 'csv' },
      jobParams: '{"from":"2020"}',
      job: { type: 'report_job' },
    });

    expect(JSON.parse(there.asked[0]?.body ?? '')).toEqual({
      jsonmodel_type: 'job',
      job: { jsonmodel_type: 'report_job', report_type: 'r', format: 'csv' },
      job_params: '{"from":"2020"}',
    });
  });

  test('with its files, which keep their order where they are sorted by their index as text', async () => {
    const there = backend([completed]);
    const files = Array.from({ length: 11 }, (_, n) => ({
      name: `číslo ${n}.csv`,
      content: `${n}`,
      contentType: 'text/csv',
    }));

    await run(there, { files });

    const [{ bytes, contentType } = {}] = there.to('POST /repositories/2/jobs_with_files');
    const form = await new Response(bytes, { headers: { 'content-type': contentType ?? '' } }).formData();
    expect(JSON.parse(String(form.get('job')))).toMatchObject({ job: params });
    const parts = [...form].flatMap(([name, part]) => (typeof part === 'string' ? [] : [{ name, part }]));
    parts.sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(parts.map(({ part }) => part.name)).toEqual(files.map(({ name }) => name));
    expect(await parts[10]?.part.text()).toBe('10');
  });

  test.each([
    ['a text', 'colour', '\\9'],
    ['an expression with eight groups', `/${'(a)'.repeat(8)}/`, '\\9'],
  ])('with a replacement that stands for nothing, where %s is to be deleted', async (_, find, replace) => {
    const there = backend([completed]);

    await run(there, { params: { find, replace: '' }, job: { type: 'find_and_replace_job' } });

    expect(JSON.parse(there.asked[0]?.body ?? '')).toMatchObject({ job: { find, replace } });
  });

  test('not at all, where an expression with nine groups is to be deleted', async () => {
    const there = backend([completed]);

    const { outcome, reason } = await run(there, {
      params: { find: `/${'(a)'.repeat(9)}/`, replace: '' },
      job: { type: 'find_and_replace_job' },
    });

    expect({ outcome, reason, asked: there.asked }).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('nine groups'),
      asked: [],
    });
  });

  test.each<[string, Response | Error, RegExp]>([
    [
      '400 with messages',
      json(
        { error: { source: ['Property is required but was missing'], format: ['Must be a string'] }, warning: null },
        400,
      ),
      /refused the job: source: Property is required but was missing; format: Must be a string$/,
    ],
    ['400 with a text', json({ error: 'Had some trouble' }, 400), /refused the job: Had some trouble$/],
    [
      '403',
      json({ error: 'Access denied' }, 403),
      /does not let archivist create a print_to_pdf_job in \/repositories\/2/,
    ],
    [
      '404',
      json({ error: 'No runner found for print_to_pdf_job' }, 404),
      /does not know this type of job: No runner found/,
    ],
    [
      '412',
      json({ code: 'SESSION_GONE', error: 'No session found' }, 412),
      /could not create the job \(HTTP 412\): No session/,
    ],
    [
      '500 with a backtrace',
      json({ error: 'nil: /app/a.rb:1\n/app/b.rb:2' }, 500),
      /\(HTTP 500\): nil: \/app\/a.rb:1$/,
    ],
    ['502 of something in between', new Response('', { status: 502 }), /\(HTTP 502\): it gave no reason$/],
    ['200 without a job', json({ status: 'Created' }), /did not say which job it created/],
    ['200 with a job elsewhere', json({ uri: '/repositories/3/jobs/1' }), /did not say which job it created/],
    [
      'nothing',
      new ArchivesSpaceUnavailable('It did not answer within 840000 ms.'),
      /not known whether ArchivesSpace created the job/,
    ],
    [
      'no connection',
      new ArchivesSpaceUnavailable('It could not be reached.', {
        cause: new TypeError('fetch failed', { cause: Object.assign(new Error('no'), { code: 'ECONNREFUSED' }) }),
      }),
      /cannot be reached. Nothing was sent/,
    ],
  ])('and fails, readably, for %s', async (_, answer, reason) => {
    const there = backend([completed], { answers: { 'POST /repositories/2/jobs': [answer] } });

    const result = await run(there);

    expect(result).toMatchObject({ outcome: 'failed', reason: expect.stringMatching(reason), files: [] });
    expect(result.log).toContain(result.reason);
    expect(there.asked).toHaveLength(1);
  });

  test('and canceled again, where the address leads back to this service', async () => {
    const there = backend([running], { answers: { [`GET ${uri}/status`]: [json({ status: 'queued' })] } });

    expect(await run(there)).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('leads back to this service'),
    });
    expect(there.to(`POST ${uri}/cancel`)).toHaveLength(1);
  });

  test('not at all, where the job was canceled before', async () => {
    const there = backend([completed]);

    expect(await run(there, { cancel: 'at once' })).toMatchObject({ outcome: 'canceled' });
    expect(there.asked).toEqual([]);
  });
});

describe('its log', () => {
  test('comes over by bytes, line by line, each character whole and each line once', async () => {
    const text = 'Čaj 茶\n\n  žluťoučký 😀\nlast without an end: ř';
    const bytes = Buffer.from(text);
    const growing = [...bytes.keys()].map((end) => ({ ...running, log: new Uint8Array(bytes.subarray(0, end)) }));
    const there = backend([...growing, { ...completed, log: text }]);

    const { log } = await run(there);

    expect(log).toContain(`${text}\n`);
    expect(log.match(/žluťoučký/g)).toHaveLength(1);
  });

  test('comes over when it is larger than what is read at once, and has one line that is too', async () => {
    const text = `${'á line\n'.repeat(150_000)}${'ž'.repeat(1_200_000)}\nthe end\n`;
    const there = backend([running, { ...completed, log: text }]);

    const { log } = await run(there);

    expect(log.replaceAll('\n', '').includes(text.replaceAll('\n', ''))).toBe(true);
    expect(log).toContain('ž\nthe end\n');
  });

  test('goes on, in another segment, from the byte where it was', async () => {
    const there = backend([
      running,
      { ...running, log: 'ä\nhalf ' },
      { ...running, log: 'ä\nhalf a lïne\n' },
      { ...completed, log: 'ä\nhalf a lïne\nend\n' },
    ]);

    const { log, segments } = await run(there, {}, waiting);

    expect(segments).toBe(4);
    expect(log.split('\n').filter((line) => !line.includes('ArchivesSpace'))).toEqual(['ä', 'half a lïne', 'end', '']);
    expect(there.to(`GET ${uri}/log`).map(({ path }) => path.split('=')[1])).toEqual(['0', '0', '3', '16']);
  });
});

describe('what it made', () => {
  test.each<[string, Record<string, unknown>, string, string, string]>([
    ['print_to_pdf_job', { source: '/repositories/2/resources/12' }, '%PDF-1.4', 'resources_12.pdf', 'application/pdf'],
    [
      'container_labels_job',
      { source: '/repositories/2/resources/12' },
      'a\tb',
      'resources_12_labels.tsv',
      'text/tab-separated-values',
    ],
    ['report_job', { report_type: 'accession_report', format: 'csv' }, 'a,b', 'accession_report.csv', 'text/csv'],
    ['report_job', { report_type: '../../etc', format: 'c"v' }, 'a,b', 'report.pdf', 'application/pdf'],
    ['bulk_import_job', { format: 'csv' }, 'a,b', 'load_report.csv', 'text/csv'],
    ['trim_whitespace_job', {}, '\x00\x01', 'trim_whitespace.bin', 'application/octet-stream'],
  ])('comes over under a name: %s with %j', async (type, given, content, name, contentType) => {
    const there = backend([completed], { files: { 5: content } });

    const { files } = await run(there, { params: given, job: { type } });

    expect(files.map((file) => ({ ...file, bytes: Buffer.from(file.bytes).toString() }))).toEqual([
      { name, contentType, bytes: content },
    ]);
  });

  test('comes over without what was uploaded, several files under names of their own, byte by byte', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
    const there = backend([completed], { files: { 8: 'the upload', 9: 'first', 12: bytes } });

    const { files } = await run(there, { files: [{ name: 'a.csv', content: 'the upload' }] });

    expect(files.map(({ name }) => name)).toEqual(['resources_1.pdf', 'resources_1_2.pdf']);
    expect(Buffer.from(files[1]?.bytes ?? []).equals(bytes)).toBe(true);
  });

  test('stays there where it is too large, and the job fails and says so', async () => {
    const megabyte = new Uint8Array(1024 * 1024);
    let sent = 0;
    const endless = new ReadableStream({
      pull: (stream) => {
        sent++;
        stream.enqueue(megabyte);
      },
    });
    const there = backend([completed], {
      files: { 1: '' },
      answers: { [`GET ${uri}/output_files/1`]: [new Response(endless)] },
    });

    const { outcome, reason } = await run(there);

    expect(outcome).toBe('failed');
    expect(reason).toContain(`has more than 62914560 bytes and stays there: ${uri}/output_files/1`);
    expect(sent).toBeLessThan(70);
  });

  test('comes over once, where a file could not be read at first', async () => {
    const there = backend([completed], {
      files: { 1: 'one', 2: 'two', 3: 'three' },
      answers: { [`GET ${uri}/output_files/2`]: [json({ error: 'busy' }, 503), fault] },
    });

    const { outcome, files, log } = await run(there, {}, waiting);

    expect(outcome).toBe('completed');
    expect(files.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['one', 'two', 'three']);
    expect(log).toContain('answered HTTP 503');
  });

  test.each([
    ['bulk_import_job', 'created', 'modified'],
    ['find_and_replace_job', 'modified', 'created'],
  ] as const)('are records, oldest first and each once: %s has %s them', async (type, has, hasNot) => {
    const uris = Array.from({ length: 620 }, (_, n) => `/repositories/2/archival_objects/${620 - n}`);
    const there = backend([completed], {
      records: [...uris, 'no uri'],
      answers: { [`GET ${uri}/records`]: [undefined, undefined, json({ error: 'busy' }, 500)] },
    });

    const result = await run(there, { params: { replace: 'a' }, job: { type } });

    expect(result[has]).toEqual(uris.toReversed());
    expect(result[hasNot]).toEqual([]);
    expect(result.log).toContain('what is no record among those of its job: "no uri"');
  });
});

describe('its end', () => {
  test.each([
    [{ status: 'completed', started: true, finished: true }, 'completed', undefined],
    [{ status: 'failed', started: true, finished: true }, 'failed', /could not do this job .*; its log says why/],
    [
      { status: 'canceled', started: true, finished: true },
      'failed',
      /was canceled in ArchivesSpace .*backend was restarted/,
    ],
    [{ status: 'canceled' }, 'failed', /was canceled in ArchivesSpace/],
  ])('in ArchivesSpace, %j, is %s here', async (end, outcome, reason) => {
    const there = backend([{ status: 'queued', position: 2 }, running, { ...end, log: 'its words\n' }]);

    const result = await run(there);

    expect(result.outcome).toBe(outcome);
    if (reason) expect(result.reason).toMatch(reason);
    expect(result.log).toContain('its words\n');
    expect(result.log).toContain(
      'In ArchivesSpace the job is queued, 2 before it.\nIn ArchivesSpace the job is running.\n',
    );
  });

  test('is awaited where it was canceled there and its work has not returned', async () => {
    const there = backend([
      { status: 'canceled', started: true, log: 'a\n' },
      { status: 'canceled', started: true, finished: true, log: 'a\nb\n' },
    ]);

    expect((await run(there)).log).toContain('a\nb\n');
  });

  test.each([
    [404, /is no longer in ArchivesSpace/],
    [403, /no longer lets archivist see the job/],
    [400, /does not show the job .* any more: repo_id: Failed validation/],
  ])('is that it cannot be seen any more: HTTP %i', async (status, reason) => {
    const gone = json({ error: { repo_id: ['Failed validation -- The Repository must exist'] } }, status);
    const there = backend([running], { answers: { [`GET ${uri}`]: [undefined, gone] } });

    expect(await run(there)).toMatchObject({ outcome: 'failed', reason: expect.stringMatching(reason) });
  });

  test('is found after a while without usable answers', async () => {
    const there = backend([completed], {
      answers: {
        [`GET ${uri}`]: [
          fault,
          json({ error: 'gone' }, 412),
          new Response('<html>', { status: 200 }),
          new Response('', { status: 503 }),
        ],
      },
    });

    const { outcome, log } = await run(there);

    expect(outcome).toBe('completed');
    expect(log.match(/; looking again/g)).toHaveLength(1);
  });

  test('is a failure after too long a silence, which says that the work may go on', async () => {
    const there = backend([completed], { answers: { [`GET ${uri}`]: [fault] } });

    const { outcome, reason } = await run(there, {}, { ...pace, silenceMs: 0 });

    expect(outcome).toBe('failed');
    expect(reason).toMatch(/has not answered .* may still be running there.*could not be reached/);
  });
});

describe('while ArchivesSpace works', () => {
  test('the segment ends and waits, longer each time, up to a minute', async () => {
    const there = backend([...Array.from({ length: 9 }, () => running), completed], { files: { 1: 'one' } });

    const { outcome, waits, segments, files, log } = await run(there, {}, waiting);

    expect(outcome).toBe('completed');
    expect(waits).toEqual([5, 8, 12, 17, 26, 38, 57, 60, 60]);
    expect(segments).toBe(10);
    expect(there.to('POST /repositories/2/jobs')).toHaveLength(1);
    expect(files).toHaveLength(1);
    expect(log.match(/is running/g)).toHaveLength(1);
  });

  test('it looks often at first', async () => {
    const there = backend([...Array.from({ length: 9 }, () => running), completed]);

    expect(await run(there)).toMatchObject({ segments: 1, waits: [] });
  });
});

describe('a cancel', () => {
  const canceled = { status: 'canceled', started: true, finished: true };

  test('is passed on, its end awaited, and what was made is brought over', async () => {
    const there = backend([{ ...running, log: 'a\n' }], {
      files: { 1: 'half' },
      onCancel: [
        { status: 'canceled', started: true, log: 'a\n' },
        { ...canceled, log: 'a\nend\n' },
      ],
    });

    const { outcome, log, files } = await run(
      there,
      { cancel: { whenLogged: 'is running' } },
      { ...pace, stopForMs: 5_000 },
    );

    expect(outcome).toBe('canceled');
    expect(there.to(`POST ${uri}/cancel`)).toHaveLength(1);
    expect(log).toContain('a\nend\n');
    expect(log).toContain('has ended the canceled job');
    expect(files).toHaveLength(1);
  });

  test('during a wait is passed on by the segment after it', async () => {
    const there = backend([running], { onCancel: [canceled] });

    const { outcome, segments, log } = await run(there, { cancel: { duringWait: 2 } }, waiting);

    expect({ outcome, segments }).toEqual({ outcome: 'canceled', segments: 3 });
    expect(there.to(`POST ${uri}/cancel`)).toHaveLength(1);
    expect(log).toContain('has ended the canceled job');
  });

  test.each<[string, Parameters<typeof backend>[1], RegExp]>([
    [
      'the job had not begun',
      { onCancel: [{ status: 'canceled' }] },
      /had not begun with the job .*: nothing was done/,
    ],
    [
      'the job had completed before',
      { onCancel: [completed] },
      /Before the cancel reached it, the job .* had completed\. What it had saved/,
    ],
    ['the job had failed before', { onCancel: [{ ...completed, status: 'failed' }] }, /had failed\./],
    [
      'its work goes on',
      { onCancel: [{ status: 'canceled', started: true }] },
      /does not break off work that has begun: what it still saves is not undone/,
    ],
    [
      'its owner may not',
      { answers: { [`POST ${uri}/cancel`]: [json({ error: 'Access denied' }, 403)] } },
      /does not let archivist, who owns the job, cancel it: .* goes on there/,
    ],
    [
      'it is gone',
      { answers: { [`POST ${uri}/cancel`]: [json({ error: 'Job not found' }, 404)] } },
      /is no longer in ArchivesSpace/,
    ],
    [
      'it failed at first',
      { answers: { [`POST ${uri}/cancel`]: [json({ error: 'x' }, 500), fault] }, onCancel: [canceled] },
      /has ended the canceled job/,
    ],
    [
      'nobody answers',
      { answers: { [`POST ${uri}/cancel`]: Array.from({ length: 999 }, () => fault) } },
      /could not be asked to cancel its job .*may go on there: .*could not be reached/,
    ],
  ])('says what became of the work: %s', async (_, more, verdict) => {
    const there = backend([running], more);

    const { outcome, log } = await run(there, { cancel: { whenLogged: 'is running' } });

    expect(outcome).toBe('canceled');
    expect(log.trim().split('\n').at(-1)).toMatch(verdict);
  });

  test('leaves time to be passed on, whenever it comes', () => {
    for (const { grace_seconds } of Object.values(manifest.types))
      expect(grace_seconds * 1000).toBeGreaterThan(shipped.longestWaitSeconds * 1000 + shipped.stopForMs);
  });
});
