import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { person } from '../helpers/stack.ts';

const started: ChildProcess[] = [];
const folders: string[] = [];

afterEach(async () => {
  const gone = started.splice(0).map((child) => {
    const exited = child.exitCode !== null || child.signalCode !== null || once(child, 'exit');
    child.kill('SIGKILL');
    return exited;
  });
  await Promise.all(gone);
  // What the stack started ends a moment after it, and may be writing still.
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'heal-'));
  folders.push(folder);
  return folder;
}

async function serve(stateDir: string, { jobThreadCount = 2, plugins = ['test/plugins/jobs_test'] } = {}) {
  const child = spawn(
    process.execPath,
    ['test/helpers/serve.ts', JSON.stringify({ stateDir, jobThreadCount, plugins })],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  started.push(child);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const apiUrl = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => resolve((JSON.parse(chunk.toString()) as { apiUrl: string }).apiUrl));
    child.once('exit', () => reject(new Error(`The stack did not start:\n${said.slice(-2000)}`)));
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    archivist: await person(apiUrl, 'archivist'),
    async kill(signal: 'SIGKILL' | 'SIGTERM') {
      child.kill(signal);
      await exited;
    },
  };
}

describe('a stack that is killed hard and started again', () => {
  test('fails what ran with a reason, runs what was queued, and keeps what had ended, within 30 seconds', async () => {
    const folder = newFolder();
    const plugins = ['jobs_example', 'test/plugins/jobs_test'];
    const before = await serve(folder, { plugins });
    const ended = await before.archivist.create('quick_job', { say: 'Zůstane' });
    const job = await before.archivist.until(ended, 'completed');
    const log = await before.archivist.log(ended);
    const long = { times: '1', seconds: 60 };
    const running = [
      await before.archivist.create('slow_serial_job', long),
      await before.archivist.create('slow_nothing_job', long),
    ];
    for (const uri of running) {
      await expect.poll(() => before.archivist.log(uri), { timeout: 10_000 }).toContain('Doing nothing');
    }
    const queued = [
      await before.archivist.create('slow_serial_job', { times: '1', seconds: 0 }),
      await before.archivist.create('quick_job'),
    ];

    await before.kill('SIGKILL');
    const from = Date.now();
    const { archivist } = await serve(folder, { plugins });

    for (const uri of running) {
      const { failure } = await archivist.until(uri, 'failed', 30_000);
      expect(failure).toMatchObject({ kind: 'crashed' });
    }
    for (const uri of queued) await archivist.until(uri, 'completed', 30_000);
    expect(Date.now() - from).toBeLessThan(30_000);
    expect(await archivist.show(ended)).toEqual(job);
    expect(await archivist.log(ended)).toBe(log);
  }, 120_000);
});

describe('with no threads nothing starts; when a deployment gives some, and a runner was removed meanwhile,', () => {
  test('the queued jobs of its types fail with that reason, and nobody else waits for them', async () => {
    const folder = newFolder();
    const standing = await serve(folder, { jobThreadCount: 0, plugins: ['test/plugins/jobs_test', 'jobs_example'] });
    const orphan = await standing.archivist.create('serial_a_job');
    const other = await standing.archivist.create('slow_serial_job', { times: '1', seconds: 0 });
    expect(await standing.archivist.show(orphan)).toMatchObject({ status: 'queued', queue_position: 0 });
    expect(await standing.archivist.show(other)).toMatchObject({ status: 'queued', queue_position: 1 });

    await standing.kill('SIGTERM');
    const { archivist } = await serve(folder, { plugins: ['jobs_example'] });

    const { failure, ...job } = await archivist.until(orphan, 'failed', 20_000);
    expect(failure).toEqual({
      kind: 'unregistered_type',
      reason: 'No runner is registered any more for jobs of type serial_a_job.',
    });
    expect(job).toMatchObject({ inactive_record: true, job: 'serial_a_job' });
    await archivist.until(other, 'completed');
  }, 120_000);
});
