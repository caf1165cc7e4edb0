import { readInputs, readParams } from '../../aws/reads.ts';
import { inputKey } from '../../core/table.ts';
import { type Creation, createWith } from './create-job.ts';
import { findJob } from './find-job.ts';
import type { Handler } from './http.ts';
import { fromBucket } from './new-files.ts';

/**
 * POST /repositories/:repo_id/jobs/:id/rerun: a new job of whoever asks, with the parameters and files of an old one.
 * Everything is checked as if it were sent anew: permissions, and the type's schema as it is now.
 */
export const rerunJob =
  (creation: Creation): Handler =>
  async (request) => {
    // Who makes a job of an old one can read what is in it.
    request.need(['view_repository']);
    const { table, objects } = creation;
    const old = await findJob(table, request);
    const [params, inputs] = await Promise.all([readParams(table, old), readInputs(table, old)]);
    const wanted = {
      type: old.type,
      job: JSON.parse(params) as Record<string, unknown>,
      jobParams: old.jobParams,
      uploads: [],
    };
    const files = inputs.map((file, n) => fromBucket(objects, { ...file, from: inputKey(old.type, old.id, n) }));
    return createWith(creation, request, wanted, { files, prints: [], rerunOf: old.id });
  };
