import { BatchWriteItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import type { Table } from '../../aws/dynamo.ts';
import type { Job, JobStatus } from '../../core/job.ts';
import { create, keys, sortKey } from '../../core/table.ts';
import type { Item } from '../../core/writes.ts';
import { newJob } from '../unit/service-helpers.ts';

interface Units {
  readonly CapacityUnits?: number;
}

/** Adds up what requests to a table consume, as DynamoDB says it of each. */
export function meter({ client }: { readonly client: DynamoDBClient }) {
  let units = 0;
  client.middlewareStack.add(
    (next) => async (args) => {
      Object.assign(args.input, { ReturnConsumedCapacity: 'TOTAL' });
      const answer = await next(args);
      const { ConsumedCapacity: consumed } = answer.output as { ConsumedCapacity?: Units | Units[] };
      for (const { CapacityUnits = 0 } of [consumed ?? []].flat()) units += CapacityUnits;
      return answer;
    },
    { step: 'initialize' },
  );
  return {
    /** Units that were consumed while this ran. */
    async of(work: () => Promise<unknown>): Promise<number> {
      const before = units;
      await work();
      return units - before;
    },
  };
}

export interface Seeded {
  readonly id: number;
  readonly repo: number;
  readonly type: string;
  readonly owner: string;
  readonly status: JobStatus;
  readonly now: number;
  readonly params?: string;
}

/** Stores jobs in any state as their life would have left them, many at a time. */
export async function seed(table: Table, jobs: readonly Seeded[]): Promise<void> {
  const puts = jobs.flatMap((job) => itemsOf(job)).map((Item) => ({ PutRequest: { Item } }));
  for (let from = 0; from < puts.length; from += 25)
    await table.client.send(new BatchWriteItemCommand({ RequestItems: { [table.name]: puts.slice(from, from + 25) } }));
  const last = Math.max(...jobs.map(({ id }) => id));
  const counter = { ...keys.counter, last };
  await table.client.send(
    new BatchWriteItemCommand({ RequestItems: { [table.name]: [{ PutRequest: { Item: marshall(counter) } }] } }),
  );
}

function itemsOf({ id, type, status, ...more }: Seeded) {
  const [job, row] = create(newJob(id, type, more)).flatMap((write) =>
    write.op === 'put' ? [{ ...write.item, ...write.key }] : [],
  );
  const started: Item = { started: more.now + 1000, token: `t${id}`, slot: 0, runner: 'arn' };
  const finished: Item = { finished: more.now + 2000, ends: { log: 0, files: 0, records: 0 } } satisfies Partial<
    Record<keyof Extract<Job, { finished: number }>, unknown>
  >;
  const life = status === 'queued' ? {} : status === 'running' ? started : { ...started, ...finished };
  return [{ ...job, ...life, status, gsk: sortKey(status, id) }, ...(status === 'queued' && row ? [row] : [])].map(
    (item) => marshall(item, { removeUndefinedValues: true }),
  );
}
