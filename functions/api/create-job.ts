import type { Doorbell } from '../../aws/doorbell.ts';
import { ring } from '../../aws/doorbell.ts';
import { commit, type Table } from '../../aws/dynamo.ts';
import { type Objects, store } from '../../aws/objects.ts';
import { nextId } from '../../aws/reads.ts';
import { Fault, Refusal } from '../../core/errors.ts';
import { inlineParamsBytes, maxParamsBytes } from '../../core/limits.ts';
import { create, inputKey } from '../../core/table.ts';
import { log } from '../bundle.ts';
import type { Checked, Reply, Request } from './http.ts';
import { readWrapper, type Wanted, withoutNothing } from './read-wrapper.ts';
import { parsedSchema, type Types } from './types.ts';
import { mustFit, validatorOf } from './validate.ts';

export interface Creation {
  readonly table: Table;
  readonly doorbell: Doorbell;
  readonly objects: Objects;
  readonly types: Types;
}

export interface Upload {
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

/** POST /repositories/:repo_id/jobs */
export const createJob = (creation: Creation): Checked<Wanted> => ({
  check: async (request) => readWrapper(request.body),
  handle: (request, wanted) => createWith(creation, request, wanted, []),
});

/**
 * Stores a job and rings the doorbell. Once the type is known its own permissions and its schema are checked, in
 * ArchivesSpace's order; nothing is stored before all of it holds. Throws `Refusal`.
 */
export async function createWith(
  creation: Creation,
  request: Request,
  wanted: Wanted,
  uploads: readonly Upload[],
): Promise<Reply> {
  const { table, doorbell, objects, types } = creation;
  const { repo, user } = request;
  const type = await types.get(wanted.type);
  if (!type) throw new Refusal({ code: 'not_found', what: `No runner found for ${wanted.type}` });
  request.need(type.createPermissions);
  const job = withoutNothing(wanted.job, parsedSchema(type.schema));
  mustFit(await validatorOf(type.type, type.schema), job, type.type);
  const params = JSON.stringify(job);
  if (Buffer.byteLength(params) > maxParamsBytes)
    throw new Refusal({ code: 'bad_request', problems: { job: [`At most ${maxParamsBytes} bytes of parameters`] } });

  const id = await nextId(table);
  const inputs = await Promise.all(
    uploads.map(async ({ name, contentType, bytes }, n) => ({
      name,
      contentType,
      size: bytes.length,
      etag: await store(objects, inputKey(type.type, id, n), bytes),
    })),
  );
  const written = await commit(
    table,
    create({
      id,
      repo,
      type: type.type,
      owner: user.username,
      now: Date.now(),
      correlation: request.correlation,
      params,
      apart: Buffer.byteLength(params) > inlineParamsBytes,
      ...(wanted.jobParams !== undefined && { jobParams: wanted.jobParams }),
      typeVersion: type.version,
      inputs,
    }),
  );
  if (!written.done) throw new Fault(`Job ${id} exists already: the counter was set back.`, written.refused);
  // The job is stored: a doorbell that does not ring costs a minute, not the job.
  await ring(doorbell).catch((error: unknown) =>
    log.error('The doorbell did not ring. The sweep will find the job.', { job: id, error }),
  );
  log.info('Created a job.', { job: id, type: type.type, correlation: request.correlation });
  return {
    json: {
      status: 'Created',
      id,
      lock_version: 0,
      stale: null,
      uri: `/repositories/${repo}/jobs/${id}`,
      warnings: [],
    },
  };
}
