import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import type { Table } from './dynamo.ts';

// Clients are made once per sandbox, at the top of entry files, through these. Endpoints come from the environment
// (AWS_ENDPOINT_URL_*), which is how the local stack puts itself in AWS's place. Clients that runners do without are made
// where they are used.

export const openTable = (name: string, patienceMs?: number): Table => ({
  client: new DynamoDBClient({}),
  name,
  ...(patienceMs !== undefined && { patienceMs }),
});

/** An emulator on loopback has no host name per bucket. */
export const openBucket = (name: string) => ({
  client: new S3Client({ forcePathStyle: process.env['AWS_ENDPOINT_URL_S3'] !== undefined }),
  name,
});
export type Bucket = ReturnType<typeof openBucket>;
