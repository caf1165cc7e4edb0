import { setTimeout as pause } from 'node:timers/promises';
import { Stop } from './stop.ts';

const mostTries = 5;

/** The service's API, with the address and the session of the environment. */
export class Client {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, headers: Readonly<Record<string, string>>) {
    this.#url = url.replace(/\/+$/, '');
    this.#headers = headers;
  }

  /** By JOBS_SESSION, JOBS_TOKEN, or a login as JOBS_USER with JOBS_PASSWORD; else as nobody. Throws `Stop`. */
  static async of(env: NodeJS.ProcessEnv): Promise<Client> {
    const url = env['JOBS_URL'] ?? 'http://127.0.0.1:8089';
    if (!URL.canParse(url)) throw new Stop('usage', `JOBS_URL is no address: ${url}`);
    const { JOBS_SESSION: session, JOBS_TOKEN: token, JOBS_USER: user, JOBS_PASSWORD: password } = env;
    if (session) return new Client(url, { 'x-archivesspace-session': session });
    if (token) return new Client(url, { authorization: `Bearer ${token}` });
    const nobody = new Client(url, {});
    if (!user || !password) return nobody;
    return new Client(url, { 'x-archivesspace-session': (await nobody.login(user, password)).session });
  }

  async login(user: string, password: string): Promise<{ readonly session: string }> {
    const response = await this.send(`/users/${encodeURIComponent(user)}/login`, {
      method: 'POST',
      body: new URLSearchParams({ password, expiring: 'false' }),
    });
    return (await response.json()) as { session: string };
  }

  async json<Body>(path: string, init: RequestInit = {}): Promise<Body> {
    return (await (await this.send(path, init)).json()) as Body;
  }

  /**
   * Sends a request, again when nothing or a 5xx comes back and it may be sent twice: it reads, or has a key.
   * Throws `Stop` with what the service said.
   */
  async send(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...this.#headers, ...(init.headers as Record<string, string> | undefined) };
    const mayRepeat = (init.method ?? 'GET') === 'GET' || 'idempotency-key' in headers;
    for (let tries = 1; ; tries++) {
      const response = await fetch(this.#url + path, { ...init, headers }).catch((error: unknown) => {
        const { cause } = Object(error) as { cause?: { code?: string; message?: string } };
        return cause?.code ?? cause?.message ?? String(error);
      });
      if (typeof response !== 'string' && response.ok) return response;
      if (mayRepeat && tries < mostTries && (typeof response === 'string' || response.status >= 500)) {
        if (typeof response !== 'string') await response.body?.cancel();
        await pause(100 * 3 ** tries);
        continue;
      }
      if (typeof response === 'string') throw new Stop('unavailable', `${this.#url} does not answer: ${response}`);
      throw await refusal(response, Object.keys(this.#headers).length > 0 || path.endsWith('/login'));
    }
  }
}

async function refusal(response: Response, isKnown: boolean): Promise<Stop> {
  const { status } = response;
  const text = await response.text();
  const said = messageOf(text);
  if (status === 401 || status === 403 || status === 412) {
    const hint = isKnown ? '' : ' Nobody is signed in: set JOBS_SESSION, JOBS_TOKEN, or JOBS_USER and JOBS_PASSWORD.';
    return new Stop('notPermitted', said + hint);
  }
  if (status === 404) return new Stop('notFound', said);
  if (status === 400) return new Stop('usage', said);
  return new Stop(status === 429 || status >= 500 ? 'unavailable' : 'refused', said);
}

/** A sentence out of ArchivesSpace's error body. */
function messageOf(text: string): string {
  try {
    const { error, message, missing_permissions: missing } = JSON.parse(text) as Record<string, unknown>;
    if (typeof error === 'object' && error !== null)
      return Object.entries(error)
        .map(([where, problems]) => `${where}: ${[problems].flat().join(', ')}`)
        .join('\n');
    return `${error ?? message ?? text}${Array.isArray(missing) ? `: ${missing.join(', ')} is missing` : ''}`;
  } catch {
    return text.slice(0, 500) || 'The service gave no reason.';
  }
}
