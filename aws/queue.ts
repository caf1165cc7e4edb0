import { QueryCommand } from '@aws-sdk/client-dynamodb';
import { keys, queuePartition } from '../core/table.ts';
import type { Table } from './dynamo.ts';

/** Up to here the queue is counted exactly: the reading of a place in it has a bound (core/table.ts). */
export const mostCounted = 1_000;

export interface Queued {
  /** How many there are, at most `mostCounted`. */
  readonly count: number;
  readonly more: boolean;
  /** The same by type. */
  readonly byType: ReadonlyMap<string, number>;
}

/**
 * Counts the queued jobs of all types and repositories that are older than a job, or all; from the oldest on, as the
 * index has them, which may be a moment behind.
 *
 * @param before id of the job; the whole queue when absent
 */
export async function countQueued(table: Table, before?: number): Promise<Queued> {
  const byType = new Map<string, number>();
  let count = 0;
  const { Items: rows = [], LastEvaluatedKey: rest } = await table.client.send(
    new QueryCommand({
      TableName: table.name,
      IndexName: 'by-repo',
      KeyConditionExpression: before === undefined ? 'gpk = :p' : 'gpk = :p AND gsk < :s',
      ExpressionAttributeNames: { '#type': 'type' },
      ExpressionAttributeValues: {
        ':p': { S: queuePartition },
        ...(before !== undefined && { ':s': { S: keys.queue('', before).sk } }),
      },
      // Costs the same as counting only, and tells which jobs may go first.
      ProjectionExpression: '#type',
      Limit: mostCounted + 1,
    }),
  );
  for (const { type } of rows.slice(0, mostCounted)) {
    count++;
    byType.set(type?.S ?? '', (byType.get(type?.S ?? '') ?? 0) + 1);
  }
  return { count, more: rows.length > mostCounted || (rest !== undefined && rows.length >= mostCounted), byType };
}
