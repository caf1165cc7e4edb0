import type { Table } from '../../aws/dynamo.ts';
import { type Listed, listJobs as list, readManyJobs } from '../../aws/lists.ts';
import type { Checked, Request } from './http.ts';
import { type Paging, pageOf, paging } from './paging.ts';
import { type Resolver, type Wanted, wantedOf } from './resolve.ts';
import type { Types } from './types.ts';
import { positionsIn, wireJob } from './wire.ts';

/** What the listings need. */
export interface Listing {
  readonly table: Table;
  readonly types: Types;
  readonly resolver: Resolver;
}

/** GET /repositories/:repo_id/jobs: ordered by status (as words), then id. */
export const listJobs = (listing: Listing) => listingOf(listing, (jobs) => jobs);

/** GET /repositories/:repo_id/jobs/archived: those that have ended, the latest end first. */
export const archivedJobs = (listing: Listing) =>
  listingOf(listing, (jobs) =>
    jobs
      .filter(({ finished }) => finished !== undefined)
      .sort((a, b) => (b.finished ?? 0) - (a.finished ?? 0) || b.id - a.id),
  );

function listingOf(
  { table, types, resolver }: Listing,
  choose: (jobs: readonly Listed[]) => readonly Listed[],
): Checked<Paging & { readonly resolve: Wanted }> {
  return {
    check: async ({ query }) => ({ ...paging(query), resolve: wantedOf(query) }),
    async handle(request: Request, wanted) {
      const { jobs, live } = await list(table, request.repo);
      const changed = choose(jobs).filter(({ mtime }) => Math.floor(mtime / 1000) >= wanted.modifiedSince);
      if (wanted.mode === 'all_ids') return { json: changed.map(({ id }) => id) };
      const wire = async (some: readonly Listed[]) => {
        const [known, found] = await Promise.all([
          types.all(),
          readManyJobs(
            table,
            some.map(({ id }) => id),
          ),
        ]);
        const positions = positionsIn(live);
        const wired = await Promise.all(found.map((job) => wireJob(table, job, known, positions)));
        return resolver.resolve(wired, 'repository', wanted.resolve, request);
      };
      if (wanted.mode === 'id_set') return { json: await wire(changed.filter(({ id }) => wanted.ids.has(id))) };
      const page = pageOf(changed, wanted);
      return { json: { ...page, results: await wire(page.results) } };
    },
  };
}
