import { Annotations, App, ArnFormat, Aws, CustomResource, Duration, RemovalPolicy, Stack, Tags } from 'aws-cdk-lib';
import { SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type IFunction, RecursiveLoop } from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { DefinitionBody, LogLevel, StateMachine, StateMachineType } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { maxLanes } from '../core/limits.ts';
import * as env from '../functions/env.ts';
import { makeApi } from './api.ts';
import { allow, allowItems, makeFunction, makeServiceFunction, type Network } from './functions.ts';
import { findRunners, type Runner, schemaVersion } from './runners.ts';
import { readSettings, type Settings } from './settings.ts';
import { makeBucket, makeDoorbell, makeTable, repositoryIndex } from './storage.ts';
import { finisherTimeoutSeconds, workflow } from './workflow.ts';

const readActions = ['dynamodb:GetItem', 'dynamodb:Query'];
const writeActions = ['dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem', 'dynamodb:ConditionCheckItem'];

/**
 * Makes the CDK app from its context. Needs no account, no network and no Docker.
 *
 * Throws when a setting or a runner cannot be used; the message lists all that is wrong.
 *
 * @param context settings besides those of the command line and cdk.json, which win
 * @param outdir where the assembly goes; `cdk.out` when absent
 */
export async function buildApp(context: Readonly<Record<string, unknown>> = {}, outdir?: string): Promise<App> {
  const app = new App({
    // One statement where CDK would write several: a role's policies share 10,240 characters.
    context: { '@aws-cdk/aws-iam:minimizePolicies': true, ...context },
    analyticsReporting: false,
    ...(outdir !== undefined && { outdir }),
  });
  const settings = readSettings(app.node.getAllContext());
  const runners = await findRunners(settings.plugins, settings.typeOptions);
  new JobsStack(app, settings, runners);
  return app;
}

/** The service and its runners, as one stack. */
class JobsStack extends Stack {
  constructor(app: App, settings: Settings, runners: readonly Runner[]) {
    const { stage, logRetentionDays, jobThreadCount } = settings;
    super(app, 'BackgroundJobs', {
      stackName: `background-jobs-${stage}`,
      description: 'Background jobs for ArchivesSpace',
    });
    warnOfGaps(this, settings, runners);

    const table = makeTable(this);
    const bucket = makeBucket(this);
    const doorbell = makeDoorbell(this);
    // The name is fixed: the machine names the finisher, which names the machine. It never changes, since runs that
    // were claimed are started under it again (design 3.4a).
    const machineName = `background-jobs-${stage}`;
    const arnOf = (resource: string, resourceName: string) =>
      this.formatArn({ service: 'states', resource, resourceName, arnFormat: ArnFormat.COLON_RESOURCE_NAME });
    const machineArn = arnOf('stateMachine', machineName);

    const network = settings.vpc && openNetwork(this, settings.vpc);
    const archivesspaceUrl = settings.archivesspaceUrl ?? '';
    const lanes = Math.max(1, Math.min(maxLanes, jobThreadCount));
    const shared = { logRetentionDays };

    const ringing = allow(['sqs:SendMessage'], [doorbell.queueArn]);
    const readFiles = allow(['s3:GetObject'], [bucket.arnForObjects('inputs/*'), bucket.arnForObjects('runs/*')]);
    const starting = [
      allow(['states:StartExecution'], [machineArn]),
      // Executions are named by job and token, so a pattern is the narrowest there is.
      allow(['states:DescribeExecution'], [arnOf('execution', `${machineName}:*`)]),
    ];
    const dispatching = [allow([...readActions, ...writeActions], [table.tableArn]), ...starting];
    const onMachine = { TABLE: table.tableName, STATE_MACHINE_ARN: machineArn };

    const read = makeServiceFunction(this, 'ApiRead', {
      ...shared,
      file: 'api/read.ts',
      description: 'API: what only reads',
      spec: env.apiReadEnv,
      environment: { TABLE: table.tableName, BUCKET: bucket.bucketName, ARCHIVESSPACE_URL: archivesspaceUrl },
      timeoutSeconds: 29,
      network,
      statements: [
        allow([...readActions, 'dynamodb:BatchGetItem'], [table.tableArn]),
        allow(['dynamodb:Query'], [`${table.tableArn}/index/${repositoryIndex}`]),
        readFiles,
      ],
    });
    const create = makeServiceFunction(this, 'ApiCreate', {
      ...shared,
      file: 'api/create.ts',
      description: 'API: what creates jobs',
      spec: env.apiCreateEnv,
      environment: {
        TABLE: table.tableName,
        BUCKET: bucket.bucketName,
        ARCHIVESSPACE_URL: archivesspaceUrl,
        QUEUE_URL: doorbell.queueUrl,
        LANES: lanes,
      },
      timeoutSeconds: 29,
      network,
      statements: [
        allowItems(readActions, table.tableArn, ['JOB#*', 'RUN#*', 'COUNTER', 'TYPES']),
        allowItems(['dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:ConditionCheckItem'], table.tableArn, [
          'JOB#*',
          'QUEUE#*',
          'RUN#*',
          'COUNTER',
        ]),
        allow(['s3:PutObject'], [bucket.arnForObjects('inputs/*')]),
        ringing,
      ],
    });
    const cancel = makeServiceFunction(this, 'ApiCancel', {
      ...shared,
      file: 'api/cancel.ts',
      description: 'API: what cancels jobs',
      spec: env.apiCancelEnv,
      environment: {
        TABLE: table.tableName,
        ARCHIVESSPACE_URL: archivesspaceUrl,
        QUEUE_URL: doorbell.queueUrl,
        LANES: lanes,
      },
      timeoutSeconds: 29,
      network,
      statements: [allow([...readActions, ...writeActions], [table.tableArn]), ringing],
    });
    makeApi(this, stage, logRetentionDays, { read, create, cancel });

    const dispatcher = makeServiceFunction(this, 'Dispatcher', {
      ...shared,
      file: 'dispatcher.ts',
      description: 'Starts what may start when the doorbell rings',
      spec: env.dispatcherEnv,
      environment: onMachine,
      timeoutSeconds: 10,
      reservedConcurrency: settings.dispatcherReservedConcurrency ? jobThreadCount : undefined,
      // Lambda would drop the 17th link of a chain dispatcher, machine, finisher. This one is as long as there are jobs.
      recursiveLoop: RecursiveLoop.ALLOW,
      statements: dispatching,
    });
    dispatcher.addEventSource(
      new SqsEventSource(doorbell, {
        batchSize: 10,
        reportBatchItemFailures: true,
        // With no thread nothing may start, and no dispatcher is reserved: doorbells wait.
        enabled: jobThreadCount > 0,
      }),
    );

    const finisher = makeServiceFunction(this, 'Finisher', {
      ...shared,
      file: 'finisher.ts',
      description: 'Ends runs, then starts what may start in their place',
      spec: env.finisherEnv,
      environment: onMachine,
      timeoutSeconds: finisherTimeoutSeconds,
      // As for the dispatcher: an end starts the next job, whose end comes here.
      recursiveLoop: RecursiveLoop.ALLOW,
      statements: dispatching,
    });
    const sweep = makeServiceFunction(this, 'Sweep', {
      ...shared,
      file: 'sweep.ts',
      description: 'Heals what was lost, each minute',
      spec: env.sweepEnv,
      environment: onMachine,
      timeoutSeconds: 60,
      statements: dispatching,
    });
    const session = makeServiceFunction(this, 'Session', {
      ...shared,
      file: 'session.ts',
      description: "Gives a run a session of its job's owner",
      spec: env.sessionEnv,
      environment: {
        TABLE: table.tableName,
        ARCHIVESSPACE_URL: archivesspaceUrl,
        ARCHIVESSPACE_SECRET_ARN: settings.archivesspaceSecretArn ?? '',
      },
      timeoutSeconds: 29,
      network,
      statements: [
        allowItems(['dynamodb:GetItem'], table.tableArn, ['JOB#*']),
        ...(settings.archivesspaceSecretArn
          ? [allow(['secretsmanager:GetSecretValue'], [settings.archivesspaceSecretArn])]
          : []),
      ],
    });
    const register = makeServiceFunction(this, 'Register', {
      ...shared,
      file: 'register.ts',
      description: 'Writes settings and job types into the table at deploy',
      spec: env.registerEnv,
      environment: { TABLE: table.tableName },
      timeoutSeconds: 60,
      statements: [allowItems([...readActions, ...writeActions], table.tableArn, ['TYPES', 'BOARD'])],
    });

    const limit = new CustomResource(this, 'JobThreadCount', {
      resourceType: 'Custom::JobThreadCount',
      serviceToken: register.functionArn,
      serviceTimeout: Duration.minutes(5),
      properties: { Limit: jobThreadCount },
    });
    const runnerFunctions = runners.map((runner) => {
      const runnerFunction = makeRunner(runner, {
        scope: this,
        tableName: table.tableName,
        tableArn: table.tableArn,
        bucketName: bucket.bucketName,
        files: (pattern) => bucket.arnForObjects(pattern),
        session,
        archivesspaceUrl,
        network,
        logRetentionDays,
      });
      const types = new CustomResource(this, `Types${nameOf(runner)}`, {
        resourceType: 'Custom::JobTypes',
        serviceToken: register.functionArn,
        serviceTimeout: Duration.minutes(5),
        properties: {
          Owner: runner.folder,
          Runner: runnerFunction.functionArn,
          Types: runner.types.map((type) =>
            JSON.stringify({
              type: type.type,
              schema: type.schema,
              version: schemaVersion(type.schema),
              hidden: type.hidden,
              createPermissions: type.createPermissions,
              cancelPermissions: type.cancelPermissions,
              graceSeconds: type.graceSeconds,
              timeLimitSeconds: type.timeLimitSeconds,
              concurrent: type.runConcurrently,
            }),
          ),
        },
      });
      types.node.addDependency(limit);
      return runnerFunction;
    });

    const machine = makeMachine(this, machineName, finisher, runnerFunctions, logRetentionDays);
    watchExecutions(this, machine, finisher);
    const schedule = new Rule(this, 'EachMinute', { schedule: Schedule.rate(Duration.minutes(1)) });
    // A sweep that failed or came late is made up for by the next one.
    schedule.addTarget(
      new LambdaFunction(sweep, { retryAttempts: 0, event: RuleTargetInput.fromObject({ all: false }) }),
    );
    sweep.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.minutes(1) });
  }
}

function warnOfGaps(stack: Stack, settings: Settings, runners: readonly Runner[]): void {
  const warn = (id: string, message: string) => Annotations.of(stack).addWarningV2(`background-jobs:${id}`, message);
  if (!settings.archivesspaceUrl) {
    warn('archivesspace-url', 'archivesspace_url is not set: nobody can log in, and no runner can call ArchivesSpace.');
  }
  const calling = runners.filter(({ manifest }) => manifest.archivesspace).map(({ folder }) => folder);
  if (settings.archivesspaceUrl && !settings.archivesspaceSecretArn && calling.length > 0) {
    warn(
      'archivesspace-secret-arn',
      `archivesspace_secret_arn is not set: ${calling.join(', ')} cannot act as the owners of jobs.`,
    );
  }
}

function openNetwork(scope: Construct, settings: NonNullable<Settings['vpc']>): Network {
  const { id, availabilityZones, privateSubnetIds, securityGroupIds } = settings;
  return {
    vpc: Vpc.fromVpcAttributes(scope, 'Vpc', {
      vpcId: id,
      availabilityZones: [...availabilityZones],
      privateSubnetIds: [...privateSubnetIds],
    }),
    securityGroups: securityGroupIds.map((group) =>
      SecurityGroup.fromSecurityGroupId(scope, `SecurityGroup-${group}`, group, { mutable: false }),
    ),
  };
}

/** `plugins/jobs_example` → `JobsExample`. */
const nameOf = ({ folder }: Runner) =>
  folder
    .slice(folder.lastIndexOf('/') + 1)
    .split(/[^0-9A-Za-z]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');

interface RunnerPlace {
  readonly scope: Construct;
  readonly tableName: string;
  readonly tableArn: string;
  readonly bucketName: string;
  /** The ARN of the files that match a pattern. */
  readonly files: (pattern: string) => string;
  readonly session: IFunction;
  readonly archivesspaceUrl: string;
  readonly network: Network | undefined;
  readonly logRetentionDays: number;
}

/** Makes a runner's Lambda. Its role reaches the runs of its own types and nothing else of the service (design 3.10). */
function makeRunner(runner: Runner, place: RunnerPlace): IFunction {
  const { folder, entry, manifest } = runner;
  const types = runner.types.map(({ type }) => type);
  const { archivesspace = false } = manifest;
  const calls = archivesspace !== false;
  const made = makeFunction(place.scope, `Runner${nameOf(runner)}`, {
    entry,
    description: `Runs jobs of ${folder}`,
    timeoutSeconds: manifest.timeout_seconds ?? 900,
    memoryMb: manifest.memory_mb ?? 512,
    logRetentionDays: place.logRetentionDays,
    credentials: 'chain',
    network: calls ? place.network : undefined,
    environment: {
      TABLE: place.tableName,
      BUCKET: place.bucketName,
      ...(calls && {
        SESSION_FUNCTION: place.session.functionName,
        ARCHIVESSPACE_URL: place.archivesspaceUrl,
        ARCHIVESSPACE_PATHS: Array.isArray(archivesspace) ? archivesspace.join(',') : '',
      }),
    },
    statements: [
      allowItems(
        ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:Query'],
        place.tableArn,
        types.map((type) => `RUN#${type}#*`),
      ),
      allow(
        ['s3:GetObject'],
        types.map((type) => place.files(`inputs/${type}/*`)),
      ),
      allow(
        ['s3:GetObject', 's3:PutObject'],
        types.map((type) => place.files(`runs/${type}/*`)),
      ),
      ...(calls ? [allow(['lambda:InvokeFunction'], [place.session.functionArn])] : []),
    ],
  });
  // The local stack gives such a function processes of its own, which can be killed alone.
  Tags.of(made).add('local:isolation', 'process');
  return made;
}

function makeMachine(
  stack: Stack,
  name: string,
  finisher: IFunction,
  runners: readonly IFunction[],
  logRetentionDays: number,
): StateMachine {
  const role = new Role(stack, 'MachineRole', { assumedBy: new ServicePrincipal('states.amazonaws.com') });
  // By name, never a wildcard; `:*` are the versions of that function.
  const runnerArns = runners.flatMap(({ functionArn }) => [functionArn, `${functionArn}:*`]);
  role.addToPolicy(allow(['lambda:InvokeFunction'], [finisher.functionArn, ...runnerArns]));
  return new StateMachine(stack, 'Machine', {
    stateMachineName: name,
    stateMachineType: StateMachineType.STANDARD,
    role,
    definitionBody: DefinitionBody.fromString(stack.toJsonString(workflow(Aws.PARTITION, finisher.functionArn))),
    logs: {
      destination: new LogGroup(stack, 'MachineLogs', {
        // Step Functions writes a resource policy for log groups, which has room for few others than these.
        logGroupName: `/aws/vendedlogs/states/${name}`,
        retention: logRetentionDays,
        removalPolicy: RemovalPolicy.DESTROY,
      }),
      level: LogLevel.ERROR,
      includeExecutionData: false,
    },
    tracingEnabled: false,
  });
}

/** The second healer (design 3.4a): executions that ended without their last state. */
function watchExecutions(scope: Construct, machine: StateMachine, finisher: IFunction): void {
  const failures = new Queue(scope, 'FinisherFailures', {
    enforceSSL: true,
    encryption: QueueEncryption.SQS_MANAGED,
    retentionPeriod: Duration.days(14),
  });
  const rule = new Rule(scope, 'ExecutionFailed', {
    eventPattern: {
      source: ['aws.states'],
      detailType: ['Step Functions Execution Status Change'],
      detail: { status: ['FAILED', 'TIMED_OUT', 'ABORTED'], stateMachineArn: [machine.stateMachineArn] },
    },
  });
  rule.addTarget(new LambdaFunction(finisher, { retryAttempts: 2, deadLetterQueue: failures }));
  // The queue of the rule gets events that could not be delivered, that of the function those it failed on.
  finisher.configureAsyncInvoke({ retryAttempts: 2, onFailure: new SqsDestination(failures) });
}
