// Tables, queues and buckets of a template in the emulators. What is there from an earlier start stays as it is.
import { setTimeout } from 'node:timers/promises';
import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  DynamoDBClient,
  type KeySchemaElement,
  ResourceInUseException,
  type TableDescription,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  QueueNameExists,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';

export interface StorageClients {
  readonly dynamodb: DynamoDBClient;
  readonly sqs: SQSClient;
  readonly s3: S3Client;
}

const tableCheckMs = 5;

type Properties = Readonly<Record<string, unknown>>;

const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };

export function storageClients(
  region: string,
  endpoints: { readonly dynamodb: string; readonly sqs: string; readonly s3: string },
): StorageClients {
  return {
    dynamodb: new DynamoDBClient({ region, credentials, endpoint: endpoints.dynamodb }),
    sqs: new SQSClient({ region, credentials, endpoint: endpoints.sqs }),
    s3: new S3Client({ region, credentials, endpoint: endpoints.s3, forcePathStyle: true }),
  };
}

/**
 * Makes a table with its indexes and its time to live.
 * @returns its ARN
 * @throws when a table of an earlier start has other keys or indexes: the local stack changes no table
 */
export async function createTable(client: DynamoDBClient, name: string, properties: Properties): Promise<string> {
  const indexes = properties['GlobalSecondaryIndexes'] as CreateTableCommandInput['GlobalSecondaryIndexes'];
  const localIndexes = properties['LocalSecondaryIndexes'] as CreateTableCommandInput['LocalSecondaryIndexes'];
  const input: CreateTableCommandInput = {
    TableName: name,
    AttributeDefinitions: properties['AttributeDefinitions'] as CreateTableCommandInput['AttributeDefinitions'],
    KeySchema: properties['KeySchema'] as CreateTableCommandInput['KeySchema'],
    BillingMode: 'PAY_PER_REQUEST',
    ...(indexes
      ? {
          GlobalSecondaryIndexes: indexes.map(({ IndexName, KeySchema, Projection }) => ({
            IndexName,
            KeySchema,
            Projection,
          })),
        }
      : {}),
    ...(localIndexes ? { LocalSecondaryIndexes: localIndexes } : {}),
  };
  await client.send(new CreateTableCommand(input)).catch((error: unknown) => {
    if (!(error instanceof ResourceInUseException)) throw error;
  });
  const table = await activeTable(client, name);
  checkShape(table, input);
  const ttl = properties['TimeToLiveSpecification'] as { AttributeName?: string; Enabled?: unknown } | undefined;
  if (ttl?.AttributeName && String(ttl.Enabled) === 'true') {
    const specification = { AttributeName: ttl.AttributeName, Enabled: true };
    await client
      .send(new UpdateTimeToLiveCommand({ TableName: name, TimeToLiveSpecification: specification }))
      .catch((error: unknown) => {
        // It is on since an earlier start.
        if (!(error instanceof Error && error.message.includes('already enabled'))) throw error;
      });
  }
  return table.TableArn ?? '';
}

/** A table takes no other call before it is active. */
async function activeTable(client: DynamoDBClient, name: string): Promise<TableDescription> {
  for (;;) {
    const { Table: table } = await client.send(new DescribeTableCommand({ TableName: name }));
    if (table?.TableStatus === 'ACTIVE') return table;
    await setTimeout(tableCheckMs);
  }
}

function checkShape(table: TableDescription, wanted: CreateTableCommandInput): void {
  if (shape(table) === shape(wanted)) return;
  const advice = 'Start with fresh state: the local stack does not change a table that is there.';
  throw new Error(`Table ${wanted.TableName} was kept with other keys or indexes than the template has. ${advice}`);
}

interface Keyed {
  readonly KeySchema?: readonly KeySchemaElement[] | undefined;
}

/** Keys and indexes, in a form that can be compared. */
function shape(
  table: Keyed & {
    readonly GlobalSecondaryIndexes?: readonly (Keyed & { IndexName?: string | undefined })[] | undefined;
  },
): string {
  const keys = ({ KeySchema = [] }: Keyed) =>
    KeySchema.map(({ AttributeName, KeyType }) => `${KeyType} ${AttributeName}`);
  const indexes = (table.GlobalSecondaryIndexes ?? []).map((index) => `${index.IndexName}: ${keys(index)}`);
  return JSON.stringify([keys(table), indexes.toSorted()]);
}

const queueAttributes = [
  'ContentBasedDeduplication',
  'DeduplicationScope',
  'DelaySeconds',
  'FifoQueue',
  'FifoThroughputLimit',
  'MaximumMessageSize',
  'MessageRetentionPeriod',
  'ReceiveMessageWaitTimeSeconds',
  'RedrivePolicy',
  'VisibilityTimeout',
] as const;

/** Makes a queue, or gives the one that is there the template's attributes. */
export async function createQueue(
  client: SQSClient,
  name: string,
  properties: Properties,
): Promise<{ readonly url: string; readonly arn: string }> {
  const given = queueAttributes.flatMap((attribute): [string, string][] => {
    const value = properties[attribute];
    if (value === undefined) return [];
    return [[attribute, typeof value === 'object' ? JSON.stringify(value) : String(value)]];
  });
  const Attributes = Object.fromEntries(given);
  const url = await client.send(new CreateQueueCommand({ QueueName: name, Attributes })).then(
    ({ QueueUrl }) => QueueUrl ?? '',
    async (error: unknown) => {
      if (!(error instanceof QueueNameExists)) throw error;
      const { QueueUrl = '' } = await client.send(new GetQueueUrlCommand({ QueueName: name }));
      const { FifoQueue: _, ...changeable } = Attributes;
      await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: changeable }));
      return QueueUrl;
    },
  );
  const described = await client.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] }));
  return { url, arn: described.Attributes?.['QueueArn'] ?? '' };
}

export async function createBucket(client: S3Client, name: string): Promise<void> {
  try {
    await client.send(new CreateBucketCommand({ Bucket: name }));
  } catch (error) {
    if (!(error instanceof S3ServiceException && error.name === 'BucketAlreadyOwnedByYou')) throw error;
  }
}
