import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { person } from '../helpers/stack.ts';

/** `npm start`, in a state folder of its own that is named as `.local` is: relative to the working directory. */
function start(stateDir: string, environment: Readonly<Record<string, string>> = {}, more: readonly string[] = []) {
  const args = ['scripts/node24.mjs', 'local/start.ts', '--state', relative('.', stateDir), ...more];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, JOB_THREAD_COUNT: '2', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, exited, said: () => said };
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'start-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('npm start says where it is, runs a job, and stops on Ctrl-C', async () => {
  const { child, exited, said } = start(newFolder());
  await expect.poll(said, { timeout: 60_000 }).toContain('Ctrl-C stops');

  expect(said()).toMatch(/Plugins:\s+plugins\/jobs_example.*\n\s+edit one: its next job runs the new code/);
  const api = /API:\s+(http:\S+)/.exec(said())?.[1] ?? '';
  const archivist = await person(api, 'archivist');
  const uri = await archivist.create('slow_nothing_job', { times: '1', seconds: 0 });
  await archivist.until(uri, 'completed', 20_000);
  child.kill('SIGINT');

  expect(await exited).toBe(0);
}, 90_000);

test.each([
  [{ JOB_THREAD_COUNT: 'two' }, 'JOB_THREAD_COUNT must be a whole number from 0 to 100, not "two".'],
  [
    { ARCHIVESSPACE_URL: 'https://archives.example.org/api' },
    'ARCHIVESSPACE_URL needs ARCHIVESSPACE_USERNAME and ARCHIVESSPACE_PASSWORD',
  ],
])('npm start refuses %o with a sentence', async (environment, sentence) => {
  const { exited, said } = start(newFolder(), environment);

  expect(await exited).toBe(1);
  expect(said()).toContain(sentence);
});

test('npm start refuses a limit of invocations that no runner can have', async () => {
  const { exited, said } = start(newFolder(), {}, ['--invocation-seconds', '2']);

  expect(await exited).toBe(1);
  expect(said()).toContain('--invocation-seconds must be a whole number from 3 to 900, not "2".');
});
