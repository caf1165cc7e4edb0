import { isAbsolute, relative, resolve, sep } from 'node:path';
import { type CustomResource, Stack } from 'aws-cdk-lib';
import { Table } from 'aws-cdk-lib/aws-dynamodb';
import type { ISecurityGroup, IVpc } from 'aws-cdk-lib/aws-ec2';
import { CfnRolePolicy, PolicyDocument, type PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { RunnerManifest } from '../schemas/runner-manifest.ts';
import { type Exported, importFrom, isStage, stageRule } from './exports.ts';
import { allow } from './functions.ts';
import { readRunners } from './runner-folder.ts';
import { makeRunner, registerTypes, tidying } from './runner-function.ts';

export interface JobRunnerProps {
  /**
   * The runner's folder: `manifest.ts` or `manifest.json`, `schemas/<type>.json`, and `runner.ts`, which is bundled, or
   * `runner.py`, which is taken as it is. From the working directory, unless it is absolute.
   */
  readonly folder: string;
  /** The setting `stage` of the service, which is deployed already in this account and region. @default 'prod' */
  readonly stage?: string;
  /**
   * The backend, for a manifest with `archivesspace`. The default ties the two stacks: the service's setting cannot change
   * as long as a stack imports it. @default the one of the service
   */
  readonly archivesspaceUrl?: string;
  /** The network to run in, such as that of a backend that is not public. @default none */
  readonly vpc?: IVpc;
  /** With `vpc`. @default a new one */
  readonly securityGroups?: readonly ISecurityGroup[];
  /** One of the numbers of days that CloudWatch knows. @default 30 */
  readonly logRetentionDays?: number;
  /** What the runner may do outside the service. @default nothing */
  readonly statements?: readonly PolicyStatement[];
}

/**
 * A runner in a stack of its own, for a service that is deployed already: its Lambda, with a role that reaches the runs of
 * its own types and nothing else of the service, and the registration of its types, which are retired when it goes.
 *
 * The deployment is refused when a type belongs to another stack. Two policies of one function each, on the service's
 * roles, let its state machine invoke this runner, and let old versions of it be deleted.
 *
 * Throws one error that lists everything that is wrong with the folder, each with its file and what to do.
 */
export class JobRunner extends Construct {
  /** To grant it more, or to watch it. */
  readonly lambda: IFunction;
  /** The job types that it registers. */
  readonly types: readonly string[];
  /** What has to be there before is added as a dependency of this. */
  readonly registration: CustomResource;

  constructor(scope: Construct, id: string, props: JobRunnerProps) {
    super(scope, id);
    // As in the service's own app, whatever this one says: see infra/stack.ts.
    for (const flag of ['@aws-cdk/aws-iam:minimizePolicies', '@aws-cdk/aws-lambda:recognizeVersionProps'])
      this.node.setContext(flag, true);
    const { stage = 'prod', vpc, securityGroups = [], logRetentionDays = 30 } = props;
    if (!isStage(stage)) throw new Error(`${this.node.path}: stage ${stageRule}, not ${JSON.stringify(stage)}.`);
    const path = resolve(props.folder);
    const [runner] = readRunners([{ path, folder: shown(path), choose: withoutReplaces }], {});
    if (!runner) throw new Error(`${shown(path)} has no runner.`);
    const from = (what: Exported) => importFrom(stage, what);

    const { lambda, versionArn } = makeRunner(
      this,
      runner,
      {
        table: Table.fromTableName(this, 'Table', from('table')),
        bucket: Bucket.fromBucketName(this, 'Files', from('bucket')),
        session: { functionArn: from('session') },
        archivesspaceUrl: props.archivesspaceUrl ?? from('archivesspace-url'),
      },
      {
        name: '',
        network: vpc && { vpc, securityGroups },
        logRetentionDays,
        ...(props.statements && { statements: props.statements }),
      },
    );
    this.lambda = lambda;
    this.types = runner.types.map(({ type }) => type);
    this.registration = registerTypes(this, {
      name: '',
      // Of the construct, not of the folder: two runners of a stack may be called alike.
      owner: this.node.path.slice(Stack.of(this).node.path.length + 1),
      types: runner.types,
      versionArn,
      register: from('register'),
    });
    // Before the first job can come, and until the types are retired.
    this.registration.node.addDependency(
      // Versions only, since nothing else is registered: what a role may has 10,240 characters in all.
      admit(this, 'Invoke', stage, 'machine-role', [allow(['lambda:InvokeFunction'], [`${lambda.functionArn}:*`])]),
      admit(this, 'Tidy', stage, 'register-role', tidying(lambda.functionArn)),
    );
  }
}

/** An inline policy of its own on a role of the service, which goes with this stack. */
function admit(
  runner: JobRunner,
  id: string,
  stage: string,
  role: 'machine-role' | 'register-role',
  statements: readonly PolicyStatement[],
): CfnRolePolicy {
  return new CfnRolePolicy(runner, id, {
    roleName: importFrom(stage, role),
    // Of all stacks in the account: a second policy of this name would take the place of the first.
    policyName: `${Stack.of(runner).stackName}-${runner.node.addr.slice(-8)}`.slice(-128),
    policyDocument: new PolicyDocument({ statements: [...statements] }),
  });
}

/** The folder as messages name it. */
function shown(path: string): string {
  const within = relative(process.cwd(), path);
  if (within === '') return '.';
  return within.startsWith('..') || isAbsolute(within) ? path : `./${within.split(sep).join('/')}`;
}

function withoutReplaces(manifest: RunnerManifest): RunnerManifest {
  const taking = Object.entries(Object(Object(manifest).types) as RunnerManifest['types'])
    .filter(([, options]) => Object(options).replaces !== undefined)
    .map(([type]) => type);
  if (taking.length > 0)
    throw new Error(
      `${taking.join(', ')}: replaces is for runners in the service's own stack, since two stacks are never deployed in ` +
        "one step. Leave it out, and take the type out of the service's own deployment first.",
    );
  return manifest;
}
