/**
 * The one client through which the API and the runners call an ArchivesSpace backend. It holds to one host, follows no
 * redirect (fetch would carry the session header along, to any host) and sends only paths that stay where they are written.
 */
import { isSafePath } from './paths.ts';

const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_MAX_RESPONSE_BYTES = 1024 * 1024;
const SESSION = /^[\x21-\x7e]{1,512}$/;

export interface ArchivesSpaceClientOptions {
  /** Where the backend's API is, such as `https://archives.example.org/api`; http or https, no user, query or fragment. */
  readonly baseUrl: string;
  /** For a whole exchange, the reading of the answer included. @default 5000 */
  readonly timeoutMs?: number;
  /** Largest answer, in bytes as they come out of any compression. @default 1 MiB */
  readonly maxResponseBytes?: number;
  readonly fetch?: typeof globalThis.fetch;
}

export interface ArchivesSpaceRequest {
  readonly method: string;
  /** Begins with `/`, without host; a query may follow. */
  readonly path: string;
  readonly session?: string;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** Of the body. @default application/json */
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

export interface ArchivesSpaceUser {
  readonly username: string;
  readonly name: string;
  /**
   * Permission codes by repository URI; those that hold everywhere are under `_archivesspace`. A user whose groups are all
   * global, such as `admin`, has no entry for single repositories.
   */
  readonly permissions: Readonly<Record<string, readonly string[]>>;
}

/** `gone` and `expired` are about the session that was sent; `refused` is a wrong password or a missing permission. */
export type Refusal<Reason extends string> = { readonly ok: false; readonly reason: Reason };
export type SessionLost = Refusal<'gone' | 'expired'>;
export type NewSession = {
  readonly ok: true;
  readonly session: string;
  readonly user: ArchivesSpaceUser;
  /** The whole answer, as ArchivesSpace gave it. */
  readonly answer: Readonly<Record<string, unknown>>;
};

export interface ArchivesSpaceClient {
  /**
   * Sends one request. Any HTTP status is returned, not thrown; reading a body that is too large, late or cut off throws
   * ArchivesSpaceUnavailable. Throws TypeError for a path or session that is never sent, ArchivesSpaceUnavailable for a
   * redirect, a network fault or a time-out, and the signal's reason when `signal` fires.
   */
  request(request: ArchivesSpaceRequest): Promise<Response>;
  /** `expiring: false` asks for a session that lasts a week idle, not an hour. Throws ArchivesSpaceUnavailable. */
  login(login: { username: string; password: string; expiring?: boolean }): Promise<NewSession | Refusal<'refused'>>;
  /** Who the session belongs to, and what they may do. Throws ArchivesSpaceUnavailable. */
  currentUser(session: string): Promise<{ readonly ok: true; readonly user: ArchivesSpaceUser } | SessionLost>;
  /** A session of `username`, asked for with one whose user may `become_user`. Throws ArchivesSpaceUnavailable. */
  becomeUser(as: {
    session: string;
    username: string;
  }): Promise<NewSession | SessionLost | Refusal<'refused' | 'unknown_user'>>;
  /** Ends the session. Throws ArchivesSpaceUnavailable. */
  logout(session: string): Promise<{ readonly ok: true } | SessionLost>;
}

/** ArchivesSpace did not answer, or not with anything that can be used. `status` is the answer's, where there was one. */
export class ArchivesSpaceUnavailable extends Error {
  readonly status: number | undefined;
  constructor(message: string, options: { cause?: unknown; status?: number } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.name = 'ArchivesSpaceUnavailable';
    this.status = options.status;
  }
}

type Answer = { readonly status: number; readonly body: unknown };

/** Makes the client of one backend; sends nothing yet. Throws TypeError when `baseUrl` cannot be used. */
export function createArchivesSpaceClient(options: ArchivesSpaceClientOptions): ArchivesSpaceClient {
  const base = parseBaseUrl(options.baseUrl);
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const maxResponseBytes = options.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES;
  const send = options.fetch ?? globalThis.fetch;

  async function request(wanted: ArchivesSpaceRequest): Promise<Response> {
    const url = resolvePath(base, wanted.path);
    const headers = new Headers({ accept: 'application/json' });
    if (wanted.body !== undefined) headers.set('content-type', wanted.contentType ?? 'application/json');
    if (wanted.session !== undefined) {
      if (!SESSION.test(wanted.session)) throw new TypeError('That is no ArchivesSpace session.');
      headers.set('x-archivesspace-session', wanted.session);
    }
    const timeout = AbortSignal.timeout(timeoutMs);
    const explain = (cause: unknown) => {
      wanted.signal?.throwIfAborted();
      if (cause instanceof ArchivesSpaceUnavailable) return cause;
      const what = timeout.aborted ? `did not answer within ${timeoutMs} ms` : 'could not be reached';
      return new ArchivesSpaceUnavailable(`ArchivesSpace ${what}: ${wanted.method} ${url.pathname}`, { cause });
    };

    let response: Response;
    try {
      response = await send(url, {
        method: wanted.method,
        headers,
        body: wanted.body ?? null,
        redirect: 'error',
        signal: wanted.signal === undefined ? timeout : AbortSignal.any([wanted.signal, timeout]),
      });
    } catch (cause) {
      throw explain(cause);
    }
    if (response.body === null) return response;
    const { status, statusText } = response;
    const body = ReadableStream.from(bounded(response.body, maxResponseBytes, explain));
    return new Response(body, { status, statusText, headers: response.headers });
  }

  async function call(wanted: ArchivesSpaceRequest): Promise<Answer> {
    const response = await request(wanted);
    const text = await response.text();
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch (cause) {
      if (response.ok) throw unusable(wanted, response.status, cause);
    }
    return { status: response.status, body };
  }

  return {
    request,

    async login({ username, password, expiring = true }) {
      const path = `/users/${encodeURIComponent(username)}/login`;
      if (!isSafePath(path)) return { ok: false, reason: 'refused' };

      const form = new URLSearchParams({ password, expiring: String(expiring) });
      const contentType = 'application/x-www-form-urlencoded';
      const wanted = { method: 'POST', path, body: form.toString(), contentType };
      const answer = await call(wanted);
      if (isError(answer, 403) || isError(answer, 400)) return { ok: false, reason: 'refused' };
      return readNewSession(wanted, answer);
    },

    async currentUser(session) {
      if (!SESSION.test(session)) return { ok: false, reason: 'gone' };

      const wanted = { method: 'GET', path: '/users/current-user', session };
      const answer = await call(wanted);
      // 404 "Not logged in": the session is known, its user no longer is.
      if (isError(answer, 404)) return { ok: false, reason: 'gone' };
      const lost = readLostSession(answer);
      if (lost !== undefined) return lost;
      const user = answer.status === 200 ? readUser(answer.body) : undefined;
      if (user === undefined) throw unusable(wanted, answer.status);
      return { ok: true, user };
    },

    async becomeUser({ session, username }) {
      const path = `/users/${encodeURIComponent(username)}/become-user`;
      if (!isSafePath(path)) return { ok: false, reason: 'unknown_user' };
      if (!SESSION.test(session)) return { ok: false, reason: 'gone' };

      const wanted = { method: 'POST', path, session };
      const answer = await call(wanted);
      if (isError(answer, 403)) return { ok: false, reason: 'refused' };
      if (isError(answer, 404)) return { ok: false, reason: 'unknown_user' };
      return readLostSession(answer) ?? readNewSession(wanted, answer);
    },

    async logout(session) {
      if (!SESSION.test(session)) return { ok: false, reason: 'gone' };

      const wanted = { method: 'POST', path: '/logout', session };
      const answer = await call(wanted);
      const lost = readLostSession(answer);
      if (lost !== undefined) return lost;
      if (answer.status !== 200) throw unusable(wanted, answer.status);
      return { ok: true };
    },
  };
}

function parseBaseUrl(baseUrl: string): URL {
  const url = new URL(baseUrl);
  const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (!/^https?:$/.test(url.protocol) || !plain) {
    throw new TypeError('The address of ArchivesSpace must be http or https, without user, query or fragment.');
  }
  return url;
}

function resolvePath(base: URL, path: string): URL {
  if (!isSafePath(path)) throw new TypeError(`ArchivesSpace is not asked for such a path: ${JSON.stringify(path)}`);
  return new URL(base.pathname.replace(/\/$/, '') + path, base.origin);
}

async function* bounded(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  maxBytes: number,
  explain: (cause: unknown) => unknown,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.byteLength;
      if (size > maxBytes) throw new ArchivesSpaceUnavailable(`ArchivesSpace answered more than ${maxBytes} bytes`);
      yield chunk;
    }
  } catch (cause) {
    throw explain(cause);
  }
}

function unusable(wanted: ArchivesSpaceRequest, status: number, cause?: unknown): ArchivesSpaceUnavailable {
  const message = `ArchivesSpace gave an answer that cannot be used (${status}): ${wanted.method} ${wanted.path}`;
  return new ArchivesSpaceUnavailable(message, cause === undefined ? { status } : { status, cause });
}

// A page of HTML with the same status comes from something in between, and says nothing about a session or a password.
function isError({ status, body }: Answer, expected: number): boolean {
  return status === expected && isObject(body) && 'error' in body;
}

function readLostSession({ status, body }: Answer): SessionLost | undefined {
  if (status !== 412 || !isObject(body)) return undefined;
  const { code } = body;
  if (code === 'SESSION_GONE') return { ok: false, reason: 'gone' };
  if (code === 'SESSION_EXPIRED') return { ok: false, reason: 'expired' };
  return undefined;
}

function readNewSession(wanted: ArchivesSpaceRequest, answer: Answer): NewSession {
  const { status, body } = answer;
  if (status === 200 && isObject(body)) {
    const { session, user: answered } = body;
    const user = readUser(answered);
    if (typeof session === 'string' && SESSION.test(session) && user !== undefined)
      return { ok: true, session, user, answer: body };
  }
  throw unusable(wanted, status);
}

function readUser(body: unknown): ArchivesSpaceUser | undefined {
  if (!isObject(body)) return undefined;
  const { username, name, permissions } = body;
  if (typeof username !== 'string' || !isObject(permissions)) return undefined;
  const held = Object.entries(permissions);
  if (!held.every((entry): entry is [string, string[]] => isStrings(entry[1]))) return undefined;
  return { username, name: typeof name === 'string' ? name : username, permissions: Object.fromEntries(held) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
