import type { Table } from '../../aws/dynamo.ts';
import { readJob } from '../../aws/reads.ts';
import { Refusal } from '../../core/errors.ts';
import type { Job } from '../../core/job.ts';

/** The job of a path. A job of another repository is not found, on every route. Throws `Refusal`. */
export async function findJob(
  table: Table,
  { repo, id }: { readonly repo: number; readonly id: number },
): Promise<Job> {
  const job = await readJob(table, id);
  if (!job || job.repo !== repo) throw new Refusal({ code: 'not_found', what: 'Job not found' });
  return job;
}
