import type { Table } from '../../aws/dynamo.ts';
import { readFiles } from '../../aws/reads.ts';
import { findJob } from './find-job.ts';
import type { Handler } from './http.ts';

/** GET /repositories/:repo_id/jobs/:id/output_files: ids of the uploaded files, then of those the job made. */
export const outputFiles =
  (table: Table): Handler =>
  async (request) => {
    const files = await readFiles(table, await findJob(table, request));
    return { json: files.map((_, i) => i + 1) };
  };
