import { createHash } from 'node:crypto';
import { Refusal } from '../../core/errors.ts';
import { maxFormBytes } from '../../core/limits.ts';
import { type Creation, createWith } from './create-job.ts';
import type { Checked, Request } from './http.ts';
import { type FormFile, fromForm } from './new-files.ts';
import { readWrapper, type Wanted } from './read-wrapper.ts';

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

async function readForm({ body, contentType }: Omit<Request, 'user' | 'need'>): Promise<Form> {
  if (body.length > maxFormBytes) {
    throw new Refusal({
      code: 'too_large',
      message: `Files and parameters together are at most ${maxFormBytes} bytes; these are ${body.length}. ${largerFiles}`,
    });
  }
  if (!/^multipart\/form-data\s*;/i.test(contentType)) {
    throw new Refusal({
      code: 'unreadable',
      message: 'the body must be multipart/form-data with the parts job and files[0], files[1], …',
    });
  }
  // Loaded when a form comes: most jobs come without files, and it is a tenth of this function.
  const { readParts } = await import('./form-parts.ts');
  const { job, parts } = await readParts(body, contentType);
  const required = ['Parameter required but no value provided'];
  const problems = { ...(job === undefined && { job: required }), ...(parts.length === 0 && { files: required }) };
  if (job === undefined || parts.length === 0) throw new Refusal({ code: 'bad_request', problems });
  // In the order of their numbers: the original sorts them as words, so that an eleventh file comes third.
  const files = parts.toSorted((a, b) => a.place - b.place).map(({ file }) => file);
  return { wanted: readWrapper(job), files };
}
