import type { Table } from '../../aws/dynamo.ts';
import { type Objects, presign } from '../../aws/objects.ts';
import { type JobFile, readFiles } from '../../aws/reads.ts';
import { Refusal } from '../../core/errors.ts';
import type { Job } from '../../core/job.ts';
import type { FileEntry, FileLink, FilesReply } from '../../schemas/extensions.ts';
import { uriOf } from './brief.ts';
import { findJob } from './find-job.ts';
import type { Handler } from './http.ts';
import { attachment } from './output-file.ts';
import { jobTime } from './wire.ts';

/** How long a link to a file may be followed. */
const linkSeconds = 60;

/** GET /repositories/:repo_id/jobs/:id/files: name, size and type of each file, those that were uploaded first. */
export const jobFiles =
  (table: Table): Handler =>
  async (request) => {
    const job = await findJob(table, request);
    const files = (await readFiles(table, job)).map((file, i) => entryOf(job, file, i + 1));
    return { json: { files } satisfies FilesReply };
  };

/** GET /repositories/:repo_id/jobs/:id/files/:file_id: a link that a browser can follow: it sends no session header. */
export const fileLink =
  (table: Table, objects: Objects): Handler =>
  async (request) => {
    const job = await findJob(table, request);
    const id = Number(request.path['file_id']);
    const file = (await readFiles(table, job))[id - 1];
    if (!file) throw new Refusal({ code: 'not_found', what: 'File not found' });
    const expires = jobTime(Date.now() + linkSeconds * 1000);
    const link = await presign(objects, 'GET', file.key, linkSeconds, {
      'response-content-disposition': attachment(file.name),
      // Whatever the object was stored with: nothing that a browser would show.
      'response-content-type': 'application/octet-stream',
    });
    return { json: { ...entryOf(job, file, id), link, expires } satisfies FileLink };
  };

const entryOf = (job: Job, { name, size, contentType, output }: JobFile, id: number): FileEntry => ({
  id,
  name,
  size,
  content_type: contentType,
  kind: output ? 'output' : 'input',
  url: `${uriOf(job.repo, job.id)}/output_files/${id}`,
});
