// A runner in a repository of its own: packed, installed, checked, synthesized and run beside the service, outside of it.
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type ServiceOptions, startService } from '../../local/service.ts';
import { person } from '../helpers/stack.ts';
import { statementsIn } from '../infra/policies.ts';

const type = 'word_count_job';
let scratch: string;
let repository: string;

beforeAll(async () => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'word-count-')));
  repository = join(scratch, 'repository');
  cpSync('examples/word_count', repository, {
    recursive: true,
    filter: (path) => !/(node_modules|cdk\.out|\.tgz)$/.test(path),
  });
  const packed = (await run('.', process.execPath, 'scripts/package.ts')).trim();
  cpSync(packed, join(repository, basename(packed)));
  await run(repository, 'npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock');
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test.concurrent('it compiles, and passes its own tests', async () => {
  // The package's own types as well.
  const [, tested] = await Promise.all([
    run(repository, 'npx', 'tsc', '--skipLibCheck', 'false'),
    run(repository, 'npx', 'vitest', 'run'),
  ]);

  expect(tested).toMatch(/Tests +4 passed/);
});

interface Template {
  readonly Resources: Readonly<Record<string, { Type: string; Properties: Readonly<Record<string, unknown>> }>>;
}

test.concurrent('cdk synth gives its Lambda the runs of its own type, and the service one function to invoke', async () => {
  await run(repository, 'npx', 'cdk', 'synth', '--quiet');
  const { Resources } = JSON.parse(
    readFileSync(join(repository, 'cdk.out', 'WordCount.template.json'), 'utf8'),
  ) as Template;
  const of = (wanted: string) => Object.values(Resources).filter(({ Type }) => Type === wanted);
  const imported = (what: string) => ({ 'Fn::ImportValue': `background-jobs-prod:${what}` });

  expect(mayDo(of('AWS::IAM::Policy').map(({ Properties }) => Properties['PolicyDocument']))).toEqual([
    'dynamodb:GetItem <table>',
    'dynamodb:PutItem <table>',
    'dynamodb:Query <table>',
    'dynamodb:UpdateItem <table>',
    'logs:CreateLogStream <logs>',
    'logs:PutLogEvents <logs>',
    `s3:GetObject <bucket>/inputs/${type}/*`,
    `s3:GetObject <bucket>/runs/${type}/*`,
    `s3:PutObject <bucket>/runs/${type}/*`,
  ]);
  expect(JSON.stringify(Resources)).toContain(`"dynamodb:LeadingKeys":["RUN#${type}#*"]`);
  const [role] = of('AWS::IAM::RolePolicy').filter(
    ({ Properties }) => JSON.stringify(Properties['RoleName']) === JSON.stringify(imported('machine-role')),
  );
  expect(mayDo([role?.Properties['PolicyDocument']])).toEqual(['lambda:InvokeFunction <runner>:*']);
  expect(of('Custom::JobTypes').map(({ Properties }) => Properties)).toEqual([
    {
      ServiceToken: imported('register'),
      ServiceTimeout: '300',
      Owner: 'Runner',
      Runner: { Ref: expect.stringMatching(/CurrentVersion/) },
      Types: [expect.stringContaining(`"type":"${type}"`)],
    },
  ]);
});

const older = process.env['PATH']
  ?.split(delimiter)
  .map((folder) => join(folder, 'node'))
  .filter(existsSync)
  .find((node) => Number(/^v(\d+)/.exec(execFileSync(node, ['--version'], { encoding: 'utf8' }))?.[1]) < 22);
if (!older) console.warn('Skipped: no Node older than 22 is here to synthesize with.');

test.skipIf(!older)(
  'an older Node synthesizes the same code: a deploy from another machine makes no new version',
  async () => {
    const app = readFileSync(join(repository, 'app.ts'), 'utf8')
      .replace('const stage: string', 'const stage')
      .replace('new App()', "new App({ outdir: 'older.out' })");
    writeFileSync(join(repository, 'app.mjs'), `${app}\napp.synth();\n`);
    const code = (assembly: string) =>
      /"S3Key": *"(\w+)\.zip"/.exec(readFileSync(join(repository, assembly, 'WordCount.template.json'), 'utf8'))?.[1];

    await run(repository, older ?? '', 'app.mjs');
    expect(code('older.out')).toMatch(/^[0-9a-f]{64}$/);
    expect(code('older.out')).toBe(code('cdk.out'));
  },
);

/** What documents allow, one action on one resource a line. */
const mayDo = (documents: readonly unknown[]) =>
  documents
    .flatMap(statementsIn)
    .flatMap(({ actions, resources }) => actions.flatMap((action) => resources.map((one) => `${action} ${short(one)}`)))
    .sort();

const short = (resource: string) =>
  resource
    .replace(
      'arn:<AWS::Partition>:dynamodb:<AWS::Region>:<AWS::AccountId>:table/<background-jobs-prod:table>',
      '<table>',
    )
    .replace('arn:<AWS::Partition>:s3:::<background-jobs-prod:bucket>', '<bucket>')
    .replace('<RunnerRunnerLogs.Arn>', '<logs>')
    .replace('<Runner.Arn>', '<runner>');

const start = async (plugins: readonly string[], more: Partial<ServiceOptions> = {}) => {
  const service = await startService({ jobThreadCount: 2, plugins, port: 0, log: () => undefined, ...more });
  onTestFinished(() => service.stop());
  return service;
};

describe('beside the service', () => {
  test('its job runs, and its type is gone when the stack is', async () => {
    const stateDir = join(scratch, 'state');
    const service = await start([repository], { stateDir });
    const archivist = await person(service.apiUrl, 'archivist');
    const { body } = await archivist.upload({ jsonmodel_type: type, at_least: 2 }, [
      { field: 'files[]', name: 'a.txt', content: 'One fish two fish' },
      { field: 'files[]', name: 'b.txt', content: 'Red fish, blue fish' },
    ]);

    await archivist.until(body.uri, 'completed');
    expect(await archivist.log(body.uri)).toContain('b.txt: 4 words');
    expect((await archivist.get(`${body.uri}/output_files/3`)).text).toBe('word,count\r\nfish,4\r\n');
    await service.stop();

    const alone = await start([], { stateDir });
    const later = await person(alone.apiUrl, 'archivist');
    expect(await later.show(body.uri)).toMatchObject({ status: 'completed', inactive_record: true });
    expect((await later.post('/repositories/2/jobs', { job: { jsonmodel_type: type } })).status).toBe(404);
  });

  test('it is refused a type that the service has already, and told what to do', async () => {
    // The same folder, as a plugin of the service's own stack.
    await expect(start([join(repository, 'runner'), repository])).rejects.toThrow(
      `Job type ${type} of stack word-count-local: Runner is registered already by plugins/runner of the service's own ` +
        "stack. Give one of them another name, or take it out of that stack's setting `plugins` and deploy that first.",
    );
  });

  test('it is refused a schema that is none, and told which', async () => {
    const schema = join(repository, 'runner', 'schemas', `${type}.json`);
    const text = readFileSync(schema, 'utf8');
    onTestFinished(() => writeFileSync(schema, text));
    writeFileSync(schema, text.replace('"integer"', '"intiger"'));

    await expect(run(repository, process.execPath, 'app.ts')).rejects.toThrow(
      `./runner, type ${type}: its schema is not a JSON Schema (2020-12)`,
    );
  });
});

/** Runs a command; returns what it prints. Throws with all that it printed. */
async function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  const { NODE_OPTIONS: _options, VITEST: _vitest, ...env } = process.env;
  try {
    return (await promisify(execFile)(command, args, { cwd, env: { ...env, NO_COLOR: '1' } })).stdout;
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    throw new Error(`${message}\n${stdout}${stderr}`);
  }
}
