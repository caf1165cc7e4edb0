// Deleting a job: when it may be, what goes at once, and what stays until the sweep has removed the rest.
import { describe, expect, test } from 'vitest';
import {
  deleteJob,
  leftoverKey,
  leftovers,
  mayBeDeleted,
  noteLeftover,
  removeItem,
  tombstone,
} from '../../core/deletion.ts';
import { fromItem, type Job, type JobStatus, type QueueRow } from '../../core/job.ts';
import { cancelQueued, claim, create, keys } from '../../core/table.ts';
import type { Key } from '../../core/writes.ts';
import { applyTransaction, type Items, nameOf } from '../model/store.ts';
import { concurrent, newJob } from './service-helpers.ts';

const id = 7;
const type = 'free_job';
const itemAt = (items: Items, key: Key) => items.get(nameOf(key));
const jobIn = (items: Items) => fromItem<Job>(itemAt(items, keys.job(id)) ?? {});

function queued(): Items {
  const items: Items = new Map();
  applyTransaction(items, create(newJob(id, type)));
  return items;
}

describe('a job may be deleted', () => {
  test.each<[name: string, status: JobStatus, holders: number[], may: boolean]>([
    ['while it is queued', 'queued', [], true],
    ['when it has completed', 'completed', [], true],
    ['when it has failed', 'failed', [], true],
    ['when it was canceled', 'canceled', [], true],
    ['while others hold slots', 'completed', [1, 8], true],
    ['but not while it runs', 'running', [id], false],
    ['but not while it runs, though it holds nothing', 'running', [], false],
    ['but not when it has ended and its run may still write', 'canceled', [1, id], false],
    ['but not when a claim of it is under way', 'queued', [id], false],
  ])('%s', (_, status, holders, may) => {
    const holds = holders.map((job) => ({ job }));

    expect(mayBeDeleted({ id, status } as Job, holds)).toBe(may);
  });
});

describe('a job that is deleted', () => {
  test('is gone with its queue row; who did it, what is left and an event stay', () => {
    const items = queued();

    expect(applyTransaction(items, deleteJob(jobIn(items), 'manager', 2_000, 'n'))).toEqual({ done: true });

    expect([...items.values()]).toEqual([
      {
        ...tombstone(id),
        v: 1,
        id,
        type,
        repo: 2,
        by: 'manager',
        at: 2_000,
        status: 'queued',
      },
      { ...leftoverKey(id), v: 1, id, type },
      { ...keys.event(id, 2_000, 'n'), v: 1, at: 2_000, what: 'delete', by: 'manager' },
    ]);
  });

  test.each([
    ['was claimed', { status: 'running' }],
    ['was changed by somebody', { lockVersion: 5 }],
  ])('stays whole when it %s meanwhile', (_, changed) => {
    const items = queued();
    const seen = jobIn(items);
    items.set(nameOf(keys.job(id)), { ...itemAt(items, keys.job(id)), ...changed });
    const before = new Map(items);

    expect(applyTransaction(items, deleteJob(seen, 'manager', 2_000, 'n')).done).toBe(false);
    expect(items).toEqual(before);
  });

  test('is not deleted a second time', () => {
    const items = queued();
    const seen = jobIn(items);
    applyTransaction(items, deleteJob(seen, 'manager', 2_000, 'n'));

    expect(applyTransaction(items, deleteJob(seen, 'other', 3_000, 'n2')).done).toBe(false);
    expect(itemAt(items, tombstone(id))).toMatchObject({ by: 'manager' });
  });

  test('is deleted also when its row went before it', () => {
    const items = queued();
    applyTransaction(items, cancelQueued(jobIn(items), 'manager', 1_500));

    expect(applyTransaction(items, deleteJob(jobIn(items), 'manager', 2_000, 'n')).done).toBe(true);
    expect(itemAt(items, tombstone(id))).toMatchObject({ status: 'canceled' });
  });

  test('does not start, by a dispatcher that saw it queued', () => {
    const items = queued();
    const row = fromItem<QueueRow>(itemAt(items, keys.queue(type, id)) ?? {});
    applyTransaction(items, deleteJob(jobIn(items), 'manager', 2_000, 'n'));

    const late = claim({ row, slot: 0, token: 't', type: concurrent, now: 2_001 });

    expect(applyTransaction(items, late).done).toBe(false);
  });

  test('has its tombstone where its events are, and is not taken for one', () => {
    const event = keys.event(id, 2_000, 'n');

    expect(tombstone(id).pk).toBe(event.pk);
    expect(tombstone(id).sk).toBe('DELETED');
  });
});

describe('what is left of jobs', () => {
  test('is noted in one partition, which the sweep reads, and stands there until it is removed', () => {
    const items: Items = new Map();
    applyTransaction(items, noteLeftover({ id: 1, type }));
    applyTransaction(items, noteLeftover({ id: 2, type }));
    applyTransaction(items, removeItem(leftoverKey(1)));

    expect([...items.values()]).toEqual([{ pk: leftovers, sk: '2', v: 1, id: 2, type }]);
  });

  test('may be noted, and removed, again', () => {
    const items: Items = new Map();
    const both = [noteLeftover({ id: 1, type }), removeItem(leftoverKey(1))];

    expect([...both, ...both].map((write) => applyTransaction(items, write).done)).toEqual([true, true, true, true]);
    expect(applyTransaction(items, noteLeftover({ id: 1, type })).done).toBe(true);
    expect(applyTransaction(items, noteLeftover({ id: 1, type })).done).toBe(true);
  });

  test('is found after a deploy where it was noted before', () => {
    expect(leftoverKey(12)).toEqual({ pk: 'LEFTOVER', sk: '12' });
  });
});
