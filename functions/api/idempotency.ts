import { createHash } from 'node:crypto';
import { read, type Table } from '../../aws/dynamo.ts';
import { Refusal } from '../../core/errors.ts';
import { type Asked, askedKey, readAsked } from '../../core/idempotency.ts';
import type { Request } from './http.ts';

/** A name for anything that JSON can say. */
const printOf = (content: unknown) => createHash('sha256').update(JSON.stringify(content)).digest('base64url');

/** A request to create that carries an `Idempotency-Key`. */
export interface Ask {
  readonly id: string;
  readonly print: string;
  /** A note that does not hold any more. */
  readonly expired?: Asked;
}

/**
 * Looks whether a request was made before. Returns the job that it made then, or how to note the one that it makes
 * now, or neither when the request carries no key. Throws `Refusal`: 409 when the key was used for something else.
 *
 * @param content what decides whether two requests are the same
 */
export async function askedBefore(
  table: Table,
  { headers, user, repo }: Pick<Request, 'headers' | 'user' | 'repo'>,
  content: () => unknown,
): Promise<{ readonly job: number } | { readonly ask: Ask } | undefined> {
  const key = headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (!/^[\x21-\x7e]{1,255}$/.test(key))
    throw new Refusal({
      code: 'bad_request',
      problems: { 'Idempotency-Key': ['Wanted 1 to 255 printable characters without spaces'] },
    });
  const id = printOf([key, user.username, repo]);
  const print = printOf(content());
  const asked = readAsked(await read(table, askedKey(id)));
  if (!asked) return { ask: { id, print } };
  if (asked.until <= Date.now()) return { ask: { id, print, expired: asked } };
  if (asked.print !== print)
    throw new Refusal({
      code: 'conflict',
      message: 'This Idempotency-Key was used for another request. Use a new key for a new job.',
    });
  return { job: asked.job };
}
