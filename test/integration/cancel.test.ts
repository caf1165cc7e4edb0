import { describe, expect, test } from 'vitest';
import { board, items, physical, useService } from '../helpers/stack.ts';

const stack = useService();

describe('a queued job that is canceled', () => {
  test('never starts', async () => {
    const archivist = await stack.as('archivist');
    const busy = [
      await archivist.create('quick_job', { seconds: 2 }),
      await archivist.create('quick_job', { seconds: 2 }),
    ];
    for (const uri of busy) await archivist.until(uri, 'running');
    const uri = await archivist.create('quick_job', { say: 'I ran' });

    const answer = await archivist.cancel(uri);

    expect(answer).toMatchObject({ status: 200, body: { status: 'Updated', stale: null } });
    expect(await archivist.show(uri)).toMatchObject({ status: 'canceled', time_finished: expect.any(String) });
    for (const other of busy) await archivist.until(other, 'completed');
    expect(await archivist.show(uri)).not.toHaveProperty('time_started');
    expect(await archivist.log(uri)).toBe('');
  });
});

describe('a running job that is canceled', () => {
  test('ends within 3 seconds when its runner listens', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('slow_nothing_job', { times: '3', seconds: 30 });
    await archivist.until(uri, 'running');
    await expect.poll(() => archivist.log(uri), { timeout: 5_000 }).toContain('Doing nothing, 1 of 3');

    const from = Date.now();
    await archivist.cancel(uri);
    await archivist.until(uri, 'canceled');

    expect(Date.now() - from).toBeLessThan(3_000);
    expect(await archivist.log(uri)).toContain("Oh gee, I've been canceled");
    await expect.poll(() => board(stack.service)).toEqual([]);
  });

  test('is killed within its grace time and 5 seconds when its runner is deaf, and only then frees its slot and lock', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('deaf_job');
    await archivist.until(uri, 'running');
    const pids = () => stack.service.stack.pids(physical(stack.service, /^RunnerJobsTest[0-9A-F]{8}$/));
    await expect.poll(() => pids().length, { timeout: 5_000 }).toBeGreaterThan(0);
    await expect
      .poll(async () => (await items(stack.service)).some(({ type, open }) => type === 'deaf_job' && open === true))
      .toBe(true);
    const before = pids();

    const from = Date.now();
    await archivist.cancel(uri);
    expect(await board(stack.service)).toHaveLength(2);
    await archivist.until(uri, 'canceled');

    expect(Date.now() - from).toBeGreaterThan(2_000);
    expect(Date.now() - from).toBeLessThan(7_000);
    expect(before.some((pid) => !pids().includes(pid))).toBe(true);
    await expect.poll(() => board(stack.service)).toEqual([]);
    const log = await archivist.log(uri);
    const next = await archivist.create('deaf_job');
    await archivist.until(next, 'running');
    await archivist.cancel(next);
    await archivist.until(next, 'canceled');
    expect(await archivist.log(uri)).toBe(log);
  }, 30_000);

  test('is canceled at once while it waits between two segments', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('segments_job', { steps: 2, wait: 600 });
    await expect
      .poll(
        async () =>
          (await items(stack.service)).find(
            ({ sk, type, id }) => sk === 'RUN' && type === 'segments_job' && uri.endsWith(`/${id}`),
          ),
        { timeout: 5_000 },
      )
      .toMatchObject({ open: false, segment: 1 });

    await archivist.cancel(uri);

    expect(await archivist.show(uri)).toMatchObject({ status: 'canceled' });
    expect(await board(stack.service)).toEqual([]);
  });
});

describe('a job that has ended', () => {
  test('stays as it is when it is canceled', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('quick_job');
    const before = await archivist.until(uri, 'completed');

    expect(await archivist.cancel(uri)).toMatchObject({ status: 200 });

    expect(await archivist.show(uri)).toEqual(before);
  });
});
