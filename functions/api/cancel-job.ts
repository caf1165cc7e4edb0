import { randomBytes } from 'node:crypto';
import { type Doorbell, ring } from '../../aws/doorbell.ts';
import { commit, type Table } from '../../aws/dynamo.ts';
import { readJob, readRun } from '../../aws/reads.ts';
import { Fault, Refusal } from '../../core/errors.ts';
import { isEnded, type Job, type RunningJob } from '../../core/job.ts';
import { cancelQueued, event, requestCancel } from '../../core/table.ts';
import { log } from '../bundle.ts';
import { endRun } from '../end.ts';
import { findJob } from './find-job.ts';
import type { Handler } from './http.ts';
import type { Types } from './types.ts';

const mostTries = 5;

/**
 * POST /repositories/:repo_id/jobs/:id/cancel: a queued job never starts; a running one is asked to stop, and one
 * between two segments stops at once. A job that has ended stays as it is, with 200, as in ArchivesSpace.
 */
export const cancelJob =
  (table: Table, doorbell: Doorbell, types: Types): Handler =>
  async (request) => {
    const job = await findJob(table, request);
    const type = await types.get(job.type);
    // A type without a runner has no permissions of its own left: its jobs can still be canceled.
    request.need(type?.cancelPermissions ?? []);
    const canceled = await cancel(table, doorbell, job, request.user.username);
    return { json: { status: 'Updated', id: canceled.id, lock_version: canceled.lockVersion, stale: null } };
  };

async function cancel(table: Table, doorbell: Doorbell, found: Job, by: string): Promise<Job> {
  let job = found;
  for (let tries = 0; tries < mostTries; tries++) {
    if (isEnded(job) || job.cancelRequested !== undefined) return job;
    const now = Date.now();
    const written = await commit(table, [
      ...(job.status === 'queued' ? cancelQueued(job, by, now) : requestCancel(job, by, now)),
      ...event(job.id, now, randomBytes(4).toString('hex'), { what: 'cancel', by }),
    ]);
    const was = job;
    job = await again(table, job.id);
    if (!written.done) continue;
    log.info('A cancel was asked for.', {
      job: job.id,
      type: job.type,
      by,
      while: was.status,
      correlation: job.correlation,
    });
    if (was.status === 'running') await endBetweenSegments(table, doorbell, was);
    return again(table, job.id);
  }
  throw new Fault('A job changed each time it was to be canceled.', { job: job.id });
}

/** No invocation is running that could see the cancel, so the job ends here, and its slot is free. */
async function endBetweenSegments(table: Table, doorbell: Doorbell, job: RunningJob): Promise<void> {
  const run = await readRun(table, job);
  // A runner that works elsewhere asked for its next segment, to pass the cancel on.
  if (run?.token !== job.token || run.open || run.end || run.heedsCancel) return;
  await endRun({ table, log, now: () => Date.now() }, { job: job.id, type: job.type, token: job.token }, undefined);
  await ring(doorbell).catch((error: unknown) => log.error('The doorbell did not ring.', { error }));
}

async function again(table: Table, id: number): Promise<Job> {
  const job = await readJob(table, id);
  if (!job) throw new Refusal({ code: 'not_found', what: 'Job not found' });
  return job;
}
