import { expect, test } from 'vitest';
import { readSettings } from '../../infra/settings.ts';

const secret = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:archivesspace-AbCdEf';
const vpc = {
  id: 'vpc-1',
  availability_zones: ['eu-west-1a', 'eu-west-1b'],
  private_subnet_ids: ['subnet-1', 'subnet-2'],
  security_group_ids: ['sg-1'],
};

test('without any context every setting has its default', () => {
  expect(readSettings({})).toEqual({
    jobThreadCount: 2,
    dispatcherReservedConcurrency: true,
    archivesspaceUrl: undefined,
    archivesspaceSecretArn: undefined,
    oidc: undefined,
    oidcGroups: undefined,
    vpc: undefined,
    page: true,
    plugins: [],
    typeOptions: {},
    stage: 'prod',
    logRetentionDays: 30,
  });
});

test.each<[unknown, readonly string[] | undefined]>([
  ['all', undefined],
  ['none', []],
  ['report_job, print_to_pdf_job', ['report_job', 'print_to_pdf_job']],
  ['["report_job"]', ['report_job']],
  [['report_job'], ['report_job']],
])('delegated_types %j hands these types to ArchivesSpace: %j', (delegated_types, types) => {
  expect(readSettings({ delegated_types }).delegatedTypes).toEqual(types);
});

test('delegated_types that is no list is refused', () => {
  expect(() => readSettings({ delegated_types: '[1]' })).toThrow('delegated_types must be all, none, or');
});

test('the strings of the command line mean what the values of cdk.json mean', () => {
  const fromCommandLine = readSettings({
    job_thread_count: '5',
    dispatcher_reserved_concurrency: 'off',
    archivesspace_url: 'https://archives.example.org/api/',
    archivesspace_secret_arn: secret,
    vpc: JSON.stringify(vpc),
    plugins: 'jobs_example, ../more/reports',
    type_options: '{"import_job": {"hidden": true}}',
    stage: 'test',
    log_retention_days: '90',
  });
  const fromFile = readSettings({
    job_thread_count: 5,
    dispatcher_reserved_concurrency: false,
    archivesspace_url: 'https://archives.example.org/api',
    archivesspace_secret_arn: secret,
    vpc,
    plugins: ['jobs_example', '../more/reports'],
    type_options: { import_job: { hidden: true } },
    stage: 'test',
    log_retention_days: 90,
  });

  expect(fromCommandLine).toEqual(fromFile);
  expect(fromFile).toMatchObject({
    jobThreadCount: 5,
    dispatcherReservedConcurrency: false,
    archivesspaceUrl: 'https://archives.example.org/api',
    vpc: { id: 'vpc-1', privateSubnetIds: ['subnet-1', 'subnet-2'], securityGroupIds: ['sg-1'] },
    plugins: ['jobs_example', '../more/reports'],
  });
  expect(readSettings({ plugins: '["jobs_example"]' }).plugins).toEqual(['jobs_example']);
});

test.each([
  ['job_thread_count', '101', 'must be a whole number from 0 (no job starts) to 100, not "101"'],
  ['job_thread_count', -1, 'must be a whole number from 0 (no job starts) to 100, not -1'],
  ['job_thread_count', 1.5, 'must be a whole number from 0 (no job starts) to 100, not 1.5'],
  ['job_thread_count', 'two', 'must be a whole number'],
  ['dispatcher_reserved_concurrency', 'maybe', 'must be on or off, not "maybe"'],
  ['archivesspace_url', 'archives.example.org', 'must be the URL of an ArchivesSpace backend'],
  ['archivesspace_url', 'https://admin:secret@archives.example.org', 'must be the URL of an ArchivesSpace backend'],
  ['archivesspace_url', 'http://archives.example.org', 'must begin with https:, or the setting vpc must say'],
  ['archivesspace_secret_arn', 'hunter2', 'must be the ARN of a secret in Secrets Manager'],
  ['vpc', { ...vpc, security_group_ids: [] }, 'must be a JSON object {"id": "vpc-…"'],
  ['vpc', { ...vpc, private_subnet_ids: ['subnet-1'] }, 'must be a JSON object {"id": "vpc-…"'],
  ['vpc', 'vpc-1', 'must be a JSON object'],
  ['plugins', '[1]', 'must be a comma-separated list or a JSON array of plugin folders'],
  ['type_options', '{"import_job": true}', 'must be a JSON object of options by job type'],
  ['stage', 'Prod_1', 'must be up to 20 lower-case letters, digits and dashes'],
  ['log_retention_days', 31, 'must be one of 1, 3, 5, 7, 14, 30'],
  ['job_treadcount_x', 3, 'is not a setting. Known are job_thread_count'],
])('%s = %j is refused and says what it may be', (name, value, message) => {
  expect(() => readSettings({ [name]: value })).toThrow(`${name} ${message}`);
});

test('a password that was given by mistake is not repeated', () => {
  const context = { archivesspace_secret_arn: 'hunter2', archivesspace_url: 'https://admin:hunter2@example.org' };

  expect(() => readSettings(context)).toThrow(/^(?!.*hunter2)/s);
});

test('a backend without TLS is taken on this machine and inside a VPC', () => {
  expect(readSettings({ archivesspace_url: 'http://127.0.0.1:8089' }).archivesspaceUrl).toBe('http://127.0.0.1:8089');
  expect(readSettings({ archivesspace_url: 'http://archives.internal:8089', vpc }).archivesspaceUrl).toBe(
    'http://archives.internal:8089',
  );
});

test('all that is wrong is said at once', () => {
  expect(() => readSettings({ stage: '', job_thread_count: 'x', log_retention_days: 2 })).toThrow(
    /- job_thread_count .*\n- log_retention_days /,
  );
});
