import type { Table } from '../../aws/dynamo.ts';
import { listIds, readJobs } from '../../aws/reads.ts';
import type { Handler } from './http.ts';
import { pageOf, paging } from './paging.ts';
import type { Types } from './types.ts';
import { wireJob } from './wire.ts';

/** GET /repositories/:repo_id/jobs: ordered by status (as words), then id. */
export const listJobs =
  (table: Table, types: Types): Handler =>
  async ({ repo, query }) => {
    const wanted = paging(query);
    const wire = async (ids: readonly number[]) => {
      const [known, jobs] = await Promise.all([types.all(), readJobs(table, ids)]);
      return Promise.all(jobs.filter((job) => job.repo === repo).map((job) => wireJob(table, job, known)));
    };
    if (wanted.mode === 'id_set') return { json: await wire(wanted.ids) };
    const ids = await listIds(table, repo);
    if (wanted.mode === 'all_ids') return { json: ids };
    const page = pageOf(ids, wanted);
    return { json: { ...page, results: await wire(page.results) } };
  };
