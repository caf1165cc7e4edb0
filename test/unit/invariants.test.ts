import { describe, expect, test } from 'vitest';
import { violations } from '../../core/invariants.ts';
import type { Board, Job } from '../../core/job.ts';
import { claim } from '../../core/table.ts';
import { health } from '../../functions/health.ts';
import { claimNow, concurrent, makeWorld, queue, readRow, serial, write } from './service-helpers.ts';

const types = { serial_job: serial, other_job: serial, free_job: concurrent };
const hold = (job: number, type: string, token = `t${job}`) => ({ job, type, token, since: 0 });
const slot = (n: number, job: number, type: string, token?: string) => ({ ...hold(job, type, token), n });
const running = (id: number, token = `t${id}`) => ({ id, status: 'running', token }) as unknown as Job;
const board = (slots: Board['slots'], locks: Board['locks']): Board => ({
  settings: { limit: 4, paused: false, types },
  slots,
  locks,
});
/** Slots of jobs 1 and 2, and the lock of job 1. */
const boardOfTwo = (first: string, second: string) => board([slot(0, 1, first), slot(1, 2, second)], [hold(1, first)]);
const jobs = (...all: readonly Job[]) => new Map(all.map((job) => [job.id, job]));
const promises = (of: Board, with_: ReadonlyMap<number, Job>) =>
  violations(of, with_).map(({ promise, job }) => [promise, job]);

describe('the promises that can be seen broken', () => {
  test('are none on a board where each holder runs under its token', () => {
    const sound = board(
      [slot(0, 1, 'serial_job'), slot(1, 2, 'free_job'), slot(2, 3, 'free_job')],
      [hold(1, 'serial_job')],
    );

    expect(promises(sound, jobs(running(1), running(2), running(3)))).toEqual([]);
  });

  test('are none where jobs of a type run on that was concurrent until a deploy', () => {
    expect(
      promises(board([slot(0, 1, 'serial_job'), slot(1, 2, 'serial_job')], []), jobs(running(1), running(2))),
    ).toEqual([]);
  });

  test('are none where a job has ended and the sweep has yet to free what it held', () => {
    expect(promises(board([slot(0, 1, 'serial_job')], [hold(1, 'serial_job')]), jobs())).toEqual([]);
  });

  test.each<[name: string, of: Board, running: number[]]>([
    ['a job has ended that is on the board beside the next of its type', boardOfTwo('serial_job', 'serial_job'), [1]],
    ['the holder of a lock has ended, and its slot is free already', board([], [hold(1, 'serial_job')]), []],
    [
      'a type may run beside itself since a deploy, and its lock is still held',
      boardOfTwo('free_job', 'free_job'),
      [1, 2],
    ],
    [
      'two types hold a lock each',
      board([slot(0, 1, 'other_job'), slot(1, 2, 'serial_job')], [hold(1, 'other_job'), hold(2, 'serial_job')]),
      [1, 2],
    ],
    ['a type is no longer registered', boardOfTwo('gone_job', 'gone_job'), [1, 2]],
  ])('are none where %s', (_, of, ids) => {
    expect(promises(of, jobs(...ids.map((id) => running(id))))).toEqual([]);
  });

  test.each([
    ['two of a type', board([slot(0, 1, 'serial_job'), slot(1, 2, 'serial_job')], [hold(1, 'serial_job')]), 2],
    ['slot twice', board([slot(0, 1, 'free_job'), slot(3, 1, 'free_job')], []), 1],
    ['lock without slot', board([], [hold(1, 'serial_job')]), 1],
    ['lock without slot', board([slot(0, 2, 'free_job')], [hold(1, 'serial_job')]), 1],
    [
      'slot under an old token',
      board([slot(0, 1, 'serial_job'), slot(1, 2, 'serial_job', 'old')], [hold(1, 'serial_job')]),
      2,
    ],
    ['slot under an old token', board([slot(0, 1, 'free_job', 'old')], []), 1],
  ])('%s', (promise, broken, job) => {
    expect(promises(broken, jobs(running(1), running(2)))).toEqual([[promise, job]]);
  });
});

describe('the health of a service', () => {
  test('is without violations, and says how long the oldest job that may run has waited', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'serial_job'], [2, 'serial_job'], [3, 'free_job']);
    await claimNow(world, 1, 'serial_job');
    const { submitted } = await readRow(world.table, 'free_job', 3);
    world.now = submitted + 5_000;

    expect(await health(world.service)).toEqual({ violations: [], oldestRunnableMs: 5_000 });
  });

  test('counts a broken promise that stands when the same facts are read again at one moment', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'serial_job'], [2, 'serial_job']);
    await claimNow(world, 1, 'serial_job');
    const row = await readRow(world.table, 'serial_job', 2);
    // What no claim would do: without the lock.
    await write(world.table, claim({ row, slot: 1, token: 'stolen', type: concurrent, now: world.now }));

    const { violations: found } = await health(world.service);

    expect(found).toEqual([{ promise: 'two of a type', job: 2, type: 'serial_job' }]);
  });
});
