// `npm run plugin:new`, in a copy of what it needs, so that it makes nothing in this checkout.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const copied = [
  ...['archivesspace', 'aws', 'core', 'plugins', 'runners', 'schemas', 'scripts'],
  ...['.dependency-cruiser.cjs', 'biome.json', 'package.json', 'tsconfig.json', 'vitest.config.ts'],
];
let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'plugin-new-'));
  for (const path of copied) cpSync(path, join(root, path), { recursive: true });
  symlinkSync(resolve('node_modules'), join(root, 'node_modules'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function run(command: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  return { status, said: stderr, printed: stdout };
}
const make = (...args: readonly string[]) => run(process.execPath, 'scripts/plugin-new.ts', ...args);
const plugins = () => readdirSync(join(root, 'plugins'));

describe('a new plugin', () => {
  const longest = `a-${'long_'.repeat(11)}job-1`.padEnd(64, 'x');
  const ownTest = (name: string) => ['vitest', 'run', `plugins/${name}`];
  test.each<[string, string, unknown, readonly (readonly string[])[]]>([
    [
      'count_lines',
      'count_lines_job',
      'Count lines',
      [
        ownTest('count_lines'),
        ['tsc', '-p', 'tsconfig.plugin.json'],
        ['biome', 'check', '--error-on-warnings', 'plugins/count_lines'],
        ['depcruise', '--no-progress', 'plugins/count_lines'],
      ],
    ],
    ['l2', longest, expect.stringMatching(/^A long long /), [ownTest('l2')]],
  ])('%s of type %s passes its checks at once', (name, type, title, checks) => {
    const { status, said, printed } = make(name, type);

    expect({ status, said }).toEqual({ status: 0, said: '' });
    expect(printed).toContain(`npm start -- --plugin plugins/${name}\n`);
    expect(JSON.parse(readFileSync(join(root, 'plugins', name, 'schemas', `${type}.json`), 'utf8'))).toMatchObject({
      $id: type,
      title,
      properties: { jsonmodel_type: { const: type } },
    });
    writeFileSync(
      join(root, 'tsconfig.plugin.json'),
      JSON.stringify({ extends: './tsconfig.json', include: [`plugins/${name}`] }),
    );
    for (const check of checks) expect(run('npx', '--no-install', ...check)).toMatchObject({ status: 0 });
  });
});

describe('a plugin that cannot be made', () => {
  test.each([
    [
      'of a name that is taken',
      ['jobs_example', 'x_job'],
      'plugins/jobs_example is there already, with slow_nothing_job and',
    ],
    ['of a type of the service', ['other', 'import_job'], 'import_job is taken: schemas/import_job.json has it'],
    [
      'of a type of another plugin',
      ['other', 'slow_serial_job'],
      'slow_serial_job is taken: plugins/jobs_example/schemas/slow_serial_job.json has it',
    ],
    ['of a name with a path', ['../other', 'other_job'], 'The name "../other" cannot be'],
    ['of a name with a capital', ['Other', 'other_job'], 'The name "Other" cannot be'],
    ['of a type with a space', ['other', 'other job'], 'The type "other job" cannot be'],
    ['of a type that is too long', ['other', 'x'.repeat(65)], 'at most 64 of them'],
    ['without a type', ['other'], 'npm run plugin:new -- <name> <type>'],
    ['without anything', [], 'npm run plugin:new -- <name> <type>'],
    ['of three words', ['other', 'other_job', 'more'], 'npm run plugin:new -- <name> <type>'],
    ['with an option that there is not', ['other', 'other_job', '--ruby'], "Unknown option '--ruby'"],
  ])('%s leaves everything as it is, and says why', (_, args, reason) => {
    const before = plugins();

    const { status, said } = make(...args);

    expect(status).toBe(1);
    expect(said).toContain(reason);
    expect(plugins()).toEqual(before);
  });

  test('because it is there has its files kept', () => {
    const path = join(root, 'plugins', 'jobs_example', 'runner.ts');
    const before = readFileSync(path, 'utf8');

    make('jobs_example', 'x_job');

    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(existsSync(join(root, 'plugins', 'jobs_example', 'schemas', 'x_job.json'))).toBe(false);
  });
});

test('--help says how it is used', () => {
  expect(make('--help')).toMatchObject({
    status: 0,
    said: '',
    printed: expect.stringContaining('<type>  of its jobs'),
  });
});
