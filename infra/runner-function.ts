import { CustomResource, Duration, RemovalPolicy, Tags } from 'aws-cdk-lib';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { JobType } from '../core/registry.ts';
import type { Presentation } from '../schemas/runner-manifest.ts';
import { allow, allowItems, makeFunction, type Network } from './functions.ts';
import { type Runner, schemaVersion } from './runner-folder.ts';

/** How long CloudFormation waits for the register function, in place of an hour. */
export const registrationTimeout = Duration.minutes(5);

/** `plugins/jobs_example` → `JobsExample`: part of logical ids. */
export const nameOf = ({ folder }: Runner) =>
  folder
    .slice(folder.lastIndexOf('/') + 1)
    .split(/[^0-9A-Za-z]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');

/** What a runner is given of the service. */
export interface Service {
  readonly table: Pick<Table, 'tableArn' | 'tableName'>;
  readonly bucket: Pick<Bucket, 'arnForObjects' | 'bucketName'>;
  readonly session: Pick<IFunction, 'functionArn'>;
  /** Empty when the service has no ArchivesSpace. */
  readonly archivesspaceUrl: string;
}

/** What a runner's function is given besides. */
export interface RunnerSurroundings {
  /** Of its resources, in the scope. */
  readonly name: string;
  readonly network: Network | undefined;
  readonly logRetentionDays: number;
  /** What it may do outside the service. */
  readonly statements?: readonly PolicyStatement[];
}

export interface RunnerFunction {
  readonly lambda: IFunction;
  /** Of the published version: what a job that is claimed from now on runs on to its end. */
  readonly versionArn: string;
}

/** Makes a runner's Lambda. Its role reaches the runs of its own types and nothing else of the service (design 3.10). */
export function makeRunner(
  scope: Construct,
  runner: Runner,
  service: Service,
  { name, network, logRetentionDays, statements = [] }: RunnerSurroundings,
): RunnerFunction {
  const { folder, entry, manifest } = runner;
  const types = runner.types.map(({ type }) => type);
  const { archivesspace = false } = manifest;
  const calls = archivesspace !== false;
  const lambda = makeFunction(scope, `Runner${name}`, {
    entry,
    description: `Runs jobs of ${folder}`,
    timeoutSeconds: manifest.timeout_seconds ?? 900,
    memoryMb: manifest.memory_mb ?? 512,
    logRetentionDays,
    credentials: 'chain',
    network,
    environment: {
      TABLE: service.table.tableName,
      BUCKET: service.bucket.bucketName,
      ...(calls && {
        SESSION_FUNCTION: service.session.functionArn,
        ARCHIVESSPACE_URL: service.archivesspaceUrl,
        ARCHIVESSPACE_PATHS: Array.isArray(archivesspace) ? archivesspace.join(',') : '',
      }),
    },
    statements: [
      allowItems(
        ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:Query'],
        service.table.tableArn,
        types.map((type) => `RUN#${type}#*`),
      ),
      allow(
        ['s3:GetObject'],
        types.map((type) => service.bucket.arnForObjects(`inputs/${type}/*`)),
      ),
      allow(
        ['s3:GetObject', 's3:PutObject'],
        types.map((type) => service.bucket.arnForObjects(`runs/${type}/*`)),
      ),
      ...(calls ? [allow(['lambda:InvokeFunction'], [service.session.functionArn])] : []),
      ...statements,
    ],
    // Jobs that run when a deploy replaces the version still need it; the register function deletes it when none does.
    // One that a failed deploy published goes with its rollback: with it, the same code could not be published again.
    currentVersionOptions: { removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE },
  });
  // The local stack gives such a function processes of its own, which can be killed alone.
  Tags.of(lambda).add('local:isolation', 'process');
  return { lambda, versionArn: lambda.currentVersion.functionArn };
}

/** What lets the register function delete versions of a runner that no job needs, and never the runner itself. */
export const tidying = (functionArn: string) => [
  allow(['lambda:ListVersionsByFunction'], [functionArn]),
  allow(['lambda:DeleteFunction'], [`${functionArn}:*`]),
];

export interface TypesOf {
  /** Of the resource, in the scope. */
  readonly name: string;
  /** Who has the types: nobody else in the stack. */
  readonly owner: string;
  readonly types: readonly JobType[];
  /** Of the published version that runs them. */
  readonly versionArn: string;
  /** ARN of the service's register function. */
  readonly register: string;
  /**
   * The types of the stack's other owners: one that moves there in a deploy is not retired on the way, which would fail
   * the jobs that wait.
   */
  readonly elsewhere?: readonly string[];
}

/** Registers an owner's types at each deploy that changes them, and retires them when it goes. */
export function registerTypes(scope: Construct, { name, owner, types, ...given }: TypesOf): CustomResource {
  const { versionArn, register, elsewhere = [] } = given;
  return new CustomResource(scope, `Types${name}`, {
    resourceType: 'Custom::JobTypes',
    serviceToken: register,
    serviceTimeout: registrationTimeout,
    properties: {
      Owner: owner,
      Runner: versionArn,
      ...(elsewhere.length > 0 && { Elsewhere: elsewhere }),
      // As text: CloudFormation would make strings of the numbers and booleans in a schema.
      Types: types.map((type) =>
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
          ...(type.resumable && { resumable: true, retries: type.retries }),
          ...presentationOf(type),
          files: type.files,
        }),
      ),
    },
  });
}

/** Nothing where the schema says it all. */
function presentationOf({ title, description, form, translations }: JobType): { presentation?: Presentation } {
  const presentation = {
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    ...(form && { form }),
    ...(translations && { translations }),
  };
  return Object.keys(presentation).length > 0 ? { presentation } : {};
}
