import type { Table } from '../../aws/dynamo.ts';
import { readLogPart } from '../../aws/reads.ts';
import { Refusal } from '../../core/errors.ts';
import { isEnded } from '../../core/job.ts';
import { logHeaders } from '../../schemas/extensions.ts';
import { findJob } from './find-job.ts';
import type { Checked } from './http.ts';

/** Lambda answers at most 6 MB, and bytes go as base64 (AWS Lambda quotas). */
const mostBytes = 4 * 1024 * 1024;

/** GET /repositories/:repo_id/jobs/:id/log: the log's bytes from `offset` on, which may begin or end inside a character. */
export const jobLog = (table: Table): Checked<number> => ({
  async check({ query }) {
    const offset = query.get('offset') ?? '0';
    if (!/^\d{1,12}$/.test(offset)) {
      throw new Refusal({
        code: 'bad_request',
        problems: { offset: [`Wanted a non-negative Integer but got '${offset.slice(0, 100)}'`] },
      });
    }
    return Number(offset);
  },
  async handle(request, offset) {
    const job = await findJob(table, request);
    const { bytes, end } = await readLogPart(table, job, offset, mostBytes);
    return {
      bytes,
      headers: {
        'content-type': 'text/plain; charset=utf-8',
        [logHeaders.next]: String(offset + bytes.length),
        [logHeaders.end]: String(end),
        // The job was read before the log: what it says of its end holds of what was read.
        [logHeaders.complete]: String(isEnded(job)),
      },
    };
  },
});
