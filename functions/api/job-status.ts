import type { Table } from '../../aws/dynamo.ts';
import { countQueued } from '../../aws/queue.ts';
import { readBoard, readRun } from '../../aws/reads.ts';
import type { Job } from '../../core/job.ts';
import type { User } from '../../core/permissions.ts';
import { whyWaiting } from '../../core/waiting.ts';
import type { QueuePlace, StatusReply } from '../../schemas/extensions.ts';
import { briefOf } from './brief.ts';
import { findJob } from './find-job.ts';
import type { Handler } from './http.ts';
import { tagged } from './tagged.ts';
import { slotsOf, waitingFor } from './waiting-for.ts';

/** GET /repositories/:repo_id/jobs/:id/status: how a job stands, and what it waits for; made to be asked often. */
export const jobStatus =
  (table: Table): Handler =>
  async (request) => {
    const job = await findJob(table, request);
    const [run, queue] = await Promise.all([
      job.status === 'running' ? readRun(table, job) : undefined,
      job.status === 'queued' ? placeOf(table, job, request.user) : undefined,
    ]);
    const status: StatusReply = { ...briefOf(job, run), lock_version: job.lockVersion, ...(queue && { queue }) };
    return tagged(request, status);
  };

async function placeOf(table: Table, job: Job, reader: User): Promise<QueuePlace> {
  const [board, older] = await Promise.all([readBoard(table), countQueued(table, job.id)]);
  return {
    position: older.count,
    more: older.more,
    slots: slotsOf(board),
    waiting_for: waitingFor(whyWaiting(board, older.byType, job.type), reader),
  };
}
