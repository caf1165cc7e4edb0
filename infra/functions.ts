import { join } from 'node:path';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc } from 'aws-cdk-lib/aws-ec2';
import { Effect, ManagedPolicy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, LoggingFormat, type RecursiveLoop, Runtime, SystemLogLevel } from 'aws-cdk-lib/aws-lambda';
import { LogLevel, NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { EnvOf, EnvSpec } from '../functions/env.ts';
import { projectRoot } from './runners.ts';

export interface Network {
  readonly vpc: IVpc;
  readonly securityGroups: readonly ISecurityGroup[];
}

export interface FunctionSettings {
  /** The file with `handler`, absolute. */
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
  /** Bundle the environment's credentials in place of the SDK's whole chain (aws/env-credentials.ts). */
  readonly credentials: 'environment' | 'chain';
}

/** Makes one Lambda with a role and a log group of its own: nothing of CDK's default policies, which allow `*`. */
export function makeFunction(scope: Construct, id: string, settings: FunctionSettings): NodejsFunction {
  const { network, credentials } = settings;
  const logGroup = new LogGroup(scope, `${id}Logs`, {
    retention: settings.logRetentionDays,
    removalPolicy: RemovalPolicy.RETAIN,
  });
  const role = new Role(scope, `${id}Role`, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
  if (network) {
    // Lambda attaches its network interfaces under this role; AWS's policy for it is the narrowest that works.
    role.addManagedPolicy(ManagedPolicy.fromAwsManagedPolicyName('service-role/AWSLambdaENIManagementAccess'));
  }
  for (const statement of settings.statements) role.addToPolicy(statement);
  role.addToPolicy(allow(['logs:CreateLogStream', 'logs:PutLogEvents'], [logGroup.logGroupArn]));
  return new NodejsFunction(scope, id, {
    entry: settings.entry,
    handler: 'handler',
    description: settings.description,
    runtime: Runtime.NODEJS_24_X,
    architecture: Architecture.ARM_64,
    memorySize: settings.memoryMb ?? 512,
    timeout: Duration.seconds(settings.timeoutSeconds),
    environment: { ...settings.environment },
    role,
    logGroup,
    loggingFormat: LoggingFormat.JSON,
    // Lambda's own START, END and REPORT lines of every invocation cost more than they tell.
    systemLogLevelV2: SystemLogLevel.WARN,
    // The SDK keeps connections alive by itself; CDK would add a variable that env.ts does not know.
    awsSdkConnectionReuse: false,
    ...(network && { vpc: network.vpc, securityGroups: [...network.securityGroups] }),
    ...(settings.reservedConcurrency !== undefined && {
      reservedConcurrentExecutions: settings.reservedConcurrency,
    }),
    ...(settings.recursiveLoop && { recursiveLoop: settings.recursiveLoop }),
    projectRoot,
    depsLockFilePath: join(projectRoot, 'package-lock.json'),
    bundling: {
      format: OutputFormat.ESM,
      logLevel: LogLevel.WARNING,
      target: 'node24',
      mainFields: ['module', 'main'],
      minify: true,
      // For reading traces afterwards. Node loads a map only when told to, so it costs no start.
      sourceMap: true,
      sourcesContent: false,
      // Everything is in the bundle: what was tested is what runs, whatever SDK the runtime brings.
      externalModules: [],
      // CommonJS packages among the dependencies call require for Node's own modules.
      banner: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);",
      ...(credentials === 'environment' && {
        esbuildArgs: {
          '--alias:@aws-sdk/credential-provider-node': join(projectRoot, 'aws', 'env-credentials.ts'),
        },
      }),
    },
  });
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
): NodejsFunction {
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
