import type { Doorbell } from '../../aws/doorbell.ts';
import { ring } from '../../aws/doorbell.ts';
import { commit, type Table } from '../../aws/dynamo.ts';
import type { Objects } from '../../aws/objects.ts';
import { nextId } from '../../aws/reads.ts';
import { noteLeftover } from '../../core/deletion.ts';
import { Fault, Refusal } from '../../core/errors.ts';
import { noteAsked } from '../../core/idempotency.ts';
import { inlineParamsBytes } from '../../core/limits.ts';
import { create, inputKey } from '../../core/table.ts';
import { takeUploads } from '../../core/uploads.ts';
import type { CreatedReply, RerunReply } from '../../schemas/extensions.ts';
import { log } from '../bundle.ts';
import { uriOf } from './brief.ts';
import type { Checked, Reply, Request } from './http.ts';
import { askedBefore } from './idempotency.ts';
import { findUploads, mustBeTaken, type NewFile, usedAlready } from './new-files.ts';
import { readWrapper, type Wanted } from './read-wrapper.ts';
import type { Types } from './types.ts';
import { fittingParams } from './validate.ts';

export interface Creation {
  readonly table: Table;
  readonly doorbell: Doorbell;
  readonly objects: Objects;
  readonly types: Types;
}

/** What a request brings besides the wrapper of the job. */
export interface Given {
  readonly files: readonly NewFile[];
  /** What these files are, for telling a repeated request from another one. */
  readonly prints: readonly unknown[];
  /** The job that this one is made from. */
  readonly rerunOf?: number;
}

/** POST /repositories/:repo_id/jobs */
export const createJob = (creation: Creation): Checked<Wanted> => ({
  check: async (request) => readWrapper(request.body),
  handle: (request, wanted) => createWith(creation, request, wanted, { files: [], prints: [] }),
});

/**
 * Stores a job and rings the doorbell. Once the type is known its own permissions and its schema are checked, in
 * ArchivesSpace's order; nothing is stored before all of it holds. With an `Idempotency-Key`, a request that was made
 * before is answered as it was then, whatever has changed since. Throws `Refusal`.
 */
export async function createWith(
  creation: Creation,
  request: Request,
  wanted: Wanted,
  { files, prints, rerunOf }: Given,
): Promise<Reply> {
  const { table, doorbell, objects, types } = creation;
  const { repo, user } = request;
  const asking = () =>
    askedBefore(table, request, () => [wanted.type, wanted.job, wanted.jobParams, wanted.uploads, prints, rerunOf]);
  const asked = await asking();
  if (asked && 'job' in asked) return answered(creation, repo, asked.job, rerunOf);
  const type = await types.get(wanted.type);
  if (!type) throw new Refusal({ code: 'not_found', what: `No runner found for ${wanted.type}` });
  request.need(type.createPermissions);
  const params = await fittingParams(type, wanted.job);

  const sent = await findUploads(table, objects, request, wanted.uploads);
  const all = [...files, ...sent.files];
  mustBeTaken(all, type.type, type.files);

  const id = await nextId(table);
  const dropFiles = async () => {
    if (all.length > 0) await commit(table, noteLeftover({ id, type: type.type }));
  };
  const inputs = await Promise.all(
    all.map(async ({ name, contentType, size, place }, n) => ({
      name,
      contentType,
      size,
      etag: await place(inputKey(type.type, id, n)),
    })),
  ).catch(async (error: unknown) => {
    await dropFiles();
    throw error;
  });
  const now = Date.now();
  const taking = takeUploads(sent.uploads, id);
  const noting = asked ? [noteAsked(asked.ask.id, asked.ask.print, id, asked.ask.expired, now)] : [];
  const written = await commit(
    table,
    create(
      {
        id,
        repo,
        type: type.type,
        owner: user.username,
        now,
        correlation: request.correlation,
        params,
        apart: Buffer.byteLength(params) > inlineParamsBytes,
        ...(wanted.jobParams !== undefined && { jobParams: wanted.jobParams }),
        ...(rerunOf !== undefined && { rerunOf }),
        typeVersion: type.version,
        inputs,
      },
      [...taking, ...noting],
    ),
  );
  if (!written.done) await dropFiles();
  if (!written.done && noting.length > 0 && written.refused.at(-1) !== undefined) {
    // The same request came twice at once, and the other one was first.
    const first = await asking();
    if (first && 'job' in first) return answered(creation, repo, first.job, rerunOf);
  }
  const end = written.done ? 0 : written.refused.length - noting.length;
  if (!written.done && written.refused.slice(end - taking.length, end).some((item) => item !== undefined))
    throw usedAlready();
  if (!written.done) throw new Fault(`Job ${id} exists already: the counter was set back.`, written.refused);
  await ringFor(doorbell, id);
  log.info('Created a job.', { job: id, type: type.type, correlation: request.correlation });
  return { json: replyOf(repo, id, rerunOf) };
}

/** Answers as the first request of its kind was answered, or would have been: perhaps it died before it rang. */
async function answered({ doorbell }: Creation, repo: number, id: number, rerunOf: number | undefined): Promise<Reply> {
  await ringFor(doorbell, id);
  return { json: replyOf(repo, id, rerunOf), headers: { 'idempotency-replayed': 'true' } };
}

/** The job is stored: a doorbell that does not ring costs a minute, not the job. */
const ringFor = (doorbell: Doorbell, id: number) =>
  ring(doorbell).catch((error: unknown) =>
    log.error('The doorbell did not ring. The sweep will find the job.', { job: id, error }),
  );

function replyOf(repo: number, id: number, rerunOf: number | undefined): CreatedReply | RerunReply {
  const created = { status: 'Created', id, lock_version: 0, stale: null, uri: uriOf(repo, id), warnings: [] } as const;
  return rerunOf === undefined ? created : { ...created, rerun_of: uriOf(repo, rerunOf) };
}
