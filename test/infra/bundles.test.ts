import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { signInEnv } from '../../functions/env.ts';
import { bundle } from '../../infra/bundle.ts';
import { projectRoot } from '../../infra/project-root.ts';

function bundled(file: string): string {
  return bundle(join(projectRoot, file), file.startsWith('functions/') ? 'environment' : 'chain');
}

/** Bytes that a cold start loads: index.mjs, and what is imported statically from there on. */
function coldBytes(folder: string): number {
  const loaded = new Map<string, number>();
  const load = (file: string) => {
    if (loaded.has(file)) return;
    const text = readFileSync(join(folder, file), 'utf8');
    loaded.set(file, Buffer.byteLength(text));
    for (const [, next] of text.matchAll(/(?:from|import)"\.\/([^"]+\.mjs)"/g)) load(next ?? '');
  };
  load('index.mjs');
  return [...loaded.values()].reduce((sum, bytes) => sum + bytes, 0);
}

// Design, section 6. Measured when this was written: 255, 246, 314 and 270 KB.
test.each([
  ['functions/dispatcher.ts', 300_000],
  ['functions/api/read.ts', 350_000],
  ['functions/api/create.ts', 350_000],
  ['functions/api/cancel.ts', 350_000],
  ['functions/api/sign-in.ts', 350_000],
])('a cold start of %s loads at most %i bytes', (file, most) => {
  expect(coldBytes(bundled(file))).toBeLessThanOrEqual(most);
});

/** Imports a bundle in a process of its own, away from node_modules, with nothing but this environment. */
function load(folder: string, environment: Readonly<Record<string, string>>) {
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', "const { handler } = await import('./index.mjs'); console.log(typeof handler);"],
    { cwd: folder, env: environment, encoding: 'utf8' },
  );
  return { status, stderr, stdout: stdout.trim() };
}

const machine = 'arn:aws:states:eu-west-1:123456789012:stateMachine:background-jobs-prod';
const signIn = Object.fromEntries(Object.keys(signInEnv).map((name) => [name, '']));

test.each([
  ['functions/dispatcher.ts', { TABLE: 'jobs', STATE_MACHINE_ARN: machine }],
  ['functions/api/create.ts', { TABLE: 'jobs', BUCKET: 'files', ...signIn, QUEUE_URL: 'q', LANES: '2' }],
  ['functions/api/sign-in.ts', { TABLE: 'jobs', ...signIn }],
  ['functions/register.ts', { TABLE: 'jobs', STACK_ID: 'stack' }],
  ['runners/import_job/runner.ts', {}],
  ['runners/archivesspace/runner.ts', {}],
])('the bundle of %s is complete', (file, environment) => {
  expect(load(bundled(file), { AWS_REGION: 'eu-west-1', ...environment })).toEqual({
    status: 0,
    stderr: '',
    stdout: 'function',
  });
});

test('a function without its environment does not start, and says which variable is missing', () => {
  const { status, stderr } = load(bundled('functions/dispatcher.ts'), { AWS_REGION: 'eu-west-1', TABLE: 'jobs' });

  expect(status).not.toBe(0);
  expect(stderr).toContain('The environment variable STATE_MACHINE_ARN is not set.');
});
