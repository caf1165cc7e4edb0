import type { Table } from '../../aws/dynamo.ts';
import { countQueuedBefore, type Live } from '../../aws/lists.ts';
import { readParams, readRun } from '../../aws/reads.ts';
import { isEnded, type Job } from '../../core/job.ts';
import { type KnownType, parsedSchema } from './types.ts';

/** `2026-08-20 13:45:55 UTC`: job times, as ArchivesSpace's own code relies on. */
export const jobTime = (ms: number) =>
  new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
/** `2026-08-20T13:45:55Z`: the times that every record has. */
export const auditTime = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** How many queued jobs of all repositories are older, by id of the job: counted once for a whole listing. */
export const positionsIn = ({ queued }: Live): ReadonlyMap<number, number> =>
  new Map(queued.map(({ id }, position) => [id, position]));

/**
 * A job as ArchivesSpace returns it (common/schemas/job.rb). Fields that a job does not have are left out, not null.
 * `failure`, `progress` and `cancel_requested` are ours.
 *
 * @param positions of the queued jobs, where they are known
 */
export async function wireJob(
  table: Table,
  job: Job,
  types: ReadonlyMap<string, KnownType>,
  positions?: ReadonlyMap<number, number>,
) {
  const known = types.get(job.type);
  const [params, position, run] = await Promise.all([
    readParams(table, job),
    job.status !== 'queued' ? undefined : (positions?.get(job.id) ?? countQueuedBefore(table, job.id)),
    job.status === 'running' ? readRun(table, job) : undefined,
  ]);
  return {
    lock_version: job.lockVersion,
    ...(job.jobParams !== undefined && { job_params: JSON.stringify(job.jobParams) }),
    time_submitted: jobTime(job.submitted),
    ...('started' in job && job.started !== undefined && { time_started: jobTime(job.started) }),
    ...(isEnded(job) && { time_finished: jobTime(job.finished) }),
    status: job.status,
    ...(position !== undefined && { queue_position: position }),
    created_by: job.owner,
    last_modified_by: job.canceledBy ?? job.owner,
    create_time: auditTime(job.submitted),
    system_mtime: auditTime(job.mtime),
    user_mtime: auditTime(job.submitted),
    job_type: job.type,
    inactive_record: !known,
    has_modified_records: isEnded(job) && (job.ends?.records ?? 0) > 0,
    jsonmodel_type: 'job',
    job: known ? shown(JSON.parse(params) as Params, known) : job.type,
    owner: job.owner,
    uri: `/repositories/${job.repo}/jobs/${job.id}`,
    repository: { ref: `/repositories/${job.repo}` },
    ...(isEnded(job) && job.failure && { failure: { kind: job.failure.kind, reason: job.failure.reason } }),
    ...(run?.progress && { progress: run.progress }),
    ...(job.rerunOf !== undefined && { rerun_of: `/repositories/${job.repo}/jobs/${job.rerunOf}` }),
    ...(job.cancelRequested !== undefined && job.status === 'running' && { cancel_requested: true }),
  };
}

type Params = Readonly<Record<string, unknown>>;

/** What the type's schema knows of the parameters, with its defaults: both are applied when a job is read, not before. */
function shown(params: Params, { type, schema }: KnownType): Params {
  const { properties = {}, additionalProperties = false } = parsedSchema(schema);
  const defaults = Object.entries(properties).flatMap(([name, property]) =>
    property.default === undefined ? [] : [[name, property.default] as const],
  );
  const given = Object.entries(params).filter(
    ([name]) => Object.hasOwn(properties, name) || additionalProperties !== false || name === 'jsonmodel_type',
  );
  return { ...Object.fromEntries(defaults), ...Object.fromEntries(given), jsonmodel_type: type };
}
