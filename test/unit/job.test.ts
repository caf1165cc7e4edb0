// What is said of jobs, types and runs in one place for all.
import { describe, expect, test } from 'vitest';
import {
  type DispatchType,
  fromItem,
  isEnded,
  type Job,
  type JobStatus,
  noEnds,
  revoked,
  typeIn,
} from '../../core/job.ts';

test.each<[JobStatus, boolean]>([
  ['queued', false],
  ['running', false],
  ['completed', true],
  ['failed', true],
  ['canceled', true],
])('a job that is %s has ended: %s', (status, ended) => {
  expect(isEnded({ status } as Job)).toBe(ended);
});

describe('a type of the settings', () => {
  const a_job: DispatchType = { runner: 'arn', concurrent: true, graceSeconds: 30, version: '1' };
  const settings = { limit: 1, paused: false, types: { a_job } };

  test('is found by its name', () => {
    expect(typeIn(settings, 'a_job')).toBe(a_job);
  });

  test.each(['b_job', '', 'constructor', 'toString', '__proto__'])('is not there under the name %j', (name) => {
    expect(typeIn(settings, name)).toBeUndefined();
  });

  test('may be called as every object’s property is', () => {
    const types = Object.fromEntries([['constructor', a_job]]);

    expect(typeIn({ ...settings, types }, 'constructor')).toBe(a_job);
  });
});

test('of a run that has written nothing, nothing counts', () => {
  expect(noEnds).toEqual({ log: 0, files: 0, records: 0 });
});

test('a token that was taken away is known by its word, also to those of another version', () => {
  expect(revoked).toBe('revoked');
});

test('an item is read as it was stored', () => {
  const item = { id: 7, status: 'queued' };

  expect(fromItem<Job>(item)).toBe(item);
});
