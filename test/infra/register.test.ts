import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateTableCommand, DynamoDBClient, waitUntilTableExists } from '@aws-sdk/client-dynamodb';
import { DeleteFunctionCommand, LambdaClient, ListVersionsByFunctionCommand } from '@aws-sdk/client-lambda';
import type { CloudFormationCustomResourceEvent, Context } from 'aws-lambda';
import { mockClient } from 'aws-sdk-client-mock';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Table } from '../../aws/dynamo.ts';
import { readBoard, readTypes } from '../../aws/reads.ts';
import type { TypeRegistration } from '../../functions/registration.ts';
import { startDynamoDb } from '../../local/dynamodb/server.ts';

const readType = async (of: Table, name: string) => (await readTypes(of)).find(({ type }) => type === name);

interface Answer {
  readonly Status: string;
  readonly Reason?: string;
  readonly PhysicalResourceId: string;
  readonly RequestId: string;
}

const answers: { readonly contentType: string | undefined; readonly body: Answer }[] = [];
/** Stands in for the bucket that CloudFormation takes answers in. */
const cloudFormation = createServer((request, response) => {
  let text = '';
  request.on('data', (chunk) => {
    text += chunk;
  });
  request.on('end', () => {
    answers.push({ contentType: request.headers['content-type'], body: JSON.parse(text) });
    response.end();
  });
});
let responseUrl: string;
let dynamodb: Awaited<ReturnType<typeof startDynamoDb>>;
let client: DynamoDBClient;
let table: Table;
let handler: (event: CloudFormationCustomResourceEvent, context: Context) => Promise<unknown>;

beforeAll(async () => {
  dynamodb = await startDynamoDb();
  await new Promise<void>((resolve) => cloudFormation.listen(0, '127.0.0.1', resolve));
  responseUrl = `http://127.0.0.1:${(cloudFormation.address() as AddressInfo).port}/answer`;
  vi.stubEnv('AWS_ENDPOINT_URL_DYNAMODB', dynamodb.endpoint);
  vi.stubEnv('AWS_REGION', 'eu-west-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'local');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'local');
  vi.stubEnv('POWERTOOLS_LOG_LEVEL', 'SILENT');
  vi.stubEnv('TABLE', 'jobs');
  vi.stubEnv('STACK_ID', stackId('background-jobs-prod'));
  client = new DynamoDBClient({});
  await client.send(
    new CreateTableCommand({
      TableName: 'jobs',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: ['pk', 'sk'].map((name) => ({ AttributeName: name, AttributeType: 'S' as const })),
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
    }),
  );
  await waitUntilTableExists({ client, maxWaitTime: 5, minDelay: 0.02, maxDelay: 0.05 }, { TableName: 'jobs' });
  table = { client, name: 'jobs' };
  handler = (await import('../../functions/register.ts')).handler as typeof handler;
});

afterAll(async () => {
  client.destroy();
  cloudFormation.close();
  await dynamodb.close();
  vi.unstubAllEnvs();
});

/** Each test has owners and types of its own. */
let n = 0;
beforeEach(() => {
  n++;
});
const owner = (name: string) => `plugins/${name}_${n}`;
const typeName = (name: string) => `${name}_${n}_job`;

const aType = (type: string, more: Partial<TypeRegistration> = {}): TypeRegistration => ({
  type,
  schema: { $id: type, type: 'object' },
  version: 'v1',
  hidden: false,
  createPermissions: ['import_records'],
  cancelPermissions: [],
  graceSeconds: 30,
  concurrent: false,
  ...more,
});

const stackId = (name: string, uuid = '51af3dc0-da77-11e4-872e-1234567db123') =>
  `arn:aws:cloudformation:eu-west-1:123456789012:stack/${name}/${uuid}`;
const context = { getRemainingTimeInMillis: () => 60_000, functionName: 'register' } as Context;
const request = {
  ServiceToken: 'arn',
  ResponseURL: '',
  StackId: stackId('background-jobs-prod'),
  RequestId: 'request-1',
  LogicalResourceId: 'L',
};

/** Sends one event and gives CloudFormation's view of the answer. */
async function send(
  ResourceType: string,
  RequestType: 'Create' | 'Update' | 'Delete',
  properties: Record<string, unknown>,
  physicalId = 'known',
  StackId = request.StackId,
): Promise<Answer> {
  const event = {
    ...request,
    StackId,
    ResponseURL: responseUrl,
    ResourceType,
    RequestType,
    ResourceProperties: { ServiceToken: 'arn', ...properties },
    ...(RequestType !== 'Create' && { PhysicalResourceId: physicalId }),
    ...(RequestType === 'Update' && { OldResourceProperties: { ServiceToken: 'arn' } }),
  };
  const before = answers.length;
  await handler(event as CloudFormationCustomResourceEvent, context);
  expect(answers.length).toBe(before + 1);
  const answer = answers.at(-1);
  expect(answer?.contentType || undefined).toBeUndefined();
  expect(answer?.body.RequestId).toBe('request-1');
  return answer?.body as Answer;
}

const sendLimit = (kind: 'Create' | 'Update' | 'Delete', Limit: string) =>
  send('Custom::JobThreadCount', kind, { Limit });
const sendTypes = (
  kind: 'Create' | 'Update' | 'Delete',
  who: string,
  types: readonly TypeRegistration[],
  Runner = 'arn:aws:lambda:eu-west-1:123456789012:function:runner',
) => send('Custom::JobTypes', kind, { Owner: who, Runner, Types: types.map((type) => JSON.stringify(type)) });

test('types before there are settings are refused, and the answer says what is missing', async () => {
  const answer = await sendTypes('Create', owner('early'), [aType(typeName('early'))]);

  expect(answer).toMatchObject({ Status: 'FAILED', Reason: expect.stringContaining('no settings yet') });
});

test('the first deploy makes the settings, a later one changes the limit, and deleting keeps them', async () => {
  expect(await sendLimit('Create', '2')).toMatchObject({ Status: 'SUCCESS', PhysicalResourceId: 'settings' });
  expect((await readBoard(table)).settings).toMatchObject({ limit: 2, paused: false });

  await sendLimit('Update', '5');
  expect((await readBoard(table)).settings.limit).toBe(5);

  expect(await sendLimit('Delete', '5')).toMatchObject({ Status: 'SUCCESS', PhysicalResourceId: 'known' });
  expect((await readBoard(table)).settings.limit).toBe(5);
});

test('a limit that is none is refused', async () => {
  expect(await sendLimit('Update', '-1')).toMatchObject({
    Status: 'FAILED',
    Reason: 'The limit must be a whole number from 0 to 100, not -1.',
  });
});

test('a registered type can be created by the API and started by a dispatcher', async () => {
  const type = typeName('report');

  const answer = await sendTypes('Create', owner('reports'), [aType(type, { timeLimitSeconds: 60 })], 'arn:runner');

  expect(answer).toMatchObject({ Status: 'SUCCESS', PhysicalResourceId: `types:${owner('reports')}` });
  expect(await readType(table, type)).toMatchObject({
    owner: owner('reports'),
    schema: JSON.stringify({ $id: type, type: 'object' }),
    createPermissions: ['import_records'],
  });
  expect((await readBoard(table)).settings.types[type]).toEqual({
    runner: 'arn:runner',
    concurrent: false,
    graceSeconds: 30,
    timeLimitSeconds: 60,
    version: 'v1',
  });
});

test('an update changes types, adds new ones and retires those that are no longer listed', async () => {
  const [stays, goes, comes] = [typeName('stays'), typeName('goes'), typeName('comes')];
  await sendTypes('Create', owner('a'), [aType(stays), aType(goes)]);

  await sendTypes('Update', owner('a'), [aType(stays, { hidden: true, version: 'v2' }), aType(comes)]);

  const { types } = (await readBoard(table)).settings;
  expect(await readType(table, stays)).toMatchObject({ hidden: true, version: 'v2' });
  expect(await readType(table, comes)).toBeDefined();
  expect(await readType(table, goes)).toBeUndefined();
  expect(types[goes]?.retired).toBeGreaterThan(0);
  expect(types[stays]?.retired).toBeUndefined();
});

test("a type that moves to another folder of the stack is the new one's, and the old one's delete takes nothing", async () => {
  const moves = typeName('moves');
  await sendTypes('Create', owner('old'), [aType(moves, { version: 'old' })]);

  expect(await sendTypes('Create', owner('new'), [aType(moves, { version: 'new' })])).toMatchObject({
    Status: 'SUCCESS',
  });
  expect(await sendTypes('Delete', owner('old'), [aType(moves)])).toMatchObject({ Status: 'SUCCESS' });

  expect(await readType(table, moves)).toMatchObject({ owner: owner('new'), version: 'new' });
  expect((await readBoard(table)).settings.types[moves]?.retired).toBeUndefined();
});

test('a type that another folder of the stack is about to register is not retired meanwhile', async () => {
  const moves = typeName('moves');
  await sendTypes('Create', owner('old'), [aType(moves), aType(typeName('goes'))]);

  await send('Custom::JobTypes', 'Update', { Owner: owner('old'), Runner: 'arn', Types: [], Elsewhere: [moves] });

  expect((await readBoard(table)).settings.types[moves]?.retired).toBeUndefined();
  expect((await readBoard(table)).settings.types[typeName('goes')]?.retired).toBeGreaterThan(0);
});

describe('a stack of its own', () => {
  const sendFrom = (stack: string, kind: 'Create' | 'Update' | 'Delete', Owner: string, types: TypeRegistration[]) =>
    send(
      'Custom::JobTypes',
      kind,
      { Owner, Runner: 'arn:runner', Types: types.map((type) => JSON.stringify(type)) },
      'known',
      stack,
    );

  test('registers under its own name, whatever it says, and again when it was made anew', async () => {
    const type = typeName('words');
    const answer = await sendFrom(stackId('words'), 'Create', 'plugins/jobs_example', [aType(type)]);

    expect(answer).toMatchObject({ Status: 'SUCCESS', PhysicalResourceId: 'types:stack words: plugins/jobs_example' });
    expect(await readType(table, type)).toMatchObject({
      owner: 'stack words: plugins/jobs_example',
      stack: 'arn:aws:cloudformation:eu-west-1:123456789012:stack/words',
    });
    expect(await sendFrom(stackId('words', 'another'), 'Create', 'runner', [aType(type)])).toMatchObject({
      Status: 'SUCCESS',
    });
  });

  test("is refused a type of the service's stack, by both names and with what to do, and nothing is written", async () => {
    const [mine, theirs] = [typeName('mine'), typeName('theirs')];
    await sendTypes('Create', owner('first'), [aType(theirs, { version: 'first' })]);

    const answer = await sendFrom(stackId('words'), 'Create', 'runner', [aType(mine), aType(theirs)]);

    expect(answer).toMatchObject({
      Status: 'FAILED',
      Reason:
        `Job type ${theirs} of stack words: runner is registered already by ${owner('first')} of the service's own ` +
        "stack. Give one of them another name, or take it out of that stack's setting `plugins` and deploy that first.",
    });
    expect(await readType(table, theirs)).toMatchObject({ owner: owner('first'), version: 'first' });
    expect(await readType(table, mine)).toBeUndefined();
  });

  test("is refused a type of a third stack, and so is the service's own", async () => {
    const type = typeName('words');
    await sendFrom(stackId('words'), 'Create', 'runner', [aType(type)]);

    const other = await sendFrom(stackId('numbers'), 'Create', 'runner', [aType(type)]);
    const service = await sendTypes('Create', owner('late'), [aType(type)]);

    expect(other.Reason).toBe(
      `Job type ${type} of stack numbers: runner is registered already by stack words: runner in another stack. ` +
        'Give one of them another name, or remove it there first (cdk destroy words).',
    );
    expect(service.Reason).toContain(
      `Job type ${type} of ${owner('late')} is registered already by stack words: runner`,
    );
  });

  test('deletes only what is its own, also after a refused create', async () => {
    const [theirs, ours] = [typeName('theirs'), typeName('ours')];
    await sendTypes('Create', 'runner', [aType(theirs)]);
    await sendFrom(stackId('words'), 'Create', 'runner', [aType(ours)]);
    await sendFrom(stackId('numbers'), 'Create', 'runner', [aType(theirs), aType(ours)]);

    await sendFrom(stackId('numbers'), 'Delete', 'runner', [aType(theirs), aType(ours)]);
    expect((await readTypes(table)).map(({ type }) => type)).toEqual(expect.arrayContaining([theirs, ours]));
    await sendFrom(stackId('words'), 'Delete', 'runner', [aType(ours)]);

    expect(await readType(table, theirs)).toBeDefined();
    expect(await readType(table, ours)).toBeUndefined();
  });

  test('takes over nothing of a type that was registered before stacks were written down', async () => {
    const old = typeName('old');
    await sendTypes('Create', owner('before'), [aType(old)]);
    expect(await readType(table, old)).not.toHaveProperty('stack');

    expect((await sendFrom(stackId('words'), 'Create', owner('before'), [aType(old)])).Status).toBe('FAILED');
  });

  test('does not set how many jobs run at once', async () => {
    const answer = await send('Custom::JobThreadCount', 'Update', { Limit: '99' }, 'settings', stackId('words'));

    expect(answer).toMatchObject({ Status: 'FAILED', Reason: expect.stringContaining("Only the service's own stack") });
  });

  test.each(['a.b', '', 'x'.repeat(65), 'a b'])('cannot register a type called %j', async (name) => {
    const answer = await sendFrom(stackId('words'), 'Create', 'runner', [aType(name)]);

    expect(answer.Reason).toBe(
      `${JSON.stringify(name)} is no name of a job type: letters, digits, _ and -, at most 64 of them.`,
    );
  });
});

test('deleting an owner retires its types, and they can be registered again, by anybody', async () => {
  const type = typeName('back');
  await sendTypes('Create', owner('old'), [aType(type)]);

  await sendTypes('Delete', owner('old'), [aType(type)]);
  const retired = (await readBoard(table)).settings.types[type]?.retired;
  const again = await sendTypes('Create', owner('new'), [aType(type, { concurrent: true })]);

  expect(retired).toBeGreaterThan(0);
  expect(again.Status).toBe('SUCCESS');
  expect((await readBoard(table)).settings.types[type]).toMatchObject({ concurrent: true });
  expect((await readBoard(table)).settings.types[type]?.retired).toBeUndefined();
  expect((await readTypes(table)).filter((known) => known.type === type)).toMatchObject([{ owner: owner('new') }]);
});

test.each([
  ['is not one', { type: 'objekt' }, 'schema is invalid'],
  ['refers to nothing', { $ref: '#/$defs/missing' }, "can't resolve reference"],
  ['has a pattern that is none', { properties: { a: { pattern: '(' } } }, 'Invalid regular expression'],
])('a schema that %s is refused before anything is written', async (_, schema, why) => {
  const [good, bad] = [typeName('good'), typeName('bad')];

  const answer = await sendTypes('Create', owner('schemas'), [aType(good), aType(bad, { schema })]);

  expect(answer.Status).toBe('FAILED');
  expect(answer.Reason).toContain(`The schema of job type ${bad} is not a JSON Schema (2020-12)`);
  expect(answer.Reason).toContain(why);
  expect(await readType(table, good)).toBeUndefined();
});

describe('the versions of a runner', () => {
  const arn = (version: number) => `arn:aws:lambda:eu-west-1:123456789012:function:versions_${n}:${version}`;
  const lambda = mockClient(LambdaClient);
  const deleted = () => lambda.commandCalls(DeleteFunctionCommand).map(({ args: [{ input }] }) => input.Qualifier);
  beforeEach(() => {
    lambda.reset();
    lambda
      .on(ListVersionsByFunctionCommand)
      .resolves({ Versions: ['$LATEST', '1', '2', '3'].map((Version) => ({ Version })) });
    lambda.on(DeleteFunctionCommand).resolves({});
  });
  afterAll(() => lambda.restore());

  test('that no job needs are deleted at the next registration, and the one before it stays', async () => {
    await sendTypes('Create', owner('a'), [aType(typeName('pinned'))], arn(2));
    lambda.resetHistory();

    await sendTypes('Update', owner('a'), [aType(typeName('pinned'))], arn(3));

    expect((await readBoard(table)).settings.types[typeName('pinned')]?.runner).toBe(arn(3));
    expect(deleted()).toEqual(['1']);
  });

  test('stay when they cannot be deleted, and the deploy goes on', async () => {
    lambda.on(DeleteFunctionCommand).rejects(new Error('not authorized to perform: lambda:DeleteFunction'));

    const answer = await sendTypes('Create', owner('a'), [aType(typeName('pinned'))], arn(3));

    expect(answer.Status).toBe('SUCCESS');
    expect(deleted()).toEqual(['1']);
  });

  test('are left to CloudFormation when the types go', async () => {
    await sendTypes('Delete', owner('a'), [aType(typeName('pinned'))], arn(3));

    expect(lambda.calls()).toEqual([]);
  });
});

test('a resource that it does not know is answered, not left to time out', async () => {
  expect(await send('Custom::Other', 'Create', {})).toMatchObject({
    Status: 'FAILED',
    Reason: 'The register function does not know resources of type Custom::Other.',
  });
});

test('an answer that CloudFormation does not take makes the invocation fail, so that Lambda repeats it', async () => {
  const event = {
    ...request,
    ResponseURL: 'http://127.0.0.1:9/closed',
    ResourceType: 'Custom::JobThreadCount',
    RequestType: 'Update',
    PhysicalResourceId: 'settings',
    ResourceProperties: { ServiceToken: 'arn', Limit: '5' },
    OldResourceProperties: {},
  };

  await expect(handler(event as unknown as CloudFormationCustomResourceEvent, context)).rejects.toThrow();
});
