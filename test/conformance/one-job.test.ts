import { beforeEach, describe, expect, test } from 'vitest';
import { list } from '../../aws/objects.ts';
import { leftoverKey, leftovers, tombstone } from '../../core/deletion.ts';
import { inputPrefix, keys, runPrefix } from '../../core/table.ts';
import { attachment } from '../../functions/api/output-file.ts';
import { removeLeftovers } from '../../functions/leftovers.ts';
import { type Person, person, type WireJob } from '../helpers/stack.ts';
import { clear, end, idOf, runThrough, start, under, useApi, writeAs } from './service.ts';

// ArchivesSpace: backend/app/controllers/job.rb, what is asked about one job; common/schemas/job.rb.

const api = useApi();
let archivist: Person;
let admin: Person;
beforeEach(async () => {
  archivist ??= await person(api.service.url, 'archivist');
  admin ??= await person(api.service.url, 'admin');
  await clear(api.service);
});
const seconds = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/;
const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

describe('GET jobs/:id', () => {
  test('a queued job', async () => {
    const uri = await archivist.create('plain_job', { source: '/repositories/2/resources/1' });

    expect(await archivist.show(uri)).toEqual({
      lock_version: 0,
      time_submitted: expect.stringMatching(seconds),
      status: 'queued',
      queue_position: 0,
      created_by: 'archivist',
      last_modified_by: 'archivist',
      create_time: expect.stringMatching(iso),
      system_mtime: expect.stringMatching(iso),
      user_mtime: expect.stringMatching(iso),
      job_type: 'plain_job',
      inactive_record: false,
      has_modified_records: false,
      jsonmodel_type: 'job',
      job: { jsonmodel_type: 'plain_job', source: '/repositories/2/resources/1', format: 'tsv' },
      owner: 'archivist',
      uri,
      repository: { ref: '/repositories/2' },
    });
  });

  test('times of the job are YYYY-MM-DD HH:MM:SS UTC, those of every record ISO 8601, of the same moment', async () => {
    const uri = await archivist.create('plain_job');
    await runThrough(api.service, uri, 'completed', {}, Date.UTC(2027, 0, 2, 3, 4, 5, 678));

    const job = await archivist.show(uri);

    expect(job).toMatchObject({
      time_started: '2027-01-02 03:04:05 UTC',
      time_finished: '2027-01-02 03:04:05 UTC',
      system_mtime: '2027-01-02T03:04:05Z',
    });
    expect(String(job['time_submitted']).replace(' UTC', 'Z').replace(' ', 'T')).toBe(job['create_time']);
  });

  test('lock_version is 0 when new, 1 when running, 2 when finished', async () => {
    const uri = await archivist.create('plain_job');
    const versions = [(await archivist.show(uri))['lock_version']];
    const job = await start(api.service, idOf(uri));
    versions.push((await archivist.show(uri))['lock_version']);
    await end(api.service, job);
    versions.push((await archivist.show(uri))['lock_version']);

    expect(versions).toEqual([0, 1, 2]);
  });

  test.each(['completed', 'failed', 'canceled'] as const)('status is spelled %s', async (outcome) => {
    const uri = await archivist.create('plain_job');
    await runThrough(api.service, uri, outcome);

    expect((await archivist.show(uri)).status).toBe(outcome);
  });

  test('what a job does not have is left out, not null', async () => {
    const uri = await archivist.create('plain_job');
    const queued = await archivist.show(uri);
    await runThrough(api.service, uri);
    const completed = await archivist.show(uri);

    for (const name of ['time_started', 'time_finished', 'job_params']) expect(queued).not.toHaveProperty(name);
    for (const name of ['queue_position', 'job_params']) expect(completed).not.toHaveProperty(name);
    expect(Object.values({ ...queued, ...completed })).not.toContain(null);
  });

  test('has_modified_records is true or false', async () => {
    const [without = '', withSome = ''] = [await archivist.create('plain_job'), await archivist.create('plain_job')];
    await runThrough(api.service, without);
    await runThrough(api.service, withSome, 'completed', { modified: ['/subjects/7'] });

    expect((await archivist.show(without))['has_modified_records']).toBe(false);
    expect((await archivist.show(withSome))['has_modified_records']).toBe(true);
  });

  test('a job whose type is gone is an inactive_record, and its job the name of the type', async () => {
    const uri = await archivist.create('gone_job', { source: 'x' });
    await runThrough(api.service, uri);
    const { wireJob } = await import('../../functions/api/wire.ts');
    const { readJob } = await import('../../aws/reads.ts');
    const job = await readJob(api.service.table, idOf(uri));
    if (!job) throw new Error('There is no such job.');

    expect(await wireJob(api.service.table, job, new Map())).toMatchObject({ inactive_record: true, job: 'gone_job' });
  });

  test('an unknown job, and one of another repository, is 404', async () => {
    const uri = await archivist.create('plain_job');

    for (const path of ['/repositories/2/jobs/999999', uri.replace('/2/', '/3/')])
      expect(await admin.get(path)).toMatchObject({ status: 404, body: { error: 'Job not found' } });
  });

  test('an id that is no whole number is 400', async () => {
    expect(await archivist.get('/repositories/2/jobs/seven')).toMatchObject({
      status: 400,
      body: { error: { id: ["Wanted type Integer but got 'seven'"] } },
    });
  });
});

describe('GET jobs/:id/log', () => {
  const text = 'čaj 茶 🫖\nline two\n';
  const bytes = Buffer.from(text);
  const withLog = async () => {
    const uri = await archivist.create('plain_job');
    await runThrough(api.service, uri, 'completed', { log: text });
    return uri;
  };
  const from = async (uri: string, offset: number) => {
    const headers = archivist.headers();
    const response = await fetch(`${api.service.url}${uri}/log?offset=${offset}`, { headers });
    return Buffer.from(await response.arrayBuffer());
  };

  test('is text/plain, whole from offset 0, which is the default', async () => {
    const uri = await withLog();
    const { text: whole, headers } = await archivist.get(`${uri}/log`);

    expect(whole).toBe(text);
    expect(headers.get('content-type')).toMatch(/^text\/plain/);
    expect(headers.get('content-length')).toBe(String(bytes.length));
  });

  test('offset counts bytes, and may stand inside a character', async () => {
    const uri = await withLog();

    for (let offset = 0; offset <= bytes.length; offset++)
      expect(await from(uri, offset)).toEqual(bytes.subarray(offset));
  });

  test('beyond the end, and before the first line, it is empty with 200', async () => {
    expect((await from(await withLog(), 10_000)).length).toBe(0);
    expect(await archivist.get(`${await archivist.create('plain_job')}/log`)).toMatchObject({ status: 200, text: '' });
  });

  test('shows what a running job has written so far', async () => {
    const uri = await archivist.create('plain_job');
    await writeAs(api.service, await start(api.service, idOf(uri)), { log: text });

    expect((await archivist.get(`${uri}/log`)).text).toBe(text);
  });

  test.each(['-1', 'x', '1.5', '1e3'])('offset=%s is 400', async (offset) => {
    expect(await archivist.get(`/repositories/2/jobs/1/log?offset=${offset}`)).toMatchObject({
      status: 400,
      body: { error: { offset: [expect.any(String)] } },
    });
  });

  test('of an unknown job is 404', async () => {
    expect((await archivist.get('/repositories/2/jobs/999999/log')).status).toBe(404);
  });
});

describe('the files of a job', () => {
  const importing = { jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: ['a.xml', 'b.xml'] };
  const withFiles = async () => {
    const uploads = ['a.xml', 'b.xml'].map((name, n) => ({ field: `files[${n}]`, name, content: `<${name}>` }));
    const { uri } = (await archivist.upload(importing, uploads)).body;
    await runThrough(api.service, uri, 'completed', {
      files: [{ name: 'report.csv', contentType: 'text/csv', content: 'a,b' }],
    });
    return uri;
  };

  test('GET output_files is an array of whole numbers: uploaded files first, then those the job made', async () => {
    const uri = await withFiles();
    const { body } = await archivist.get<number[]>(`${uri}/output_files`);
    const contents = await Promise.all(body.map(async (id) => (await archivist.get(`${uri}/output_files/${id}`)).text));

    expect(body).toEqual([1, 2, 3]);
    expect(contents).toEqual(['<a.xml>', '<b.xml>', 'a,b']);
  });

  test('of a job without uploads the first file is what it made', async () => {
    const uri = await archivist.create('plain_job');
    await runThrough(api.service, uri, 'completed', { files: [{ name: 'x.pdf', content: 'PDF' }] });
    const [first] = (await archivist.get<number[]>(`${uri}/output_files`)).body;

    expect((await archivist.get(`${uri}/output_files/${first}`)).text).toBe('PDF');
  });

  test('of a job without any it is an empty array', async () => {
    expect((await archivist.get(`${await archivist.create('plain_job')}/output_files`)).body).toEqual([]);
  });

  test('a file comes under its own name, as an attachment that nothing runs', async () => {
    const { headers } = await archivist.get(`${await withFiles()}/output_files/3`);

    expect(headers.get('content-disposition')).toBe(`attachment; filename="report.csv"; filename*=UTF-8''report.csv`);
    expect(headers.get('content-type')).toBe('text/csv');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toBe('sandbox');
  });

  test('what a browser could run comes as bytes', async () => {
    const uri = await archivist.create('plain_job');
    const files = [{ name: 'page.html', contentType: 'text/html', content: '<script>alert(1)</script>' }];
    await runThrough(api.service, uri, 'completed', { files });

    expect((await archivist.get(`${uri}/output_files/1`)).headers.get('content-type')).toBe('application/octet-stream');
  });

  test('a file that a Lambda cannot answer is fetched from the bucket, under its own name', async () => {
    const uri = await archivist.create('plain_job');
    const content = 'x'.repeat(4 * 1024 * 1024 + 1);
    await runThrough(api.service, uri, 'completed', { files: [{ name: 'big "one".xml', content }] });
    const headers = archivist.headers();

    const answer = await fetch(`${api.service.url}${uri}/output_files/1`, { headers, redirect: 'manual' });
    expect(answer.status).toBe(303);
    const file = await fetch(answer.headers.get('location') ?? '');

    expect((await file.text()).length).toBe(content.length);
    expect(file.headers.get('content-disposition')).toMatch(/^attachment; filename="big _one_.xml"/);
  });

  test.each(['0', '4', '999999999999999'])('file %s, which there is not, is 404', async (file) => {
    expect(await archivist.get(`${await withFiles()}/output_files/${file}`)).toMatchObject({
      status: 404,
      body: { error: 'File not found' },
    });
  });

  test('a file of a job of another repository is 404: the original gives it to anybody', async () => {
    const uri = (await withFiles()).replace('/repositories/2/', '/repositories/3/');

    expect((await admin.get(`${uri}/output_files/1`)).status).toBe(404);
    expect((await archivist.get(`${uri}/output_files`)).status).toBe(404);
  });

  test('no file name ends its header', () => {
    for (const name of ['a\r\nSet-Cookie: x', 'a"; x="', '\ud800.xml', 'a\0b', '%0d%0a', "it's (1)*.xml"])
      expect(attachment(name)).toMatch(/^attachment; filename="[^"\\\r\n]*"; filename\*=UTF-8''[\w.!~%-]+$/);
  });
});

describe('GET jobs/:id/records', () => {
  const withRecords = async () => {
    const uri = await archivist.create('plain_job');
    await runThrough(api.service, uri, 'completed', {
      created: ['/repositories/2/resources/1', '/repositories/2/collection_management/1', '/subjects/7'],
      modified: ['/agents/people/4', '/subjects/7', '//evil.example/x', '/repositories/99'],
    });
    return uri;
  };

  test('lists what was created and modified, newest first, each once, without collection management', async () => {
    expect((await archivist.get(`${await withRecords()}/records?page=1`)).body).toEqual({
      first_page: 1,
      last_page: 1,
      this_page: 1,
      total: 5,
      results: [
        { record: { ref: '/repositories/99' } },
        { record: { ref: '//evil.example/x' } },
        { record: { ref: '/subjects/7' } },
        { record: { ref: '/agents/people/4' } },
        { record: { ref: '/repositories/2/resources/1' } },
      ],
    });
  });

  test('is paged as other listings are', async () => {
    const uri = await withRecords();
    const { body: ids } = await archivist.get<number[]>(`${uri}/records?all_ids=1`);

    expect(ids).toEqual([5, 4, 3, 2, 1]);
    expect((await archivist.get(`${uri}/records?id_set=1,3`)).body).toEqual([
      { record: { ref: '/subjects/7' } },
      { record: { ref: '/repositories/2/resources/1' } },
    ]);
    expect((await archivist.get(`${uri}/records?page=2&page_size=2`)).body).toMatchObject({ last_page: 3, total: 5 });
  });

  test('resolve[]=record embeds what the user may see, and asks for nothing that is no record', async () => {
    const { service } = api;
    const batch = [
      {
        jsonmodel_type: 'resource',
        uri: '/repositories/2/resources/import_1',
        title: 'Letters',
        id_0: `R${Date.now()}`,
        level: 'collection',
        finding_aid_language: 'eng',
        finding_aid_script: 'Latn',
        dates: [{ jsonmodel_type: 'date', date_type: 'single', label: 'creation', begin: '1900' }],
        extents: [{ jsonmodel_type: 'extent', portion: 'whole', number: '1', extent_type: 'linear_feet' }],
        lang_materials: [
          {
            jsonmodel_type: 'lang_material',
            language_and_script: { jsonmodel_type: 'language_and_script', language: 'eng', script: 'Latn' },
          },
        ],
      },
    ];
    const imported = await fetch(`${service.archivesspaceUrl}/repositories/2/batch_imports`, {
      method: 'POST',
      headers: { ...admin.headers(), 'content-type': 'application/json' },
      body: JSON.stringify(batch),
    });
    const real = /"\/repositories\/2\/resources\/import_1":\["([^"]+)"/.exec(await imported.text())?.[1] ?? '';
    const uri = await archivist.create('plain_job');
    await runThrough(service, uri, 'completed', {
      created: [real, '//evil.example/repositories/1', '/repositories/2/resources/999', '/repositories/3/resources/1'],
    });
    service.asked.length = 0;

    const { body, status } = await archivist.get<{ results: { record: { ref: string; _resolved?: unknown } }[] }>(
      `${uri}/records?page=1&resolve[]=record`,
    );

    expect(status).toBe(200);
    expect(body.results.map(({ record }) => [record.ref, '_resolved' in record])).toEqual([
      ['/repositories/3/resources/1', false],
      ['/repositories/2/resources/999', false],
      ['//evil.example/repositories/1', false],
      [real, true],
    ]);
    expect(body.results[3]?.record._resolved).toMatchObject({ title: 'Letters', uri: real });
    expect(service.asked.filter((line) => line.includes('evil'))).toEqual([]);
  });

  test('of a job of another repository is 404', async () => {
    const elsewhere = (await withRecords()).replace('/2/', '/3/');

    expect((await admin.get(`${elsewhere}/records?page=1`)).status).toBe(404);
  });
});

describe('POST jobs/:id/cancel', () => {
  test('a queued job never starts: 200 with status Updated, id, lock_version, stale, and no uri', async () => {
    const uri = await archivist.create('plain_job');

    expect(await archivist.cancel(uri)).toMatchObject({ status: 200 });
    expect((await archivist.cancel(uri)).body).toEqual({
      status: 'Updated',
      id: idOf(uri),
      lock_version: 1,
      stale: null,
    });
    expect(await archivist.show(uri)).toMatchObject({
      status: 'canceled',
      last_modified_by: 'archivist',
      time_finished: expect.stringMatching(seconds),
    });
  });

  test('a running job is asked to stop, and says canceled only when it has', async () => {
    const uri = await archivist.create('plain_job');
    const job = await start(api.service, idOf(uri));
    const { claimSegment } = await import('../../core/table.ts');
    const { commit } = await import('../../aws/dynamo.ts');
    await commit(api.service.table, claimSegment(job, 1, 'claim', Date.now() + 60_000));

    expect((await archivist.cancel(uri)).status).toBe(200);
    expect(await archivist.show(uri)).toMatchObject({ status: 'running', cancel_requested: true });
  });

  test('a job that has ended stays as it is, with 200', async () => {
    const uri = await archivist.create('plain_job');
    await runThrough(api.service, uri);

    expect((await archivist.cancel(uri)).status).toBe(200);
    expect((await archivist.show(uri)).status).toBe('completed');
  });

  test('a job of a hidden type can be canceled, by whoever has its cancel permissions', async () => {
    const uri = await admin.create('hidden_job');

    expect(await archivist.cancel(uri)).toMatchObject({
      status: 403,
      body: { error: 'Access denied', missing_permissions: ['manage_repository'] },
    });
    expect((await admin.cancel(uri)).status).toBe(200);
  });

  test('who canceled is in the job’s events', async () => {
    const uri = await archivist.create('plain_job');
    await admin.cancel(uri);

    const events = (await under(api.service, keys.job(idOf(uri)).pk)).filter(({ sk }) =>
      String(sk).startsWith('EVENT#'),
    );
    expect(events).toMatchObject([{ what: 'cancel', by: 'admin', at: expect.any(Number) }]);
  });

  test('an unknown job, and one of another repository, is 404', async () => {
    const uri = (await archivist.create('plain_job')).replace('/2/', '/3/');

    expect((await admin.cancel(uri)).status).toBe(404);
    expect((await admin.cancel('/repositories/2/jobs/999999')).status).toBe(404);
  });
});

describe('DELETE jobs/:id', () => {
  const importing = { jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: ['a.xml'] };

  test('an ended job: 200 with status Deleted and id; then no route finds it', async () => {
    const uri = await archivist.create('plain_job');
    await runThrough(api.service, uri, 'completed', { log: 'x', files: [{ name: 'a', content: 'b' }] });

    expect(await archivist.delete(uri)).toMatchObject({ status: 200, body: { status: 'Deleted', id: idOf(uri) } });
    for (const path of ['', '/log', '/output_files', '/output_files/1', '/records?page=1'])
      expect((await archivist.get(uri + path)).status).toBe(404);
    expect((await archivist.cancel(uri)).status).toBe(404);
    expect((await archivist.delete(uri)).status).toBe(404);
  });

  test('a queued job goes with its place in the queue', async () => {
    const uri = await archivist.create('plain_job');

    expect((await archivist.delete(uri)).status).toBe(200);
    expect(await under(api.service, keys.queue('plain_job', 1).pk)).toEqual([]);
  });

  test('a running job is 409, and is left as it is: the original deletes it under its runner', async () => {
    const uri = await archivist.create('plain_job');
    await start(api.service, idOf(uri));

    expect(await archivist.delete(uri)).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining('Cancel') },
    });
    expect((await archivist.show(uri)).status).toBe('running');
  });

  test('a job that is canceled, but whose body may still run, is 409 until its slot is free', async () => {
    const uri = await archivist.create('plain_job');
    const job = await start(api.service, idOf(uri));
    const { revoke, settle, releaseSlot } = await import('../../core/table.ts');
    const { commit } = await import('../../aws/dynamo.ts');
    const ends = { log: 0, files: 0, records: 0 };
    await commit(api.service.table, [settle(job, { outcome: 'canceled', ends }, Date.now()), revoke(job)]);

    expect((await archivist.delete(uri)).status).toBe(409);
    await commit(api.service.table, releaseSlot(job.slot, { job: job.id, token: job.token }));
    expect((await archivist.delete(uri)).status).toBe(200);
  });

  test('asks for the type’s cancel permissions too', async () => {
    const { uri } = (await archivist.upload(importing, [{ field: 'files[0]', name: 'a.xml', content: 'x' }])).body;

    expect(await archivist.delete(uri)).toMatchObject({
      status: 403,
      body: { error: 'Access denied', missing_permissions: ['cancel_importer_job'] },
    });
    expect((await admin.delete(uri)).status).toBe(200);
  });

  test('who deleted it stays known, and nothing else of it: its items and files are removed', async () => {
    const { service } = api;
    const { uri } = (await archivist.upload(importing, [{ field: 'files[0]', name: 'a.xml', content: 'x' }])).body;
    const other = (await archivist.upload(importing, [{ field: 'files[0]', name: 'b.xml', content: 'y' }])).body.uri;
    await runThrough(service, uri, 'completed', {
      log: 'log',
      created: ['/subjects/1'],
      files: [{ name: 'out', content: 'z' }],
    });
    const id = idOf(uri);
    expect((await list(service.objects, runPrefix('import_job', id), 10)).length).toBe(1);

    await admin.delete(uri);
    const log = { info: () => {}, warn: () => {}, error: (...words: unknown[]) => expect(words).toBeUndefined() };
    const quiet = { table: service.table, log, now: () => Date.now() };
    await removeLeftovers(quiet, service.objects, Date.now() - 1);
    expect((await under(service, leftovers)).map((item) => item['id'])).toContain(id);
    await removeLeftovers(quiet, service.objects, Date.now() + 10_000);

    expect(await under(service, leftovers)).toEqual([]);
    expect(await under(service, keys.run('import_job', id).pk)).toEqual([]);
    expect(await list(service.objects, inputPrefix('import_job', id), 10)).toEqual([]);
    expect(await list(service.objects, runPrefix('import_job', id), 10)).toEqual([]);
    expect(await list(service.objects, inputPrefix('import_job', idOf(other)), 10)).toHaveLength(1);
    expect((await under(service, keys.job(id).pk)).map(({ sk, by }) => [String(sk).split('#')[0], by])).toEqual([
      [tombstone(id).sk, 'admin'],
      ['EVENT', 'admin'],
    ]);
    expect(leftoverKey(id).pk).toBe(leftovers);
  });

  test('a deleted job’s id is never given again', async () => {
    const uri = await archivist.create('plain_job');
    await archivist.delete(uri);

    expect(idOf(await archivist.create('plain_job'))).toBe(idOf(uri) + 1);
  });
});

test('one job of many is the same on every route that shows it', async () => {
  const uri = await archivist.create('plain_job', { source: 'x' });
  const shown = await archivist.show(uri);

  expect((await archivist.get<WireJob[]>(`/repositories/2/jobs?id_set=${idOf(uri)}`)).body).toEqual([shown]);
  expect((await archivist.get<WireJob[]>('/repositories/2/jobs/active')).body).toEqual([shown]);
});
