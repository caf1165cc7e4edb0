import { readLive, readManyJobs } from '../../aws/lists.ts';
import type { Checked } from './http.ts';
import type { Listing } from './list-jobs.ts';
import { type Wanted, wantedOf } from './resolve.ts';
import { positionsIn, wireJob } from './wire.ts';

/** GET /repositories/:repo_id/jobs/active: a bare array, running jobs (latest change first), then queued ones in their order. */
export const activeJobs = ({ table, types, resolver }: Listing): Checked<Wanted> => ({
  check: async ({ query }) => wantedOf(query),
  async handle(request, wanted) {
    const [known, live] = await Promise.all([types.all(), readLive(table)]);
    const running = live.running.filter(({ repo }) => repo === request.repo).sort((a, b) => b.mtime - a.mtime);
    const queued = await readManyJobs(
      table,
      live.queued.filter(({ repo }) => repo === request.repo).map(({ id }) => id),
    );
    const positions = positionsIn(live);
    const jobs = [...running, ...queued.filter(({ status }) => status === 'queued')];
    const wired = await Promise.all(jobs.map((job) => wireJob(table, job, known, positions)));
    return { json: await resolver.resolve(wired, 'repository', wanted, request) };
  },
});
