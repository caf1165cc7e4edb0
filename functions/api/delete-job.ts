import { randomBytes } from 'node:crypto';
import { commit, type Table } from '../../aws/dynamo.ts';
import { readBoard } from '../../aws/reads.ts';
import { mayBeDeleted, deleteJob as removal } from '../../core/deletion.ts';
import { Fault, Refusal } from '../../core/errors.ts';
import { log } from '../bundle.ts';
import { findJob } from './find-job.ts';
import type { Handler } from './http.ts';
import type { Types } from './types.ts';

const mostTries = 5;

/**
 * DELETE /repositories/:repo_id/jobs/:id: takes a queued or ended job away. Unlike ArchivesSpace it asks for the type's
 * cancel permissions too, and refuses a job that is running, or whose run may still be writing (409).
 */
export const deleteJob =
  (table: Table, types: Types): Handler =>
  async (request) => {
    for (let tries = 0; tries < mostTries; tries++) {
      const job = await findJob(table, request);
      request.need((await types.get(job.type))?.cancelPermissions ?? []);
      const { slots, locks } = await readBoard(table);
      if (!mayBeDeleted(job, [...slots, ...locks])) {
        throw new Refusal({
          code: 'conflict',
          message: 'The job is running. Cancel it first, and delete it when it has stopped.',
        });
      }
      const nonce = randomBytes(4).toString('hex');
      const written = await commit(table, removal(job, request.user.username, Date.now(), nonce));
      if (!written.done) continue;
      log.info('Deleted a job.', { job: job.id, type: job.type, by: request.user.username });
      return { json: { status: 'Deleted', id: job.id } };
    }
    throw new Fault('A job changed each time it was to be deleted.', { job: request.id });
  };
