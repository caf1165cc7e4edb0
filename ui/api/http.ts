import { ApiError, problemOf } from '../lib/problem.ts';
import { sessions } from './session.ts';

/** Longer than the gateway waits for a function. */
const patienceMs = 35_000;

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly json?: unknown;
  readonly form?: URLSearchParams;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Without a session: a refused login says nothing of the one that there is. */
  readonly anonymous?: boolean;
}

/**
 * Asks the API. Throws `ApiError` for every answer that is no success, and when there is none. What was asked before
 * is asked with its ETag by the browser's own cache: answers say `max-age=0, must-revalidate`.
 */
export async function ask(path: string, options: Ask = {}): Promise<Response> {
  const { method = 'GET', json, form, headers = {}, signal, anonymous = false } = options;
  const session = anonymous ? undefined : sessions.now();
  const timeout = AbortSignal.timeout(patienceMs);
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        ...headers,
        ...(session &&
          (session.kind === 'oidc'
            ? { authorization: `Bearer ${session.secret}` }
            : { 'x-archivesspace-session': session.secret })),
        ...(json !== undefined && { 'content-type': 'application/json' }),
      },
      ...(json !== undefined ? { body: JSON.stringify(json) } : form && { body: form }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      credentials: 'omit',
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError({ kind: 'offline' });
  }
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => undefined);
  const problem = problemOf(response.status, body, response.headers.get('retry-after'));
  if (problem.kind === 'signed_out' && session) sessions.lose(session.secret);
  throw new ApiError(problem);
}

export const askJson = async <Body>(path: string, options: Ask = {}): Promise<Body> =>
  (await ask(path, options)).json() as Promise<Body>;
