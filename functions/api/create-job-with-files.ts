import { createHash } from 'node:crypto';
import { Busboy } from '@fastify/busboy';
import { Refusal } from '../../core/errors.ts';
import { maxFiles } from '../../core/limits.ts';
import { type Creation, createWith } from './create-job.ts';
import type { Checked, Request } from './http.ts';
import { type FormFile, fromForm } from './new-files.ts';
import { readWrapper, type Wanted } from './read-wrapper.ts';

/** A Lambda takes 6 MB, and the gateway hands it binary bodies as base64 (AWS Lambda quotas). */
export const mostBodyBytes = 4 * 1024 * 1024;

const largerFiles =
  'Send larger files by POST /repositories/:repo_id/jobs/uploads, and name them in `uploads` when you create the job.';

interface Form {
  readonly wanted: Wanted;
  readonly files: readonly FormFile[];
}

/** POST /repositories/:repo_id/jobs_with_files: a form of `job` (the JSON) and `files[0]`, `files[1]`, … or `files[]`. */
export const createJobWithFiles = (creation: Creation): Checked<Form> => ({
  check: readForm,
  handle: (request, { wanted, files }) =>
    createWith(creation, request, wanted, {
      files: fromForm(creation.objects, files),
      prints: files.map(({ name, contentType, bytes }) => [
        name,
        contentType,
        createHash('sha256').update(bytes).digest('hex'),
      ]),
    }),
});

type Part = { readonly place: number; readonly file: FormFile };

async function readForm({ body, contentType }: Omit<Request, 'user' | 'need'>): Promise<Form> {
  if (body.length > mostBodyBytes) {
    throw new Refusal({
      code: 'too_large',
      message: `Files and parameters together are at most ${mostBodyBytes} bytes; these are ${body.length}. ${largerFiles}`,
    });
  }
  if (!/^multipart\/form-data\s*;/i.test(contentType)) {
    throw new Refusal({
      code: 'unreadable',
      message: 'the body must be multipart/form-data with the parts job and files[0], files[1], …',
    });
  }
  const { job, parts } = await readParts(body, contentType);
  const required = ['Parameter required but no value provided'];
  const problems = { ...(job === undefined && { job: required }), ...(parts.length === 0 && { files: required }) };
  if (job === undefined || parts.length === 0) throw new Refusal({ code: 'bad_request', problems });
  // In the order of their numbers: the original sorts them as words, so that an eleventh file comes third.
  const files = parts.toSorted((a, b) => a.place - b.place).map(({ file }) => file);
  return { wanted: readWrapper(job), files };
}

function readParts(body: Buffer, contentType: string): Promise<{ job: Buffer | undefined; parts: readonly Part[] }> {
  return new Promise((resolve, reject) => {
    const unreadable = (error: unknown) =>
      reject(
        new Refusal({ code: 'unreadable', message: error instanceof Error ? error.message : 'the form is damaged' }),
      );
    const parts: Part[] = [];
    let job: Buffer | undefined;
    let form: InstanceType<typeof Busboy>;
    try {
      form = new Busboy({
        headers: { 'content-type': contentType },
        limits: { files: maxFiles + 1, fields: 20, fieldSize: mostBodyBytes },
      });
    } catch (error) {
      unreadable(error);
      return;
    }
    form.on('field', (name, value) => {
      if (name === 'job') job = Buffer.from(value);
    });
    form.on('file', (name, stream, filename, _encoding, mimetype) => {
      const place = /^files\[(\d{0,6})\]$/.exec(name)?.[1];
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', unreadable);
      stream.on('end', () => {
        if (name === 'job' && job === undefined) job = Buffer.concat(chunks);
        if (place === undefined) return;
        const file = { name: fileName(filename), contentType: mimeType(mimetype), bytes: Buffer.concat(chunks) };
        parts.push({ place: place === '' ? parts.length : Number(place), file });
      });
    });
    form.on('error', unreadable);
    form.on('finish', () => {
      const problem =
        parts.length > maxFiles
          ? `At most ${maxFiles} files`
          : new Set(parts.map(({ place }) => place)).size < parts.length
            ? 'Two files have the same number'
            : undefined;
      if (problem) reject(new Refusal({ code: 'bad_request', problems: { files: [problem] } }));
      else resolve({ job, parts });
    });
    form.end(body);
  });
}

const mimeType = (given: string) =>
  /^[\w.+-]{1,100}\/[\w.+-]{1,100}$/.test(given) ? given.toLowerCase() : 'application/octet-stream';

/** What stands before the last slash is somebody's folder; characters that steer a screen are nobody's. */
export function fileName(given: string | undefined): string {
  const name =
    (given ?? '')
      .split(/[/\\]/)
      .at(-1)
      ?.replace(/[\p{Cc}\p{Bidi_Control}]/gu, '')
      .slice(0, 255)
      .toWellFormed() ?? '';
  return name === '' || name === '.' || name === '..' ? 'file' : name;
}
