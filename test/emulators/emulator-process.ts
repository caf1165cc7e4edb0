// An emulator in a process of its own, so that a test can kill it in the middle of its work.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Service, starters } from './emulator-main.ts';

const MAIN = join(import.meta.dirname, 'emulator-main.ts');

/** Starts a service on a folder in this process; it ends with the test. */
export async function startOn(service: Service, dir: string): Promise<string> {
  const server = await starters[service](dir);
  onTestFinished(() => server.close());
  return server.endpoint;
}

/** Starts a service on a folder in a child; `kill` sends SIGKILL and resolves when it is dead. */
export async function startChild(service: Service, dir: string): Promise<{ endpoint: string; kill(): Promise<void> }> {
  const child = spawn(process.execPath, [MAIN, service, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { endpoint: line.toString().trim(), kill };
}

export async function makeFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'emulator-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
