// A dispatch pass over a real table (the emulator) and a state machine that is asked and not run.
import { QueryCommand } from '@aws-sdk/client-dynamodb';
import { ExecutionLimitExceeded, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { mockClient } from 'aws-sdk-client-mock';
import { describe, expect, test } from 'vitest';
import { readBoard } from '../../aws/reads.ts';
import { keys, releaseLock, releaseSlot, settle } from '../../core/table.ts';
import { dispatchPass } from '../../functions/pass.ts';
import { claimNow, concurrent, makeWorld, queue, serial, setTypes, type World, write } from './service-helpers.ts';

const never = Number.POSITIVE_INFINITY;
const pass = (world: World) => dispatchPass(world.service, never);
/** The jobs whose executions were asked for, in order. */
const started = (world: World) =>
  world.machine
    .commandCalls(StartExecutionCommand)
    .map(({ args }) => (JSON.parse(args[0].input.input ?? '{}') as { job: number }).job);

async function finish(world: World, id: number): Promise<void> {
  const { board } = await readBoard(world.table).then((found) => ({ board: found }));
  const slot = board.slots.find(({ job }) => job === id);
  if (!slot) throw new Error(`Job ${id} holds no slot.`);
  const lock = board.locks.filter(({ job }) => job === id);
  await write(world.table, [
    settle({ id, token: slot.token }, { outcome: 'completed', ends: { log: 0, files: 0, records: 0 } }, world.now),
    releaseSlot(slot.n, slot),
    ...lock.map((held) => releaseLock(held.type, held)),
  ]);
}

describe('a dispatch pass', () => {
  test('claims the oldest job and starts its execution under job and token, with ids only', async () => {
    const world = await makeWorld();
    world.machine.on(StartExecutionCommand).resolves({});
    await queue(world, [1, 'serial_job']);

    expect(await pass(world)).toEqual({ started: 1, failed: 0, because: 'nothing may run' });

    expect(await world.job(1)).toMatchObject({ status: 'running', token: 'token1', slot: 0 });
    expect(await world.board()).toEqual(['lock serial_job: job 1', 'slot 0: job 1']);
    expect(world.machine.commandCalls(StartExecutionCommand)[0]?.args[0].input).toEqual({
      stateMachineArn: world.service.machine.arn,
      name: 'job-1-token1',
      input: JSON.stringify({
        job: 1,
        type: 'serial_job',
        token: 'token1',
        runner: 'arn:runner',
        correlation: 'c1',
        last: { Error: 'JobContinue', Cause: '{"errorMessage":"1"}' },
      }),
    });
  });

  test('starts as many as there are slots, in the order of creation', async () => {
    const world = await makeWorld();
    world.machine.on(StartExecutionCommand).resolves({});
    await queue(world, [1, 'free_job'], [2, 'free_job'], [3, 'free_job']);

    expect(await pass(world)).toEqual({ started: 2, failed: 0, because: 'full' });

    expect(started(world)).toEqual([1, 2]);
    expect(await world.job(3)).toMatchObject({ status: 'queued' });
  });

  test('lets others overtake jobs of a locked type, and keeps the order within each type', async () => {
    const world = await makeWorld(undefined, 3);
    world.machine.on(StartExecutionCommand).resolves({});
    await queue(world, [1, 'serial_job'], [2, 'serial_job'], [3, 'free_job'], [4, 'serial_job'], [5, 'free_job']);

    await pass(world);
    expect(started(world)).toEqual([1, 3, 5]);
    await finish(world, 1);
    await pass(world);
    expect(started(world)).toEqual([1, 3, 5, 2]);
    expect(await world.board()).toEqual(['lock serial_job: job 2', 'slot 0: job 2', 'slot 1: job 3', 'slot 2: job 5']);
  });

  test('goes on behind the rows it read first, as long as slots are free', async () => {
    const world = await makeWorld(undefined, 9);
    world.machine.on(StartExecutionCommand).resolves({});
    await queue(world, ...Array.from({ length: 10 }, (_, i) => [i + 1, 'free_job'] as const));

    expect(await pass(world)).toMatchObject({ started: 9, because: 'full' });
    expect(started(world)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('starts nothing while the service is paused', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'free_job']);
    await write(world.table, { op: 'update', key: keys.settings, set: { paused: true }, when: [] });

    expect(await pass(world)).toEqual({ started: 0, failed: 0, because: 'paused' });
  });

  test('starts nothing while a lowered limit is exceeded', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'free_job'], [2, 'free_job'], [3, 'free_job']);
    await claimNow(world, 1, 'free_job', { slot: 0 });
    await claimNow(world, 2, 'free_job', { slot: 1 });
    await write(world.table, { op: 'update', key: keys.settings, set: { limit: 1 }, when: [] });

    expect(await pass(world)).toEqual({ started: 0, failed: 0, because: 'full' });
    await finish(world, 1);
    expect(await pass(world)).toEqual({ started: 0, failed: 0, because: 'full' });
  });

  test('does not start a second job of a type that was concurrent until a deploy', async () => {
    const world = await makeWorld();
    world.machine.on(StartExecutionCommand).resolves({});
    await queue(world, [1, 'free_job'], [2, 'free_job']);
    await claimNow(world, 1, 'free_job');
    await setTypes(world.table, { free_job: serial });

    expect(await pass(world)).toEqual({ started: 0, failed: 0, because: 'nothing may run' });
  });

  test('leaves a job claimed whose execution does not start, and goes on with the others', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'free_job'], [2, 'free_job']);
    world.machine
      .on(StartExecutionCommand)
      .resolves({})
      .on(StartExecutionCommand, { name: 'job-1-token1' })
      .rejects(new ExecutionLimitExceeded({ message: 'Too many', $metadata: {} }));

    expect(await pass(world)).toEqual({ started: 2, failed: 0, because: 'full' });

    expect(await world.job(1)).toMatchObject({ status: 'running', token: 'token1' });
    expect(await world.job(2)).toMatchObject({ status: 'running' });
    expect(world.logged).toContainEqual({
      level: 'error',
      message: 'A job was claimed, but its execution did not start. The sweep will try again.',
      fields: expect.objectContaining({ job: 1, correlation: 'c1' }),
    });
  });

  test('returns only when the executions it asked for have answered', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'free_job']);
    const answer = Promise.withResolvers<object>();
    const order: string[] = [];
    world.machine.on(StartExecutionCommand).callsFake(() => answer.promise);

    const passed = pass(world).then(() => order.push('passed'));
    await expect.poll(() => started(world)).toEqual([1]);
    order.push('answered');
    answer.resolve({});
    await passed;

    expect(order).toEqual(['answered', 'passed']);
  });

  test('drops a row whose job is not queued, and starts the next one', async () => {
    const world = await makeWorld();
    world.machine.on(StartExecutionCommand).resolves({});
    await queue(world, [1, 'free_job'], [2, 'free_job'], [3, 'free_job']);
    await write(world.table, { op: 'update', key: keys.job(1), set: { status: 'failed' }, when: [] });
    await write(world.table, { op: 'delete', key: keys.job(2), when: [] });

    await pass(world);

    expect(started(world)).toEqual([3]);
    expect(await world.item(keys.queue('free_job', 1))).toBeUndefined();
    expect(await world.item(keys.queue('free_job', 2))).toBeUndefined();
    expect(await world.job(1)).toMatchObject({ status: 'failed' });
  });

  test('fails the jobs of a retired type without a slot, and starts the others', async () => {
    const world = await makeWorld({ free_job: concurrent, gone_job: { ...serial, retired: 1 } });
    world.machine.on(StartExecutionCommand).resolves({});
    await queue(world, [1, 'gone_job'], [2, 'free_job'], [3, 'gone_job']);

    expect(await pass(world)).toEqual({ started: 1, failed: 2, because: 'nothing may run' });

    for (const id of [1, 3]) {
      expect(await world.job(id)).toMatchObject({
        status: 'failed',
        failure: {
          kind: 'unregistered_type',
          reason: 'No runner is registered any more for jobs of type gone_job.',
        },
      });
      expect(await world.item(keys.queue('gone_job', id))).toBeUndefined();
    }
    expect(await world.board()).toEqual(['slot 0: job 2']);
  });

  test('fails the jobs of a retired type while all slots are taken', async () => {
    const world = await makeWorld({ free_job: concurrent, gone_job: { ...serial, retired: 1 } }, 1);
    await queue(world, [1, 'free_job'], [2, 'gone_job']);
    await claimNow(world, 1, 'free_job');

    expect(await pass(world)).toEqual({ started: 0, failed: 1, because: 'full' });
  });

  // Findings: failQueued is refused, the row stays, and is read again for ever.
  test('drops a row of a retired type whose job is not queued', async () => {
    const world = await makeWorld({ gone_job: { ...serial, retired: 1 } });
    await queue(world, [1, 'gone_job']);
    await write(world.table, { op: 'update', key: keys.job(1), set: { status: 'canceled' }, when: [] });
    let looks = 0;
    const service = { ...world.service, now: () => ++looks };

    expect(await dispatchPass(service, 50)).toEqual({ started: 0, failed: 0, because: 'nothing may run' });
    expect(await world.item(keys.queue('gone_job', 1))).toBeUndefined();
  });

  test('stops when its time is up, and leaves the rest to the next', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'free_job']);

    expect(await dispatchPass(world.service, world.now)).toEqual({ started: 0, failed: 0, because: 'time' });
    expect(await world.job(1)).toMatchObject({ status: 'queued' });
  });

  test('gives a queue up to those who win every race for it', async () => {
    const world = await makeWorld(undefined, 40);
    // Its view of the board is old: the slots it would take are taken.
    const known = await readBoard(world.table);
    await queue(world, [1, 'free_job'], [2, 'free_job']);
    await claimNow(world, 1, 'free_job', { slot: 0 });
    world.machine.on(StartExecutionCommand).resolves({});

    const report = await dispatchPass(world.service, never, known);

    expect(report).toEqual({ started: 1, failed: 0, because: 'nothing may run' });
    expect(await world.board()).toEqual(['slot 0: job 1', 'slot 1: job 2']);
  });

  test('looks again when a lock was taken meanwhile', async () => {
    const world = await makeWorld();
    world.machine.on(StartExecutionCommand).resolves({});
    await queue(world, [1, 'serial_job'], [2, 'serial_job'], [3, 'free_job']);
    const known = await readBoard(world.table);
    await claimNow(world, 1, 'serial_job', { slot: 1 });

    const report = await dispatchPass(world.service, never, known);

    expect(report).toMatchObject({ started: 1, because: 'full' });
    expect(started(world)).toEqual([3]);
  });

  test('fails when the table does not answer', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'free_job']);
    mockClient(world.table.client).on(QueryCommand).rejects(new Error('no table'));

    await expect(pass(world)).rejects.toThrow('no table');
  });

  // DynamoDB Developer Guide, "Global secondary indexes": they are eventually consistent. So a job that a doorbell
  // announces may not be in an index yet.
  test('reads only the base table, and consistently: an index may lag behind the doorbell', async () => {
    const world = await makeWorld();
    world.machine.on(StartExecutionCommand).resolves({});
    await queue(world, [1, 'free_job'], [2, 'serial_job']);
    const seen: object[] = [];
    world.table.client.middlewareStack.add(
      (next, context) => (args) => {
        if (context.commandName === 'QueryCommand' || context.commandName === 'GetItemCommand') seen.push(args.input);
        return next(args);
      },
      { step: 'initialize' },
    );

    await pass(world);

    expect(seen.length).toBeGreaterThanOrEqual(3);
    for (const input of seen) {
      expect(input).toMatchObject({ ConsistentRead: true });
      expect(input).not.toHaveProperty('IndexName');
    }
  });
});

test('two dispatch passes at once start each job once', async () => {
  const world = await makeWorld(undefined, 4);
  world.machine.on(StartExecutionCommand).resolves({});
  await queue(world, ...Array.from({ length: 6 }, (_, i) => [i + 1, i % 2 ? 'free_job' : 'serial_job'] as const));

  const reports = await Promise.all([pass(world), pass(world), pass(world)]);

  expect(reports.reduce((sum, report) => sum + report.started, 0)).toBe(4);
  expect(started(world).toSorted()).toEqual([1, 2, 4, 6]);
  expect(new Set(started(world)).size).toBe(4);
  expect(await world.board()).toHaveLength(5);
});
