import type { Answer, Person } from './stack.ts';

/** Sends one request as a person, with headers of one's own. */
export async function call<Body = Record<string, unknown>>(
  url: string,
  person: Person | undefined,
  method: string,
  path: string,
  { body, headers = {} }: { readonly body?: unknown; readonly headers?: Record<string, string> } = {},
): Promise<Answer<Body>> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...person?.headers(), ...headers },
    ...(body !== undefined && { body: body instanceof FormData ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  const parsed = (isJson ? JSON.parse(text) : text) as Body;
  return { status: response.status, body: parsed, text, headers: response.headers };
}
