import { Busboy } from '@fastify/busboy';
import { Refusal } from '../../core/errors.ts';
import { type Creation, createWith, type Upload } from './create-job.ts';
import type { Checked, Request } from './http.ts';
import { readWrapper, type Wanted } from './read-wrapper.ts';

/** A Lambda takes 6 MB, and the gateway hands it binary bodies as base64 (AWS Lambda quotas). */
export const mostBodyBytes = 4 * 1024 * 1024;
const mostFiles = 100;

interface Form {
  readonly wanted: Wanted;
  readonly uploads: readonly Upload[];
}

/** POST /repositories/:repo_id/jobs_with_files: a form of `job` (the JSON) and `files[0]`, `files[1]`, … or `files[]`. */
export const createJobWithFiles = (creation: Creation): Checked<Form> => ({
  check: readForm,
  handle: (request, { wanted, uploads }) => createWith(creation, request, wanted, uploads),
});

type Part = { readonly place: number; readonly upload: Upload };

async function readForm({ body, contentType }: Omit<Request, 'user' | 'need'>): Promise<Form> {
  if (body.length > mostBodyBytes) {
    throw new Refusal({
      code: 'too_large',
      message: `Files and parameters together are at most ${mostBodyBytes} bytes; these are ${body.length}.`,
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
  const uploads = parts.toSorted((a, b) => a.place - b.place).map(({ upload }) => upload);
  return { wanted: readWrapper(job), uploads };
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
        limits: { files: mostFiles + 1, fields: 20, fieldSize: mostBodyBytes },
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
        const upload = { name: fileName(filename), contentType: mimeType(mimetype), bytes: Buffer.concat(chunks) };
        parts.push({ place: place === '' ? parts.length : Number(place), upload });
      });
    });
    form.on('error', unreadable);
    form.on('finish', () => {
      const problem =
        parts.length > mostFiles
          ? `At most ${mostFiles} files`
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
function fileName(given: string | undefined): string {
  const name =
    (given ?? '')
      .split(/[/\\]/)
      .at(-1)
      ?.replace(/[\p{Cc}\p{Bidi_Control}]/gu, '')
      .slice(0, 255)
      .toWellFormed() ?? '';
  return name === '' || name === '.' || name === '..' ? 'file' : name;
}
