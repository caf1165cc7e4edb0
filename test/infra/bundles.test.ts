import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
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

test('a bundle is made anew when a file that it is made from has changed, also of a runner elsewhere, and only then', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bundles-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
  const bundleOf = (file: string) => bundle(join(folder, file), 'chain');
  write('shared.ts', `export const word = 'old';`);
  write('one.ts', `import { word } from './shared.ts'; export const handler = () => word;`);
  write('two.ts', 'export const handler = () => 2;');
  const [one, two] = [bundleOf('one.ts'), bundleOf('two.ts')];

  write('notes.txt', 'no code');
  expect(bundleOf('one.ts')).toBe(one);
  write('shared.ts', `export const word = 'new';`);
  const changed = bundleOf('one.ts');

  expect(changed).not.toBe(one);
  expect(readFileSync(join(changed, 'index.mjs'), 'utf8')).toContain('new');
  expect(bundleOf('two.ts')).toBe(two);
  expect(existsSync(one)).toBe(true);
  write('shared.ts', `export const word = 'old';`);
  expect(bundleOf('one.ts')).toBe(one);
});

test('a file that a bundle is newly made from counts from then on', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bundles-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
  const text = () => readFileSync(join(bundle(join(folder, 'one.ts'), 'chain'), 'index.mjs'), 'utf8');
  write('one.ts', 'export const handler = () => 1;');
  write('added.ts', `export const word = 'first';`);
  text();

  write('one.ts', `import { word } from './added.ts'; export const handler = () => word;`);
  expect(text()).toContain('first');
  write('added.ts', `export const word = 'second';`);
  expect(text()).toContain('second');
});
