// What the sweep does about a holder of a slot or lock, and about a queue row.
import { describe, expect, test } from 'vitest';
import { type EndedJob, type Hold, type Job, noEnds, type Run, type RunningJob } from '../../core/job.ts';
import { afterGraceMs, deadlineMarginMs, maxInvocationMs } from '../../core/limits.ts';
import { inspect, inspectRow } from '../../core/sweep.ts';

const now = 100_000_000;
const facts = {
  id: 7,
  repo: 2,
  type: 'import_job',
  owner: 'archivist',
  submitted: 1,
  mtime: 1,
  lockVersion: 1,
  correlation: 'c',
  inputs: 0,
  attempt: 1,
  typeVersion: '1',
};
const hold: Hold = { job: 7, type: 'import_job', token: 't', since: 1 };
const running: RunningJob = { ...facts, status: 'running', started: 1, token: 't', slot: 0, runner: 'arn' };
const queued: Job = { ...facts, status: 'queued' };
const ended: EndedJob = { ...facts, status: 'completed', finished: now - 1, token: 't' };
const run: Run = {
  id: 7,
  type: 'import_job',
  token: 't',
  segment: 1,
  open: true,
  deadline: now + 60_000,
  graceSeconds: 30,
  repo: 2,
  owner: 'archivist',
  correlation: 'c',
  inputs: 0,
  attempt: 1,
  ends: noEnds,
};
const graceMs = 30_000 + afterGraceMs;
const over: Run = { ...run, open: false };

describe('a slot or lock', () => {
  test.each<[name: string, job: Job | undefined, run: Run | undefined, care: string]>([
    ['of a running job is kept, and its execution is made sure of', running, run, 'start'],
    ['of a running job whose run is gone is kept: no job ends for lack of an execution', running, undefined, 'start'],
    ['of a running job is kept however long it runs', { ...running, started: 0 }, { ...run, deadline: 1 }, 'start'],
    [
      'of a job that was asked to stop is kept during its grace',
      { ...running, cancelRequested: now - graceMs },
      run,
      'start',
    ],
    ['of a job that did not obey its cancel is ended', { ...running, cancelRequested: now - graceMs - 1 }, run, 'end'],
    ['of a job at its time limit is kept during its grace', running, { ...run, limitAt: now - graceMs }, 'start'],
    ['of a job that did not obey its time limit is ended', running, { ...run, limitAt: now - graceMs - 1 }, 'end'],
    [
      'of a job whose run is gone has no grace',
      { ...running, cancelRequested: now - afterGraceMs - 1 },
      undefined,
      'end',
    ],
    ['of an ended job is freed when its body has ended', ended, over, 'release'],
    ['of an ended job is kept while its body may run', ended, run, 'keep'],
    [
      'of an ended job is kept for a minute after its deadline',
      ended,
      { ...run, deadline: now - deadlineMarginMs },
      'keep',
    ],
    ['of an ended job is freed after that', ended, { ...run, deadline: now - deadlineMarginMs - 1 }, 'release'],
    [
      'of a job that ended longer ago than a Lambda can last is freed, whatever deadline its run wrote',
      { ...ended, finished: now - maxInvocationMs - deadlineMarginMs - 1 },
      { ...run, deadline: now * 10 },
      'release',
    ],
    ['of a job that is queued is freed', queued, undefined, 'release'],
    ['of a job that is not there is freed', undefined, undefined, 'release'],
    ['of a job that runs under another token is freed', { ...running, token: 'other' }, over, 'release'],
    [
      'of a job that runs under another token is kept while a body may run',
      { ...running, token: 'other' },
      run,
      'keep',
    ],
  ])('%s', (_, job, stored, care) => {
    expect(inspect({ hold, job, run: stored }, now).kind).toBe(care);
  });
});

describe('a queue row', () => {
  test.each<[name: string, job: Job | undefined, care: string]>([
    ['of a queued job is kept', queued, 'keep'],
    ['of a running job is dropped', running, 'drop'],
    ['of an ended job is dropped', ended, 'drop'],
    ['of no job is dropped', undefined, 'drop'],
  ])('%s', (_, job, care) => {
    expect(inspectRow(job)).toBe(care);
  });
});
