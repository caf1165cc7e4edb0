/**
 * A small stand-in for an ArchivesSpace backend: users, sessions, repositories, jobs, batch import and the records it made,
 * with the original's paths, status codes and bodies. For one machine and for tests; it listens on 127.0.0.1 only.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { importBatch } from './batch-import.ts';
import { cancelJob, createJob, deleteJob, type JobCall, type JobReply, jobTypes, readJob } from './job-routes.ts';
import { type OnJob, openJobs, type StandInJobs } from './jobs.ts';
import { describeRecord, describeTree, listCollection } from './record-views.ts';
import { resolvePage } from './resolve-page.ts';
import { openStore, type Store } from './store.ts';
import { can, createUsers, describeUser, isPassword, REPOSITORIES, type User } from './users.ts';

const VERSION = 'v4.1.1';
const EXPIRING_IDLE_SECONDS = 3_600;
const LASTING_IDLE_SECONDS = 604_800;
const MAX_BODY_BYTES = 64 * 1024;
const MAX_BATCH_BYTES = 64 * 1024 * 1024;
const RECORD_NAMES = new Map([
  ['resources', 'Resource'],
  ['archival_objects', 'ArchivalObject'],
  ['top_containers', 'TopContainer'],
]);

export interface ArchivesSpaceOptions {
  /** @default a free port */
  readonly port?: number;
  /** Folder for what has to outlive the process; without it nothing does. */
  readonly stateDir?: string;
  /** A user whose only permission is to become another. */
  readonly serviceUser?: { readonly name: string; readonly password: string };
  /** After how long without a request an ordinary session expires. @default 3600 */
  readonly sessionIdleSeconds?: number;
  /** Is given one line for each request. */
  readonly log?: (line: string) => void;
  /** Is awaited before a request is looked at; throwing makes it a 500. For tests that hold or break an answer. */
  readonly onRequest?: (method: string, path: string) => Promise<void>;
  /** Is called while a job of its own queue runs. For tests that hold or fail a job. */
  readonly onJob?: OnJob;
}

/** Starts the stand-in. Rejects when the port is taken or the state cannot be read. */
export async function startArchivesSpace(
  options: ArchivesSpaceOptions = {},
): Promise<{ url: string; close(): Promise<void> }> {
  const store = openStore(options.stateDir);
  const jobs = openJobs(store, options.onJob ?? (() => {}));
  const backend: Backend = { options, store, jobs, users: createUsers(options.serviceUser) };
  const server = createServer((request, response) => {
    answer(backend, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else sendJson(response, error instanceof BodyTooLarge ? 413 : 500, { error: String(error) });
    });
  });
  await new Promise<void>((started, failed) => {
    server.once('error', failed);
    server.listen(options.port ?? 0, '127.0.0.1', started);
  }).catch((error: unknown) => {
    store.close();
    throw error;
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    async close() {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
      store.close();
    },
  };
}

interface Backend {
  readonly options: ArchivesSpaceOptions;
  readonly store: Store;
  readonly jobs: StandInJobs;
  readonly users: ReadonlyMap<string, User>;
}

interface Call extends Backend {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** Undefined is anonymous: no session was sent. */
  readonly user: User | undefined;
  readonly token: string | undefined;
  readonly params: readonly string[];
}

type Reply = JobReply | { readonly text: string } | 'sent';

const ACCESS_DENIED: Reply = { status: 403, json: { error: 'Access denied' } };
const REPOSITORY_MISSING: Reply = {
  status: 400,
  json: { error: { repo_id: ['Failed validation -- The Repository must exist'] } },
};

const ROUTES: readonly [method: string, path: RegExp, reply: (call: Call) => Reply | Promise<Reply>][] = [
  ['GET', /^\/$/, () => ({ json: { archivesSpaceVersion: VERSION, hostname: '127.0.0.1' } })],
  ['GET', /^\/version$/, () => ({ text: `ArchivesSpace (${VERSION})` })],
  ['POST', /^\/users\/([^/]+)\/login$/, login],
  ['POST', /^\/users\/([^/]+)\/become-user$/, becomeUser],
  [
    'GET',
    /^\/users\/current-user$/,
    ({ user }) => (user === undefined ? notFound('Not logged in') : { json: describeUser(user) }),
  ],
  ['POST', /^\/logout$/, logout],
  ['GET', /^\/resolve\/readonly$/, showPage],
  ['GET', /^\/repositories$/, () => ({ json: REPOSITORIES.map(describeRepository) })],
  ['GET', /^\/repositories\/(\d+)$/, showRepository],
  ['POST', /^\/repositories\/(\d+)\/batch_imports$/, inRepository('import_records', batchImport)],
  [
    'GET',
    /^\/repositories\/(\d+)\/(resources|archival_objects|top_containers)$/,
    inRepository('view_repository', list),
  ],
  [
    'GET',
    /^\/repositories\/(\d+)\/(resources|archival_objects|top_containers)\/(\d+)$/,
    inRepository('view_repository', show),
  ],
  ['GET', /^\/repositories\/(\d+)\/(resources)\/(\d+)\/tree$/, inRepository('view_repository', showTree)],
  ['GET', /^\/job_types$/, ({ jobs }) => jobTypes(jobs)],
  ['POST', /^\/repositories\/(\d+)\/jobs$/, aboutJobs(createOne)],
  ['POST', /^\/repositories\/(\d+)\/jobs_with_files$/, aboutJobs(createWithFiles)],
  [
    'POST',
    /^\/repositories\/(\d+)\/jobs\/(\d+)\/cancel$/,
    aboutJobs((call, { params }) => cancelJob(call, Number(params[1]))),
  ],
  [
    'DELETE',
    /^\/repositories\/(\d+)\/jobs\/(\d+)$/,
    aboutJobs((call, { params }) => deleteJob(call, Number(params[1]))),
  ],
  [
    'GET',
    /^\/repositories\/(\d+)\/jobs\/(\d+)(?:\/(log|records|output_files|output_files\/\d+))?$/,
    aboutJobs((call, { params, query }) => readJob(call, Number(params[1]), params[2] ?? '', query)),
  ],
  ['GET', /^(\/subjects|\/agents\/[a-z_]+)\/(\d+)$/, showShared],
];

async function answer(backend: Backend, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const method = request.method ?? 'GET';
  const url = new URL(`http://127.0.0.1${request.url ?? '/'}`);
  response.once('close', () => backend.options.log?.(`${method} ${url.pathname} ${response.statusCode}`));
  await backend.options.onRequest?.(method, url.pathname);

  const header = request.headers['x-archivesspace-session'];
  const token = typeof header === 'string' && header !== '' ? header : undefined;
  const session = token === undefined ? undefined : backend.store.useSession(token);
  const user = typeof session === 'object' ? backend.users.get(session.username) : undefined;
  if (session === 'expired') {
    return sendJson(response, 412, { code: 'SESSION_EXPIRED', error: `Session timed out for ${token}` });
  }
  if (session !== undefined && user === undefined) {
    return sendJson(response, 412, { code: 'SESSION_GONE', error: `No session found for ${token}` });
  }

  for (const [routeMethod, path, reply] of ROUTES) {
    const match = routeMethod === method ? path.exec(url.pathname) : null;
    if (match === null) continue;
    const params = match.slice(1);
    const query = url.searchParams;
    const replied = await reply({ ...backend, request, response, query, user, token, params });
    if (replied === 'sent') return;
    if ('json' in replied) return sendJson(response, replied.status ?? 200, replied.json);
    if ('bytes' in replied) {
      response.writeHead(200, { 'content-type': replied.contentType, 'content-length': replied.bytes.length });
      response.end(replied.bytes);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/html;charset=utf-8' });
    response.end(replied.text);
    return;
  }
  sendJson(response, 404, { error: 'Sinatra::NotFound' });
}

async function login({ store, users, options, request, query, params }: Call): Promise<Reply> {
  const fields = await readFields(request);
  const password = fields.get('password') ?? query.get('password');
  const expiring = (fields.get('expiring') ?? query.get('expiring') ?? 'true') !== 'false';
  if (password === null) {
    return { status: 400, json: { error: { password: ['Parameter required but no value provided'] } } };
  }
  const user = users.get(usernameIn(params));
  if (user === undefined || !isPassword(user, password)) return { status: 403, json: { error: 'Login failed' } };

  const idleSeconds = expiring ? (options.sessionIdleSeconds ?? EXPIRING_IDLE_SECONDS) : LASTING_IDLE_SECONDS;
  const session = store.openSession(user.username, idleSeconds);
  const lasting = expiring ? {} : { expire_after_seconds: LASTING_IDLE_SECONDS };
  return { json: { session, user: describeUser(user), ...lasting } };
}

function becomeUser({ store, users, options, user, params }: Call): Reply {
  if (!can(user, 'become_user')) return ACCESS_DENIED;
  const wanted = users.get(usernameIn(params));
  if (wanted === undefined) return notFound('User not found');

  const session = store.openSession(wanted.username, options.sessionIdleSeconds ?? EXPIRING_IDLE_SECONDS);
  return { json: { session, user: describeUser(wanted) } };
}

function logout({ store, token }: Call): Reply {
  if (token !== undefined) store.endSession(token);
  return { json: { status: 'session_logged_out' } };
}

function showRepository({ params }: Call): Reply {
  const repository = REPOSITORIES.find(({ id }) => id === Number(params[0]));
  return repository === undefined ? notFound('Repository not found') : { json: describeRepository(repository) };
}

/** The checks that come before every answer about a repository: it exists, and the user has the permission there. */
function inRepository(permission: string, reply: (call: Call, repositoryId: number) => Reply | Promise<Reply>) {
  return (call: Call): Reply | Promise<Reply> => {
    const repositoryId = Number(call.params[0]);
    if (!REPOSITORIES.some(({ id }) => id === repositoryId)) return REPOSITORY_MISSING;
    return can(call.user, permission, repositoryId) ? reply(call, repositoryId) : ACCESS_DENIED;
  };
}

/** As `inRepository`, but the permission depends on the job. */
function aboutJobs(reply: (call: JobCall, asked: Call) => Reply | Promise<Reply>) {
  return (call: Call): Reply | Promise<Reply> => {
    const repositoryId = Number(call.params[0]);
    if (!REPOSITORIES.some(({ id }) => id === repositoryId)) return REPOSITORY_MISSING;
    const may = (permission: string) => can(call.user, permission, repositoryId);
    return reply({ jobs: call.jobs, repositoryId, username: call.user?.username ?? '', may }, call);
  };
}

async function createOne(call: JobCall, { request }: Call): Promise<Reply> {
  return createJob(call, (await readBody(request, MAX_BODY_BYTES)).toString('utf8'), []);
}

/** The original sorts indexed files by their index as text: 0, 1, 10, 2 (backend/app/lib/rest.rb). */
async function createWithFiles(call: JobCall, { request }: Call): Promise<Reply> {
  const body = await readBody(request, MAX_BATCH_BYTES);
  const headers = { 'content-type': request.headers['content-type'] ?? '' };
  const form = await new Response(new Uint8Array(body), { headers }).formData();
  const files = [...form]
    .flatMap(([name, value]) => {
      const index = /^files\[(\d*)\]$/.exec(name)?.[1];
      return index === undefined || typeof value === 'string' ? [] : [{ index, value }];
    })
    .sort((a, b) => (a.index === b.index ? 0 : a.index < b.index ? -1 : 1));
  const job = form.get('job');
  if (typeof job !== 'string' || files.length === 0) {
    const missing = ['Parameter required but no value provided'];
    return { status: 400, json: { error: typeof job === 'string' ? { files: missing } : { job: missing } } };
  }
  const uploads = await Promise.all(files.map(async ({ value }) => new Uint8Array(await value.arrayBuffer())));
  return createJob(call, job, uploads);
}

async function batchImport({ store, user, request, response }: Call, repositoryId: number): Promise<Reply> {
  const body = (await readBody(request, MAX_BATCH_BYTES)).toString('utf8');
  response.writeHead(200, { 'content-type': 'text/plain;charset=utf-8' });
  response.write('[\n');
  const tell = (message: unknown) => response.write(`${JSON.stringify(message)},\n`);
  const last = await importBatch({ store, repositoryId, username: user?.username ?? '', body, tell });
  response.end(`${JSON.stringify(last)}\n\n]`);
  return 'sent';
}

function list({ store, query, params }: Call, repositoryId: number): Reply {
  const listing = listCollection(store, `/repositories/${repositoryId}/${params[1]}`, query);
  if (listing !== undefined) return { json: listing };
  const missing = ['Parameter required but no value provided'];
  return { status: 400, json: { error: { page: missing, id_set: missing, all_ids: missing } } };
}

function show({ store, params }: Call, repositoryId: number): Reply {
  const [, name = '', id] = params;
  const record = store.getRecord(`/repositories/${repositoryId}/${name}/${id}`);
  if (record === undefined) return notFound(`${RECORD_NAMES.get(name)} not found`);
  return { json: describeRecord(store, record) };
}

function showTree({ store, params }: Call, repositoryId: number): Reply {
  const record = store.getRecord(`/repositories/${repositoryId}/resources/${params[2]}`);
  return record === undefined ? notFound('Resource not found') : { json: describeTree(store, record) };
}

/** Part of the staff interface, not of the backend. It asks for no login: it listens on loopback only. */
function showPage({ store, query, response }: Call): Reply {
  const { status, html } = resolvePage(store, query.get('uri') ?? '');
  response.writeHead(status, {
    'content-type': 'text/html;charset=utf-8',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  });
  response.end(html);
  return 'sent';
}

function showShared({ store, params }: Call): Reply {
  const record = store.getRecord(params.join('/'));
  return record === undefined ? notFound('Record not found') : { json: describeRecord(store, record) };
}

function describeRepository({ id, code, name }: (typeof REPOSITORIES)[number]) {
  return {
    lock_version: 0,
    repo_code: code,
    name,
    display_string: `${name} (${code})`,
    publish: true,
    jsonmodel_type: 'repository',
    uri: `/repositories/${id}`,
  };
}

function notFound(error: string): Reply {
  return { status: 404, json: { error } };
}

// As the original keeps them: in lower case, without space around.
function usernameIn([encoded = '']: readonly string[]): string {
  try {
    return decodeURIComponent(encoded).trim().toLowerCase();
  } catch {
    return '';
  }
}

/** The fields of a form (urlencoded or multipart) or of a JSON object; none when the body is something else. */
async function readFields(request: IncomingMessage): Promise<ReadonlyMap<string, string>> {
  const body = await readBody(request, MAX_BODY_BYTES);
  const type = request.headers['content-type'] ?? '';
  const parsed = new Response(new Uint8Array(body), { headers: { 'content-type': type } });
  const fields = new Map<string, string>();
  try {
    const entries = /json/.test(type)
      ? Object.entries(Object(await parsed.json()))
      : (await parsed.formData()).entries();
    for (const [name, value] of entries) if (typeof value !== 'object') fields.set(name, String(value));
  } catch {
    // Not a form and not JSON: then the fields can only be in the query.
  }
  return fields;
}

class BodyTooLarge extends Error {}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = `A body may have at most ${maxBytes} bytes here`;
  // Known before anything is read, the answer reaches the client; otherwise the connection is cut.
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw new BodyTooLarge(tooLarge);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > maxBytes) throw new BodyTooLarge(tooLarge);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'private, must-revalidate, max-age=0',
  });
  response.end(`${JSON.stringify(body)}\n`);
}
