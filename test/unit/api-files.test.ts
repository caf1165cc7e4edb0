// Files on their way in, by form, and on their way out, as attachments.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ClientError, Refusal } from '../../core/errors.ts';
import { maxFormBytes } from '../../core/limits.ts';
import type { Creation } from '../../functions/api/create-job.ts';
import { createJobWithFiles } from '../../functions/api/create-job-with-files.ts';
import { attachment } from '../../functions/api/output-file.ts';

const job = '{"job":{"jsonmodel_type":"import_job"}}';
const boundary = 'xxBOUNDARYxx';

interface Part {
  readonly name: string;
  readonly filename?: string;
  readonly type?: string;
  readonly body: string;
}
const form = (...parts: readonly Part[]) =>
  Buffer.from(
    `${parts
      .map(({ name, filename, type, body }) => {
        const file = filename === undefined ? '' : `; filename="${filename}"`;
        const typed = type === undefined ? '' : `Content-Type: ${type}\r\n`;
        return `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n${typed}\r\n${body}\r\n`;
      })
      .join('')}--${boundary}--\r\n`,
  );
const file = (name: string, filename = 'a.xml', body = filename): Part => ({ name, filename, type: 'text/xml', body });

// Only its `check` is used: what it reads is then stored by what a created job without files is stored by.
const { check } = createJobWithFiles({} as Creation);
type CheckedRequest = Parameters<typeof check>[0];

async function read(body: Buffer, contentType = `multipart/form-data; boundary=${boundary}`) {
  const { wanted, files: uploads } = await check({ body, contentType } as CheckedRequest);
  return {
    type: wanted.type,
    files: uploads.map(({ name, bytes }) => `${name}: ${Buffer.from(bytes).toString()}`),
    uploads,
  };
}
async function refusal(body: Buffer, contentType?: string): Promise<ClientError> {
  const error: unknown = await read(body, contentType).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Refusal)) throw error ?? new Error('It was read.');
  return error.error;
}

describe('a form', () => {
  test('gives the job and its files, with their names and types', async () => {
    const { type, uploads } = await read(form({ name: 'job', body: job }, file('files[0]', 'größe.xml', '<ead/>')));

    expect(type).toBe('import_job');
    expect(uploads).toEqual([{ name: 'größe.xml', contentType: 'text/xml', bytes: Buffer.from('<ead/>') }]);
  });

  test('may give the job as a part with a type, or as a file', async () => {
    const typed = form({ name: 'job', type: 'application/json', body: job }, file('files[0]'));
    const asFile = form({ name: 'job', filename: 'job.json', type: 'application/json', body: job }, file('files[0]'));

    expect(await read(typed)).toMatchObject({ type: 'import_job' });
    expect(await read(asFile)).toMatchObject({ type: 'import_job' });
  });

  // ArchivesSpace sorts the indexes as words: 0, 1, 10, 11, 2 (reference: POST jobs_with_files).
  test('orders numbered files by number', async () => {
    const numbers = [10, 2, 0, 11, 1];
    const parts = numbers.map((n) => file(`files[${n}]`, `${n}.xml`));

    const { uploads } = await read(form(...parts, { name: 'job', body: job }));

    expect(uploads.map(({ name }) => name)).toEqual(['0.xml', '1.xml', '2.xml', '10.xml', '11.xml']);
  });

  test('keeps the order of files without number', async () => {
    const { files } = await read(form({ name: 'job', body: job }, file('files[]', 'b'), file('files[]', 'a')));

    expect(files).toEqual(['b: b', 'a: a']);
  });

  test('leaves out parts that are no files of the job', async () => {
    const others = [file('files'), file('files[x]'), file('other[0]'), { name: 'files[3]', body: 'no file' }];

    expect((await read(form({ name: 'job', body: job }, ...others, file('files[0]')))).files).toEqual(['a.xml: a.xml']);
  });

  test.each<[name: string, body: Buffer, problems: object]>([
    ['job', form(file('files[0]')), { job: ['Parameter required but no value provided'] }],
    ['files', form({ name: 'job', body: job }), { files: ['Parameter required but no value provided'] }],
    [
      'a plain files part',
      form({ name: 'job', body: job }, file('files')),
      { files: ['Parameter required but no value provided'] },
    ],
  ])('without %s is refused by name', async (_, body, problems) => {
    expect(await refusal(body)).toEqual({ code: 'bad_request', problems });
  });

  test('with more than a hundred files is refused', async () => {
    const parts = Array.from({ length: 101 }, (_, n) => file(`files[${n}]`));

    expect(await refusal(form({ name: 'job', body: job }, ...parts))).toMatchObject({ code: 'bad_request' });
    expect((await read(form({ name: 'job', body: job }, ...parts.slice(1)))).files).toHaveLength(100);
  });

  test('of more than 4 MB is refused with both sizes', async () => {
    const body = form({ name: 'job', body: job }, file('files[0]', 'a.xml', 'x'.repeat(maxFormBytes)));

    expect(await refusal(body)).toEqual({
      code: 'too_large',
      message: expect.stringContaining(
        `Files and parameters together are at most 4194304 bytes; these are ${body.length}. Send larger files by POST`,
      ),
    });
  });

  test.each<[name: string, body: Buffer, contentType?: string]>([
    ['that is JSON', Buffer.from(job), 'application/json'],
    ['without a type', form({ name: 'job', body: job }), ''],
    ['without a boundary', form({ name: 'job', body: job }, file('files[0]')), 'multipart/form-data; x=y'],
    ['that ends early', form({ name: 'job', body: job }, file('files[0]')).subarray(0, 150)],
    ['that ends in the middle of a file', form({ name: 'job', body: job }, file('files[0]')).subarray(0, -25)],
    ['that is empty', Buffer.alloc(0)],
    ['of another boundary', Buffer.from(form({ name: 'job', body: job }).toString().replaceAll(boundary, 'other'))],
  ])('%s is unreadable', async (_, body, contentType) => {
    expect(['unreadable', 'bad_request']).toContain((await refusal(body, contentType)).code);
  });

  test('with two files of one number is refused', async () => {
    const body = form({ name: 'job', body: job }, file('files[1]', 'a'), file('files[1]', 'b'));

    expect(await refusal(body)).toEqual({
      code: 'bad_request',
      problems: { files: ['Two files have the same number'] },
    });
  });

  test('with a damaged job is unreadable', async () => {
    expect(await refusal(form({ name: 'job', body: '{' }, file('files[0]')))).toMatchObject({ code: 'unreadable' });
  });

  test('of any bytes is read or refused', async () => {
    const whole = form({ name: 'job', body: job }, file('files[0]', 'a.xml', 'x'.repeat(50)));
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length), fc.uint8Array({ maxLength: 20 }), fc.nat(20), async (at, bytes, cut) => {
        const damaged = Buffer.concat([whole.subarray(0, at), bytes, whole.subarray(at + cut)]);
        await read(damaged).catch((error: unknown) => expect(error).toBeInstanceOf(Refusal));
      }),
      { numRuns: 200 },
    );
  });
});

describe('the name of an uploaded file', () => {
  test.each([
    ['../../etc/passwd', 'passwd'],
    ['C:\\Users\\me\\a.xml', 'a.xml'],
    ['/', 'file'],
    ['..', 'file'],
    ['a\tb.xml', 'ab.xml'],
    ['', 'file'],
    ['x'.repeat(300), 'x'.repeat(255)],
  ])('%j becomes %j', async (given, name) => {
    const { uploads } = await read(form({ name: 'job', body: job }, { ...file('files[0]'), filename: given }));

    expect(uploads.map((upload) => upload.name)).toEqual([name]);
  });

  test('leads nowhere, whatever it is', async () => {
    const anyName = fc.string({ unit: 'grapheme' }).map((name) => name.replace(/["\r\n]/g, ''));
    await fc.assert(
      fc.asyncProperty(anyName, async (given) => {
        const { uploads } = await read(form({ name: 'job', body: job }, { ...file('files[0]'), filename: given }));
        for (const { name } of uploads) {
          expect(name).toMatch(/^[^/\\\p{Cc}]{1,255}$/u);
          expect(['.', '..']).not.toContain(name);
          expect(name.isWellFormed()).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });
});

// RFC 6266 (Content-Disposition) and RFC 8187 (filename*).
describe('an attachment', () => {
  test.each([
    ['a.csv', `attachment; filename="a.csv"; filename*=UTF-8''a.csv`],
    ['größe 1.csv', `attachment; filename="gr__e 1.csv"; filename*=UTF-8''gr%C3%B6%C3%9Fe%201.csv`],
    [`a"b\\c%41.csv`, `attachment; filename="a_b_c_41.csv"; filename*=UTF-8''a%22b%5Cc%2541.csv`],
    [`it's (1)*.csv`, `attachment; filename="it's (1)*.csv"; filename*=UTF-8''it%27s%20%281%29%2A.csv`],
    ['a\r\nX-Evil: 1', `attachment; filename="a__X-Evil: 1"; filename*=UTF-8''a%0D%0AX-Evil%3A%201`],
  ])('%j is named %s', (name, header) => {
    expect(attachment(name)).toBe(header);
  });

  test('keeps its name inside the header, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }),
        (name) => {
          const header = attachment(name);
          expect(header).toMatch(
            /^attachment; filename="[\x20-\x21\x23-\x5b\x5d-\x7e]*"; filename\*=UTF-8''[\w.!~%-]*$/,
          );
          const encoded = header.slice(header.lastIndexOf("''") + 2);
          expect(decodeURIComponent(encoded)).toBe(name.toWellFormed());
        },
      ),
    );
  });
});
