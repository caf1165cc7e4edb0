import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { person, useService } from '../helpers/stack.ts';

// `npm run jobs` as a process, with nothing but its environment.

const started = useService({ plugins: ['jobs_example', 'test/plugins/jobs_test'] });
let folder = '';
let session = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jobs-'));
  session = (await person(started.service.apiUrl, 'archivist')).headers()['x-archivesspace-session'] ?? '';
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly said: string;
  readonly json: unknown;
}

function jobs(args: readonly string[], env: Record<string, string> = {}, input = ''): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['scripts/jobs.ts', ...args], {
      env: { PATH: process.env['PATH'], JOBS_URL: started.service.apiUrl, JOBS_SESSION: session, ...env },
    });
    let out = '';
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stdin.end(input);
    child.once('close', (code) =>
      resolve({ code, out, said, json: args.includes('--json') && out ? (JSON.parse(out) as unknown) : undefined }),
    );
  });
}
const uriOf = ({ json }: Ended) => (json as { uri: string }).uri;

test('types lists what can be created, with parameters', async () => {
  const { code, out } = await jobs(['types']);

  expect(code).toBe(0);
  expect(out).toContain('slow_nothing_job\n  times: string, required. How many steps of doing nothing.\n');
  expect(out).not.toContain('resource_duplicate_job');
});

test('create makes parameters what the schema says, and show gives them back', async () => {
  const created = await jobs(['create', 'slow_nothing_job', 'times=1', 'seconds=0', '--json']);

  expect(created).toMatchObject({ code: 0, said: '' });
  const shown = await jobs(['show', uriOf(created), '--json']);
  expect(shown.json).toMatchObject({ job: { times: '1', seconds: 0 }, owner: 'archivist' });
  const number = uriOf(created).split('/').at(-1) ?? '';
  expect((await jobs(['show', number])).out).toContain(`uri: ${uriOf(created)}\n`);
});

test('followed to its end, a job prints its log and decides the code: 0', async () => {
  const { code, out, said } = await jobs(['create', 'slow_nothing_job', 'times=2', 'seconds=0', '--follow']);

  expect(code, said).toBe(0);
  expect(out).toContain('Doing nothing, 2 of 2');
  expect(said).toMatch(/^\/repositories\/2\/jobs\/\d+\ncompleted\n$/);
});

test('a job that fails: 1, with its reason', async () => {
  const damaged = join(folder, 'damaged.xml');
  writeFileSync(damaged, '<ead><unclosed>');
  const create = ['create', 'import_job', 'import_type=ead_xml', '--file', damaged, '--follow', '--json'];
  const { code, json, said } = await jobs(create);

  expect(code, said).toBe(1);
  expect(json).toMatchObject({ status: 'failed', failure: { kind: 'runner_error' } });
  expect((await jobs(['log', (json as { uri: string }).uri, '--follow'])).code).toBe(1);
});

test('a job that is canceled: 3 for who follows it, 0 for who canceled it', async () => {
  const uri = uriOf(await jobs(['create', 'slow_nothing_job', 'times=1', 'seconds=60', '--json']));
  const following = jobs(['log', uri, '--follow']);
  const canceling = await jobs(['cancel', uri, '--follow']);

  expect(canceling).toMatchObject({ code: 0, said: 'canceled\n' });
  expect(await following).toMatchObject({ code: 3, said: 'canceled\n' });
  expect((await jobs(['list', '--status', 'canceled', '--json'])).json).toMatchObject([{ uri, status: 'canceled' }]);
});

test('an import with its file, and the file back', async () => {
  const create = ['create', 'import_job', 'import_type=ead_xml', '--file', 'examples/novak-tanaka.xml', '--follow'];
  const { code, json, said } = await jobs([...create, '--json']);
  expect(code, said).toBe(0);
  expect(said).toContain('Imported ');
  const { uri } = json as { uri: string };

  // It makes no files itself.
  expect(await jobs(['download', uri, '--into', folder])).toMatchObject({ code: 5 });
  const fetched = await jobs(['download', uri, '1', '--into', folder]);
  expect(fetched).toMatchObject({ code: 0, out: `${join(folder, 'novak-tanaka.xml')}\n` });
  expect(readFileSync(join(folder, 'novak-tanaka.xml'))).toEqual(readFileSync('examples/novak-tanaka.xml'));
  const again = await jobs(['download', uri, '1', '--into', folder]);
  expect(again.code).toBe(2);
  expect(again.said).toContain('is there already');
});

test('a file that no form takes is sent ahead', async () => {
  const large = join(folder, 'large.xml');
  const text = readFileSync('examples/novak-tanaka.xml', 'utf8').replaceAll('novak-tanaka', 'large');
  writeFileSync(large, text.replace('<ead ', `<!-- ${'x'.repeat(5 * 1024 * 1024)} --><ead `));
  const { code, json, said } = await jobs(['create', 'import_job', 'import_type=ead_xml', '--file', large, '--json']);

  expect(code, said).toBe(0);
  const shown = (await jobs(['show', (json as { uri: string }).uri, '--json'])).json;
  expect(shown).toMatchObject({ job: { filenames: ['large.xml'] } });
});

test('the same key is the same job', async () => {
  const create = ['create', 'slow_nothing_job', 'times=1', 'seconds=0', '--key', 'nightly', '--json'];
  const first = await jobs(create);

  expect(uriOf(await jobs(create))).toBe(uriOf(first));
  expect(await jobs([...create, '--job-params', 'another'])).toMatchObject({ code: 7 });
});

test('login prints a session; the password comes from the environment, or is asked for', async () => {
  const asked = await jobs(['login', 'viewer'], { JOBS_SESSION: '' }, 'viewer\n');
  expect(asked).toMatchObject({ code: 0, said: '' });
  expect((await jobs(['list'], { JOBS_SESSION: asked.out.trim() })).code).toBe(0);
  expect(await jobs(['login', 'viewer'], { JOBS_SESSION: '', JOBS_PASSWORD: 'wrong' })).toMatchObject({
    code: 4,
    out: '',
    said: 'Login failed\n',
  });
  const each = { JOBS_SESSION: '', JOBS_USER: 'viewer', JOBS_PASSWORD: 'viewer' };
  expect((await jobs(['list'], each)).code).toBe(0);
  expect((await jobs(['create', 'slow_nothing_job', 'times=1'], each)).said).toContain('create_job is missing');
});

test.each([
  ['an unknown command', ['explode'], {}, 2, 'There is no command explode'],
  ['no command', [], {}, 2, ''],
  ['an unknown option', ['list', '--nonsense'], {}, 2, 'nonsense'],
  ['an unknown parameter', ['create', 'slow_nothing_job', 'tiems=1'], {}, 2, 'It has: times, seconds'],
  ['a parameter of another kind', ['create', 'slow_nothing_job', 'times=1', 'seconds=x'], {}, 2, 'must be number'],
  ['what the schema refuses', ['create', 'slow_nothing_job', 'times=x'], {}, 2, 'times'],
  ['a file that there is not', ['create', 'import_job', '--file', '/nowhere.xml'], {}, 2, 'no file /nowhere.xml'],
  ['no job', ['show'], {}, 2, 'Which job?'],
  ['nobody', ['list'], { JOBS_SESSION: '' }, 4, 'Nobody is signed in'],
  ['a session that is gone', ['list'], { JOBS_SESSION: 'gone' }, 4, 'No session found'],
  ['a job that there is not', ['show', '999'], {}, 5, 'Job not found'],
  ['a type that there is not', ['create', 'coffee_job'], {}, 5, 'There is no type coffee_job'],
  ['no service', ['cancel', '1'], { JOBS_URL: 'http://127.0.0.1:9' }, 6, 'does not answer'],
] as const)('%s', async (_, args, env, code, said) => {
  const ended = await jobs(args, env);

  expect(ended, ended.said).toMatchObject({ code });
  expect(ended.said).toContain(said);
  expect(ended.said).not.toMatch(/\n\s+at /);
});
