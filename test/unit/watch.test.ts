// The watch over a run, in a process of its own: it kills, whatever the runner's code does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RunningJob } from '../../core/job.ts';
import { requestCancel, revoke } from '../../core/table.ts';
import { claimNow, makeWorld, queue, type World, write } from './service-helpers.ts';

const run = { id: 1, type: 'free_job', token: 't1' };

async function claimed(): Promise<World> {
  const world = await makeWorld();
  await queue(world, [1, 'free_job']);
  await claimNow(world, 1, 'free_job');
  return world;
}

async function watching(world: World, what: 'busy' | 'idle' | 'stopped', graceMs: number, limitMs?: number) {
  const { endpoint } = world.table;
  const args = [join(import.meta.dirname, 'watch-main.ts'), endpoint, what, String(graceMs)];
  if (limitMs !== undefined) args.push(String(limitMs));
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, at: Date.now() }));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await expect.poll(() => said, { timeout: 10_000 }).toContain('watching\n');
  return { child, ended, said: () => said };
}

const cancel = async (world: World) =>
  write(world.table, requestCancel((await world.job(1)) as RunningJob, 'manager', Date.now()));

describe('a runner', () => {
  test('that blocks the event loop is killed when the grace after a cancel is over, and not before', async () => {
    const world = await claimed();
    const { ended, said } = await watching(world, 'busy', 500);
    const asked = Date.now();
    await cancel(world);

    const { signal, at } = await ended;

    expect(signal).toBe('SIGKILL');
    expect(at - asked).toBeGreaterThan(500);
    expect(at - asked).toBeLessThan(5_000);
    expect(said()).toContain(
      '{"level":"WARN","message":"Ending the process: its grace time is over.","run":"RUN#free_job#1"}\n',
    );
  });

  test('is told to stop first', async () => {
    const world = await claimed();
    const { ended, said } = await watching(world, 'idle', 500);
    await cancel(world);
    await ended;

    expect(said()).toMatch(/^watching\nstop: canceled\n\{"level":"WARN".*its grace time is over/);
  });

  test('whose token was taken away is killed at once, without grace', async () => {
    const world = await claimed();
    const { ended, said } = await watching(world, 'busy', 600_000);
    await write(world.table, revoke(run));

    const { signal } = await ended;

    expect(signal).toBe('SIGKILL');
    expect(said()).toContain('"message":"Ending the process: the token of its run was taken away."');
  });

  test('at its time limit is told to stop, and killed after its grace', async () => {
    const world = await claimed();
    const { ended, said } = await watching(world, 'idle', 300, 200);

    expect((await ended).signal).toBe('SIGKILL');
    expect(said()).toMatch(/stop: time_limit\n.*its grace time is over/);
  });

  test('is not killed once its watch was stopped, though its token was taken away', async () => {
    const world = await claimed();
    const { child, ended, said } = await watching(world, 'stopped', 0, 300);
    await expect.poll(said).toContain('not watching\n');
    await cancel(world);
    await write(world.table, revoke(run));
    // Another one, which is watched, dies of it: so much time has passed.
    const witness = await watching(world, 'busy', 0);
    await witness.ended;

    child.stdin.write('\n');
    expect(await ended).toMatchObject({ code: 0, signal: null });
    expect(said()).toBe('watching\nnot watching\n');
  });

  test('lives on while the table does not answer', async () => {
    const world = await claimed();
    const unreachable: World = { ...world, table: { ...world.table, endpoint: 'http://127.0.0.1:9' } };
    const { child, ended } = await watching(unreachable, 'idle', 0);
    const witness = await watching(world, 'busy', 0);
    await write(world.table, revoke(run));
    await witness.ended;

    expect(child.exitCode).toBeNull();
    child.kill('SIGTERM');
    expect((await ended).signal).toBe('SIGTERM');
  });
});
