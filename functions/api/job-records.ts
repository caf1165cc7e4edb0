import type { Table } from '../../aws/dynamo.ts';
import { readRecords } from '../../aws/reads.ts';
import { findJob } from './find-job.ts';
import type { Handler } from './http.ts';
import { pageOf, paging } from './paging.ts';

/** GET /repositories/:repo_id/jobs/:id/records: what the job created or changed, newest first, each once. */
export const jobRecords =
  (table: Table): Handler =>
  async (request) => {
    const wanted = paging(request.query);
    const uris = await readRecords(table, await findJob(table, request));
    const records = uris.map((ref, i) => ({ id: uris.length - i, record: { ref } }));
    const wire = (some: typeof records) => some.map(({ record }) => ({ record }));
    if (wanted.mode === 'all_ids') return { json: records.map(({ id }) => id) };
    if (wanted.mode === 'id_set') return { json: wire(records.filter(({ id }) => wanted.ids.includes(id))) };
    const page = pageOf(records, wanted);
    return { json: { ...page, results: wire(page.results) } };
  };
