import { createHash } from 'node:crypto';
import type { Reply, Request } from './http.ts';

/** A JSON answer with an ETag of its content, or 304 when the client has just that (RFC 9110, 13.1.2). */
export function tagged({ headers }: Pick<Request, 'headers'>, json: unknown): Reply {
  const etag = `"${createHash('sha256').update(JSON.stringify(json)).digest('base64url').slice(0, 22)}"`;
  const known = (headers['if-none-match'] ?? '').split(',').map((one) => one.trim().replace(/^W\//, ''));
  return known.includes(etag) ? { unchanged: etag } : { json, headers: { etag } };
}
