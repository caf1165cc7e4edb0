// A resumable run whose segment broke off: does it go on, and which of two finishers may say so?
import { UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, test } from 'vitest';
import type { RunningJob } from '../../core/job.ts';
import { claimSegment, closeSegment, requestCancel, endRun as sayEnd } from '../../core/table.ts';
import { endRun } from '../../functions/end.ts';
import { resumeRun } from '../../functions/resume.ts';
import { claimNow, makeWorld, queue, serial, type World, write } from './service-helpers.ts';

const type = 'serial_job';
const ref = { job: 1, type, token: 't1' };
const run = { id: 1, type, token: 't1' };
const minute = 60_000;
const killed = (segment: number) => ({ error: 'Runtime.ExitError', cause: '', segment });
const checkpoint = { state: '{}', ends: { log: 0, files: 2, records: 0 } };

/** Job 1 of a resumable type in its first segment. */
async function running(options = { resumable: true }): Promise<World> {
  const world = await makeWorld();
  await queue(world, [1, type], [2, type]);
  await claimNow(world, 1, type, { type: { ...serial, ...options } });
  await write(world.table, claimSegment(run, 1, 'c1', world.now + minute));
  return world;
}

describe('a segment that broke off', () => {
  test('is closed, and the run goes on: it keeps token, slot and lock', async () => {
    const world = await running();

    expect(await resumeRun(world.service, ref, killed(1))).toMatchObject({ segment: 2, afterSeconds: 1 });

    expect(await world.run(type, 1)).toMatchObject({ token: 't1', segment: 1, open: false, interruptions: 1 });
    expect(await world.job(1)).toMatchObject({ status: 'running' });
    expect(await world.board()).toEqual(['lock serial_job: job 1', 'slot 0: job 1']);
    await write(world.table, claimSegment(run, 2, 'c2', world.now + minute));
  });

  test('is told twice without harm, when the first word was lost', async () => {
    const world = await running();
    await resumeRun(world.service, ref, killed(1));

    expect(await resumeRun(world.service, ref, killed(1))).toMatchObject({ segment: 2, afterSeconds: 1 });
    expect(await world.run(type, 1)).toMatchObject({ interruptions: 1 });
  });

  test('uses its number up when it died before it was claimed', async () => {
    const world = await makeWorld();
    await queue(world, [1, type]);
    await claimNow(world, 1, type, { type: { ...serial, resumable: true } });

    expect(await resumeRun(world.service, ref, killed(1))).toMatchObject({ segment: 2 });

    await expect(write(world.table, claimSegment(run, 1, 'late', world.now + minute))).rejects.toThrow();
    await write(world.table, claimSegment(run, 2, 'c2', world.now + minute));
  });

  test('ends the run the fourth time in a row, with its log, and the files of its last checkpoint', async () => {
    const world = await running();
    for (let segment = 1; segment <= 3; segment++) {
      await resumeRun(world.service, ref, killed(segment));
      await write(world.table, claimSegment(run, segment + 1, 'c', world.now + minute));
    }
    await write(world.table, closeSegment(run, 4, { ...checkpoint, interruptions: 3 }));

    expect(await resumeRun(world.service, ref, killed(4))).toBeUndefined();
    await endRun(world.service, ref, killed(4));

    expect(await world.job(1)).toMatchObject({ status: 'failed', failure: { kind: 'crashed' }, ends: { files: 2 } });
    expect(await world.board()).toEqual([]);
  });

  test('ends the run of a type that is not resumable', async () => {
    const world = await running({ resumable: false });

    expect(await resumeRun(world.service, ref, killed(1))).toBeUndefined();
  });

  test('ends the run when a cancel comes between the look and the write', async () => {
    const world = await running();
    let canceled = false;
    world.table.client.middlewareStack.add(
      (next, context) => async (args) => {
        if (context.commandName === UpdateItemCommand.name && !canceled) {
          canceled = true;
          await write(world.table, requestCancel((await world.job(1)) as RunningJob, 'manager', world.now));
        }
        return next(args);
      },
      { step: 'initialize' },
    );

    expect(await resumeRun(world.service, ref, killed(1))).toBeUndefined();
    await endRun(world.service, ref, killed(1));

    expect(canceled).toBe(true);
    expect(await world.job(1)).toMatchObject({ status: 'canceled' });
  });
});

describe('a finisher that comes late, when the run has gone on', () => {
  /** Segment 1 broke off, and segment 2 runs. */
  async function goneOn(): Promise<World> {
    const world = await running();
    await resumeRun(world.service, ref, killed(1));
    await write(world.table, claimSegment(run, 2, 'c2', world.now + minute));
    return world;
  }

  test('leaves the segment that runs now alone', async () => {
    const world = await goneOn();

    expect(await resumeRun(world.service, ref, killed(1))).toBeUndefined();
    await endRun(world.service, ref, killed(1));

    expect(await world.run(type, 1)).toMatchObject({ token: 't1', segment: 2, open: true });
    expect(await world.job(1)).toMatchObject({ status: 'running' });
    expect(await world.board()).toHaveLength(2);
  });

  test('leaves it alone, too, when segment 1 died before it was claimed', async () => {
    const world = await makeWorld();
    await queue(world, [1, type]);
    await claimNow(world, 1, type, { type: { ...serial, resumable: true } });
    const next = await resumeRun(world.service, ref, killed(1));
    await write(world.table, claimSegment(run, next?.segment ?? 0, 'c', world.now + minute));

    expect(await resumeRun(world.service, ref, killed(1))).toBeUndefined();
    await endRun(world.service, ref, killed(1));

    expect(await world.run(type, 1)).toMatchObject({ token: 't1', open: true });
    expect(await world.board()).toHaveLength(2);
  });

  test('frees nothing of a job that was settled while its second segment runs', async () => {
    const world = await goneOn();
    await endRun(world.service, ref, undefined);
    expect(await world.job(1)).toMatchObject({ status: 'failed' });

    await endRun(world.service, ref, killed(1));

    expect(await world.board()).toHaveLength(2);
  });

  test('ends nothing when the second segment begins between its look and its write', async () => {
    const world = await running();
    for (let n = 0; n < 3; n++) await resumeRun(world.service, ref, killed(1));
    let begun = false;
    world.table.client.middlewareStack.add(
      (next, context) => async (args) => {
        if (context.commandName === 'TransactWriteItemsCommand' && !begun) {
          begun = true;
          await write(world.table, claimSegment(run, 2, 'c2', world.now + minute));
        }
        return next(args);
      },
      { step: 'initialize' },
    );

    await endRun(world.service, ref, killed(1));

    expect(begun).toBe(true);
    expect(await world.job(1)).toMatchObject({ status: 'running' });
    expect(await world.run(type, 1)).toMatchObject({ token: 't1', segment: 2, open: true });
  });

  test('still ends a run that said its end', async () => {
    const world = await running();
    await write(world.table, sayEnd(run, 1, { outcome: 'completed' }, checkpoint.ends));

    expect(await resumeRun(world.service, ref, killed(1))).toBeUndefined();
    await endRun(world.service, ref, killed(1));

    expect(await world.job(1)).toMatchObject({ status: 'completed' });
  });
});
