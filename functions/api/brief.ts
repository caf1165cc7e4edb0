import { isEnded, type Job, type Run } from '../../core/job.ts';
import type { FailureNote, JobBrief } from '../../schemas/extensions.ts';
import { jobTime } from './wire.ts';

export const uriOf = (repo: number, id: number) => `/repositories/${repo}/jobs/${id}`;

/** The short view of a job, from its item and, while it runs, its run: two items, however large the rest is. */
export function briefOf(job: Job, run?: Run): JobBrief {
  const progress = job.status === 'running' && run?.token === job.token ? run.progress : undefined;
  const failure = failureOf(job);
  return {
    id: job.id,
    uri: uriOf(job.repo, job.id),
    job_type: job.type,
    status: job.status,
    owner: job.owner,
    time_submitted: jobTime(job.submitted),
    ...('started' in job && job.started !== undefined && { time_started: jobTime(job.started) }),
    ...(isEnded(job) && { time_finished: jobTime(job.finished) }),
    ...(progress && { progress }),
    ...(job.cancelRequested !== undefined && {
      cancel_requested: { by: job.canceledBy ?? '', time: jobTime(job.cancelRequested) },
    }),
    ...(failure && { failure }),
    ...(job.rerunOf !== undefined && { rerun_of: uriOf(job.repo, job.rerunOf) }),
  };
}

export const failureOf = (job: Job): FailureNote | undefined =>
  isEnded(job) && job.failure ? { kind: job.failure.kind, reason: job.failure.reason } : undefined;
