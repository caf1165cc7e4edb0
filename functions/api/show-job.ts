import { findJob } from './find-job.ts';
import type { Checked } from './http.ts';
import type { Listing } from './list-jobs.ts';
import { type Wanted, wantedOf } from './resolve.ts';
import { wireJob } from './wire.ts';

/** GET /repositories/:repo_id/jobs/:id */
export const showJob = ({ table, types, resolver }: Listing): Checked<Wanted> => ({
  check: async ({ query }) => wantedOf(query),
  async handle(request, wanted) {
    const job = await wireJob(table, await findJob(table, request), await types.all());
    const [resolved] = await resolver.resolve([job], 'repository', wanted, request);
    return { json: resolved };
  },
});
