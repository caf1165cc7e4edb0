import type { Table } from '../../aws/dynamo.ts';
import { countQueuedBefore, readParams, readRun } from '../../aws/reads.ts';
import { isEnded, type Job } from '../../core/job.ts';
import type { KnownType } from './types.ts';

/** `2026-08-20 13:45:55 UTC`: job times, as ArchivesSpace's own code relies on. */
export const jobTime = (ms: number) =>
  new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
/** `2026-08-20T13:45:55Z`: the times that every record has. */
export const auditTime = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/**
 * A job as ArchivesSpace returns it (common/schemas/job.rb). Fields that a job does not have are left out, not null.
 * `failure` and `progress` are ours.
 */
export async function wireJob(
  table: Table,
  job: Job,
  types: ReadonlyMap<string, KnownType>,
): Promise<Record<string, unknown>> {
  const known = types.has(job.type);
  const [params, position, run] = await Promise.all([
    readParams(table, job),
    job.status === 'queued' ? countQueuedBefore(table, [...types.keys()], job.id) : undefined,
    job.status === 'running' ? readRun(table, job) : undefined,
  ]);
  return {
    lock_version: job.lockVersion,
    ...(job.jobParams !== undefined && { job_params: JSON.stringify(job.jobParams) }),
    time_submitted: jobTime(job.submitted),
    ...('started' in job && job.started !== undefined && { time_started: jobTime(job.started) }),
    ...(isEnded(job) && { time_finished: jobTime(job.finished) }),
    status: job.status,
    ...(position !== undefined && { queue_position: position }),
    created_by: job.owner,
    last_modified_by: job.canceledBy ?? job.owner,
    create_time: auditTime(job.submitted),
    system_mtime: auditTime(job.mtime),
    user_mtime: auditTime(job.submitted),
    job_type: job.type,
    inactive_record: !known,
    has_modified_records: isEnded(job) && (job.ends?.records ?? 0) > 0,
    jsonmodel_type: 'job',
    job: known ? JSON.parse(params) : job.type,
    owner: job.owner,
    uri: `/repositories/${job.repo}/jobs/${job.id}`,
    repository: { ref: `/repositories/${job.repo}` },
    ...(isEnded(job) && job.failure && { failure: { kind: job.failure.kind, reason: job.failure.reason } }),
    ...(run?.progress && { progress: run.progress }),
    ...(job.cancelRequested !== undefined && job.status === 'running' && { cancel_requested: true }),
  };
}
