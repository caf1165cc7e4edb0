/** The stand-in's job routes, with the original's checks in the original's order (backend/app/controllers/job.rb). */
import type { StandInJob, StandInJobs } from './jobs.ts';

/** By type: required parameters that are text, and the permissions beside `create_job` and `cancel_job`. */
const TYPES: Readonly<
  Record<string, { required: readonly string[]; create: readonly string[]; cancel: readonly string[] }>
> = {
  print_to_pdf_job: { required: ['source'], create: [], cancel: [] },
  container_labels_job: { required: ['source'], create: [], cancel: [] },
};
const MISSING = ['Property is required but was missing'];

/** A request about jobs of a repository that exists. */
export interface JobCall {
  readonly jobs: StandInJobs;
  readonly repositoryId: number;
  readonly username: string;
  /** Whether the user has the permission in this repository. */
  may(permission: string): boolean;
}

export type JobReply =
  | { readonly status?: number; readonly json: unknown }
  | { readonly bytes: Uint8Array; readonly contentType: string };

const ACCESS_DENIED: JobReply = { status: 403, json: { error: 'Access denied' } };
const JOB_NOT_FOUND: JobReply = { status: 404, json: { error: 'Job not found' } };

export const jobTypes = (jobs: StandInJobs): JobReply => ({
  json: Object.fromEntries(
    jobs.types.map((type) => [
      type,
      { create_permissions: TYPES[type]?.create ?? [], cancel_permissions: TYPES[type]?.cancel ?? [] },
    ]),
  ),
});

/** @param text the wrapper as JSON */
export function createJob(call: JobCall, text: string, uploads: readonly Uint8Array[]): JobReply {
  let wrapper: unknown;
  try {
    wrapper = withoutNothing(JSON.parse(text));
  } catch (error) {
    return { status: 400, json: { error: `Had some trouble parsing your request: ${String(error)}` } };
  }
  const { job, job_params: jobParams } = Object(wrapper) as { job?: unknown; job_params?: unknown };
  if (typeof job !== 'object' || job === null) return invalid({ job: MISSING }, 'job', wrapper);
  if (!call.may('create_job')) return ACCESS_DENIED;

  const params = job as Readonly<Record<string, unknown>>;
  const type = String(params['jsonmodel_type']);
  const known = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (!known) return { status: 404, json: { error: `No runner found for ${type}` } };
  if (!known.create.every((permission) => call.may(permission))) return ACCESS_DENIED;
  const problems = known.required
    .filter((name) => typeof params[name] !== 'string')
    .map((name) => [name, name in params ? ['Must be a string'] : MISSING] as const);
  if (problems.length > 0) return invalid(Object.fromEntries(problems), type, params);

  const added = call.jobs.add(
    {
      repositoryId: call.repositoryId,
      type,
      owner: call.username,
      job: params,
      jobParams: typeof jobParams === 'string' ? jobParams : undefined,
    },
    uploads,
  );
  if (!added) return { status: 404, json: { error: `No runner found for ${type}` } };
  return { json: { status: 'Created', id: added.id, lock_version: 0, stale: null, uri: uriOf(added), warnings: [] } };
}

export function cancelJob(call: JobCall, id: number): JobReply {
  if (!call.may('cancel_job')) return ACCESS_DENIED;
  const job = call.jobs.get(call.repositoryId, id);
  if (!job) return JOB_NOT_FOUND;
  if (!(TYPES[job.type]?.cancel ?? []).every((permission) => call.may(permission))) return ACCESS_DENIED;
  call.jobs.cancel(job);
  return { json: { status: 'Updated', id: job.id, lock_version: job.lockVersion, stale: null } };
}

export function deleteJob(call: JobCall, id: number): JobReply {
  if (!call.may('cancel_job')) return ACCESS_DENIED;
  const job = call.jobs.get(call.repositoryId, id);
  if (!job) return JOB_NOT_FOUND;
  call.jobs.delete(job);
  return { json: { status: 'Deleted', id } };
}

/** Everything about one job that is only read. `rest` is what follows the id in the path, without slash. */
export function readJob(call: JobCall, id: number, rest: string, query: URLSearchParams): JobReply {
  if (!call.may('view_repository')) return ACCESS_DENIED;
  const job = call.jobs.get(call.repositoryId, id);
  if (!job) return JOB_NOT_FOUND;
  if (rest === '') return { json: describeJob(call.jobs, job) };
  if (rest === 'log') {
    const offset = Number(query.get('offset') ?? 0);
    if (!Number.isInteger(offset) || offset < 0)
      return { status: 400, json: { error: { offset: [`Wanted type Integer but got '${query.get('offset')}'`] } } };
    return { bytes: job.log.subarray(offset), contentType: 'text/plain' };
  }
  if (rest === 'output_files') return { json: job.files.map((file) => file.id) };
  if (rest === 'records') return records(job, query);
  const file = job.files.find((each) => `output_files/${each.id}` === rest);
  // The original's own word for a file that is not there: a nil that it asks for its path.
  if (!file) return { status: 500, json: { error: "undefined method `full_file_path' for nil:NilClass" } };
  return { bytes: file.bytes, contentType: 'application/octect-stream' };
}

function records(job: StandInJob, query: URLSearchParams): JobReply {
  const page = Number(query.get('page'));
  if (!(page >= 1)) {
    const missing = ['Parameter required but no value provided'];
    return { status: 400, json: { error: { page: missing, id_set: missing, all_ids: missing } } };
  }
  const size = Math.min(Number(query.get('page_size') ?? 10), 250);
  const all = job.records.toReversed().map((ref) => ({ record: { ref } }));
  return {
    json: {
      first_page: 1,
      last_page: Math.max(1, Math.ceil(all.length / size)),
      this_page: page,
      total: all.length,
      results: all.slice((page - 1) * size, page * size),
    },
  };
}

function describeJob(jobs: StandInJobs, job: StandInJob): Record<string, unknown> {
  const audit = (date: Date) => date.toISOString().replace(/\.\d+Z$/, 'Z');
  const time = (date: Date) => audit(date).replace('T', ' ').replace('Z', ' UTC');
  return {
    lock_version: job.lockVersion,
    // As the original: what was sent as text of JSON is encoded once more.
    ...(job.jobParams !== undefined && { job_params: JSON.stringify(job.jobParams) }),
    time_submitted: time(job.submitted),
    ...(job.started && { time_started: time(job.started) }),
    ...(job.finished && { time_finished: time(job.finished) }),
    status: job.status,
    ...(job.status === 'queued' && { queue_position: jobs.position(job) }),
    created_by: job.owner,
    last_modified_by: job.owner,
    create_time: audit(job.submitted),
    system_mtime: audit(job.mtime),
    user_mtime: audit(job.submitted),
    job_type: job.type,
    inactive_record: false,
    jsonmodel_type: 'job',
    job: job.job,
    owner: job.owner,
    uri: uriOf(job),
    repository: { ref: `/repositories/${job.repositoryId}` },
  };
}

const uriOf = ({ repositoryId, id }: StandInJob) => `/repositories/${repositoryId}/jobs/${id}`;

const invalid = (error: unknown, type: string, value: unknown): JobReply => ({
  status: 400,
  json: { error, warning: null, invalid_object: `#<JSONModel(:${type}) ${JSON.stringify(value)}>` },
});

/** As the original, before anything is checked: empty strings, nulls and empty maps were never sent (common/jsonmodel.rb). */
function withoutNothing(value: unknown): unknown {
  if (value === null || value === '') return undefined;
  if (Array.isArray(value)) return value.map(withoutNothing).filter((entry) => entry !== undefined);
  if (typeof value !== 'object') return value;
  const kept = Object.entries(value)
    .map(([name, entry]) => [name, withoutNothing(entry)] as const)
    .filter(([, entry]) => entry !== undefined);
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}
