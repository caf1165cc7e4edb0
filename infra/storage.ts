import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, BillingMode, ProjectionType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { BlockPublicAccess, Bucket, BucketEncryption, HttpMethods } from 'aws-cdk-lib/aws-s3';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { uploadPrefix } from '../core/uploads.ts';

/** Index of the jobs of a repository. core/table.ts documents it. */
export const repositoryIndex = 'by-repo';
/** Longer than six times the dispatcher's timeout would be for a backlog; a doorbell that fails rings again after it. */
const doorbellVisibilitySeconds = 60;

/** The one table: jobs, queue, board, registry, runs (core/table.ts). It outlives the stack. */
export function makeTable(scope: Construct): Table {
  const table = new Table(scope, 'Table', {
    partitionKey: { name: 'pk', type: AttributeType.STRING },
    sortKey: { name: 'sk', type: AttributeType.STRING },
    billingMode: BillingMode.PAY_PER_REQUEST,
    timeToLiveAttribute: 'expires',
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    deletionProtection: true,
    removalPolicy: RemovalPolicy.RETAIN,
  });
  table.addGlobalSecondaryIndex({
    indexName: repositoryIndex,
    partitionKey: { name: 'gpk', type: AttributeType.STRING },
    sortKey: { name: 'gsk', type: AttributeType.STRING },
    projectionType: ProjectionType.INCLUDE,
    nonKeyAttributes: ['id', 'type', 'owner', 'mtime', 'submitted', 'finished'],
  });
  return table;
}

/** Files sent ahead below uploads/, those of jobs below inputs/, output files below runs/. It outlives the stack. */
export function makeBucket(scope: Construct): Bucket {
  return new Bucket(scope, 'Files', {
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    encryption: BucketEncryption.S3_MANAGED,
    enforceSSL: true,
    versioned: false,
    lifecycleRules: [
      { abortIncompleteMultipartUploadAfter: Duration.days(1) },
      // A job has a copy of what it took from here.
      { prefix: uploadPrefix, expiration: Duration.days(1) },
    ],
    // Pages send files here, and take those of an old job for a new one, from wherever they are served: an address that was signed is the permission.
    cors: [
      {
        allowedOrigins: ['*'],
        allowedMethods: [HttpMethods.PUT, HttpMethods.GET],
        allowedHeaders: ['content-type', 'if-none-match', 'x-amz-checksum-sha256'],
        maxAge: 3_000,
      },
    ],
    removalPolicy: RemovalPolicy.RETAIN,
  });
}

/**
 * The doorbell and where one goes that rang in vain 20 times. Nothing is lost there: messages have no content, and the
 * sweep makes the same pass. No content-based deduplication: equal messages would be dropped for five minutes.
 */
export function makeDoorbell(scope: Construct): Queue {
  const shared = { fifo: true, enforceSSL: true, encryption: QueueEncryption.SQS_MANAGED } as const;
  const unanswered = new Queue(scope, 'UnansweredDoorbells', { ...shared, retentionPeriod: Duration.days(14) });
  return new Queue(scope, 'Doorbell', {
    ...shared,
    contentBasedDeduplication: false,
    visibilityTimeout: Duration.seconds(doorbellVisibilitySeconds),
    deadLetterQueue: { queue: unanswered, maxReceiveCount: 20 },
  });
}
