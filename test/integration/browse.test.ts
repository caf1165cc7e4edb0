import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commit, type Table } from '../../aws/dynamo.ts';
import { nextId } from '../../aws/reads.ts';
import { fromItem, type JobStatus, type QueueRow } from '../../core/job.ts';
import { claim, create, firstSettings, keys } from '../../core/table.ts';
import { browseJobs } from '../../functions/api/browse-jobs.ts';
import type { Request } from '../../functions/api/http.ts';
import { jobStatus } from '../../functions/api/job-status.ts';
import { showQueue } from '../../functions/api/show-queue.ts';
import { startDynamoDb } from '../../local/dynamodb/server.ts';
import type { BrowseReply, JobBrief, QueueReply, StatusReply } from '../../schemas/extensions.ts';
import { meter, type Seeded, seed } from '../helpers/metered.ts';
import { concurrent, createTable, newJob, setTypes } from '../unit/service-helpers.ts';

// Handlers over the emulated table, which says what each request consumes; no gateway and no session in between.

const many = 5_000;
const began = Date.UTC(2026, 0, 1);
const minute = 60_000;
const ended: readonly JobStatus[] = ['completed', 'completed', 'completed', 'failed', 'canceled'];
const owners = ['archivist', 'manager', 'rare-owner'];
const queuedTypes = ['free_job', 'other_job'];

/** One job a minute: two of three in repository 2; the last 1,500 are queued, and carry as much as a row may. */
const jobs: readonly Seeded[] = Array.from({ length: many }, (_, i) => {
  const isQueued = i >= many - 1_500;
  return {
    id: i + 1,
    repo: i % 3 === 0 ? 3 : 2,
    type: isQueued ? (queuedTypes[i % 2] ?? '') : i % 50 === 0 ? 'rare_job' : 'free_job',
    owner: i % 500 === 1 ? 'rare-owner' : (owners[i % 2] ?? ''),
    status: isQueued ? 'queued' : (ended[i % 5] ?? 'completed'),
    now: began + i * minute,
    params: JSON.stringify({ text: 'x'.repeat(480) }),
  } as const;
});
const here = jobs.filter(({ repo }) => repo === 2).toReversed();

let table: Table;
let units: ReturnType<typeof meter>;
let few: Table;
let fewUnits: ReturnType<typeof meter>;
const closers: (() => Promise<void> | void)[] = [];

async function open(some: readonly Seeded[]): Promise<Table> {
  const server = await startDynamoDb();
  const client = new DynamoDBClient({
    endpoint: server.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  closers.push(
    () => server.close(),
    () => client.destroy(),
  );
  await createTable(client, 'jobs');
  const opened = { client, name: 'jobs' };
  await commit(opened, firstSettings(2));
  await setTypes(opened, { free_job: concurrent, other_job: concurrent, rare_job: concurrent });
  await seed(opened, some);
  return opened;
}

beforeAll(async () => {
  [table, few] = [await open(jobs), await open(jobs.slice(-100))];
  [units, fewUnits] = [meter(table), meter(few)];
});
afterAll(async () => {
  for (const close of closers.toReversed()) await close();
});

const request = (query: string, more: Partial<Request> = {}): Request => ({
  path: {},
  query: new URLSearchParams(query),
  body: Buffer.alloc(0),
  contentType: '',
  headers: {},
  user: { username: 'archivist', permissions: { '/repositories/2': ['view_repository'] } },
  session: undefined,
  address: '127.0.0.1',
  repo: 2,
  id: Number.NaN,
  correlation: 'c',
  need: () => {},
  ...more,
});

async function browse(query: string, from = table, repo = 2): Promise<BrowseReply> {
  const { check, handle } = browseJobs(from);
  const asked = request(query, { repo });
  const reply = await handle(asked, await check(asked));
  return (reply as { json: BrowseReply }).json;
}

/** All pages, one after another; also what the dearest one consumed. */
async function all(query: string): Promise<{ found: JobBrief[]; pages: number; dearest: number }> {
  const found: JobBrief[] = [];
  let next: string | undefined;
  let dearest = 0;
  let pages = 0;
  do {
    let page: BrowseReply = { results: [] };
    const cursor: string = next === undefined ? '' : `&cursor=${next}`;
    dearest = Math.max(
      dearest,
      await units.of(async () => {
        page = await browse(`${query}${cursor}`);
      }),
    );
    found.push(...page.results);
    next = page.next;
    pages++;
  } while (next !== undefined);
  return { found, pages, dearest };
}

const ids = (some: readonly { readonly id: number }[]) => some.map(({ id }) => id);

describe('the cursor listing', () => {
  test('gives each job of the repository once, newest first', async () => {
    const { found, pages } = await all('page_size=100');

    expect(ids(found)).toEqual(ids(here));
    expect(pages).toBe(Math.ceil(here.length / 100));
  });

  test.each<[string, string, (job: Seeded) => boolean]>([
    ['one status', 'status=failed', ({ status }) => status === 'failed'],
    ['two statuses', 'status=failed,canceled', ({ status }) => status === 'failed' || status === 'canceled'],
    [
      'two statuses, repeated',
      'status[]=queued&status[]=canceled',
      ({ status }) => status === 'queued' || status === 'canceled',
    ],
    ['a type that few jobs have', 'type=rare_job', ({ type }) => type === 'rare_job'],
    ['an owner of few jobs', 'owner=rare-owner', ({ owner }) => owner === 'rare-owner'],
    [
      'all of them',
      'status=completed&type=rare_job&owner=archivist',
      (job) => job.status === 'completed' && job.type === 'rare_job' && job.owner === 'archivist',
    ],
    ['a type nobody has', 'type=unheard_of_job', () => false],
    ['a time since', `from=${(began + 4_000 * minute) / 1000}`, ({ now }) => now >= began + 4_000 * minute],
    ['a time until', `to=${(began + 100 * minute) / 1000}`, ({ now }) => now <= began + 100 * minute],
    ['a day', 'from=2026-01-02&to=2026-01-02', ({ now }) => now >= Date.UTC(2026, 0, 2) && now < Date.UTC(2026, 0, 3)],
    [
      'a time in between',
      'from=2026-01-02T10:00:00Z&to=2026-01-02T12:30:00%2B02:00',
      ({ now }) => now >= Date.UTC(2026, 0, 2, 10) && now <= Date.UTC(2026, 0, 2, 10, 30),
    ],
    ['a time before the first job', 'to=2025-12-31', () => false],
    ['a time to come', 'from=2030-01-01', () => false],
  ])('filters by %s', async (_, query, fits) => {
    const { found } = await all(`page_size=100&${query}`);

    expect(ids(found)).toEqual(ids(here.filter(fits)));
  });

  test('a time is found without reading what is newer', async () => {
    const { found, pages } = await all(`page_size=20&to=${(began + 20 * minute) / 1000}`);

    expect([found.length > 0, pages]).toEqual([true, 1]);
  });

  test('the first and the last page of 5,000 jobs cost what those of 100 do, and no more than 30 units', async () => {
    const last = `&cursor=${Buffer.from(await lastCursor()).toString()}`;
    const cost = async (query: string) => units.of(() => browse(query));

    const costs = {
      first: await cost('page_size=20'),
      last: await cost(`page_size=20${last}`),
      firstOfFew: await fewUnits.of(() => browse('page_size=20', few)),
    };

    expect(costs.first).toBeLessThanOrEqual(30);
    expect(costs.last).toBeLessThanOrEqual(30);
    expect(Math.abs(costs.first - costs.firstOfFew)).toBeLessThanOrEqual(3);
  });

  test('a page of a filter that passes over nearly all costs no more than 60 units', async () => {
    const { dearest, pages } = await all('page_size=20&owner=rare-owner');

    expect(dearest).toBeLessThanOrEqual(60);
    expect(pages).toBeLessThanOrEqual(15);
  });

  test('a job that was created, or started, a moment ago is there though the index does not know it yet', async () => {
    // What the index would know later is taken away.
    const unknown = (id: number) => commit(few, { op: 'update', key: keys.job(id), set: { gsk: undefined }, when: [] });
    const created = await nextId(few);
    await commit(few, create(newJob(created, 'free_job', { now: began + many * minute })));
    await unknown(created);
    const started = many - 20;
    const row = fromItem<QueueRow>({ ...jobs[started - 1], attempt: 1, inputs: 0 });
    await commit(few, claim({ row, slot: 0, token: 't', type: concurrent, now: began }));
    await unknown(started);

    const page = await browse('page_size=5', few);
    const running = await browse('status=running', few);

    expect(page.results[0]).toMatchObject({ id: created, status: 'queued' });
    expect(running.results).toMatchObject([{ id: started, status: 'running' }]);
  });

  test.each([
    ['a cursor that was altered', async () => `cursor=${flip(await aCursor())}`, 'cursor'],
    ['a cursor of other filters', async () => `status=failed&cursor=${await aCursor()}`, 'cursor'],
    ['no cursor at all', async () => 'cursor=%00../..', 'cursor'],
    ['an unknown status', async () => 'status=finished', 'status'],
    ['a page size of none', async () => 'page_size=0', 'page_size'],
    ['a page size in words', async () => 'page_size=ten', 'page_size'],
    ['no time', async () => 'from=yesterday', 'from'],
    ['no day', async () => 'to=2026-13-45', 'to'],
  ])('%s is refused, by name of the parameter', async (_, query, parameter) => {
    await expect(browse(await query())).rejects.toMatchObject({
      error: { code: 'bad_request', problems: { [parameter]: [expect.any(String)] } },
    });
  });

  test('a cursor of another repository is refused', async () => {
    await expect(browse(`cursor=${await aCursor()}`, table, 3)).rejects.toMatchObject({
      error: { code: 'bad_request', problems: { cursor: [expect.any(String)] } },
    });
  });
});

const aCursor = async () => (await browse('page_size=20')).next ?? '';
const flip = (cursor: string) => {
  const text = Buffer.from(cursor, 'base64url').toString();
  return Buffer.from(text.replace(/^\d/, (digit) => String((Number(digit) + 1) % 10))).toString('base64url');
};

async function lastCursor(): Promise<string> {
  let next: string | undefined;
  for (;;) {
    const page = await browse(`page_size=100${next === undefined ? '' : `&cursor=${next}`}`);
    if (page.next === undefined) return next ?? '';
    next = page.next;
  }
}

describe('the status of a job', () => {
  async function statusOf(id: number, from = table, repo = (id - 1) % 3 === 0 ? 3 : 2): Promise<StatusReply> {
    const reply = await jobStatus(from)(request('', { id, repo }));
    return (reply as { json: StatusReply }).json;
  }

  test.each([
    ['the first in the queue', many - 1_499, { position: 0, more: false }],
    ['the hundredth', many - 1_400, { position: 99, more: false }],
    ['the thousandth', many - 500, { position: 999, more: false }],
    ['the one after it', many - 499, { position: 1_000, more: false }],
    ['the one after that', many - 498, { position: 1_000, more: true }],
    ['the last', many, { position: 1_000, more: true }],
  ])('%s says how many are before it, exactly up to 1,000', async (_, id, place) => {
    expect(await statusOf(id)).toMatchObject({ status: 'queued', queue: place });
  });

  test('costs no more than 25 units wherever in the queue it stands, and 2 when it has ended', async () => {
    expect(await units.of(() => statusOf(many))).toBeLessThanOrEqual(25);
    expect(await units.of(() => statusOf(many - 1_499))).toBeLessThanOrEqual(4);
    expect(await units.of(() => statusOf(5))).toBeLessThanOrEqual(2);
  });

  test('costs the same among 100 jobs, for one that has ended', async () => {
    const one = many - 3;
    await commit(few, { op: 'update', key: keys.job(one), set: { status: 'canceled', finished: began }, when: [] });

    expect(await fewUnits.of(() => statusOf(one, few))).toBe(await units.of(() => statusOf(5)));
  });
});

test('the queue as a whole is counted up to 1,000, by type, for no more than 25 units', async () => {
  let queue: QueueReply | undefined;
  const consumed = await units.of(async () => {
    queue = ((await showQueue(table)(request('type=free_job'))) as { json: QueueReply }).json;
  });

  expect(queue).toMatchObject({
    queued: 1_000,
    more: true,
    by_type: { free_job: 500, other_job: 500 },
    slots: { limit: 2, free: 2, paused: false },
    running: [],
    waiting_for: [{ reason: 'older_jobs_first' }],
  });
  expect(consumed).toBeLessThanOrEqual(25);
});
