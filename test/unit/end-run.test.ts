// Ending a run over a real table: settle, revoke, release.
import { TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, test } from 'vitest';
import { readBoard } from '../../aws/reads.ts';
import { Fault } from '../../core/errors.ts';
import { noEnds, type RunningJob } from '../../core/job.ts';
import { append, claimSegment, closeSegment, keys, requestCancel, endRun as sayEnd } from '../../core/table.ts';
import { endRun } from '../../functions/end.ts';
import { claimNow, makeWorld, newJob, queue, type World, write } from './service-helpers.ts';

const type = 'serial_job';
const ref = { job: 1, type, token: 't1' };
const run = { id: 1, type, token: 't1' };
const minute = 60_000;

/** Job 1 in its first segment, which may go on for a minute; job 2 waits. */
async function running(): Promise<World> {
  const world = await makeWorld();
  await queue(world, [1, type], [2, type]);
  await claimNow(world, 1, type);
  await write(world.table, claimSegment(run, 1, 'c1', world.now + minute));
  return world;
}

describe('an end that is certain', () => {
  test('settles and releases in one transaction', async () => {
    const world = await running();
    await write(world.table, sayEnd(run, 1, { outcome: 'completed' }, { log: 9, files: 1, records: 2 }));
    let transactions = 0;
    world.table.client.middlewareStack.add(
      (next, context) => (args) => {
        if (context.commandName === TransactWriteItemsCommand.name) transactions++;
        else expect(context.commandName).toMatch(/^(GetItem|Query)Command$/);
        return next(args);
      },
      { step: 'initialize' },
    );

    const board = await endRun(world.service, ref, {});

    expect(transactions).toBe(1);
    expect(board.slots).toEqual([]);
    expect(board.locks).toEqual([]);
    expect(await world.board()).toEqual([]);
    expect(await world.job(1)).toMatchObject({
      status: 'completed',
      finished: world.now,
      ends: { log: 9, files: 1, records: 2 },
    });
  });

  test('returns the board as the table has it, for the pass that follows', async () => {
    const world = await running();
    await write(world.table, sayEnd(run, 1, { outcome: 'completed' }, noEnds));

    expect(await endRun(world.service, ref, {})).toEqual(await readBoard(world.table));
  });

  test('of a run that crashed revokes its token, and counts what it wrote until then', async () => {
    const world = await running();
    await write(world.table, append(keys.log(type, 1, 0), 't1', 1, { bytes: new Uint8Array(5), size: 5 }));
    await write(world.table, append(keys.log(type, 1, 5), 't1', 1, { bytes: new Uint8Array(7), size: 7 }));
    await write(world.table, append(keys.record(type, 1, 0), 't1', 1, { created: ['/repositories/2/resources/1'] }));

    await endRun(world.service, ref, { error: 'Runtime.ExitError' });

    expect(await world.job(1)).toMatchObject({
      status: 'failed',
      failure: { kind: 'crashed' },
      ends: { log: 12, files: 0, records: 1 },
    });
    expect(await world.run(type, 1)).toMatchObject({ token: 'revoked' });
    expect(await world.board()).toEqual([]);
  });

  test('comes before a first segment when the invocation was refused', async () => {
    const world = await makeWorld();
    await queue(world, [1, type]);
    await claimNow(world, 1, type);

    await endRun(world.service, ref, { error: 'Lambda.TooManyRequestsException' });

    expect(await world.job(1)).toMatchObject({ status: 'failed', failure: { kind: 'not_started' } });
    expect(await world.run(type, 1)).toMatchObject({ token: 'revoked' });
    expect(await world.board()).toEqual([]);
  });

  test('a second time changes nothing', async () => {
    const world = await running();
    await write(world.table, sayEnd(run, 1, { outcome: 'completed' }, noEnds));
    await endRun(world.service, ref, {});
    const job = await world.job(1);
    world.now += 5;

    await endRun(world.service, ref, {});
    await endRun(world.service, ref, { error: 'Runtime.ExitError' });
    await endRun(world.service, ref, undefined);

    expect(await world.job(1)).toEqual(job);
  });

  test('a second time leaves the next job alone', async () => {
    const world = await running();
    await write(world.table, sayEnd(run, 1, { outcome: 'completed' }, noEnds));
    await endRun(world.service, ref, {});
    await claimNow(world, 2, type);

    const board = await endRun(world.service, ref, {});

    expect(board.slots).toHaveLength(1);
    expect(await world.board()).toEqual(['lock serial_job: job 2', 'slot 0: job 2']);
    expect(await world.job(2)).toMatchObject({ status: 'running' });
  });
});

describe('an end that is not certain', () => {
  test('settles and revokes, and keeps slot and lock: the body may still run', async () => {
    const world = await running();

    const board = await endRun(world.service, ref, { error: 'States.Timeout' });

    expect(await world.job(1)).toMatchObject({ status: 'failed', failure: { kind: 'platform' } });
    expect(await world.run(type, 1)).toMatchObject({ token: 'revoked', open: true });
    expect(await world.board()).toEqual(['lock serial_job: job 1', 'slot 0: job 1']);
    expect(board.slots).toHaveLength(1);
  });

  test.each([
    ['keeps slot and lock until the deadline and a minute', 2 * minute, 2],
    ['releases them after that', 2 * minute + 1, 0],
  ])('%s', async (_, laterMs, held) => {
    const world = await running();
    await endRun(world.service, ref, undefined);
    world.now += laterMs;

    await endRun(world.service, ref, undefined);

    expect(await world.board()).toHaveLength(held);
  });

  test('releases when a certain witness comes late, and stays as it was settled', async () => {
    const world = await running();
    await endRun(world.service, ref, undefined);
    const job = await world.job(1);
    world.now += 1;

    const board = await endRun(world.service, ref, { error: 'Runtime.ExitError' });

    expect(board.slots).toEqual([]);
    expect(await world.board()).toEqual([]);
    expect(await world.job(1)).toEqual(job);
  });

  test('of a canceled run is canceled at once, and its slot waits', async () => {
    const world = await running();
    await write(world.table, requestCancel((await world.job(1)) as RunningJob, 'manager', world.now));

    await endRun(world.service, ref, undefined);

    expect(await world.job(1)).toMatchObject({ status: 'canceled', canceledBy: 'manager' });
    expect(await world.board()).toHaveLength(2);
  });
});

describe('a run', () => {
  test('between two segments ends at once, and no other can begin', async () => {
    const world = await running();
    await write(world.table, closeSegment(run, 1, { state: '{}', ends: noEnds }));

    await endRun(world.service, ref, undefined);

    expect(await world.board()).toEqual([]);
    expect(await world.run(type, 1)).toMatchObject({ token: 'revoked' });
  });

  test('whose next segment begins while it is ended is looked at again, and keeps its slot', async () => {
    const world = await running();
    await write(world.table, closeSegment(run, 1, { state: '{}', ends: noEnds }));
    let begun = false;
    world.table.client.middlewareStack.add(
      (next, context) => async (args) => {
        if (context.commandName === TransactWriteItemsCommand.name && !begun) {
          begun = true;
          await write(world.table, claimSegment(run, 2, 'c2', world.now + minute));
        }
        return next(args);
      },
      { step: 'initialize' },
    );

    await endRun(world.service, ref, undefined);

    expect(await world.job(1)).toMatchObject({ status: 'failed', failure: { kind: 'stopped' } });
    expect(await world.board()).toHaveLength(2);
  });

  test('of another token is not touched', async () => {
    const world = await running();

    await endRun(world.service, { ...ref, token: 'old' }, {});

    expect(await world.job(1)).toMatchObject({ status: 'running' });
    expect(await world.run(type, 1)).toMatchObject({ token: 't1' });
    expect(await world.board()).toHaveLength(2);
  });

  test('that is gone is ended, and its slot freed', async () => {
    const world = await running();
    await write(world.table, { op: 'delete', key: keys.run(type, 1), when: [] });

    await endRun(world.service, ref, undefined);

    expect(await world.job(1)).toMatchObject({ status: 'failed', failure: { kind: 'stopped' } });
    expect(await world.board()).toEqual([]);
  });

  test('whose job is gone frees its slot', async () => {
    const world = await running();
    await write(world.table, { op: 'delete', key: keys.job(1), when: [] });

    await endRun(world.service, ref, {});

    expect(await world.board()).toEqual([]);
  });

  test('that changes each time it is read is a fault, so that the state tries again', async () => {
    const world = await running();
    await write(world.table, closeSegment(run, 1, { state: '{}', ends: noEnds }));
    let segment = 1;
    world.table.client.middlewareStack.add(
      (next, context) => async (args) => {
        if (context.commandName === TransactWriteItemsCommand.name) {
          await write(world.table, claimSegment(run, ++segment, 'c', world.now + minute));
          await write(world.table, closeSegment(run, segment, { state: '{}', ends: noEnds }));
        }
        return next(args);
      },
      { step: 'initialize' },
    );

    await expect(endRun(world.service, ref, undefined)).rejects.toThrow(Fault);

    expect(await world.job(1)).toMatchObject({ status: 'running' });
  });
});

test('an end is logged with the job’s correlation id', async () => {
  const world = await running();

  await endRun(world.service, ref, { error: 'Runtime.ExitError' });

  expect(world.logged).toContainEqual({
    level: 'info',
    message: 'A job ended.',
    fields: expect.objectContaining({ job: 1, outcome: 'failed', certain: true, correlation: newJob(1).correlation }),
  });
});
