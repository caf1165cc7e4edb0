import type { Table } from '../../aws/dynamo.ts';
import { findJob } from './find-job.ts';
import type { Handler } from './http.ts';
import type { Types } from './types.ts';
import { wireJob } from './wire.ts';

/** GET /repositories/:repo_id/jobs/:id */
export const showJob =
  (table: Table, types: Types): Handler =>
  async (request) => ({ json: await wireJob(table, await findJob(table, request), await types.all()) });
