import { type AttributeValue, QueryCommand } from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import type { Job, JobStatus } from '../core/job.ts';
import { keys, numberOf, partition, sortKey } from '../core/table.ts';
import { read, type Table } from './dynamo.ts';
import { readManyJobs } from './lists.ts';
import { lastId, readBoard } from './reads.ts';

export interface Filter {
  readonly statuses: readonly JobStatus[];
  readonly type?: string;
  readonly owner?: string;
  /** When it was submitted, in milliseconds since 1970, both included. */
  readonly from?: number;
  readonly to?: number;
}

/** Which jobs are still to be looked at: ids from `floor` to below `before`. Ids grow with time. */
export interface Range {
  readonly floor: number;
  readonly before: number;
}

/** Filtered by more than status, so many index entries of each status are looked at for one page. */
const lookedAt = 250;
/** The index may not have the newest jobs yet: so many are read themselves. */
const newest = 10;
/** Clocks of functions differ, and a create under way has its id before it has its time. */
const slackMs = 60_000;
/** Ids beside a deleted job that are tried in its place when searching by time. */
const neighbours = 3;
const beyondAll = 10 ** 12 - 1;

/** Where a search begins: times become ids by bisection, about 20 reads for a million jobs. */
export async function rangeOf(table: Table, { from, to }: Filter): Promise<Range> {
  if (from === undefined && to === undefined) return { floor: 1, before: beyondAll };
  const last = await lastId(table);
  const [floor, before] = await Promise.all([
    from === undefined ? 1 : firstAfter(table, from - slackMs, last, 'later'),
    // Beyond the last one: what is created just now may be within the time as well.
    to === undefined ? beyondAll : firstAfter(table, to + slackMs, last, 'earlier'),
  ]);
  return { floor, before: before > last ? beyondAll : before };
}

/**
 * The smallest id of which all from there on were submitted after a time.
 *
 * @param unknown what a job that is gone counts as, so that the answer errs to the side where nothing is passed over
 */
async function firstAfter(table: Table, ms: number, last: number, unknown: 'earlier' | 'later'): Promise<number> {
  let low = 1;
  let high = last + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const submitted = await submittedNear(table, middle, high);
    if (submitted === undefined ? unknown === 'later' : submitted > ms) high = middle;
    else low = middle + 1;
  }
  return low;
}

async function submittedNear(table: Table, id: number, below: number): Promise<number | undefined> {
  for (let near = id; near < Math.min(below, id + neighbours); near++) {
    const job = await read(table, keys.job(near), true);
    if (job) return Number(job['submitted']);
  }
  return undefined;
}

/**
 * One page of a repository's jobs, newest first, and what is left to look at. Reads a bounded number of items: index
 * entries of each status, then the jobs of the page, and the board, since the index may be a moment behind: what is
 * said of a job is from its own item. A page may be short when much of what was looked at does not fit the filter.
 */
export async function browse(
  table: Table,
  repo: number,
  filter: Filter,
  range: Range,
  size: number,
  isFirst: boolean,
): Promise<{ readonly jobs: readonly Job[]; readonly rest?: Range }> {
  const isNarrow = filter.type !== undefined || filter.owner !== undefined;
  const [live, ...streams] = await Promise.all([
    liveIds(table, isFirst),
    ...filter.statuses.map((status) => look(table, repo, status, filter, range, isNarrow ? lookedAt : size + 1)),
  ]);
  // Below this, a stream that was not read to its end may have more.
  const horizon = Math.max(range.floor, ...streams.map(({ stoppedAt }) => stoppedAt ?? 0));
  const ids = [...new Set([...live, ...streams.flatMap((stream) => stream.ids)])]
    .filter((id) => id >= horizon && id < range.before)
    .sort((a, b) => b - a);
  const page = ids.slice(0, size);
  const jobs = (await readManyJobs(table, page)).filter((job) => job.repo === repo && fits(job, filter));
  const seenTo = ids.length > size ? (page.at(-1) ?? horizon) : horizon;
  return { jobs, ...(seenTo > range.floor && { rest: { floor: range.floor, before: seenTo } }) };
}

const fits = (job: Job, { statuses, type, owner, from, to }: Filter) =>
  statuses.includes(job.status) &&
  (type === undefined || job.type === type) &&
  (owner === undefined || job.owner === owner) &&
  (from === undefined || job.submitted >= from) &&
  (to === undefined || job.submitted <= to);

/** What the index may not have yet, or may have under a status that is over. */
async function liveIds(table: Table, isFirst: boolean): Promise<readonly number[]> {
  const [{ slots }, last] = await Promise.all([readBoard(table), isFirst ? lastId(table) : 0]);
  return [...slots.map(({ job }) => job), ...Array.from({ length: Math.min(newest, last) }, (_, n) => last - n)];
}

/** The newest jobs of one status in the range, as the index has them. */
async function look(
  table: Table,
  repo: number,
  status: JobStatus,
  { type, owner, from, to }: Filter,
  { floor, before }: Range,
  limit: number,
): Promise<{ readonly ids: readonly number[]; readonly stoppedAt?: number }> {
  if (before <= floor) return { ids: [] };
  const conditions = Object.entries({ type, owner }).filter(([, value]) => value !== undefined);
  const times = from !== undefined || to !== undefined ? ['submitted BETWEEN :from AND :to'] : [];
  const filters = [...conditions.map(([name]) => `#${name} = :${name}`), ...times];
  const { Items: items = [], LastEvaluatedKey: last } = await table.client.send(
    new QueryCommand({
      TableName: table.name,
      IndexName: 'by-repo',
      KeyConditionExpression: 'gpk = :p AND gsk BETWEEN :floor AND :before',
      ...(filters.length > 0 && { FilterExpression: filters.join(' AND ') }),
      ProjectionExpression: '#id',
      ExpressionAttributeNames: { '#id': 'id', ...Object.fromEntries(conditions.map(([name]) => [`#${name}`, name])) },
      ExpressionAttributeValues: marshall(
        {
          ':p': partition(repo),
          ':floor': sortKey(status, floor),
          ':before': sortKey(status, before - 1),
          ...Object.fromEntries(conditions.map(([name, value]) => [`:${name}`, value])),
          ...(times.length > 0 && { ':from': from ?? 0, ':to': to ?? Number.MAX_SAFE_INTEGER }),
        },
        { removeUndefinedValues: true },
      ),
      ScanIndexForward: false,
      Limit: limit,
    }),
  );
  const ids = items.map(({ id }) => Number(id?.N));
  return { ids, ...(last && { stoppedAt: idIn(last) }) };
}

const idIn = (key: Readonly<Record<string, AttributeValue>>) => numberOf(key['gsk']?.S ?? '');
