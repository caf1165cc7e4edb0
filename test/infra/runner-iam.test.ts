// What a runner's Lambda may do: all that is asked of the service, against what it is promised (docs/adr/0012).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JobRunner } from '../../infra/job-runner.ts';
import { projectRoot } from '../../infra/project-root.ts';
import { isAllowed, type Request, rolesOf, type Statement, statementsIn, statementsOf } from './policies.ts';
import { type Synthesized, synthesize, synthesized } from './synthesize.ts';

const arn = (service: string, rest: string) => `arn:aws:${service}:eu-west-1:123456789012:${rest}`;
const table = arn('dynamodb', 'table/jobs');
const bucket = 'arn:aws:s3:::files';
const session = arn('lambda', 'function:session');
const ownLog = arn('logs', 'log-group:own:*');

const service = await synthesize({
  plugins: 'jobs_example,test/plugins/jobs_test',
  archivesspace_url: 'https://archives.example.org',
  archivesspace_secret_arn: arn('secretsmanager', 'secret:archivesspace-AbCdEf'),
});

function ownStack(folder: string): Synthesized {
  const outdir = mkdtempSync(join(tmpdir(), 'runner-iam-'));
  try {
    const app = new App({ context: { 'aws:cdk:bundling-stacks': [] }, analyticsReporting: false, outdir });
    new JobRunner(new Stack(app, 'Words'), 'Runner', { folder: join(projectRoot, folder) });
    return synthesized(app, 'Words');
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

interface Runner {
  readonly stack: Synthesized;
  readonly role: string;
  readonly logs: string;
  readonly types: readonly string[];
  readonly calls: boolean;
}

const typesIn = (stack: Synthesized, resource: string) =>
  (stack.one('Custom::JobTypes', resource)['Types'] as string[]).map((text) => String(JSON.parse(text).type));
const inService = (name: string, calls: boolean): Runner => ({
  stack: service,
  role: `Runner${name}Role`,
  logs: `Runner${name}Logs`,
  types: typesIn(service, `Types${name}`),
  calls,
});
const inOwn = (folder: string, calls: boolean): Runner => {
  const stack = ownStack(folder);
  return { stack, role: 'RunnerRunnerRole', logs: 'RunnerRunnerLogs', types: typesIn(stack, 'Runner'), calls };
};

const runners: readonly (readonly [string, Runner])[] = [
  ["a plugin in the service's stack", inService('JobsExample', false)],
  ['a built-in runner that calls ArchivesSpace', inService('ImportJob', true)],
  ['a plugin in a stack of its own', inOwn('plugins/jobs_example', false)],
  ['one that calls ArchivesSpace in a stack of its own', inOwn('test/plugins/jobs_test', true)],
];

/** References as ARNs; anything that a runner's policy should not name stays a reference, and fits nothing. */
const naming = (logs: string) => (text: string) =>
  text
    .replace('arn:<AWS::Partition>:dynamodb:<AWS::Region>:<AWS::AccountId>:table/<background-jobs-prod:table>', table)
    .replace('<Table.Arn>', table)
    .replace('arn:<AWS::Partition>:s3:::<background-jobs-prod:bucket>', bucket)
    .replace('<Files.Arn>', bucket)
    .replace(/<background-jobs-prod:session>|<Session.Arn>/, session)
    .replace(`<${logs}.Arn>`, ownLog);

/** All that roles of the service may do, and what AWS has besides that would be worse. */
const actions = [
  ...new Set(rolesOf(service).flatMap((role) => statementsOf(service, role).flatMap((statement) => statement.actions))),
  ...[
    'Scan',
    'BatchWriteItem',
    'PartiQLSelect',
    'PartiQLUpdate',
    'UpdateTable',
    'DeleteTable',
    'ExportTableToPointInTime',
  ].map((action) => `dynamodb:${action}`),
  ...['GetObjectVersion', 'PutObjectAcl', 'PutBucketPolicy', 'AbortMultipartUpload'].map((action) => `s3:${action}`),
  ...['UpdateFunctionCode', 'GetFunction', 'AddPermission'].map((action) => `lambda:${action}`),
  ...['states:StopExecution', 'states:SendTaskSuccess', 'events:PutRule', 'logs:GetLogEvents'],
  ...['iam:PassRole', 'iam:PutRolePolicy', 'sts:AssumeRole', 'kms:Decrypt', 'ssm:GetParameter'],
];

const otherTypes = (types: readonly string[]) => [
  ...types.flatMap((type) => [`${type}2`, `x${type}`, type.slice(0, -1), type.toUpperCase(), `${type}-`]),
  'some_other_job',
  '',
  '*',
  '?',
];

const resourcesFor = (types: readonly string[]) => [
  table,
  `${table}/index/by-repo`,
  `${table}/stream/2026`,
  bucket,
  ...[...types, ...otherTypes(types)].flatMap((type) =>
    ['inputs', 'runs', 'uploads', 'page', ''].map((prefix) => `${bucket}/${prefix}/${type}/7/token/0`),
  ),
  `${bucket}/runs`,
  `${bucket}/index.html`,
  session,
  `${session}:1`,
  ...['dispatcher', 'finisher', 'register', 'runner-of-others', 'own'].map((name) => arn('lambda', `function:${name}`)),
  arn('sqs', 'doorbell.fifo'),
  arn('states', 'stateMachine:background-jobs-prod'),
  arn('states', 'execution:background-jobs-prod:7-token'),
  arn('secretsmanager', 'secret:archivesspace-AbCdEf'),
  'arn:aws:iam::123456789012:role/machine',
  arn('logs', 'log-group:own:log-stream:a'),
  arn('logs', 'log-group:others:log-stream:a'),
];

const rest = fc.stringMatching(/^[0-9A-Z#]{0,8}$/);
/** A partition key of the table: of one of these types' runs, of another's, or of anything else. */
const keyFor = (types: readonly string[]) =>
  fc.oneof(
    fc.tuple(fc.constantFrom(...types), rest).map(([type, id]) => `RUN#${type}#${id}`),
    fc.tuple(fc.constantFrom(...otherTypes(types)), rest).map(([type, id]) => `RUN#${type}#${id}`),
    fc.constantFrom(...types).map((type) => `RUN#${type}`),
    fc
      .tuple(
        fc.constantFrom('JOB#', 'QUEUE#', 'BOARD', 'TYPES', 'COUNTER', 'UPLOAD#', 'ASKED#', 'LOGIN#', 'XRUN#', ''),
        rest,
      )
      .map(([kind, id]) => `${kind}${id}`),
  );

/** What a runner is promised, and not a thing more. */
function isPromised({ types, calls }: Runner, { action, resource, context }: Request): boolean {
  const keys = context?.['dynamodb:LeadingKeys'] ?? [];
  switch (action) {
    case 'dynamodb:GetItem':
    case 'dynamodb:PutItem':
    case 'dynamodb:UpdateItem':
    case 'dynamodb:Query':
      return (
        resource === table &&
        keys.length > 0 &&
        keys.every((key) => types.some((type) => key.startsWith(`RUN#${type}#`)))
      );
    case 's3:GetObject':
      return types.some((type) =>
        ['inputs', 'runs'].some((prefix) => resource.startsWith(`${bucket}/${prefix}/${type}/`)),
      );
    case 's3:PutObject':
      return types.some((type) => resource.startsWith(`${bucket}/runs/${type}/`));
    case 'logs:CreateLogStream':
    case 'logs:PutLogEvents':
      return resource === arn('logs', 'log-group:own:log-stream:a');
    case 'lambda:InvokeFunction':
      return calls && resource === session;
    default:
      return false;
  }
}

describe.each(runners)('%s', (_, runner) => {
  const statements = statementsOf(runner.stack, runner.role);
  const named = naming(runner.logs);

  test('may do what it is promised, and nothing else of the service', () => {
    expect(statements.length).toBeGreaterThan(0);
    const refuted = (wanted: readonly string[], context: Request['context']) =>
      wanted
        .flatMap((action) =>
          resourcesFor(runner.types).map((resource) => ({ action, resource, ...(context && { context }) })),
        )
        .filter((request) => isAllowed(statements, request, named) !== isPromised(runner, request));

    expect(refuted(actions, undefined)).toEqual([]);
    const items = actions.filter((action) => action.startsWith('dynamodb:'));
    fc.assert(
      fc.property(fc.array(keyFor(runner.types), { maxLength: 3 }), (keys) => {
        expect(refuted(items, { 'dynamodb:LeadingKeys': keys })).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  test('names nothing but the table, the files, its log and the session function', () => {
    const unknown = statements
      .flatMap(({ resources }) => resources.map(named))
      .filter((resource) => /[<>]|^\*$/.test(resource));

    expect(unknown).toEqual([]);
  });
});

test('the requests of the service itself are told from those that are refused: the evaluator says yes as well', () => {
  const [, runner] = runners[0] as (typeof runners)[number];
  const own = {
    action: 'dynamodb:PutItem',
    resource: table,
    context: { 'dynamodb:LeadingKeys': ['RUN#slow_nothing_job#7'] },
  };

  expect(isAllowed(statementsOf(service, runner.role), own, naming(runner.logs))).toBe(true);
});

describe('what a stack of its own adds to the roles of the service', () => {
  const stack = ownStack('plugins/jobs_example');
  const added = stack
    .all('AWS::IAM::RolePolicy')
    .flatMap(([, { Properties }]) => statementsIn(Properties['PolicyDocument']));
  const own = arn('lambda', 'function:own');
  const named = (text: string) => text.replace(/<Runner\.Arn>/, own);
  const may = (statement: readonly Statement[], action: string) =>
    [
      own,
      `${own}:1`,
      `${own}:$LATEST`,
      `${own}2`,
      `${own}2:1`,
      session,
      arn('lambda', 'function:register:1'),
      table,
    ].filter((resource) => isAllowed(statement, { action, resource }, named));

  test('is to invoke, look for and delete versions of this one function', () => {
    const allowed = actions.flatMap((action) => may(added, action).map((resource) => `${action} ${resource}`)).sort();

    expect(allowed).toEqual(
      [
        `lambda:DeleteFunction ${own}:1`,
        `lambda:DeleteFunction ${own}:$LATEST`,
        `lambda:InvokeFunction ${own}:1`,
        `lambda:InvokeFunction ${own}:$LATEST`,
        `lambda:ListVersionsByFunction ${own}`,
      ].sort(),
    );
  });
});
