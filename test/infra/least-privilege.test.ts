import { beforeAll, expect, test } from 'vitest';
import { rolesOf, statementsOf } from './policies.ts';
import { type Synthesized, synthesize } from './synthesize.ts';

const secretArn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:archivesspace-AbCdEf';

let stack: Synthesized;
let inVpc: Synthesized;
beforeAll(async () => {
  const settings = {
    plugins: 'jobs_example',
    archivesspace_url: 'https://archives.example.org',
    archivesspace_secret_arn: secretArn,
  };
  const vpc = {
    id: 'vpc-0123456789abcdef0',
    availability_zones: ['eu-west-1a'],
    private_subnet_ids: ['subnet-0123456789abcdef0'],
    security_group_ids: ['sg-0123456789abcdef0'],
  };
  stack = await synthesize(settings);
  inVpc = await synthesize({ ...settings, vpc });
});

/** Every `*` in a resource, and why nothing narrower will do. */
const wildcards: readonly { readonly resource: RegExp; readonly actions: RegExp; readonly because: string }[] = [
  {
    resource: /^\*$/,
    actions: /^logs:\w+(LogDelivery|LogDeliveries|ResourcePolicy|ResourcePolicies|LogGroups)$/,
    because: 'log delivery of Step Functions has no resources (Step Functions, "Logging using CloudWatch Logs")',
  },
  {
    resource: /^\*$/,
    actions: /^ec2:\w+(NetworkInterfaces?|Subnets|PrivateIpAddresses)$/,
    because: 'network interfaces that Lambda makes are not known before (Lambda, "Giving functions access to a VPC")',
  },
  {
    resource: /^<Files\.Arn>\/(inputs|runs|uploads)\/(\w+\/)?\*$/,
    actions: /^s3:(Get|Put|Delete)Object$/,
    because: 'files are named by job',
  },
  {
    resource: /:execution:background-jobs-prod:\*$/,
    actions: /^states:DescribeExecution$/,
    because: 'executions are named by job and token',
  },
  {
    resource: /^<Runner\w+\.Arn>:\*$/,
    actions: /^lambda:(Invoke|Delete)Function$/,
    because: 'the versions of that function',
  },
];

test('no role may do all actions, or act on all resources without a reason', () => {
  for (const role of rolesOf(inVpc)) {
    for (const { actions, resources } of statementsOf(inVpc, role)) {
      expect(actions.filter((action) => action.includes('*'))).toEqual([]);
      for (const resource of resources.filter((name) => name.includes('*'))) {
        const unexplained = actions.filter(
          (action) => !wildcards.some((known) => known.resource.test(resource) && known.actions.test(action)),
        );
        expect({ role, resource, unexplained }).toEqual({ role, resource, unexplained: [] });
      }
    }
  }
});

test('no role has a policy that AWS wrote', () => {
  for (const [, { Properties }] of inVpc.all('AWS::IAM::Role')) {
    expect(Properties).not.toHaveProperty('ManagedPolicyArns');
  }
});

const mayDo = (role: string) => [...new Set(statementsOf(stack, role).flatMap(({ actions }) => actions))].sort();
const log = ['logs:CreateLogStream', 'logs:PutLogEvents'];
const items = (...actions: string[]) => actions.map((action) => `dynamodb:${action}`);
const writes = items('ConditionCheckItem', 'DeleteItem', 'GetItem', 'PutItem', 'Query', 'UpdateItem');

test.each([
  ['ApiReadRole', [...items('BatchGetItem', 'GetItem', 'Query'), ...log, 's3:GetObject']],
  [
    'ApiCreateRole',
    [
      ...items('ConditionCheckItem', 'GetItem', 'PutItem', 'Query', 'UpdateItem'),
      ...log,
      's3:GetObject',
      's3:PutObject',
      'sqs:SendMessage',
    ],
  ],
  ['ApiSignInRole', [...items('DeleteItem', 'GetItem', 'PutItem'), ...log]],
  ['ApiCancelRole', [...writes, ...log, 'sqs:SendMessage']],
  [
    'DispatcherRole',
    [
      ...writes,
      ...log,
      'sqs:ChangeMessageVisibility',
      'sqs:DeleteMessage',
      'sqs:GetQueueAttributes',
      'sqs:GetQueueUrl',
      'sqs:ReceiveMessage',
      'states:DescribeExecution',
      'states:StartExecution',
    ],
  ],
  [
    'FinisherRole',
    [
      ...writes,
      ...log,
      'sqs:GetQueueAttributes',
      'sqs:GetQueueUrl',
      'sqs:SendMessage',
      'states:DescribeExecution',
      'states:StartExecution',
    ],
  ],
  [
    'SweepRole',
    [...writes, ...log, 's3:DeleteObject', 's3:ListBucket', 'states:DescribeExecution', 'states:StartExecution'],
  ],
  ['SessionRole', [...items('GetItem'), ...log, 'secretsmanager:GetSecretValue']],
  ['RegisterRole', [...writes, 'lambda:DeleteFunction', 'lambda:ListVersionsByFunction', ...log]],
  [
    'RunnerJobsExampleRole',
    [...items('GetItem', 'PutItem', 'Query', 'UpdateItem'), ...log, 's3:GetObject', 's3:PutObject'],
  ],
  [
    'RunnerImportJobRole',
    [
      ...items('GetItem', 'PutItem', 'Query', 'UpdateItem'),
      'lambda:InvokeFunction',
      ...log,
      's3:GetObject',
      's3:PutObject',
    ],
  ],
])('%s may do what its function does, and nothing else', (role, actions) => {
  expect(mayDo(role)).toEqual([...actions].sort());
});

test('only functions in the VPC may make network interfaces', () => {
  const making = rolesOf(inVpc).filter((role) =>
    statementsOf(inVpc, role).some(({ actions }) => actions.includes('ec2:CreateNetworkInterface')),
  );

  expect(making.sort()).toEqual([
    'ApiCancelRole',
    'ApiCreateRole',
    'ApiReadRole',
    'ApiSignInRole',
    'RunnerArchivesspaceRole',
    'RunnerImportJobRole',
    'SessionRole',
  ]);
});

const keysOf = (role: string) =>
  statementsOf(stack, role)
    .filter(({ actions }) => actions.some((action) => action.startsWith('dynamodb:')))
    .map(({ condition }) => condition);
const onlyKeys = (...keys: string[]) => ({
  'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': keys },
  Null: { 'dynamodb:LeadingKeys': 'false' },
});

test('a runner reaches the runs of its own types, and no request without a key', () => {
  expect(keysOf('RunnerJobsExampleRole')).toEqual([onlyKeys('RUN#slow_nothing_job#*', 'RUN#slow_serial_job#*')]);
  expect(keysOf('RunnerImportJobRole')).toEqual([onlyKeys('RUN#import_job#*')]);
});

test('a runner reaches the files of its own types', () => {
  const files = statementsOf(stack, 'RunnerImportJobRole')
    .filter(({ actions }) => actions.some((action) => action.startsWith('s3:')))
    .flatMap(({ actions, resources }) => resources.map((resource) => [resource.replace('<Files.Arn>', ''), actions]));

  expect(files).toEqual([
    ['/inputs/import_job/*', ['s3:GetObject']],
    ['/runs/import_job/*', ['s3:GetObject', 's3:PutObject']],
  ]);
});

test('what takes passwords reaches nothing but its own counts', () => {
  expect(keysOf('ApiSignInRole')).toEqual([onlyKeys('LOGIN#*')]);
});

test('session and register reach the items they are for', () => {
  expect(keysOf('SessionRole')).toEqual([onlyKeys('JOB#*')]);
  expect(keysOf('RegisterRole')).toEqual([onlyKeys('TYPES', 'BOARD'), onlyKeys('JOB#*')]);
});

test('registering deletes versions of runners, and no function', () => {
  const deleting = statementsOf(stack, 'RegisterRole').filter(({ actions }) =>
    actions.includes('lambda:DeleteFunction'),
  );
  const runners = ['RunnerArchivesspace', 'RunnerImportJob', 'RunnerJobsExample'];

  expect(deleting.map(({ actions, resources }) => [actions, [...resources].sort()])).toEqual([
    [['lambda:DeleteFunction'], runners.map((runner) => `<${runner}.Arn>:*`)],
  ]);
});

test('creating a job touches neither the board nor the registry', () => {
  const writing = statementsOf(stack, 'ApiCreateRole').filter(({ actions }) => actions.includes('dynamodb:PutItem'));

  expect(writing.map(({ condition }) => condition)).toEqual([
    onlyKeys('JOB#*', 'QUEUE#*', 'RUN#*', 'COUNTER'),
    onlyKeys('UPLOAD#*', 'ASKED#*', 'LEFTOVER'),
  ]);
});

test('only the session function reads the secret, by its ARN, and its value is nowhere', () => {
  const reading = rolesOf(stack).filter((role) => mayDo(role).includes('secretsmanager:GetSecretValue'));
  const resources = statementsOf(stack, 'SessionRole')
    .filter(({ actions }) => actions.includes('secretsmanager:GetSecretValue'))
    .flatMap((statement) => statement.resources);

  expect(reading).toEqual(['SessionRole']);
  expect(resources).toEqual([secretArn]);
  expect(stack.text).not.toContain('{{resolve:');
});
