/** The job routes of an ArchivesSpace backend, as far as the delegating runner calls them, and what their refusals mean. */
import type { ArchivesSpaceSession, InputFile, JobContext } from '../sdk/context.ts';

/** A job in ArchivesSpace, as far as it matters here (common/schemas/job.rb). */
export interface BackendJob {
  readonly status: string;
  readonly hasStarted: boolean;
  readonly hasFinished: boolean;
  /** Queued jobs before it, of all repositories. */
  readonly queuePosition: number | undefined;
}

/** No usable answer this time; another look may have one. */
export class NoAnswer extends Error {}

/** Longest part of an unexpected answer that is shown, in characters. */
const shownCharacters = 300;
/** Below what the runners' client takes as an answer (runners/sdk/archivesspace.ts). */
const mostFileBytes = 60 * 1024 * 1024;
/** A look that takes longer is given up; the next one asks again. */
const lookTimeoutMs = 60_000;

/**
 * Creates the job in ArchivesSpace and returns its URI there. It is sent once: a request that got no answer may have
 * been obeyed. Throws with what staff should read when it was refused, or when it is not known whether it was.
 */
export async function createBackendJob(
  ctx: Pick<JobContext, 'archivesspace' | 'job' | 'files'>,
  job: Readonly<Record<string, unknown>>,
  jobParams: string | undefined,
): Promise<string> {
  const { repository, owner, type } = ctx.job;
  const wrapper = JSON.stringify({ jsonmodel_type: 'job', job, ...(jobParams && { job_params: jobParams }) });
  const form = ctx.files.length > 0 ? await multipart(wrapper, ctx.files) : undefined;
  const response = await ctx.archivesspace
    .request(`${repository}/jobs${form ? '_with_files' : ''}`, { method: 'POST', ...(form ?? { body: wrapper }) })
    .catch((error: unknown) => {
      if (refusedConnection(error)) throw new Error(`ArchivesSpace cannot be reached. Nothing was sent to it.`);
      throw new Error(
        `${messageOf(error)} It is not known whether ArchivesSpace created the job: look at its list of background jobs before you start another.`,
      );
    });
  const body = await readJson(response);
  const said = reasonIn(body);
  switch (response.status) {
    case 200: {
      const uri = isObject(body) ? body['uri'] : undefined;
      if (typeof uri === 'string' && uri.startsWith(`${repository}/jobs/`) && /\/\d+$/.test(uri)) return uri;
      throw new Error(`ArchivesSpace did not say which job it created (${said}). Look at its list of background jobs.`);
    }
    case 400:
      throw new Error(`ArchivesSpace refused the job: ${said}`);
    case 403:
      throw new Error(`ArchivesSpace does not let ${owner} create a ${type} in ${repository}.`);
    case 404:
      throw new Error(`ArchivesSpace does not know this type of job: ${said}`);
    default:
      throw new Error(`ArchivesSpace could not create the job (HTTP ${response.status}): ${said}`);
  }
}

/**
 * The job's state. Throws `NoAnswer` when there is none this time, and an Error for staff when there never will be.
 */
export async function readBackendJob({ archivesspace, job }: Session, uri: string): Promise<BackendJob> {
  const response = await look(archivesspace, uri);
  const body = await readJson(response);
  if (response.status === 404)
    throw new Error(`The job ${uri} is no longer in ArchivesSpace. What it had done by then stays there.`);
  if (response.status === 403)
    throw new Error(`ArchivesSpace no longer lets ${job.owner} see the job ${uri}. It may still be running there.`);
  if (response.status === 400)
    throw new Error(`ArchivesSpace does not show the job ${uri} any more: ${reasonIn(body)}`);
  const status = isObject(body) ? body['status'] : undefined;
  if (response.status !== 200 || typeof status !== 'string' || !isObject(body))
    throw new NoAnswer(`ArchivesSpace does not show the job ${uri} (HTTP ${response.status}): ${reasonIn(body)}`);
  const position = body['queue_position'];
  return {
    status,
    hasStarted: typeof body['time_started'] === 'string',
    hasFinished: typeof body['time_finished'] === 'string',
    queuePosition: typeof position === 'number' ? position : undefined,
  };
}

/** True when the address answers as this service does: the original has no such route. */
export async function isOurs({ archivesspace }: Session, uri: string): Promise<boolean> {
  try {
    const response = await look(archivesspace, `${uri}/status`);
    const body = await readJson(response);
    return response.status === 200 && isObject(body) && 'status' in body;
  } catch (error) {
    if (error instanceof NoAnswer) return false;
    throw error;
  }
}

export type Canceling = 'asked' | 'refused' | 'gone';

/** Asks ArchivesSpace to cancel the job. Throws `NoAnswer` when it could not be asked. */
export async function cancelBackendJob({ archivesspace }: Session, uri: string): Promise<Canceling> {
  const response = await look(archivesspace, `${uri}/cancel`, 'POST');
  const body = await readJson(response);
  if (response.status === 200) return 'asked';
  if (response.status === 403) return 'refused';
  if (response.status === 404) return 'gone';
  throw new NoAnswer(`ArchivesSpace could not cancel the job ${uri} (HTTP ${response.status}): ${reasonIn(body)}`);
}

/** The job's log from a byte on, at most about `most` bytes of it. Throws `NoAnswer`. */
export async function readLog(session: Session, uri: string, offset: number, most: number): Promise<Uint8Array> {
  const response = await mustAnswer(session, `${uri}/log?offset=${offset}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk);
      size += chunk.length;
      // Leaving the loop breaks the rest off.
      if (size >= most) break;
    }
  } catch (error) {
    // What came is as good as if it had been asked for alone.
    if (size === 0) throw new NoAnswer(messageOf(error));
  }
  return Buffer.concat(chunks);
}

/** Ids of the job's files, those that were uploaded with it and those that it made. Throws `NoAnswer`. */
export async function listFiles(session: Session, uri: string): Promise<readonly number[]> {
  const body = await readJson(await mustAnswer(session, `${uri}/output_files`));
  if (!Array.isArray(body) || !body.every((id) => Number.isInteger(id)))
    throw new NoAnswer(`ArchivesSpace does not list the files of ${uri}.`);
  return [...(body as number[])].sort((a, b) => a - b);
}

/** One file, whole. Throws `NoAnswer`, and an Error for staff when it is too large. */
export async function readFile(session: Session, uri: string, id: number): Promise<Uint8Array> {
  const response = await mustAnswer(session, `${uri}/output_files/${id}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > mostFileBytes) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw new NoAnswer(`File ${id} of ${uri} could not be read: ${messageOf(error)}`);
  }
  if (size > mostFileBytes)
    throw new Error(
      `ArchivesSpace has done the job, but its file ${id} has more than ${mostFileBytes} bytes and stays there: ${uri}/output_files/${id}`,
    );
  return Buffer.concat(chunks);
}

/** A page of the records that the job created or changed, newest first. Throws `NoAnswer`. */
export async function readRecords(
  session: Session,
  uri: string,
  page: number,
): Promise<{ readonly lastPage: number; readonly refs: readonly string[] }> {
  const body = await readJson(await mustAnswer(session, `${uri}/records?page=${page}&page_size=250`));
  const results = isObject(body) ? body['results'] : undefined;
  if (!isObject(body) || !Array.isArray(results))
    throw new NoAnswer(`ArchivesSpace does not list the records of ${uri}.`);
  const refs = results.map((entry: unknown) => {
    const record = isObject(entry) ? entry['record'] : undefined;
    return isObject(record) ? String(record['ref']) : '';
  });
  return { lastPage: Number(body['last_page']) || 0, refs };
}

export type Session = Pick<JobContext, 'archivesspace' | 'job'>;

async function mustAnswer({ archivesspace }: Session, path: string): Promise<Response> {
  const response = await look(archivesspace, path);
  if (response.status === 200) return response;
  throw new NoAnswer(
    `ArchivesSpace answered HTTP ${response.status} to ${path}: ${reasonIn(await readJson(response))}`,
  );
}

async function look(archivesspace: ArchivesSpaceSession, path: string, method = 'GET'): Promise<Response> {
  try {
    // A file may take longer than a look; its time-out is that of the client.
    const signal = path.includes('/output_files/') ? undefined : AbortSignal.timeout(lookTimeoutMs);
    return await archivesspace.request(path, { method, ...(signal && { signal }) });
  } catch (error) {
    throw new NoAnswer(messageOf(error));
  }
}

/**
 * The original sorts the parts by their index *as text*, 0, 1, 10, 11, 2 (backend/app/lib/rest.rb), so the indexes are
 * padded with zeros: the files keep their order.
 */
async function multipart(
  job: string,
  files: readonly InputFile[],
): Promise<{ body: Uint8Array<ArrayBuffer>; contentType: string }> {
  const form = new FormData();
  form.set('job', job);
  const digits = String(files.length - 1).length;
  for (const [n, file] of files.entries()) {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const part of await file.open()) parts.push(new Uint8Array(part));
    form.set(`files[${String(n).padStart(digits, '0')}]`, new Blob(parts, { type: file.contentType }), file.name);
  }
  const encoded = new Response(form);
  return {
    body: new Uint8Array(await encoded.arrayBuffer()),
    contentType: encoded.headers.get('content-type') ?? 'multipart/form-data',
  };
}

async function readJson(response: Response): Promise<unknown> {
  let text = '';
  try {
    text = await response.text();
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** `source: Property is required but was missing`; of a backtrace only the first line. */
function reasonIn(body: unknown): string {
  const error = isObject(body) && 'error' in body ? body['error'] : body;
  const parts = isObject(error)
    ? Object.entries(error).map(([path, messages]) => `${path}: ${[messages].flat().map(String).join(', ')}`)
    : [String(error ?? '').split('\n', 1)[0] ?? ''];
  const text = parts.join('; ').trim();
  return text === '' ? 'it gave no reason' : text.slice(0, shownCharacters);
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function refusedConnection(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && cause.code === 'ECONNREFUSED') return true;
  return false;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
