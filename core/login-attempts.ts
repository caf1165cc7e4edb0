/**
 * How often somebody may fail to log in. An attempt is counted before the password is looked at, so that many at once
 * do not slip through; a login that succeeds forgets the count. Whether the user exists plays no part.
 *
 * | item     | pk            | sk       | written by                                                 |
 * |----------|---------------|----------|------------------------------------------------------------|
 * | attempts | LOGIN#<pair>  | ATTEMPTS | login: user and address hashed; expires (aws-review.md M27) |
 */
import { itemVersion } from './table.ts';
import type { Item, Key, Write } from './writes.ts';

export const mostAttempts = 5;
export const attemptsWindowMs = 15 * 60_000;

export interface Attempts {
  readonly count: number;
  /** When they are forgotten, in milliseconds since 1970. */
  readonly until: number;
}

/** @param pair hash of a user and an address */
export const attemptsKey = (pair: string): Key => ({ pk: `LOGIN#${pair}`, sk: 'ATTEMPTS' });

export function readAttempts(item: Item | undefined): Attempts | undefined {
  const { count, until } = item ?? {};
  return typeof count === 'number' && typeof until === 'number' ? { count, until } : undefined;
}

export type Counted =
  | { readonly allowed: true; readonly write: Write; readonly now: Attempts }
  | { readonly allowed: false; readonly retryAfterSeconds: number };

/** Counts one more attempt, or refuses it. The write is refused when another attempt was counted meanwhile. */
export function countAttempt(pair: string, seen: Attempts | undefined, now: number): Counted {
  const open = seen && now < seen.until ? seen : undefined;
  if (open && open.count >= mostAttempts)
    return { allowed: false, retryAfterSeconds: Math.ceil((open.until - now) / 1000) };
  const attempts = { count: (open?.count ?? 0) + 1, until: open?.until ?? now + attemptsWindowMs };
  return { allowed: true, write: putAttempts(pair, attempts, seen), now: attempts };
}

/** Takes an attempt back that came to no answer. Refused when another one was counted meanwhile. */
export const uncountAttempt = (pair: string, counted: Attempts): Write =>
  putAttempts(pair, { ...counted, count: counted.count - 1 }, counted);

export const forgetAttempts = (pair: string): Write => ({ op: 'delete', key: attemptsKey(pair), when: [] });

const putAttempts = (pair: string, { count, until }: Attempts, seen: Attempts | undefined): Write => ({
  op: 'put',
  key: attemptsKey(pair),
  item: { v: itemVersion, count, until, expires: Math.ceil(until / 1000) },
  when: seen
    ? [
        { attr: 'count', equals: seen.count },
        { attr: 'until', equals: seen.until },
      ]
    : [{ item: 'absent' }],
});
