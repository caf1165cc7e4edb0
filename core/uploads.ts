/**
 * Files that are sent to the bucket before their job is created. A place for one belongs to a user and a repository;
 * create takes it once, in its own transaction. What is never taken goes by itself: the item by its time to live, the
 * object by the bucket's lifecycle.
 *
 * | item   | pk          | sk     | written by                                                              |
 * |--------|-------------|--------|-------------------------------------------------------------------------|
 * | upload | UPLOAD#<id> | UPLOAD | service: create-upload puts it, create takes it; expires (core/limits.ts) |
 */
import { uploadKeptMs } from './limits.ts';
import { itemVersion } from './table.ts';
import type { Item, Key, Transaction, Write } from './writes.ts';

export interface Upload {
  readonly id: string;
  readonly repo: number;
  readonly owner: string;
  readonly name: string;
  readonly contentType: string;
  readonly size: number;
  /** Of the content, as base64. */
  readonly sha256: string;
  /** Until when it may be taken, in milliseconds since 1970. */
  readonly until: number;
  /** The job that took it. */
  readonly job?: number;
}

export const uploadItemKey = (id: string): Key => ({ pk: `UPLOAD#${id}`, sk: 'UPLOAD' });
/** Where the object lies until a job takes it. The id is random, so no other's place can be named. */
export const uploadPrefix = 'uploads/';
export const uploadKey = (id: string) => `${uploadPrefix}${id}`;

export const placeUpload = (upload: Omit<Upload, 'until' | 'job'>, now: number): Write => ({
  op: 'put',
  key: uploadItemKey(upload.id),
  item: {
    v: itemVersion,
    ...upload,
    until: now + uploadKeptMs,
    expires: Math.ceil((now + uploadKeptMs) / 1000),
  } satisfies Item,
  when: [{ item: 'absent' }],
});

/** Each is taken once: refused when another job has it. */
export const takeUploads = (uploads: readonly Upload[], job: number): Transaction =>
  uploads.map(({ id }) => ({
    op: 'update',
    key: uploadItemKey(id),
    set: { job },
    when: [{ item: 'present' }, { attr: 'job', is: 'missing' }],
  }));
