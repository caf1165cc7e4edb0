import { listed, say } from '../words/say.ts';

/** What the service, or the way to it, can answer instead of what was asked for. */
export type Problem =
  | { readonly kind: 'offline' }
  | { readonly kind: 'signed_out' }
  | { readonly kind: 'denied'; readonly missing: readonly string[] }
  | { readonly kind: 'not_found' }
  | { readonly kind: 'invalid'; readonly problems: Readonly<Record<string, readonly string[]>> }
  | { readonly kind: 'conflict' | 'too_large' | 'unavailable' | 'fault'; readonly message: string }
  | { readonly kind: 'busy'; readonly seconds: number };

export class ApiError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.kind);
    this.name = 'ApiError';
    this.problem = problem;
  }
}

/** What an answer that is no success means. Bodies are ArchivesSpace's, or a gateway's. */
export function problemOf(status: number, body: unknown, retryAfter: string | null): Problem {
  const { error, missing_permissions: missing, message } = Object(body) as Record<string, unknown>;
  const text = typeof error === 'string' ? error : typeof message === 'string' ? message : '';
  switch (status) {
    case 400:
      return typeof error === 'object' && error !== null
        ? { kind: 'invalid', problems: error as Readonly<Record<string, readonly string[]>> }
        : { kind: 'invalid', problems: { '': [text] } };
    case 401:
    case 412:
      return { kind: 'signed_out' };
    case 403:
      return { kind: 'denied', missing: Array.isArray(missing) ? missing.map(String) : [] };
    case 404:
      return { kind: 'not_found' };
    case 409:
      return { kind: 'conflict', message: text };
    case 413:
      return { kind: 'too_large', message: text };
    case 429:
      return { kind: 'busy', seconds: Math.max(1, Number(retryAfter ?? 5) || 5) };
    case 502:
    case 503:
    case 504:
      return { kind: 'unavailable', message: text };
    default:
      return { kind: 'fault', message: text || String(status) };
  }
}

export const problemIn = (error: unknown): Problem =>
  error instanceof ApiError
    ? error.problem
    : { kind: 'fault', message: error instanceof Error ? error.message : String(error) };

/** A sentence for a problem, and what to do about it. */
export function sentence(problem: Problem): string {
  switch (problem.kind) {
    case 'denied':
      return problem.missing.length
        ? say('problem.denied', { permissions: listed(problem.missing) })
        : say('problem.denied.plain');
    case 'invalid':
      return say('problem.invalid', {
        details: Object.entries(problem.problems)
          .map(([name, texts]) => [name, [texts].flat().join(', ')].filter(Boolean).join(': '))
          .join('; '),
      });
    case 'busy':
      return say('problem.busy', { seconds: problem.seconds });
    case 'conflict':
    case 'too_large':
    case 'unavailable':
    case 'fault':
      return say(`problem.${problem.kind}`, { message: problem.message });
    default:
      return say(`problem.${problem.kind}`);
  }
}

/** Whether asking again may help. */
export const mayPass = ({ kind }: Problem): boolean =>
  kind === 'offline' || kind === 'busy' || kind === 'unavailable' || kind === 'fault';
