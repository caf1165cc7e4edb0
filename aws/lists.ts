import { type AttributeValue, BatchGetItemCommand, QueryCommand } from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import { Fault } from '../core/errors.ts';
import { fromItem, isEnded, type Job, type RunningJob } from '../core/job.ts';
import { keys, partition, queuePartition, queuePlace } from '../core/table.ts';
import type { Item } from '../core/writes.ts';
import { query, type Table } from './dynamo.ts';
import { readBoard } from './reads.ts';

/** DynamoDB gives so many items at once (BatchGetItem). */
const batch = 100;
const mostTries = 8;

/** Jobs by id, as they stand now, in the order of the ids; ids that no job has are passed over. */
export async function readManyJobs(table: Table, ids: readonly number[]): Promise<readonly Job[]> {
  const found = new Map<number, Job>();
  for (let from = 0; from < ids.length; from += batch) {
    let left = [...new Set(ids.slice(from, from + batch))].map((id) => marshall(keys.job(id)));
    for (let tries = 0; left.length > 0; tries++) {
      if (tries === mostTries) throw new Fault('The table did not give all of the jobs asked for.', left.length);
      if (tries > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * 2 ** tries));
      const { Responses, UnprocessedKeys } = await table.client.send(
        new BatchGetItemCommand({ RequestItems: { [table.name]: { Keys: left, ConsistentRead: true } } }),
      );
      for (const item of Responses?.[table.name] ?? []) {
        const job = fromItem<Job>(unmarshall(item) as Item);
        found.set(job.id, job);
      }
      left = [...((UnprocessedKeys?.[table.name]?.Keys ?? []) as Record<string, AttributeValue>[])];
    }
  }
  return ids.map((id) => found.get(id)).filter((job) => job !== undefined);
}

export interface Waiting {
  readonly id: number;
  readonly repo: number;
  readonly submitted: number;
}

/** The running jobs, and the queued ones of all repositories by id, from the base table: the index may lag behind. */
export interface Live {
  readonly running: readonly RunningJob[];
  readonly queued: readonly Waiting[];
}

export async function readLive(table: Table): Promise<Live> {
  const { settings } = await readBoard(table);
  const rows = await Promise.all(
    Object.keys(settings.types).map(async (type) => {
      const found: Waiting[] = [];
      for await (const { id, repo, submitted } of query(table, `QUEUE#${type}`))
        found.push({ id: Number(id), repo: Number(repo), submitted: Number(submitted) });
      return found;
    }),
  );
  // After the queues: a job that leaves one while they are read has its slot by then.
  const { slots } = await readBoard(table);
  const held = await readManyJobs(
    table,
    slots.map(({ job }) => job),
  );
  const running = held.filter((job) => job.status === 'running');
  const started = new Set(held.map(({ id }) => id));
  const queued = rows.flat().filter(({ id }) => !started.has(id));
  return { running, queued: queued.sort((a, b) => a.id - b.id) };
}

/** A job as listings need it to choose and to order. */
export interface Listed {
  readonly id: number;
  readonly status: string;
  readonly mtime: number;
  readonly finished?: number;
}

/**
 * All jobs of a repository, in ArchivesSpace's order: by status as a word, then by id. Ended ones come from the index,
 * where they do not change any more. What the index still takes to be under way, and is not, is read itself. (A job
 * that began and ended before the index heard of it is missed until it does, within a second or so.)
 */
export async function listJobs(table: Table, repo: number): Promise<{ jobs: readonly Listed[]; live: Live }> {
  const [live, indexed] = await Promise.all([readLive(table), readIndex(table, repo)]);
  const jobs = new Map<number, Listed>();
  for (const { id, submitted, ...job } of live.queued)
    if (job.repo === repo) jobs.set(id, { id, status: 'queued', mtime: submitted });
  for (const { id, status, mtime, ...job } of live.running) if (job.repo === repo) jobs.set(id, { id, status, mtime });
  const unsure: number[] = [];
  for (const job of indexed) {
    if (job.status !== 'queued' && job.status !== 'running') jobs.set(job.id, job);
    else if (!jobs.has(job.id)) unsure.push(job.id);
  }
  for (const job of await readManyJobs(table, unsure)) jobs.set(job.id, listed(job));
  return { jobs: [...jobs.values()].sort(byStatus), live };
}

const byStatus = (a: Listed, b: Listed) => (a.status < b.status ? -1 : a.status > b.status ? 1 : a.id - b.id);

const listed = (job: Job): Listed => ({
  id: job.id,
  status: job.status,
  mtime: job.mtime,
  ...(isEnded(job) && { finished: job.finished }),
});

async function readIndex(table: Table, repo: number): Promise<readonly Listed[]> {
  const found: Listed[] = [];
  for await (const item of query(table, partition(repo), { index: 'by-repo' })) {
    const [status = ''] = String(item['gsk']).split('#');
    const { id, mtime, finished } = fromItem<{ id: number; mtime: number; finished?: number }>(item);
    found.push({ id, status, mtime, ...(finished !== undefined && { finished }) });
  }
  return found;
}

/**
 * How many queued jobs of all types and repositories are older than this one (ArchivesSpace: `queue_position`, from 0),
 * by the small entries of the index, which may be a moment behind.
 */
export async function countQueuedBefore(table: Table, id: number): Promise<number> {
  let count = 0;
  let start: Record<string, AttributeValue> | undefined;
  do {
    const page = await table.client.send(
      new QueryCommand({
        TableName: table.name,
        IndexName: 'by-repo',
        KeyConditionExpression: 'gpk = :p AND gsk < :s',
        ExpressionAttributeValues: { ':p': { S: queuePartition }, ':s': { S: queuePlace(id).gsk } },
        Select: 'COUNT',
        ...(start && { ExclusiveStartKey: start }),
      }),
    );
    count += page.Count ?? 0;
    start = page.LastEvaluatedKey;
  } while (start);
  return count;
}
