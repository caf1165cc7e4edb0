/**
 * Taking a job away. Its item and its queue row go at once, so that no route finds it and nothing starts it; what lies
 * below its run and in the bucket is removed in slices by the sweep, by a note in one partition.
 *
 * | item      | pk       | sk      | written by                                                        |
 * |-----------|----------|---------|-------------------------------------------------------------------|
 * | tombstone | JOB#<id> | DELETED | service: who deleted the job and when; stays, beside its events   |
 * | leftover  | LEFTOVER | <id>    | service: what is still to be removed; the sweep deletes it at last |
 *
 * | access            | how                                            | units                             |
 * |-------------------|------------------------------------------------|-----------------------------------|
 * | delete            | board, then a transaction of 5                 | 2 RRU, 11 WRU (1 index)           |
 * | remove leftovers  | Query LEFTOVER each minute; Delete each item   | 1 RRU; 1 WRU per KB of the item   |
 */
import { isEnded, type Job } from './job.ts';
import { event, itemVersion, keys } from './table.ts';
import type { Key, Transaction, Write } from './writes.ts';

export const leftovers = 'LEFTOVER';
export const tombstone = (id: number): Key => ({ pk: keys.job(id).pk, sk: 'DELETED' });
export const leftoverKey = (id: number): Key => ({ pk: leftovers, sk: String(id) });

/** What is left of a deleted job, for the sweep. */
export interface Leftover {
  readonly id: number;
  readonly type: string;
}

/** Deletes a job that is not running, as it was seen: refused when it changed meanwhile. */
export function deleteJob(job: Job, by: string, now: number, nonce: string): Transaction {
  const { id, type, repo } = job;
  const gone = { v: itemVersion, id, type };
  return [
    {
      op: 'delete',
      key: keys.job(id),
      when: [
        { attr: 'status', equals: job.status },
        { attr: 'lockVersion', equals: job.lockVersion },
      ],
    },
    { op: 'delete', key: keys.queue(type, id), when: [] },
    { op: 'put', key: tombstone(id), item: { ...gone, repo, by, at: now, status: job.status }, when: [] },
    { op: 'put', key: leftoverKey(id), item: gone, when: [] },
    ...event(id, now, nonce, { what: 'delete', by }),
  ];
}

/** A job whose run may still be writing must not be deleted: its slot, lock or both are held until that is certain. */
export const mayBeDeleted = (job: Job, holds: readonly { readonly job: number }[]): boolean =>
  (job.status === 'queued' || isEnded(job)) && !holds.some((hold) => hold.job === job.id);

/** Files that were placed for a job which then was not created. Its id is not given again. */
export const noteLeftover = ({ id, type }: Leftover): Write => ({
  op: 'put',
  key: leftoverKey(id),
  item: { v: itemVersion, id, type },
  when: [],
});

export const removeItem = (key: Key): Write => ({ op: 'delete', key, when: [] });
