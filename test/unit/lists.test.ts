import { BatchGetItemCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { describe, expect, test } from 'vitest';
import { commit, type Table } from '../../aws/dynamo.ts';
import { countQueuedBefore, listJobs, readLive, readManyJobs } from '../../aws/lists.ts';
import { readLog } from '../../aws/reads.ts';
import { deleteJob, leftoverKey, mayBeDeleted, tombstone } from '../../core/deletion.ts';
import type { Job } from '../../core/job.ts';
import { append, cancelQueued, claim, create, keys } from '../../core/table.ts';
import { removeLeftovers } from '../../functions/leftovers.ts';
import { claimNow, concurrent, makeWorld, newJob, queue, readRow, write } from './service-helpers.ts';

describe('many jobs', () => {
  const found = (ids: readonly number[]) => ids.map((id) => marshall({ ...newJob(id), status: 'queued' }));

  test('are read a hundred at a time, and what the table held back is asked for again', async () => {
    const client = new DynamoDBClient({ region: 'us-east-1' });
    const ids = Array.from({ length: 120 }, (_, n) => n + 1);
    const left = { jobs: { Keys: [marshall(keys.job(100))] } };
    const mock = mockClient(client);
    mock
      .on(BatchGetItemCommand)
      .resolvesOnce({ Responses: { jobs: found(ids.slice(0, 99)) }, UnprocessedKeys: left })
      .resolvesOnce({ Responses: { jobs: found([100]) } })
      .resolvesOnce({ Responses: { jobs: found(ids.slice(100).toReversed()) } });

    expect((await readManyJobs({ client, name: 'jobs' }, ids)).map(({ id }) => id)).toEqual(ids);
    expect(mock.commandCalls(BatchGetItemCommand)).toHaveLength(3);
  });

  test('that the table goes on holding back are an error, not a shorter list', async () => {
    const client = new DynamoDBClient({ region: 'us-east-1' });
    const UnprocessedKeys = { jobs: { Keys: [marshall(keys.job(1))] } };
    mockClient(client).on(BatchGetItemCommand).resolves({ Responses: {}, UnprocessedKeys });

    await expect(readManyJobs({ client, name: 'jobs' }, [1])).rejects.toThrow('did not give all');
  });
});

describe('what is under way', () => {
  test('holds running jobs once, though their queue row was read before they started', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'free_job'], [2, 'serial_job'], [3, 'free_job']);
    // A table in which job 1 starts after the queues and before the slots are read.
    const { client, name } = world.table;
    let boards = 0;
    const racing = {
      send: async (command: { input: { ExpressionAttributeValues?: Record<string, { S?: string }> } }) => {
        if (command.input.ExpressionAttributeValues?.[':p']?.S === 'BOARD' && ++boards === 2)
          await write(
            world.table,
            claim({
              row: await readRow(world.table, 'free_job', 1),
              slot: 0,
              token: 't1',
              type: concurrent,
              now: 1,
            }),
          );
        return client.send(command as never);
      },
    } as unknown as DynamoDBClient;

    const live = await readLive({ client: racing, name });

    expect(live.running.map(({ id }) => id)).toEqual([1]);
    expect(live.queued.map(({ id }) => id)).toEqual([2, 3]);
  });

  test('a place in the queue counts older jobs of all types', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'free_job'], [2, 'serial_job'], [3, 'free_job'], [4, 'serial_job']);

    expect(await countQueuedBefore(world.table, 1)).toBe(0);
    expect(await countQueuedBefore(world.table, 4)).toBe(3);
    await commit(world.table, cancelQueued(await world.job(2), 'x', 1));
    expect(await countQueuedBefore(world.table, 4)).toBe(2);
  });

  test('a listing has each job of the repository once', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'free_job'], [2, 'serial_job'], [3, 'free_job']);
    await write(world.table, create(newJob(4, 'free_job', { repo: 3 })));
    await claimNow(world, 1, 'free_job');
    await commit(world.table, cancelQueued(await world.job(3), 'x', 1));

    const { jobs } = await listJobs(world.table, 2);

    expect(jobs.map(({ id, status }) => `${status} ${id}`)).toEqual(['canceled 3', 'queued 2', 'running 1']);
  });
});

describe('deleting a job', () => {
  const facts = { id: 1 } as const;
  const hold = { job: 1 };
  const other = { job: 2 };
  test.each([
    ['queued', [], true],
    ['queued', [other], true],
    ['running', [hold], false],
    // A slot that was lost is the sweep's to repair first.
    ['running', [], false],
    ['completed', [], true],
    ['failed', [other], true],
    ['canceled', [hold], false],
    ['completed', [hold], false],
  ] as const)('%s, held by %j: %s', (status, holds, may) => {
    expect(mayBeDeleted({ ...facts, status } as Job, holds)).toBe(may);
  });

  test('is refused when the job started meanwhile, and nothing is written', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'free_job']);
    const seen = await world.job(1);
    await claimNow(world, 1, 'free_job');

    const written = await commit(world.table, deleteJob(seen, 'x', 1, 'n'));

    expect(written.done).toBe(false);
    expect((await world.job(1)).status).toBe('running');
    expect(await world.item(tombstone(1))).toBeUndefined();
    expect(await world.item(leftoverKey(1))).toBeUndefined();
  });

  test('wins against a start that comes later', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'free_job']);
    const row = await readRow(world.table, 'free_job', 1);
    await write(world.table, deleteJob(await world.job(1), 'x', 1, 'n'));

    const started = await commit(world.table, claim({ row, slot: 0, token: 't', type: concurrent, now: 2 }));

    expect(started.done).toBe(false);
    expect(await world.board()).toEqual([]);
  });

  test('takes nothing away from a job that is there, whatever a note says: a restore may have brought it back', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'free_job']);
    const key = keys.run('free_job', 1, 'PARAMS');
    await write(world.table, [
      { op: 'put', key, item: { params: '{}' }, when: [] },
      { op: 'put', key: leftoverKey(1), item: { id: 1, type: 'free_job' }, when: [] },
    ]);

    await removeLeftovers(world.service, { bucket: 'files' }, world.now + 1_000);

    expect(await world.item(key)).toBeDefined();
    expect(await world.item(leftoverKey(1))).toBeUndefined();
  });

  test('what is left of one job is removed though another’s cannot be', async () => {
    const world = await makeWorld();
    await queue(world, [1, 'free_job'], [2, 'free_job']);
    for (const id of [1, 2]) {
      await write(world.table, append(keys.log('free_job', id, 0), 't', 1, { size: 1, bytes: new Uint8Array([65]) }));
      await write(world.table, deleteJob(await world.job(id), 'x', 1, 'n'));
    }
    const broken: Table = {
      ...world.table,
      client: {
        send: async (command: { input: { Key?: { pk?: { S?: string } } } }) => {
          if (command.input.Key?.pk?.S === keys.run('free_job', 1).pk) throw new Error('Out of order');
          return world.table.client.send(command as never);
        },
      } as unknown as DynamoDBClient,
    };
    const { fetch } = globalThis;
    globalThis.fetch = async () => new Response('<ListBucketResult></ListBucketResult>');
    try {
      await removeLeftovers({ ...world.service, table: broken }, { bucket: 'files' }, world.now + 1_000);
    } finally {
      globalThis.fetch = fetch;
    }

    expect(await world.item(leftoverKey(1))).toBeDefined();
    expect(await world.item(leftoverKey(2))).toBeUndefined();
    expect(world.logged.filter(({ level }) => level === 'error')).toMatchObject([{ fields: { job: 1 } }]);
    const two = { type: 'free_job', id: 2, status: 'running', token: 't' } as unknown as Job;
    expect((await readLog(world.table, two, 0, 10)).length).toBe(0);
  });
});
