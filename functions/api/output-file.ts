import type { Table } from '../../aws/dynamo.ts';
import { load, type Objects, presign } from '../../aws/objects.ts';
import { readFiles } from '../../aws/reads.ts';
import { Refusal } from '../../core/errors.ts';
import { findJob } from './find-job.ts';
import type { Handler } from './http.ts';

/** What fits into one answer of Lambda as base64; larger files are fetched from the bucket itself. */
const mostBytes = 4 * 1024 * 1024;
const linkSeconds = 60;
/** What a browser shows without running anything of it. Whatever else a file calls itself, it is bytes. */
const harmless = new Set([
  'text/plain',
  'text/csv',
  'text/tab-separated-values',
  'application/pdf',
  'application/json',
]);

/** GET /repositories/:repo_id/jobs/:id/output_files/:file_id: the file, always as an attachment under its own name. */
export const outputFile =
  (table: Table, objects: Objects): Handler =>
  async (request) => {
    const files = await readFiles(table, await findJob(table, request));
    const file = files[Number(request.path['file_id']) - 1];
    if (!file) throw new Refusal({ code: 'not_found', what: 'File not found' });
    const disposition = attachment(file.name);
    if (file.size > mostBytes) {
      return {
        redirect: await presign(objects, 'GET', file.key, linkSeconds, { 'response-content-disposition': disposition }),
      };
    }
    const contentType = harmless.has(file.contentType) ? file.contentType : 'application/octet-stream';
    const bytes = await load(objects, file.key);
    if (!bytes) throw new Refusal({ code: 'not_found', what: 'File not found' });
    return { bytes, headers: { 'content-type': contentType, 'content-disposition': disposition } };
  };

/** RFC 6266: a plain name for old clients, the whole one encoded; neither can end the header. */
export function attachment(given: string): string {
  const name = given.toWellFormed();
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
