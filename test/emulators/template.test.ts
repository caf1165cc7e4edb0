// Expectations: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html,
// …/pseudo-parameter-reference.html, and the cloud assembly as `cdk synth` writes it.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { startStack } from '../../local/stack.ts';
import { inDependencyOrder, type Provided, Resolver, readAssembly } from '../../local/template.ts';
import { waitFor } from '../helpers/wait.ts';
import { clientFor, runAssembly, scratchDir, writeAssembly } from './assembly.ts';

function resolver(more: Record<string, unknown>, provided: Readonly<Record<string, Provided>> = {}): Resolver {
  return new Resolver(readAssembly(writeAssembly({ more })), new Map(Object.entries(provided)));
}

test('references and functions resolve as in CloudFormation', () => {
  const { resolve, holds } = bind(
    resolver(
      {
        Parameters: { Size: { Type: 'Number', Default: 3 } },
        Mappings: { Map: { eu: { name: 'Europe' } } },
        Conditions: {
          Yes: { 'Fn::Equals': [{ Ref: 'AWS::Region' }, 'us-east-1'] },
          No: { 'Fn::Not': [{ Condition: 'Yes' }] },
          Both: { 'Fn::And': [{ Condition: 'Yes' }, { Condition: 'No' }] },
          Either: { 'Fn::Or': [{ Condition: 'Yes' }, { Condition: 'No' }] },
        },
      },
      { Thing: { ref: 'thing-1', attributes: { Arn: 'arn:thing', 'Nested.Name': 'deep' } } },
    ),
  );

  expect(resolve({ Ref: 'Thing' })).toBe('thing-1');
  expect(resolve({ Ref: 'Size' })).toBe(3);
  expect(resolve({ 'Fn::GetAtt': ['Thing', 'Arn'] })).toBe('arn:thing');
  expect(resolve({ 'Fn::GetAtt': 'Thing.Nested.Name' })).toBe('deep');
  expect(resolve({ 'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, ':', { Ref: 'AWS::AccountId' }]] })).toBe(
    'arn:aws:000000000000',
  );
  // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation's own placeholders
  expect(resolve({ 'Fn::Sub': ['${Thing}/${Thing.Arn}/${own}/${!kept}', { own: { Ref: 'Size' } }] })).toBe(
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what is left of an escaped placeholder
    'thing-1/arn:thing/3/${kept}',
  );
  expect(resolve({ 'Fn::Select': [1, { 'Fn::Split': ['|', 'a|b|c'] }] })).toBe('b');
  expect(resolve({ 'Fn::FindInMap': ['Map', 'eu', 'name'] })).toBe('Europe');
  expect(resolve({ a: { 'Fn::If': ['No', 1, { Ref: 'AWS::NoValue' }] }, b: [{ Ref: 'AWS::NoValue' }, 2] })).toEqual({
    b: [2],
  });
  expect(['Yes', 'No', 'Both', 'Either', undefined].map((name) => holds(name))).toEqual([
    true,
    false,
    false,
    true,
    true,
  ]);
});

test('what is not known is named', () => {
  const { resolve } = bind(
    resolver({ Parameters: { Open: { Type: 'String' } } }, { Thing: { ref: 't', attributes: {} } }),
  );

  expect(() => resolve({ 'Fn::Transform': 'x' })).toThrow('does not know Fn::Transform');
  expect(() => resolve({ Ref: 'Nothing' })).toThrow('Nothing is referred to');
  expect(() => resolve({ 'Fn::GetAtt': ['Thing', 'Arn'] })).toThrow('Thing (undefined) has no attribute Arn');
  expect(() => resolve({ Ref: 'Open' })).toThrow('Parameter Open has no default');
});

function bind(one: Resolver) {
  return {
    resolve: (value: unknown) => one.resolve(value),
    holds: (condition: string | undefined) => one.holds(condition),
  };
}

test('resources come after those they refer to', () => {
  const order = inDependencyOrder({
    A: { Type: 'T', Properties: { x: { 'Fn::GetAtt': ['B', 'Arn'] } }, DependsOn: ['D'] },
    // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation's own placeholder
    B: { Type: 'T', Properties: { x: { 'Fn::Sub': '${C.Arn}' } } },
    C: { Type: 'T', Properties: { x: { Ref: 'AWS::Region' } } },
    D: { Type: 'T', DependsOn: 'C' },
  });

  expect(order).toEqual(['C', 'B', 'D', 'A']);
  expect(() => inDependencyOrder({ A: { Type: 'T', DependsOn: 'B' }, B: { Type: 'T', DependsOn: 'A' } })).toThrow(
    'in a circle: A → B → A',
  );
});

const table = {
  Type: 'AWS::DynamoDB::GlobalTable',
  Properties: {
    AttributeDefinitions: ['pk', 'sk', 'by'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
    BillingMode: 'PAY_PER_REQUEST',
    GlobalSecondaryIndexes: [
      {
        IndexName: 'by-owner',
        KeySchema: [{ AttributeName: 'by', KeyType: 'HASH' }],
        Projection: { ProjectionType: 'KEYS_ONLY' },
      },
    ],
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
    Replicas: [
      { Region: { Ref: 'AWS::Region' }, PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true } },
    ],
    TimeToLiveSpecification: { AttributeName: 'expires', Enabled: true },
  },
};

const storage = {
  Table: table,
  Dead: { Type: 'AWS::SQS::Queue', Properties: { FifoQueue: true } },
  Queue: {
    Type: 'AWS::SQS::Queue',
    Properties: {
      FifoQueue: true,
      RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': ['Dead', 'Arn'] }, maxReceiveCount: 20 },
      VisibilityTimeout: 60,
    },
  },
  Files: { Type: 'AWS::S3::Bucket' },
};

test('tables, queues and buckets are as the template says', async () => {
  const stack = await runAssembly({
    resources: storage,
    outputs: { Table: { Ref: 'Table' }, Queue: { Ref: 'Queue' } },
  });
  const dynamodb = new DynamoDBClient(clientFor(stack, 'dynamodb'));
  const sqs = new SQSClient(clientFor(stack, 'sqs'));

  const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName: stack.outputs['Table'] }));
  const { TimeToLiveDescription } = await dynamodb.send(
    new DescribeTimeToLiveCommand({ TableName: stack.outputs['Table'] }),
  );
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: stack.outputs['Queue'], AttributeNames: ['All'] }),
  );

  expect(Table).toMatchObject({
    TableName: 'Test-Table',
    KeySchema: table.Properties.KeySchema,
    TableStatus: 'ACTIVE',
  });
  expect(Table?.GlobalSecondaryIndexes).toMatchObject([
    { IndexName: 'by-owner', Projection: { ProjectionType: 'KEYS_ONLY' } },
  ]);
  expect(TimeToLiveDescription).toEqual({ AttributeName: 'expires', TimeToLiveStatus: 'ENABLED' });
  expect(stack.outputs['Queue']).toBe(`${stack.endpoints.sqs}/000000000000/Test-Queue.fifo`);
  expect(Attributes).toMatchObject({
    QueueArn: 'arn:aws:sqs:us-east-1:000000000000:Test-Queue.fifo',
    VisibilityTimeout: '60',
    RedrivePolicy: expect.stringContaining('Test-Dead.fifo'),
  });
  expect(stack.resources['Files']).toBe('test-files');
});

test('kept state is there after a restart, and a table that has other keys by then is refused', async () => {
  const stateDir = scratchDir();
  const first = await runAssembly({ resources: storage }, { stateDir });
  const item = { pk: { S: 'a' }, sk: { S: 'b' }, text: { S: 'kept' } };
  await new DynamoDBClient(clientFor(first, 'dynamodb')).send(
    new PutItemCommand({ TableName: 'Test-Table', Item: item }),
  );
  await new S3Client({ ...clientFor(first, 's3'), forcePathStyle: true }).send(
    new PutObjectCommand({ Bucket: 'test-files', Key: 'x', Body: 'kept' }),
  );
  await first.stop();

  const changedQueue = { ...storage.Queue, Properties: { ...storage.Queue.Properties, VisibilityTimeout: 61 } };
  const second = await runAssembly({ resources: { ...storage, Queue: changedQueue } }, { stateDir });
  const { Item } = await new DynamoDBClient(clientFor(second, 'dynamodb')).send(
    new GetItemCommand({ TableName: 'Test-Table', Key: { pk: item.pk, sk: item.sk } }),
  );
  const object = await new S3Client({ ...clientFor(second, 's3'), forcePathStyle: true }).send(
    new GetObjectCommand({ Bucket: 'test-files', Key: 'x' }),
  );
  const { Attributes } = await new SQSClient(clientFor(second, 'sqs')).send(
    new GetQueueAttributesCommand({ QueueUrl: second.resources['Queue'], AttributeNames: ['VisibilityTimeout'] }),
  );
  expect(Item).toEqual(item);
  expect(await object.Body?.transformToString()).toBe('kept');
  expect(Attributes).toEqual({ VisibilityTimeout: '61' });
  await second.stop();

  const otherKeys = {
    ...table,
    Properties: { ...table.Properties, KeySchema: table.Properties.KeySchema.slice(0, 1) },
  };
  await expect(runAssembly({ resources: { Table: otherKeys } }, { stateDir })).rejects.toThrow(
    'Table Test-Table was kept with other keys or indexes',
  );
});

test('two stacks do not share a state directory; after the first has stopped the second may start', async () => {
  const stateDir = scratchDir();
  const first = await runAssembly({}, { stateDir });

  await expect(runAssembly({}, { stateDir })).rejects.toThrow(stateDir);
  await first.stop();
  await runAssembly({}, { stateDir });
});

test('permissions, log groups and alarms are passed over, unknown types are refused by name', async () => {
  const stack = await runAssembly({
    functions: {
      Fn: { source: 'export const handler = () => 1;', properties: { Role: { 'Fn::GetAtt': ['Role', 'Arn'] } } },
    },
    resources: {
      Role: { Type: 'AWS::IAM::Role', Properties: {} },
      Logs: { Type: 'AWS::Logs::LogGroup' },
      Alarm: { Type: 'AWS::CloudWatch::Alarm' },
      Allow: { Type: 'AWS::Lambda::Permission', Properties: { FunctionName: { Ref: 'Fn' } } },
      Unmade: { Type: 'AWS::EC2::VPC', Condition: 'Never' },
    },
    more: { Conditions: { Never: { 'Fn::Equals': ['a', 'b'] } } },
  });
  expect(Object.keys(stack.resources)).not.toContain('Unmade');

  await expect(runAssembly({ resources: { Net: { Type: 'AWS::EC2::VPC' } } })).rejects.toThrow(
    'does not know resources of type AWS::EC2::VPC (Net)',
  );
});

test('an address that CDK puts together from the id of the API is the local one', async () => {
  const url = {
    'Fn::Join': [
      '',
      ['https://', { Ref: 'Api' }, '.execute-api.', { Ref: 'AWS::Region' }, '.', { Ref: 'AWS::URLSuffix' }, '/'],
    ],
  };
  const stack = await runAssembly({
    resources: { Api: { Type: 'AWS::ApiGatewayV2::Api', Properties: { Name: 'a', ProtocolType: 'HTTP' } } },
    outputs: { Url: url, Endpoint: { 'Fn::GetAtt': ['Api', 'ApiEndpoint'] } },
  });

  expect(stack.outputs).toEqual({ Url: `${stack.apiUrl}/`, Endpoint: stack.apiUrl });
});

test('a schedule runs once at the start and then at its rate', async () => {
  const startMs = performance.now();
  const stack = await runAssembly(
    {
      functions: { Tick: `export const handler = async (event) => console.log(event['detail-type'] ?? event.own);` },
      resources: {
        Rule: {
          Type: 'AWS::Events::Rule',
          Properties: {
            ScheduleExpression: 'rate(1 minute)',
            State: 'ENABLED',
            Targets: [
              { Id: 'A', Arn: { 'Fn::GetAtt': ['Tick', 'Arn'] } },
              { Id: 'B', Arn: { 'Fn::GetAtt': ['Tick', 'Arn'] }, Input: '{"own":"constant"}' },
            ],
          },
        },
      },
    },
    { scheduleScale: 300 },
  );

  const count = (line: string) => stack.lines.filter((one) => one === `Tick: ${line}`).length;
  await waitFor(() => expect(Math.min(count('Scheduled Event'), count('constant'))).toBeGreaterThanOrEqual(3));
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(400);
});

test('a schedule or a pattern that is not known is refused', async () => {
  const rule = (properties: object) => ({ resources: { Rule: { Type: 'AWS::Events::Rule', Properties: properties } } });

  await expect(runAssembly(rule({ ScheduleExpression: 'cron(0 1 * * ? *)' }))).rejects.toThrow(
    'only rate(…) schedules',
  );
  await expect(runAssembly(rule({ EventPattern: { detail: { n: [{ numeric: ['>', 1] }] } } }))).rejects.toThrow(
    'numeric',
  );
});

test('a directory without an assembly, or without its code, is refused', async () => {
  const dir = scratchDir();
  const start = () => startStack({ assemblyDir: dir, port: 0, log: () => undefined });

  await expect(start()).rejects.toThrow('is not a cloud assembly');
  writeAssembly({ functions: { Fn: '' } }, dir);
  for (const name of readdirSync(dir)) if (name.startsWith('asset.')) rmSync(join(dir, name), { recursive: true });
  await expect(start()).rejects.toThrow("Fn: its code is not among the assembly's assets");
});
