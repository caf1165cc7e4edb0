// A sweep over a real table: what was claimed is started, what nobody obeys is ended, what nobody holds is freed, torn
// transactions are mended (DynamoDB Developer Guide, "Point-in-time recovery: How it works": a restore may contain some
// but not all of the changes of a recent transaction).
import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { describe, expect, test } from 'vitest';
import { noEnds, type RunningJob } from '../../core/job.ts';
import { retiredTypeMs, scrubJobs } from '../../core/limits.ts';
import { append, claimSegment, keys, requestCancel, revoke, endRun as sayEnd, settle } from '../../core/table.ts';
import { sweepPass } from '../../functions/sweep-pass.ts';
import { claimNow, concurrent, makeWorld, queue, serial, type World, write } from './service-helpers.ts';

const never = Number.POSITIVE_INFINITY;
const sweep = (world: World, all = false) => sweepPass(world.service, never, all);
const minute = 60_000;
const starts = (world: World) =>
  world.machine.commandCalls(StartExecutionCommand).map(({ args }) => args[0].input.name);

/** Job 1, serial, claimed by a dispatcher that died before it started the execution. */
async function claimed(): Promise<World> {
  const world = await makeWorld();
  await queue(world, [1, 'serial_job']);
  await claimNow(world, 1, 'serial_job');
  return world;
}
const run = { id: 1, type: 'serial_job', token: 't1' };

function closedAs(world: World, status: string): void {
  world.machine
    .on(StartExecutionCommand)
    .rejects(new ExecutionAlreadyExists({ message: 'Execution Already Exists', $metadata: {} }))
    .on(DescribeExecutionCommand)
    .resolves({ status: status as 'ABORTED' });
}

describe('a claimed job', () => {
  test('whose execution was never started is started, with the same name and input', async () => {
    const world = await claimed();
    world.machine.on(StartExecutionCommand).resolves({});

    await sweep(world);

    expect(world.machine.commandCalls(StartExecutionCommand)[0]?.args[0].input).toEqual({
      stateMachineArn: world.service.machine.arn,
      name: 'job-1-t1',
      input: JSON.stringify({
        job: 1,
        type: 'serial_job',
        token: 't1',
        runner: 'arn:runner',
        correlation: 'c1',
        last: { Error: 'JobContinue', Cause: '{"errorMessage":"1"}' },
      }),
    });
    expect(await world.job(1)).toMatchObject({ status: 'running' });
    expect(await world.board()).toHaveLength(2);
  });

  test('is started once, though it holds a slot and a lock', async () => {
    const world = await claimed();
    world.machine.on(StartExecutionCommand).resolves({});

    await sweep(world);

    expect(starts(world)).toEqual(['job-1-t1']);
  });

  test('is not ended because no execution is found', async () => {
    const world = await claimed();
    world.machine
      .on(StartExecutionCommand)
      .rejects(new ExecutionAlreadyExists({ message: '', $metadata: {} }))
      .on(DescribeExecutionCommand)
      .rejects(new ExecutionDoesNotExist({ message: '', $metadata: {} }));

    await sweep(world);

    expect(await world.job(1)).toMatchObject({ status: 'running' });
    expect(await world.board()).toHaveLength(2);
  });

  // Step Functions Developer Guide, "Automating Step Functions event delivery with EventBridge": events are delivered
  // on a best-effort basis. So the one that says that an execution was aborted may never come.
  test.each(['FAILED', 'TIMED_OUT', 'ABORTED', 'SUCCEEDED'])(
    'whose execution %s without an event that was delivered is ended',
    async (status) => {
      const world = await claimed();
      closedAs(world, status);

      await sweep(world);

      expect(await world.job(1)).toMatchObject({ status: 'failed', failure: { kind: 'stopped' } });
      expect(await world.board()).toEqual([]);
    },
  );

  test('whose execution was aborted keeps its slot while its segment may run', async () => {
    const world = await claimed();
    await write(world.table, claimSegment(run, 1, 'c', world.now + minute));
    closedAs(world, 'ABORTED');

    await sweep(world);
    expect(await world.job(1)).toMatchObject({ status: 'failed' });
    expect(await world.board()).toEqual(['lock serial_job: job 1', 'slot 0: job 1']);

    world.now += 2 * minute;
    await sweep(world);
    expect(await world.board()).toHaveLength(2);

    world.now += 1;
    await sweep(world);
    expect(await world.board()).toEqual([]);
  });

  test('whose execution ended with the run’s own word is ended by that word', async () => {
    const world = await claimed();
    await write(world.table, claimSegment(run, 1, 'c', world.now + minute));
    await write(world.table, sayEnd(run, 1, { outcome: 'completed' }, { log: 3, files: 0, records: 0 }));
    closedAs(world, 'FAILED');

    await sweep(world);

    expect(await world.job(1)).toMatchObject({ status: 'completed', ends: { log: 3 } });
    expect(await world.board()).toEqual([]);
  });

  test('that cannot be started now leaves the others to be started', async () => {
    const world = await makeWorld(undefined, 3);
    await queue(world, [1, 'free_job'], [2, 'free_job'], [3, 'free_job']);
    await claimNow(world, 1, 'free_job', { slot: 0 });
    await claimNow(world, 2, 'free_job', { slot: 1 });
    world.machine.on(StartExecutionCommand).resolves({});
    world.machine.on(StartExecutionCommand, { name: 'job-1-t1' }).rejects(new Error('Throttled'));

    await sweep(world);

    expect(starts(world)).toEqual(['job-1-t1', 'job-2-t2', 'job-3-token1']);
    expect(world.logged).toContainEqual(
      expect.objectContaining({
        level: 'error',
        message: 'The sweep could not repair something, and will try again.',
        fields: expect.objectContaining({ job: 1 }),
      }),
    );
  });
});

describe('a job that was asked to stop', () => {
  async function asked(): Promise<World> {
    const world = await claimed();
    world.machine.on(StartExecutionCommand).resolves({});
    await write(world.table, claimSegment(run, 1, 'c', world.now + 5 * minute));
    await write(world.table, requestCancel((await world.job(1)) as RunningJob, 'manager', world.now));
    return world;
  }

  test('has its grace', async () => {
    const world = await asked();
    world.now += 35_000;

    await sweep(world);

    expect(await world.job(1)).toMatchObject({ status: 'running' });
  });

  test('is canceled after its grace when nobody obeyed, and keeps slot and lock until its body has ended', async () => {
    const world = await asked();
    world.now += 35_001;

    await sweep(world);

    expect(await world.job(1)).toMatchObject({ status: 'canceled', canceledBy: 'manager' });
    expect(await world.run('serial_job', 1)).toMatchObject({ token: 'revoked' });
    expect(await world.board()).toHaveLength(2);

    world.now += 6 * minute;
    await sweep(world);
    expect(await world.board()).toEqual([]);
  });

  test('and has a time limit fails for it when nobody obeyed', async () => {
    const world = await makeWorld({ free_job: { ...concurrent, timeLimitSeconds: 60 } });
    world.machine.on(StartExecutionCommand).resolves({});
    await queue(world, [1, 'free_job']);
    await claimNow(world, 1, 'free_job', { type: { ...concurrent, timeLimitSeconds: 60 } });
    world.now += minute + 35_001;

    await sweep(world);

    expect(await world.job(1)).toMatchObject({ status: 'failed', failure: { kind: 'time_limit' } });
  });
});

describe('a slot and a lock', () => {
  test('whose job has ended are freed', async () => {
    const world = await claimed();
    await write(world.table, [
      settle(run, { outcome: 'completed', ends: noEnds }, world.now),
      revoke({ ...run }, { segment: 0, open: false }),
    ]);

    await sweep(world);

    expect(await world.board()).toEqual([]);
  });

  test('whose job is not there are freed', async () => {
    const world = await claimed();
    await write(world.table, { op: 'delete', key: keys.job(1), when: [] });

    await sweep(world);

    expect(await world.board()).toEqual([]);
  });

  test('whose job is queued again after a restore are freed, and the job starts', async () => {
    const world = await claimed();
    world.machine.on(StartExecutionCommand).resolves({});
    await write(world.table, { op: 'update', key: keys.job(1), set: { status: 'queued', token: undefined }, when: [] });
    await write(world.table, { op: 'delete', key: keys.run('serial_job', 1), when: [] });

    await sweep(world);

    expect(await world.job(1)).toMatchObject({ status: 'running', token: 'token1' });
    expect(await world.board()).toEqual(['lock serial_job: job 1', 'slot 0: job 1']);
  });

  test('of two jobs, of which one lost the lock, are judged apart', async () => {
    const world = await claimed();
    world.machine.on(StartExecutionCommand).resolves({});
    await write(world.table, { op: 'update', key: keys.lock('serial_job'), set: { job: 9, token: 't9' }, when: [] });

    await sweep(world);

    expect(await world.board()).toEqual(['slot 0: job 1']);
    expect(await world.job(1)).toMatchObject({ status: 'running' });
  });
});

describe('a torn job', () => {
  test('that is queued without a row gets its row back, and starts', async () => {
    const world = await makeWorld();
    world.machine.on(StartExecutionCommand).resolves({});
    await queue(world, [1, 'free_job']);
    await write(world.table, { op: 'delete', key: keys.queue('free_job', 1), when: [] });

    await sweep(world);

    expect(await world.job(1)).toMatchObject({ status: 'running' });
    expect(starts(world)).toEqual(['job-1-token1']);
  });

  test('that is running on no slot is ended', async () => {
    const world = await claimed();
    await write(world.table, { op: 'delete', key: keys.slot(0), when: [] });
    await write(world.table, { op: 'delete', key: keys.lock('serial_job'), when: [] });
    await write(world.table, append(keys.log('serial_job', 1, 0), 't1', 1, { bytes: new Uint8Array(4), size: 4 }));

    await sweep(world);

    expect(await world.job(1)).toMatchObject({ status: 'failed', failure: { kind: 'stopped' }, ends: { log: 4 } });
  });

  test('that is running on a slot of another job is ended, and the other is not', async () => {
    const world = await makeWorld();
    world.machine.on(StartExecutionCommand).resolves({});
    await queue(world, [1, 'free_job'], [2, 'free_job']);
    await claimNow(world, 1, 'free_job');
    await write(world.table, { op: 'delete', key: keys.slot(0), when: [] });
    await claimNow(world, 2, 'free_job');

    await sweep(world);

    expect(await world.job(1)).toMatchObject({ status: 'failed' });
    expect(await world.job(2)).toMatchObject({ status: 'running' });
    expect(await world.board()).toEqual(['slot 0: job 2']);
  });

  test('of a type that nobody registered fails for that reason', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'lost_job']);

    await sweep(world);

    expect(await world.job(1)).toMatchObject({ status: 'failed', failure: { kind: 'unregistered_type' } });
  });

  test('is found round by round, so many in each, or all at once after a restore', async () => {
    const many = scrubJobs + 3;
    const tear = async (world: World) => {
      await queue(world, [scrubJobs, 'free_job'], [many, 'free_job']);
      for (const id of [scrubJobs, many])
        await write(world.table, { op: 'delete', key: keys.queue('free_job', id), when: [] });
    };
    const rows = async (world: World) => [
      (await world.item(keys.queue('free_job', scrubJobs))) !== undefined,
      (await world.item(keys.queue('free_job', many))) !== undefined,
    ];
    const byRounds = await makeWorld(undefined, 0);
    await tear(byRounds);
    await sweep(byRounds);
    expect(await rows(byRounds)).toEqual([true, false]);
    await sweep(byRounds);
    expect(await rows(byRounds)).toEqual([true, true]);

    const atOnce = await makeWorld(undefined, 0);
    await tear(atOnce);
    await sweep(atOnce, true);
    expect(await rows(atOnce)).toEqual([true, true]);
  });

  test('is found from the start again after the last round', async () => {
    const world = await makeWorld(undefined, 0);
    await queue(world, [1, 'free_job'], [2, 'free_job']);
    await sweep(world);
    await write(world.table, { op: 'delete', key: keys.queue('free_job', 1), when: [] });

    await sweep(world);

    expect(await world.item(keys.queue('free_job', 1))).toBeDefined();
  });

  test('waits for the next sweep when time is up', async () => {
    const world = await makeWorld(undefined, 0);
    await queue(world, [1, 'free_job']);
    await write(world.table, { op: 'delete', key: keys.queue('free_job', 1), when: [] });

    await sweepPass(world.service, world.now);
    expect(await world.item(keys.queue('free_job', 1))).toBeUndefined();

    await sweep(world);
    expect(await world.item(keys.queue('free_job', 1))).toBeDefined();
  });
});

describe('a retired type', () => {
  const retired = 1_000;
  const after = retired + retiredTypeMs;
  const types = async (world: World) =>
    Object.keys((await world.item(keys.settings))?.['types'] as Record<string, unknown>);

  test.each<[name: string, now: number, kept: string[]]>([
    ['is kept until a create under way can add no more rows', after - 1, ['gone_job', 'free_job']],
    ['is forgotten after that', after, ['free_job']],
  ])('%s', async (_, now, kept) => {
    const world = await makeWorld({ free_job: concurrent, gone_job: { ...serial, retired } });
    world.now = now;

    await sweep(world);

    expect((await types(world)).toSorted()).toEqual(kept.toSorted());
  });

  test('is kept while jobs of it are queued, and forgotten when they have failed', async () => {
    const world = await makeWorld({ gone_job: { ...serial, retired } });
    world.now = after;
    await queue(world, [1, 'gone_job']);

    await sweep(world);
    expect(await types(world)).toEqual(['gone_job']);
    expect(await world.job(1)).toMatchObject({ status: 'failed', failure: { kind: 'unregistered_type' } });

    await sweep(world);
    expect(await types(world)).toEqual([]);
  });
});

test('a sweep starts what a lost doorbell announced', async () => {
  const world = await makeWorld();
  world.machine.on(StartExecutionCommand).resolves({});
  await queue(world, [1, 'free_job']);

  await sweep(world);

  expect(starts(world)).toEqual(['job-1-token1']);
});

test('a second sweep changes nothing', async () => {
  const world = await makeWorld(undefined, 3);
  world.machine.on(StartExecutionCommand).resolves({});
  await queue(world, [1, 'serial_job'], [2, 'serial_job'], [3, 'free_job']);
  await sweep(world);
  const board = await world.board();
  const jobs = await Promise.all([1, 2, 3].map((id) => world.job(id)));

  await sweep(world);

  expect(await world.board()).toEqual(board);
  expect(await Promise.all([1, 2, 3].map((id) => world.job(id)))).toEqual(jobs);
});
