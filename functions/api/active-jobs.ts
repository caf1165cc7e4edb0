import type { Table } from '../../aws/dynamo.ts';
import { readLive } from '../../aws/reads.ts';
import type { Handler } from './http.ts';
import type { Types } from './types.ts';
import { wireJob } from './wire.ts';

/** GET /repositories/:repo_id/jobs/active: a bare array, running jobs (latest change first), then queued ones in their order. */
export const activeJobs =
  (table: Table, types: Types): Handler =>
  async ({ repo }) => {
    const [known, jobs] = await Promise.all([types.all(), readLive(table, repo)]);
    const running = jobs.filter(({ status }) => status === 'running').sort((a, b) => b.mtime - a.mtime);
    const queued = jobs.filter(({ status }) => status === 'queued').sort((a, b) => a.id - b.id);
    return { json: await Promise.all([...running, ...queued].map((job) => wireJob(table, job, known))) };
  };
