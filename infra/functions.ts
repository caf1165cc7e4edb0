import { basename, dirname, join } from 'node:path';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc } from 'aws-cdk-lib/aws-ec2';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  Code,
  Function as LambdaFunction,
  LoggingFormat,
  type RecursiveLoop,
  Runtime,
  SystemLogLevel,
  type VersionOptions,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { EnvOf, EnvSpec } from '../functions/env.ts';
import { bundle, type Credentials } from './bundle.ts';
import { projectRoot } from './project-root.ts';

export interface Network {
  readonly vpc: IVpc;
  readonly securityGroups: readonly ISecurityGroup[];
}

export interface FunctionSettings {
  /** The file with `handler`, absolute. One in Python is taken as it is, with what lies beside it. */
  readonly entry: string;
  readonly description: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number;
  /** @default 512 */
  readonly memoryMb?: number;
  /** All that the function may do besides writing its log. */
  readonly statements: readonly PolicyStatement[];
  readonly logRetentionDays: number;
  /** Only where the function calls ArchivesSpace. */
  readonly network?: Network | undefined;
  readonly reservedConcurrency?: number | undefined;
  readonly recursiveLoop?: RecursiveLoop;
  /** How the function's `currentVersion` is made, where it is used. */
  readonly currentVersionOptions?: VersionOptions;
  /** Bundle the environment's credentials in place of the SDK's whole chain (aws/env-credentials.ts). */
  readonly credentials: Credentials;
}

const networkActions = [
  'ec2:CreateNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:DeleteNetworkInterface',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
];

/** Makes one Lambda with a role and a log group of its own: nothing of CDK's default policies, which allow `*`. */
export function makeFunction(scope: Construct, id: string, settings: FunctionSettings): LambdaFunction {
  const { network } = settings;
  const language = settings.entry.endsWith('.py') ? python(settings.entry) : node;
  const logGroup = new LogGroup(scope, `${id}Logs`, {
    retention: settings.logRetentionDays,
    removalPolicy: RemovalPolicy.RETAIN,
  });
  const role = new Role(scope, `${id}Role`, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
  // Lambda attaches its network interfaces under the function's role, and EC2 has no narrower resource for that
  // (Lambda, "Giving functions access to resources in a VPC").
  if (network) role.addToPolicy(allow(networkActions, ['*']));
  for (const statement of settings.statements) role.addToPolicy(statement);
  role.addToPolicy(allow(['logs:CreateLogStream', 'logs:PutLogEvents'], [logGroup.logGroupArn]));
  return new LambdaFunction(scope, id, {
    code: makeCode(scope, `${id}Code`, settings),
    ...language,
    description: settings.description,
    architecture: Architecture.ARM_64,
    memorySize: settings.memoryMb ?? 512,
    timeout: Duration.seconds(settings.timeoutSeconds),
    environment: { ...settings.environment },
    role,
    logGroup,
    loggingFormat: LoggingFormat.JSON,
    // Lambda's own START, END and REPORT lines of every invocation cost more than they tell.
    systemLogLevelV2: SystemLogLevel.WARN,
    ...(network && { vpc: network.vpc, securityGroups: [...network.securityGroups] }),
    ...(settings.reservedConcurrency !== undefined && {
      reservedConcurrentExecutions: settings.reservedConcurrency,
    }),
    ...(settings.recursiveLoop && { recursiveLoop: settings.recursiveLoop }),
    ...(settings.currentVersionOptions && { currentVersionOptions: settings.currentVersionOptions }),
  });
}

const node = { runtime: Runtime.NODEJS_24_X, handler: 'index.handler' };
const python = (entry: string) => ({ runtime: Runtime.PYTHON_3_13, handler: `${basename(entry, '.py')}.handler` });
/** What running its tests leaves beside a runner in Python: it would make each deploy another version. */
const leftovers = ['**/__pycache__', '**/*.pyc', 'tests'];

function makeCode(scope: Construct, id: string, { entry, credentials }: FunctionSettings): Code {
  // Commands that deploy nothing, such as `cdk list` and `cdk destroy`, and tests of the template alone.
  if (!Stack.of(scope).bundlingRequired) return Code.fromInline('# not bundled');
  const code = entry.endsWith('.py')
    ? Code.fromAsset(dirname(entry), { exclude: leftovers })
    : Code.fromAsset(bundle(entry, credentials));
  // Copies the code into the assembly now, not when a function is made of it.
  code.bind(new Construct(scope, id));
  return code;
}

export interface ServiceFunctionSettings<S extends EnvSpec>
  extends Omit<FunctionSettings, 'entry' | 'environment' | 'credentials'> {
  /** The file below functions/. */
  readonly file: string;
  /** What the function asks for; a variable that is missing here does not compile. */
  readonly spec: S;
  readonly environment: EnvOf<S>;
}

/** Makes one of the service's own functions. */
export function makeServiceFunction<S extends EnvSpec>(
  scope: Construct,
  id: string,
  { file, spec, environment, ...settings }: ServiceFunctionSettings<S>,
): LambdaFunction {
  const names = Object.keys(spec) as (keyof S & string)[];
  return makeFunction(scope, id, {
    ...settings,
    entry: join(projectRoot, 'functions', file),
    environment: Object.fromEntries(names.map((name) => [name, String(environment[name])])),
    credentials: 'environment',
  });
}

export const allow = (actions: readonly string[], resources: readonly string[]) =>
  new PolicyStatement({ effect: Effect.ALLOW, actions: [...actions], resources: [...resources] });

/**
 * Allows actions on items whose partition key matches one of the patterns. `ForAllValues` also holds of a request
 * without any key, so that is refused (IAM, "Multivalued context keys"). In a transaction each item is authorised by
 * itself.
 */
export function allowItems(
  actions: readonly string[],
  tableArn: string,
  partitions: readonly string[],
): PolicyStatement {
  const statement = allow(actions, [tableArn]);
  statement.addCondition('ForAllValues:StringLike', { 'dynamodb:LeadingKeys': [...partitions] });
  statement.addCondition('Null', { 'dynamodb:LeadingKeys': 'false' });
  return statement;
}
