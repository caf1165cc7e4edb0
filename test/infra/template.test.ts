import { beforeAll, describe, expect, test } from 'vitest';
import { statementsOf } from './policies.ts';
import { at, plain, type Synthesized, synthesize } from './synthesize.ts';

const secretArn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:archivesspace-AbCdEf';

let stack: Synthesized;
beforeAll(async () => {
  stack = await synthesize({
    plugins: 'jobs_example',
    archivesspace_url: 'https://archives.example.org/api',
    archivesspace_secret_arn: secretArn,
    log_retention_days: 90,
  });
});

describe('functions', () => {
  test('all are arm64 on Node 24 and write JSON to a log group of their own that is not kept for ever', () => {
    const functions = stack.all('AWS::Lambda::Function');
    const retention = stack.all('AWS::Logs::LogGroup').map(([, { Properties }]) => Properties['RetentionInDays']);
    const logGroups = functions.map(([, { Properties }]) => JSON.stringify(Properties['LoggingConfig']));

    expect(functions).toHaveLength(12);
    for (const [, { Properties }] of functions) {
      expect(Properties).toMatchObject({
        Architectures: ['arm64'],
        Runtime: 'nodejs24.x',
        LoggingConfig: { LogFormat: 'JSON' },
      });
    }
    expect(new Set(logGroups).size).toBe(functions.length);
    expect(new Set(retention)).toEqual(new Set([90]));
  });

  test('as many dispatchers are reserved as jobs may run, by default and with a setting', async () => {
    const five = await synthesize({ job_thread_count: 5 });

    expect(stack.one('AWS::Lambda::Function', 'Dispatcher')).toMatchObject({ ReservedConcurrentExecutions: 2 });
    expect(five.one('AWS::Lambda::Function', 'Dispatcher')).toMatchObject({ ReservedConcurrentExecutions: 5 });
    expect(five.one('Custom::JobThreadCount')).toMatchObject({ Limit: 5 });
  });

  test('an account that cannot reserve turns the reservation off, and the limit stays', async () => {
    const unreserved = await synthesize({ dispatcher_reserved_concurrency: 'off' });

    expect(unreserved.one('AWS::Lambda::Function', 'Dispatcher')).not.toHaveProperty('ReservedConcurrentExecutions');
    expect(unreserved.one('Custom::JobThreadCount')).toMatchObject({ Limit: 2 });
  });

  test('there are never more lanes than dispatchers', async () => {
    const lanes = async (count: number) => {
      const { one } = await synthesize({ job_thread_count: count });
      return ['ApiCreate', 'ApiCancel'].map((id) =>
        at(one('AWS::Lambda::Function', id), 'Environment', 'Variables', 'LANES'),
      );
    };

    expect(await lanes(0)).toEqual(['1', '1']);
    expect(await lanes(1)).toEqual(['1', '1']);
    expect(await lanes(2)).toEqual(['2', '2']);
    expect(await lanes(9)).toEqual(['2', '2']);
  });

  test('with no thread doorbells wait, for there is no dispatcher', async () => {
    const still = await synthesize({ job_thread_count: 0 });

    expect(still.one('AWS::Lambda::Function', 'Dispatcher')).toMatchObject({ ReservedConcurrentExecutions: 0 });
    expect(still.one('AWS::Lambda::EventSourceMapping')).toMatchObject({ Enabled: false });
  });

  test('the chain of dispatcher, machine and finisher is not cut as a recursion', () => {
    const allowed = stack
      .all('AWS::Lambda::Function')
      .filter(([, { Properties }]) => Properties['RecursiveLoop'] === 'Allow')
      .map(([id]) => plain(id));

    expect(allowed.sort()).toEqual(['Dispatcher', 'Finisher']);
  });

  test('the dispatcher gives single doorbells back', () => {
    expect(stack.one('AWS::Lambda::EventSourceMapping')).toMatchObject({
      BatchSize: 10,
      Enabled: true,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
  });

  test('a runner learns of ArchivesSpace only when its manifest says so', () => {
    const variables = (id: string) =>
      Object.keys(at(stack.one('AWS::Lambda::Function', id), 'Environment', 'Variables') as object).sort();

    expect(variables('RunnerJobsExample')).toEqual(['BUCKET', 'TABLE']);
    expect(variables('RunnerImportJob')).toEqual([
      'ARCHIVESSPACE_PATHS',
      'ARCHIVESSPACE_URL',
      'BUCKET',
      'SESSION_FUNCTION',
      'TABLE',
    ]);
  });

  test('only what calls ArchivesSpace is put into its network', async () => {
    const inVpc = await synthesize({
      plugins: 'jobs_example',
      archivesspace_url: 'http://archives.internal:8089',
      vpc: {
        id: 'vpc-0123456789abcdef0',
        availability_zones: ['eu-west-1a'],
        private_subnet_ids: ['subnet-0123456789abcdef0'],
        security_group_ids: ['sg-0123456789abcdef0'],
      },
    });
    const inside = inVpc
      .all('AWS::Lambda::Function')
      .filter(([, { Properties }]) => Properties['VpcConfig'])
      .map(([id]) => plain(id));

    expect(inside.sort()).toEqual([
      'ApiCancel',
      'ApiCreate',
      'ApiRead',
      'ApiSignIn',
      'RunnerArchivesspace',
      'RunnerImportJob',
      'Session',
    ]);
    expect(inVpc.one('AWS::Lambda::Function', 'Session')['VpcConfig']).toEqual({
      SecurityGroupIds: ['sg-0123456789abcdef0'],
      SubnetIds: ['subnet-0123456789abcdef0'],
    });
  });
});

describe('what is kept', () => {
  test('the table outlives the stack, can be restored to any second, and forgets by `expires`', () => {
    const [[, table] = []] = stack.all('AWS::DynamoDB::Table');

    expect(table).toMatchObject({
      DeletionPolicy: 'Retain',
      Properties: {
        BillingMode: 'PAY_PER_REQUEST',
        DeletionProtectionEnabled: true,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        TimeToLiveSpecification: { AttributeName: 'expires', Enabled: true },
        GlobalSecondaryIndexes: [
          {
            IndexName: 'by-repo',
            Projection: {
              ProjectionType: 'INCLUDE',
              NonKeyAttributes: ['id', 'type', 'owner', 'mtime', 'submitted', 'finished'],
            },
          },
        ],
      },
    });
  });

  test('the bucket is private and encrypted, and forgets uploads that were broken off or never used', () => {
    expect(stack.one('AWS::S3::Bucket', 'Files')).toMatchObject({
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
      },
      LifecycleConfiguration: {
        Rules: [
          { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 }, Status: 'Enabled' },
          { ExpirationInDays: 1, Prefix: 'uploads/', Status: 'Enabled' },
        ],
      },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
    });
  });

  test('bucket and queues take requests only over TLS', () => {
    const policies = [...stack.all('AWS::S3::BucketPolicy'), ...stack.all('AWS::SQS::QueuePolicy')];

    expect(policies).toHaveLength(5);
    for (const [, { Properties }] of policies) {
      expect(at(Properties, 'PolicyDocument', 'Statement')).toContainEqual(
        expect.objectContaining({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
      );
    }
  });

  test('the doorbell is a FIFO queue that drops no equal message, and ends in a FIFO queue after 20 receives', () => {
    const doorbell = stack.one('AWS::SQS::Queue', 'Doorbell');

    expect(doorbell).toMatchObject({ FifoQueue: true, VisibilityTimeout: 60, RedrivePolicy: { maxReceiveCount: 20 } });
    expect(doorbell['ContentBasedDeduplication'] ?? false).toBe(false);
    expect(stack.one('AWS::SQS::Queue', 'UnansweredDoorbells')).toMatchObject({ FifoQueue: true });
  });
});

describe('the state machine', () => {
  test('has a fixed name, logs errors without data, and traces nothing', () => {
    expect(stack.one('AWS::StepFunctions::StateMachine')).toMatchObject({
      StateMachineName: 'background-jobs-prod',
      StateMachineType: 'STANDARD',
      LoggingConfiguration: { Level: 'ERROR', IncludeExecutionData: false },
      TracingConfiguration: { Enabled: false },
    });
  });

  test('may invoke the finisher and the runners by name, and no other function', () => {
    const invoking = statementsOf(stack, 'MachineRole').filter(({ actions }) =>
      actions.includes('lambda:InvokeFunction'),
    );

    expect(invoking.flatMap(({ resources }) => resources).sort()).toEqual([
      '<Finisher.Arn>',
      '<RunnerArchivesspace.Arn>',
      '<RunnerArchivesspace.Arn>:*',
      '<RunnerImportJob.Arn>',
      '<RunnerImportJob.Arn>:*',
      '<RunnerJobsExample.Arn>',
      '<RunnerJobsExample.Arn>:*',
    ]);
  });

  test('executions that end by themselves come to the finisher, and what it fails on is kept', () => {
    const rule = stack.one('AWS::Events::Rule', 'ExecutionFailed');

    expect(rule['EventPattern']).toMatchObject({
      source: ['aws.states'],
      'detail-type': ['Step Functions Execution Status Change'],
      detail: {
        status: ['FAILED', 'TIMED_OUT', 'ABORTED'],
        stateMachineArn: [{ Ref: expect.stringMatching(/^Machine/) }],
      },
    });
    expect(rule['Targets']).toMatchObject([{ RetryPolicy: { MaximumRetryAttempts: 2 }, DeadLetterConfig: {} }]);
    expect(stack.one('AWS::Lambda::EventInvokeConfig', 'Finisher')).toMatchObject({
      MaximumRetryAttempts: 2,
      DestinationConfig: { OnFailure: {} },
    });
  });

  test('the sweep comes each minute and is not made up for', () => {
    expect(stack.one('AWS::Events::Rule', 'EachMinute')).toMatchObject({
      ScheduleExpression: 'rate(1 minute)',
      Targets: [{ RetryPolicy: { MaximumRetryAttempts: 0 } }],
    });
    expect(stack.one('AWS::Lambda::EventInvokeConfig', 'Sweep')).toMatchObject({ MaximumRetryAttempts: 0 });
  });
});

describe('the API', () => {
  test('has one route for each line of the table, throttled, and logs no session', async () => {
    const { routes } = await import('../../functions/api/routes.ts');
    const keys = stack.all('AWS::ApiGatewayV2::Route').map(([, { Properties }]) => Properties['RouteKey'] as string);
    const stage = stack.one('AWS::ApiGatewayV2::Stage');

    expect(keys.sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort());
    expect(stage['DefaultRouteSettings']).toEqual({ ThrottlingRateLimit: 50, ThrottlingBurstLimit: 100 });
    expect(at(stage, 'AccessLogSettings', 'Format')).not.toMatch(/header|path\b|query/i);
    expect(stack.one('AWS::ApiGatewayV2::Api')).not.toHaveProperty('CorsConfiguration');
    expect(stack.outputs).toContain('ApiUrl');
  });
});

describe('registration', () => {
  test('each runner folder registers its types, after the settings', () => {
    const types = stack.one('Custom::JobTypes', 'TypesJobsExample');
    const registered = (types['Types'] as string[]).map((text) => JSON.parse(text));
    const [[limitId] = []] = stack.all('Custom::JobThreadCount');

    expect(types['Owner']).toBe('plugins/jobs_example');
    expect(registered).toMatchObject([
      {
        type: 'slow_nothing_job',
        concurrent: true,
        hidden: false,
        graceSeconds: 30,
        version: expect.stringMatching(/^[0-9a-f]{16}$/),
      },
      { type: 'slow_serial_job', concurrent: false, schema: { $id: 'slow_serial_job' } },
    ]);
    for (const [, { DependsOn }] of stack.all('Custom::JobTypes')) expect(DependsOn).toContain(limitId);
  });

  test('each is told the types of the others, so that one that moves is not retired on the way', () => {
    const of = (id: string) => stack.one('Custom::JobTypes', id)['Elsewhere'];

    expect(of('TypesImportJob')).toEqual(expect.arrayContaining(['slow_nothing_job', 'slow_serial_job', 'report_job']));
    expect(of('TypesImportJob')).not.toContain('import_job');
    expect(of('TypesJobsExample')).toContain('import_job');
  });

  test('a type is registered with a published version, which outlives the next deploy, but not a rolled back one', () => {
    const { Ref: id } = stack.one('Custom::JobTypes', 'TypesJobsExample')['Runner'] as { Ref: string };
    const [, version] = stack.all('AWS::Lambda::Version').find(([logicalId]) => logicalId === id) ?? [];

    expect(version).toMatchObject({
      Properties: { FunctionName: { Ref: expect.stringMatching(/^RunnerJobsExample[0-9A-F]{8}$/) } },
      DeletionPolicy: 'RetainExceptOnCreate',
      UpdateReplacePolicy: 'Retain',
    });
  });

  test('another configuration of a runner is another version, and of the rest it is the same', async () => {
    const changed = await synthesize({ plugins: 'jobs_example', archivesspace_url: 'https://other.example.org/api' });
    const versions = (of: Synthesized) => of.all('AWS::Lambda::Version').map(([id]) => id);
    const kept = versions(stack).filter((id) => versions(changed).includes(id));

    expect(kept.map((id) => id.replace(/CurrentVersion.*/, ''))).toEqual(['RunnerJobsExample']);
  });

  test('a site changes the options of a type', async () => {
    const options = {
      hidden: true,
      create_permissions: ['manage_repository'],
      resumable: true,
      retries: 1,
      title: 'Import',
      files: { max: 3 },
    };
    const changed = await synthesize({ type_options: { import_job: options } });
    const [text] = changed.one('Custom::JobTypes', 'TypesImportJob')['Types'] as string[];

    expect(JSON.parse(text ?? '')).toMatchObject({
      hidden: true,
      createPermissions: ['manage_repository'],
      cancelPermissions: ['cancel_importer_job'],
      resumable: true,
      retries: 1,
      presentation: { title: 'Import' },
      files: { max: 3 },
    });
  });
});

describe('what stacks of their own find', () => {
  const exported = (of: Synthesized) =>
    Object.values((JSON.parse(of.text) as { Outputs: Record<string, { Export?: { Name: string } }> }).Outputs)
      .flatMap((output) => output.Export?.Name ?? [])
      .sort();

  test('is exported under the name of the stage', async () => {
    const test = await synthesize({ stage: 'test' });

    expect(exported(stack)).toEqual(
      ['archivesspace-url', 'bucket', 'machine-role', 'register', 'register-role', 'session', 'table'].map(
        (what) => `background-jobs-prod:${what}`,
      ),
    );
    expect(exported(test)).toContain('background-jobs-test:table');
    expect(exported(test)).not.toContain('background-jobs-test:archivesspace-url');
  });
});

test('a runner in Python is taken as it is, on a runtime that Lambda has', async () => {
  const python = await synthesize({ plugins: 'examples/python_lines' });

  expect(python.one('AWS::Lambda::Function', 'RunnerPythonLines')).toMatchObject({
    Runtime: 'python3.13',
    Handler: 'runner.handler',
  });
});

describe('settings', () => {
  test('stages fit into one account beside each other', async () => {
    const other = await synthesize({ stage: 'test' });

    expect(other.text).not.toContain('background-jobs-prod');
    expect(stack.text).not.toContain('background-jobs-test');
  });

  test('without an ArchivesSpace the synth warns, and says what does not work', async () => {
    const without = await synthesize({});

    expect(without.warnings).toEqual([
      expect.stringMatching(
        /^archivesspace_url is not set: no runner can call ArchivesSpace, and people sign in with a/,
      ),
    ]);
    expect(stack.warnings).toEqual([]);
  });

  test('a plugin that is not there is an error that names it', async () => {
    await expect(synthesize({ plugins: 'job_example' })).rejects.toThrow(
      'plugins names job_example, but there is no folder plugins/job_example',
    );
  });
});
