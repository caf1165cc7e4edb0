import { Annotations, App, ArnFormat, CustomResource, Duration, Stack } from 'aws-cdk-lib';
import { SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { RecursiveLoop } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { Construct } from 'constructs';
import { maxLanes } from '../core/limits.ts';
import * as env from '../functions/env.ts';
import { makeApi } from './api.ts';
import { exportFrom } from './exports.ts';
import { allow, allowItems, makeServiceFunction, type Network } from './functions.ts';
import { makeMachine, watchExecutions } from './machine.ts';
import { makePage } from './page.ts';
import type { Runner } from './runner-folder.ts';
import { makeRunner, nameOf, registerTypes, registrationTimeout, tidying } from './runner-function.ts';
import { findRunners } from './runners.ts';
import { readSettings, type Settings } from './settings.ts';
import { makeSignIn } from './sign-in.ts';
import { makeBucket, makeDoorbell, makeTable, repositoryIndex } from './storage.ts';
import { finisherTimeoutSeconds } from './workflow.ts';

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
    context: {
      // One statement where CDK would write several: a role's policies share 10,240 characters.
      '@aws-cdk/aws-iam:minimizePolicies': true,
      // A change of tags alone would ask for a version that Lambda refuses to publish: nothing of the code is new.
      '@aws-cdk/aws-lambda:recognizeVersionProps': true,
      ...context,
    },
    analyticsReporting: false,
    ...(outdir !== undefined && { outdir }),
  });
  const settings = readSettings(app.node.getAllContext());
  const runners = await findRunners(
    settings.plugins,
    settings.typeOptions,
    settings.archivesspaceUrl === undefined ? [] : settings.delegatedTypes,
  );
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
    const oidc = makeSignIn(this, settings);
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
    // What is left of deleted jobs.
    const listing = allow(['s3:ListBucket'], [bucket.bucketArn]);
    listing.addCondition('StringLike', { 's3:prefix': ['inputs/*', 'runs/*'] });
    const removing = [
      allow(['s3:DeleteObject'], [bucket.arnForObjects('inputs/*'), bucket.arnForObjects('runs/*')]),
      listing,
    ];
    const onMachine = { TABLE: table.tableName, STATE_MACHINE_ARN: machineArn };

    const session = makeServiceFunction(this, 'Session', {
      ...shared,
      file: 'session.ts',
      description: "Gives a run a session of its job's owner, and says what people may do",
      spec: env.sessionEnv,
      environment: {
        TABLE: table.tableName,
        ARCHIVESSPACE_URL: archivesspaceUrl,
        ...oidc,
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
    // Where tokens meet an ArchivesSpace, it is asked what their users may do.
    const asksPeople = Boolean(settings.oidc && settings.archivesspaceUrl);
    const asking = asksPeople ? [allow(['lambda:InvokeFunction'], [session.functionArn])] : [];
    const signIn = {
      ARCHIVESSPACE_URL: archivesspaceUrl,
      ...oidc,
      SESSION_FUNCTION: asksPeople ? session.functionName : '',
    };

    const read = makeServiceFunction(this, 'ApiRead', {
      ...shared,
      file: 'api/read.ts',
      description: 'API: what only reads',
      spec: env.apiReadEnv,
      environment: {
        TABLE: table.tableName,
        BUCKET: bucket.bucketName,
        STAFF_URL: settings.staffUrl ?? '',
        ...signIn,
      },
      timeoutSeconds: 29,
      network,
      statements: [
        allow([...readActions, 'dynamodb:BatchGetItem'], [table.tableArn]),
        allow(['dynamodb:Query'], [`${table.tableArn}/index/${repositoryIndex}`]),
        readFiles,
        ...asking,
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
        ...signIn,
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
        allowItems(['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'], table.tableArn, [
          'UPLOAD#*',
          'ASKED#*',
          'LEFTOVER',
        ]),
        // Uploads are looked at and copied to their job; those of an old job to the new one that is made from it.
        allow(['s3:GetObject', 's3:PutObject'], [bucket.arnForObjects('inputs/*'), bucket.arnForObjects('uploads/*')]),
        ringing,
        ...asking,
      ],
    });
    const cancel = makeServiceFunction(this, 'ApiCancel', {
      ...shared,
      file: 'api/cancel.ts',
      description: 'API: what cancels jobs',
      spec: env.apiCancelEnv,
      environment: {
        TABLE: table.tableName,
        ...signIn,
        QUEUE_URL: doorbell.queueUrl,
        LANES: lanes,
      },
      timeoutSeconds: 29,
      network,
      statements: [allow([...readActions, ...writeActions], [table.tableArn]), ringing, ...asking],
    });
    const signingIn = makeServiceFunction(this, 'ApiSignIn', {
      ...shared,
      file: 'api/sign-in.ts',
      description: 'API: what takes passwords',
      spec: env.apiLoginEnv,
      environment: { TABLE: table.tableName, ...signIn },
      timeoutSeconds: 29,
      network,
      statements: [
        allowItems(['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:DeleteItem'], table.tableArn, ['LOGIN#*']),
        ...asking,
      ],
    });
    const api = makeApi(this, stage, logRetentionDays, { read, create, cancel, 'sign-in': signingIn });
    if (settings.page) makePage(this, settings, api, bucket);

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
      environment: { ...onMachine, BUCKET: bucket.bucketName },
      timeoutSeconds: 60,
      statements: [...dispatching, ...removing],
    });
    const register = makeServiceFunction(this, 'Register', {
      ...shared,
      file: 'register.ts',
      description: 'Writes settings and job types into the table at deploy',
      spec: env.registerEnv,
      environment: { TABLE: table.tableName, STACK_ID: this.stackId },
      timeoutSeconds: 60,
      statements: [
        allowItems([...readActions, ...writeActions], table.tableArn, ['TYPES', 'BOARD']),
        // Which versions of runners running jobs hold.
        allowItems(['dynamodb:GetItem'], table.tableArn, ['JOB#*']),
      ],
    });

    const limit = new CustomResource(this, 'JobThreadCount', {
      resourceType: 'Custom::JobThreadCount',
      serviceToken: register.functionArn,
      serviceTimeout: registrationTimeout,
      properties: { Limit: jobThreadCount },
    });
    const runnerFunctions = runners.map((runner) => {
      const name = nameOf(runner);
      const { lambda, versionArn } = makeRunner(
        this,
        runner,
        { table, bucket, session, archivesspaceUrl },
        { name, network: runner.manifest.archivesspace ? network : undefined, logRetentionDays },
      );
      for (const statement of tidying(lambda.functionArn)) register.addToRolePolicy(statement);
      registerTypes(this, {
        name,
        owner: runner.folder,
        types: runner.types,
        versionArn,
        register: register.functionArn,
        elsewhere: runners.filter((other) => other !== runner).flatMap(({ types }) => types.map(({ type }) => type)),
      }).node.addDependency(limit);
      return lambda;
    });

    const machine = makeMachine(this, machineName, finisher, runnerFunctions, logRetentionDays);
    watchExecutions(this, machine, finisher);
    exportFrom(this, stage, {
      table: table.tableName,
      bucket: bucket.bucketName,
      register: register.functionArn,
      'register-role': register.role?.roleName ?? '',
      session: session.functionArn,
      'machine-role': machine.role.roleName,
      ...(settings.archivesspaceUrl && { 'archivesspace-url': settings.archivesspaceUrl }),
    });
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
    const people = settings.oidc
      ? 'what people may do is in oidc_groups'
      : 'people sign in with a user pool that the stack makes (docs/sign-in.md)';
    warn('archivesspace-url', `archivesspace_url is not set: no runner can call ArchivesSpace, and ${people}.`);
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
