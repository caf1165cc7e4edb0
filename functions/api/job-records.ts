import { readRecords } from '../../aws/reads.ts';
import { findJob } from './find-job.ts';
import type { Checked } from './http.ts';
import type { Listing } from './list-jobs.ts';
import { type Paging, pageOf, paging } from './paging.ts';
import { type Wanted, wantedOf } from './resolve.ts';

/** GET /repositories/:repo_id/jobs/:id/records: what the job created or changed, newest first, each once. */
export const jobRecords = ({
  table,
  resolver,
}: Pick<Listing, 'table' | 'resolver'>): Checked<Paging & { readonly resolve: Wanted }> => ({
  check: async ({ query }) => ({ ...paging(query), resolve: wantedOf(query) }),
  async handle(request, wanted) {
    const uris = await readRecords(table, await findJob(table, request));
    const records = uris.map((ref, i) => ({ id: uris.length - i, record: { ref } }));
    const wire = (some: typeof records) =>
      resolver.resolve(
        some.map(({ record }) => ({ record })),
        'record',
        wanted.resolve,
        request,
      );
    if (wanted.mode === 'all_ids') return { json: records.map(({ id }) => id) };
    if (wanted.mode === 'id_set') return { json: await wire(records.filter(({ id }) => wanted.ids.has(id))) };
    const page = pageOf(records, wanted);
    return { json: { ...page, results: await wire(page.results) } };
  },
});
