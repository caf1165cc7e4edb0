/**
 * Requests to create that carry a key of the client's own. The note is written in the transaction that creates the job,
 * so there is a job if and only if there is a note of it.
 *
 * | item  | pk           | sk     | written by                                                               |
 * |-------|--------------|--------|--------------------------------------------------------------------------|
 * | asked | ASKED#<hash> | CREATE | service: create, with the job; hash of key, user and repository; expires |
 */
import { idempotencyKeptMs } from './limits.ts';
import { itemVersion } from './table.ts';
import type { Item, Key, Write } from './writes.ts';

export interface Asked {
  readonly job: number;
  /** Hash of what was asked for. */
  readonly print: string;
  /** Until when it holds, in milliseconds since 1970. */
  readonly until: number;
}

/** @param id hash of key, user and repository */
export const askedKey = (id: string): Key => ({ pk: `ASKED#${id}`, sk: 'CREATE' });

export function readAsked(item: Item | undefined): Asked | undefined {
  const { job, print, until } = item ?? {};
  return typeof job === 'number' && typeof print === 'string' && typeof until === 'number'
    ? { job, print, until }
    : undefined;
}

/**
 * Notes that a job was made for a key. Refused when another request with the key came first.
 *
 * @param seen a note that no longer holds, and that its time to live has not removed yet
 */
export const noteAsked = (id: string, print: string, job: number, seen: Asked | undefined, now: number): Write => ({
  op: 'put',
  key: askedKey(id),
  item: {
    v: itemVersion,
    job,
    print,
    until: now + idempotencyKeptMs,
    expires: Math.ceil((now + idempotencyKeptMs) / 1000),
  },
  when: seen
    ? [
        { attr: 'job', equals: seen.job },
        { attr: 'until', equals: seen.until },
      ]
    : [{ item: 'absent' }],
});
