// A runner in a stack of its own, as CloudFormation gets it.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { describe, expect, onTestFinished, test } from 'vitest';
import { JobRunner, type JobRunnerProps } from '../../infra/job-runner.ts';
import { projectRoot } from '../../infra/project-root.ts';
import { at, type Synthesized, synthesized } from './synthesize.ts';

const example = join(projectRoot, 'plugins/jobs_example');
const calling = join(projectRoot, 'test/plugins/jobs_test');

function stackWith(...runners: readonly (readonly [id: string, props: JobRunnerProps])[]): Synthesized {
  const outdir = mkdtempSync(join(tmpdir(), 'job-runner-'));
  onTestFinished(() => rmSync(outdir, { recursive: true }));
  const app = new App({ context: { 'aws:cdk:bundling-stacks': [] }, analyticsReporting: false, outdir });
  const stack = new Stack(app, 'Words', { stackName: 'words-prod' });
  for (const [id, props] of runners) new JobRunner(stack, id, props);
  return synthesized(app, 'Words');
}

const imported = (what: string, stage = 'prod') => ({ 'Fn::ImportValue': `background-jobs-${stage}:${what}` });

test('the service is found by its stage, and nothing of it is named otherwise', () => {
  const stack = stackWith(['Runner', { folder: example, stage: 'test' }]);

  expect(stack.one('Custom::JobTypes')['ServiceToken']).toEqual(imported('register', 'test'));
  expect(at(stack.one('AWS::Lambda::Function'), 'Environment', 'Variables')).toEqual({
    TABLE: imported('table', 'test'),
    BUCKET: imported('bucket', 'test'),
  });
});

test('a stage that no service can have is refused', () => {
  expect(() => stackWith(['Runner', { folder: example, stage: 'Prod' }])).toThrow(
    'Words/Runner: stage must be up to 20 lower-case letters, digits and dashes, with a letter in front, not "Prod".',
  );
});

test('the types are registered with a published version, under a name that no other runner of the stack has', () => {
  const stack = stackWith(['First', { folder: example }], ['Second', { folder: calling }]);

  const first = stack.one('Custom::JobTypes', 'First');
  expect([first['Owner'], stack.one('Custom::JobTypes', 'Second')['Owner']]).toEqual(['First', 'Second']);
  expect(first['Runner']).toEqual({ Ref: expect.stringMatching(/^FirstRunnerCurrentVersion/) });
  expect((first['Types'] as string[]).map((text) => JSON.parse(text).type)).toEqual([
    'slow_nothing_job',
    'slow_serial_job',
  ]);
  for (const [, version] of stack.all('AWS::Lambda::Version'))
    expect(version).toMatchObject({ DeletionPolicy: 'RetainExceptOnCreate', UpdateReplacePolicy: 'Retain' });
});

test("the service's roles get one inline policy each, of this one function, around the registration", () => {
  const stack = stackWith(['Runner', { folder: example }]);
  const policies = stack.all('AWS::IAM::RolePolicy');
  const arn = { 'Fn::GetAtt': [expect.stringMatching(/^Runner/), 'Arn'] };
  const versions = { 'Fn::Join': ['', [arn, ':*']] };

  expect(policies.map(([, { Properties }]) => Properties)).toEqual([
    {
      RoleName: imported('machine-role'),
      PolicyName: expect.stringMatching(/^words-prod-[0-9a-f]{8}$/),
      PolicyDocument: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: 'lambda:InvokeFunction', Resource: versions }],
      },
    },
    {
      RoleName: imported('register-role'),
      PolicyName: expect.stringMatching(/^words-prod-[0-9a-f]{8}$/),
      PolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          { Effect: 'Allow', Action: 'lambda:ListVersionsByFunction', Resource: arn },
          { Effect: 'Allow', Action: 'lambda:DeleteFunction', Resource: versions },
        ],
      },
    },
  ]);
  const [[, registration] = []] = stack.all('Custom::JobTypes');
  expect(registration?.DependsOn).toEqual(expect.arrayContaining(policies.map(([id]) => id)));
});

test('two stacks never use one name for their policies, or the second would take the place of the first', () => {
  const stack = stackWith(['First', { folder: example }], ['Second', { folder: calling }]);
  const names = stack
    .all('AWS::IAM::RolePolicy')
    .map(([, { Properties }]) => `${JSON.stringify(Properties['RoleName'])} ${Properties['PolicyName']}`);

  expect(new Set(names).size).toBe(4);
});

describe('a runner that calls ArchivesSpace', () => {
  const variables = (stack: Synthesized) => at(stack.one('AWS::Lambda::Function'), 'Environment', 'Variables');
  const manifest = { 'manifest.json': '{"types": {"words_job": {}}, "archivesspace": ["/subjects"]}' };

  test("uses the service's session function and its backend", () => {
    const stack = stackWith(['Runner', { folder: runner(manifest) }]);

    expect(variables(stack)).toMatchObject({
      SESSION_FUNCTION: imported('session'),
      ARCHIVESSPACE_URL: imported('archivesspace-url'),
      ARCHIVESSPACE_PATHS: '/subjects',
    });
  });

  test('may be told the backend, which does not tie the two stacks', () => {
    const stack = stackWith([
      'Runner',
      { folder: runner(manifest), archivesspaceUrl: 'https://archives.example.org/api' },
    ]);

    expect(variables(stack)).toMatchObject({ ARCHIVESSPACE_URL: 'https://archives.example.org/api' });
    expect(stack.text).not.toContain('archivesspace-url');
  });
});

test('a runner in Python is one as well', () => {
  const stack = stackWith(['Runner', { folder: join(projectRoot, 'examples/python_lines') }]);

  expect(stack.one('AWS::Lambda::Function')).toMatchObject({ Runtime: 'python3.13', Handler: 'runner.handler' });
});

test('what a runner may do outside the service is its own business, and its log is kept as long as it says', () => {
  const stack = stackWith([
    'Runner',
    {
      folder: example,
      logRetentionDays: 90,
      statements: [new PolicyStatement({ actions: ['ses:SendEmail'], resources: ['arn:aws:ses:::identity/x'] })],
    },
  ]);

  expect(JSON.stringify(stack.one('AWS::IAM::Policy'))).toContain('ses:SendEmail');
  expect(stack.one('AWS::Logs::LogGroup')['RetentionInDays']).toBe(90);
});

describe('a folder that cannot be deployed', () => {
  test('is refused with all that is wrong, each with its file and what to do', () => {
    const folder = runner({
      'manifest.json': '{"types": {"words_job": {"hiden": true}, "other_job": {}}}',
      'schemas/words_job.json': '{"$id": "words_job", "type": "objekt"}',
      'runner.ts': 'export async function run() {}',
    });

    const problem = problemOf(folder);
    expect(problem).toContain('Runners that cannot be deployed:');
    expect(problem).toContain(`${folder}/manifest.json, type words_job: unknown option hiden`);
    expect(problem).toContain(`${folder}/manifest.json, type other_job: there is no schema for it.`);
    expect(problem).toContain(`${folder}/runner.ts exports no \`handler\``);
    expect(problem).toContain('its schema is not a JSON Schema (2020-12)');
  });

  test('may not take over a type, and is told why', () => {
    const folder = runner({ 'manifest.json': '{"types": {"words_job": {"replaces": "runners/import_job"}}}' });

    expect(problemOf(folder)).toContain(
      `${folder}: words_job: replaces is for runners in the service's own stack, since two stacks are never deployed in one step.`,
    );
  });

  test('is said to be empty', () => {
    expect(problemOf(join(projectRoot, 'docs/images'))).toContain('there is no manifest.ts, and no manifest.json');
  });

  const problemOf = (folder: string) => {
    try {
      stackWith(['Runner', { folder }]);
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error('It was taken.');
  };
});

/** A runner's folder outside the project, with these files beside or in place of the usual ones. */
function runner(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'runner-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const usual = {
    'manifest.json': '{"types": {"words_job": {}}}',
    'runner.ts': 'export async function run() {}\nexport const handler = run;',
    'schemas/words_job.json': '{"$id": "words_job", "type": "object"}',
  };
  for (const [file, text] of Object.entries({ ...usual, ...files })) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  return folder;
}
