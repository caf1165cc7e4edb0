// What each type of resource becomes on this machine, and which types need nothing here.
import { existsSync } from 'node:fs';
import type { Provision } from './custom-resources.ts';
import type { EventSource } from './event-source.ts';
import type { EventBus, Pattern, Target } from './events.ts';
import type { Route } from './http-api.ts';
import type { Lambdas } from './lambda/lambdas.ts';
import { findPython } from './lambda/python.ts';
import type { DeletionPolicy, Versions } from './lambda/versions.ts';
import type { Executions } from './stepfunctions/executions.ts';
import type { StorageClients } from './storage.ts';
import { createBucket, createQueue, createTable } from './storage.ts';
import { type Assembly, type Provided, resourceKey, type TemplateResource } from './template.ts';

/** Everything that resources are made of or registered with. */
export interface Workshop {
  readonly assembly: Assembly;
  readonly storage: StorageClients;
  readonly lambdas: Lambdas;
  readonly versions: Versions;
  readonly executions: Executions;
  readonly bus: EventBus;
  readonly customResources: Provision;
  readonly apiUrl: string;
  /** Filled by queues: their URLs by ARN. */
  readonly queueUrls: Map<string, string>;
  /** Filled by event source mappings. */
  readonly sources: EventSource[];
  /** Filled by the HTTP API: its id, integrations by id, routes. */
  readonly api: { id: string | undefined; readonly integrations: Map<string, string>; readonly routes: Route[] };
}

type Properties = Readonly<Record<string, unknown>>;
type Maker = (
  shop: Workshop,
  id: string,
  properties: Properties,
  resource: TemplateResource,
) => Provided | Promise<Provided>;

const makers: Readonly<Record<string, Maker>> = {
  'AWS::ApiGatewayV2::Api': makeApi,
  'AWS::ApiGatewayV2::Integration': makeIntegration,
  'AWS::ApiGatewayV2::Route': makeRoute,
  'AWS::ApiGatewayV2::Stage': makeStage,
  'AWS::DynamoDB::GlobalTable': makeTable,
  'AWS::DynamoDB::Table': makeTable,
  'AWS::Events::Rule': makeRule,
  'AWS::Lambda::EventInvokeConfig': makeEventInvokeConfig,
  'AWS::Lambda::EventSourceMapping': makeEventSourceMapping,
  'AWS::Lambda::Function': makeFunction,
  'AWS::Lambda::Version': makeVersion,
  'AWS::S3::Bucket': makeBucket,
  'AWS::SQS::Queue': makeQueue,
  'AWS::StepFunctions::StateMachine': makeStateMachine,
};

/** Types that change nothing on one machine: who may do what, where logs go, who is called at night. */
const passedOver = [
  /^AWS::IAM::/,
  /^AWS::Logs::/,
  /^AWS::CloudWatch::/,
  /^AWS::SNS::(Topic|Subscription|TopicPolicy)$/,
  /^AWS::KMS::/,
  /^AWS::EC2::SecurityGroup/,
  /^AWS::CDK::Metadata$/,
  /^AWS::Lambda::Permission$/,
  /^AWS::SQS::QueuePolicy$/,
  /^AWS::S3::BucketPolicy$/,
  /^AWS::Budgets::/,
  /^Custom::(S3AutoDeleteObjects|LogRetention)$/,
];

/** Types that a deploy into a running stack makes and changes. What others become is fixed at the start. */
export function isDeployable(type: string): boolean {
  return isPassedOver(type) || isCustom(type) || type === 'AWS::Lambda::Function' || type === 'AWS::Lambda::Version';
}

const isCustom = (type: string) => type === 'AWS::CloudFormation::CustomResource' || type.startsWith('Custom::');

/** Whether a resource of this type is left out, with a name for those who refer to it. */
export function isPassedOver(type: string): boolean {
  return passedOver.some((pattern) => pattern.test(type));
}

/**
 * Makes one resource from its resolved properties.
 * @throws when the type, or something it asks for, does not exist locally
 */
export async function makeResource(
  shop: Workshop,
  id: string,
  resource: TemplateResource,
  properties: Properties,
): Promise<Provided> {
  const { Type: type } = resource;
  if (isPassedOver(type)) {
    const { region, accountId } = shop.assembly;
    const service = type.split('::')[1]?.toLowerCase() ?? '';
    return {
      ref: id,
      attributes: { Arn: `arn:aws:${service}:${region}:${accountId}:${id}`, GroupId: id, TopicArn: id },
    };
  }
  if (isCustom(type)) {
    const { physicalId, data } = await shop.customResources.provide(id, type, properties);
    return { ref: physicalId, attributes: data };
  }
  const make = makers[type];
  if (!make) throw new Error(`The local stack does not know resources of type ${type} (${id}).`);
  return make(shop, id, properties, resource);
}

async function makeTable({ assembly, storage }: Workshop, id: string, properties: Properties): Promise<Provided> {
  const name = text(properties, 'TableName') ?? `${assembly.stackName}-${id}`;
  const arn = await createTable(storage.dynamodb, name, properties);
  return { ref: name, attributes: { Arn: arn, TableId: id } };
}

async function makeQueue(
  { assembly, storage, queueUrls }: Workshop,
  id: string,
  properties: Properties,
): Promise<Provided> {
  const fifo = String(properties['FifoQueue']) === 'true';
  const name = text(properties, 'QueueName') ?? `${assembly.stackName}-${id}`.slice(0, 75) + (fifo ? '.fifo' : '');
  const { url, arn } = await createQueue(storage.sqs, name, properties);
  queueUrls.set(arn, url);
  return { ref: url, attributes: { Arn: arn, QueueName: name, QueueUrl: url } };
}

async function makeBucket({ assembly, storage }: Workshop, id: string, properties: Properties): Promise<Provided> {
  const name = text(properties, 'BucketName') ?? `${assembly.stackName}-${id}`.toLowerCase().slice(0, 63);
  await createBucket(storage.s3, name);
  const domain = `${name}.s3.amazonaws.com`;
  return { ref: name, attributes: { Arn: `arn:aws:s3:::${name}`, DomainName: domain, RegionalDomainName: domain } };
}

async function makeFunction(
  shop: Workshop,
  id: string,
  properties: Properties,
  resource: TemplateResource,
): Promise<Provided> {
  const { assembly, lambdas, versions } = shop;
  const name = text(properties, 'FunctionName') ?? `${assembly.stackName}-${id}`.slice(0, 64);
  const arn = `arn:aws:lambda:${assembly.region}:${assembly.accountId}:function:${name}`;
  const runtime = text(properties, 'Runtime') ?? '';
  const python = runtime.startsWith('python3.') ? { path: await findPython() } : undefined;
  if (!runtime.startsWith('nodejs') && !python)
    throw new Error(`${id}: the local stack runs functions in Node.js and Python, not ${runtime}.`);
  const dir = codeDirectory(assembly, id, properties, resource);
  const handler = text(properties, 'Handler') ?? '';
  const memoryMb = Number(properties['MemorySize'] ?? 128);
  const variables = (properties['Environment'] as { Variables?: Record<string, unknown> } | undefined)?.Variables ?? {};
  const reserved = properties['ReservedConcurrentExecutions'];
  lambdas.add({
    name,
    arn,
    dir,
    handler,
    memoryMb,
    timeoutMs: Number(properties['Timeout'] ?? 3) * 1000,
    isolation: tag(properties, 'local:isolation') === 'process' ? 'process' : 'worker',
    ...(python && { python }),
    ...(reserved === undefined ? {} : { reservedConcurrency: Number(reserved) }),
    environment: {
      ...Object.fromEntries(Object.entries(variables).map(([key, value]) => [key, String(value)])),
      _HANDLER: handler,
      AWS_EXECUTION_ENV: `AWS_Lambda_${runtime}`,
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
      AWS_LAMBDA_FUNCTION_NAME: name,
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
      AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
      AWS_LAMBDA_LOG_STREAM_NAME: 'local',
      LAMBDA_TASK_ROOT: dir,
    },
  });
  versions.restore(name);
  return { ref: name, attributes: { Arn: arn } };
}

function codeDirectory(assembly: Assembly, id: string, properties: Properties, resource: TemplateResource): string {
  const key = (properties['Code'] as { S3Key?: string } | undefined)?.S3Key;
  const dir = key === undefined ? undefined : assembly.assets.get(key);
  if (dir === undefined || !existsSync(dir)) {
    const path = resource.Metadata?.['aws:asset:path'];
    throw new Error(`${id}: its code is not among the assembly's assets (${String(path ?? key ?? 'inline code')}).`);
  }
  return dir;
}

function makeVersion(
  { assembly, versions }: Workshop,
  id: string,
  properties: Properties,
  { DeletionPolicy = 'Delete' }: TemplateResource,
): Provided {
  const { spec, number } = versions.publish(
    resourceKey(assembly, id),
    text(properties, 'FunctionName') ?? '',
    DeletionPolicy as DeletionPolicy,
  );
  return { ref: spec.arn, attributes: { FunctionArn: spec.arn, Version: number } };
}

function makeEventInvokeConfig({ lambdas }: Workshop, id: string, properties: Properties): Provided {
  const retries = properties['MaximumRetryAttempts'];
  if (retries !== undefined) lambdas.setAsyncRetries(text(properties, 'FunctionName') ?? '', Number(retries));
  return { ref: id, attributes: {} };
}

function makeEventSourceMapping(shop: Workshop, id: string, properties: Properties): Provided {
  const queueArn = text(properties, 'EventSourceArn') ?? '';
  const functionArn = text(properties, 'FunctionName') ?? '';
  const queueUrl = shop.queueUrls.get(queueArn);
  if (queueUrl === undefined)
    throw new Error(`${id}: ${queueArn} is no queue of this stack, and nothing else is polled.`);
  if (properties['FilterCriteria'] !== undefined) throw new Error(`${id}: the local stack does not filter events.`);
  if (String(properties['Enabled']) === 'false') return { ref: id, attributes: {} };
  const scaling = properties['ScalingConfig'] as { MaximumConcurrency?: unknown } | undefined;
  const limit = scaling?.MaximumConcurrency ?? shop.lambdas.find(functionArn)?.reservedConcurrency;
  const types = properties['FunctionResponseTypes'] as readonly string[] | undefined;
  shop.sources.push({
    queueUrl,
    queueArn,
    functionArn,
    batchSize: Number(properties['BatchSize'] ?? 10),
    reportsFailures: types?.includes('ReportBatchItemFailures') ?? false,
    ...(limit === undefined ? {} : { maxConcurrency: Number(limit) }),
  });
  return { ref: id, attributes: {} };
}

function makeStateMachine({ assembly, executions }: Workshop, id: string, properties: Properties): Provided {
  const name = text(properties, 'StateMachineName') ?? `${assembly.stackName}-${id}`.slice(0, 80);
  const arn = `arn:aws:states:${assembly.region}:${assembly.accountId}:stateMachine:${name}`;
  if ((properties['StateMachineType'] ?? 'STANDARD') !== 'STANDARD') {
    throw new Error(`${id}: the local stack runs STANDARD state machines only.`);
  }
  const given = properties['DefinitionString'] ?? JSON.stringify(properties['Definition']);
  const substitutions = (properties['DefinitionSubstitutions'] ?? {}) as Readonly<Record<string, unknown>>;
  const definition = String(given).replace(/\$\{([\w.-]+)\}/g, (whole, key: string) =>
    key in substitutions ? String(substitutions[key]) : whole,
  );
  executions.addMachine(arn, definition);
  return { ref: arn, attributes: { Arn: arn, Name: name } };
}

function makeRule({ assembly, bus }: Workshop, id: string, properties: Properties): Provided {
  const name = text(properties, 'Name') ?? `${assembly.stackName}-${id}`;
  const arn = `arn:aws:events:${assembly.region}:${assembly.accountId}:rule/${name}`;
  const given = (properties['Targets'] ?? []) as readonly { Arn: string; Input?: string; InputTransformer?: unknown }[];
  const targets = given.map(({ Arn, Input, InputTransformer }): Target => {
    if (!Arn.includes(':lambda:')) throw new Error(`${id}: the local event bus has no targets like ${Arn}.`);
    if (InputTransformer !== undefined) throw new Error(`${id}: the local event bus transforms no input.`);
    return { functionArn: Arn, ...(Input === undefined ? {} : { input: Input }) };
  });
  const schedule = text(properties, 'ScheduleExpression');
  const pattern = properties['EventPattern'] as Pattern | undefined;
  if (properties['State'] !== 'DISABLED') {
    bus.addRule({ arn, targets, ...(schedule === undefined ? {} : { schedule }), ...(pattern ? { pattern } : {}) });
  }
  return { ref: name, attributes: { Arn: arn } };
}

function makeApi({ api, apiUrl }: Workshop, id: string, properties: Properties): Provided {
  if (api.id !== undefined) throw new Error(`${id}: the local stack serves one API, and ${api.id} is it.`);
  if (properties['ProtocolType'] !== 'HTTP') throw new Error(`${id}: the local stack serves HTTP APIs only.`);
  if (properties['CorsConfiguration']) throw new Error(`${id}: the local API answers no CORS requests.`);
  api.id = id.toLowerCase();
  return { ref: api.id, attributes: { ApiEndpoint: apiUrl, ApiId: api.id } };
}

function makeIntegration({ api }: Workshop, id: string, properties: Properties): Provided {
  const uri = text(properties, 'IntegrationUri') ?? '';
  const functionArn = /arn:aws:lambda:[^:]+:\d+:function:[^/]+/.exec(uri)?.[0];
  const version = properties['PayloadFormatVersion'];
  if (properties['IntegrationType'] !== 'AWS_PROXY' || !functionArn || version !== '2.0') {
    throw new Error(`${id}: the local API has Lambda proxy integrations with payload format 2.0 only.`);
  }
  api.integrations.set(id, functionArn);
  return { ref: id, attributes: { IntegrationId: id } };
}

function makeRoute({ api }: Workshop, id: string, properties: Properties): Provided {
  const authorization = properties['AuthorizationType'] ?? 'NONE';
  if (authorization !== 'NONE') throw new Error(`${id}: the local API has no authorizer of type ${authorization}.`);
  const integration = (text(properties, 'Target') ?? '').replace('integrations/', '');
  const functionArn = api.integrations.get(integration);
  if (functionArn === undefined) throw new Error(`${id}: there is no integration ${integration}.`);
  api.routes.push({ key: text(properties, 'RouteKey') ?? '', functionArn });
  return { ref: id, attributes: { RouteId: id } };
}

function makeStage(_: Workshop, id: string, properties: Properties): Provided {
  const name = text(properties, 'StageName');
  if (name !== '$default') throw new Error(`${id}: the local API has the stage $default only, not ${name}.`);
  return { ref: name, attributes: {} };
}

function text(properties: Properties, name: string): string | undefined {
  const value = properties[name];
  return value === undefined ? undefined : String(value);
}

function tag(properties: Properties, key: string): string | undefined {
  const tags = (properties['Tags'] ?? []) as readonly { Key: string; Value: string }[];
  return tags.find(({ Key }) => Key === key)?.Value;
}
