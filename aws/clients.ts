import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { SFNClient } from '@aws-sdk/client-sfn';
import { SQSClient } from '@aws-sdk/client-sqs';
import type { Doorbell } from './doorbell.ts';
import type { Table } from './dynamo.ts';
import type { StateMachine } from './executions.ts';

// Clients are made once per sandbox, at the top of entry files, through these. Endpoints come from the environment
// (AWS_ENDPOINT_URL_*), which is how the local stack puts itself in AWS's place.

export const openTable = (name: string, patienceMs?: number): Table => ({
  client: new DynamoDBClient({}),
  name,
  ...(patienceMs !== undefined && { patienceMs }),
});

export const openMachine = (arn: string): StateMachine => ({ client: new SFNClient({}), arn });

export const openDoorbell = (queueUrl: string, lanes: number): Doorbell => ({
  // The queue's URL names where it is; without this the client would go there past AWS_ENDPOINT_URL.
  client: new SQSClient({ useQueueUrlAsEndpoint: false }),
  queueUrl,
  lanes,
});

/** An emulator on loopback has no host name per bucket. */
export const openBucket = (name: string) => ({
  client: new S3Client({ forcePathStyle: process.env['AWS_ENDPOINT_URL_S3'] !== undefined }),
  name,
});
export type Bucket = ReturnType<typeof openBucket>;
