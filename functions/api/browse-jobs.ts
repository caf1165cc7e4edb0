import { createHash } from 'node:crypto';
import { browse, type Filter, type Range, rangeOf } from '../../aws/browse.ts';
import type { Table } from '../../aws/dynamo.ts';
import { readRun } from '../../aws/reads.ts';
import { Refusal } from '../../core/errors.ts';
import type { JobStatus } from '../../core/job.ts';
import type { BrowseReply } from '../../schemas/extensions.ts';
import { briefOf } from './brief.ts';
import type { Checked } from './http.ts';

const defaultPageSize = 20;
const maxPageSize = 100;
const statuses = ['queued', 'running', 'completed', 'failed', 'canceled'] as const satisfies readonly JobStatus[];

interface Wanted {
  readonly filter: Filter;
  readonly size: number;
  /** Absent on the first page. */
  readonly rest?: Range;
}

/** GET /repositories/:repo_id/jobs/browse: a repository's jobs, newest first, by filter and cursor. */
export const browseJobs = (table: Table): Checked<Wanted> => ({
  check: async ({ query, repo }) => wantedOf(query, repo),
  async handle({ repo }, { filter, size, rest: left }) {
    const range = left ?? (await rangeOf(table, filter));
    const { jobs, rest } = await browse(table, repo, filter, range, size, left === undefined);
    const results = await Promise.all(
      jobs.map(async (job) => briefOf(job, job.status === 'running' ? await readRun(table, job) : undefined)),
    );
    return { json: { results, ...(rest && { next: cursorOf(repo, filter, rest) }) } satisfies BrowseReply };
  },
});

function wantedOf(query: URLSearchParams, repo: number): Wanted {
  const problems: Record<string, string[]> = {};
  const given = [...query.getAll('status'), ...query.getAll('status[]')].flatMap((value) => value.split(','));
  const chosen = given.filter(Boolean);
  for (const status of chosen)
    if (!statuses.some((known) => known === status))
      problems['status'] = [`Invalid value '${short(status)}'.  Must be one of: ${statuses.join(', ')}`];
  const size = query.get('page_size') ?? String(defaultPageSize);
  if (!/^\d{1,9}$/.test(size) || Number(size) < 1)
    problems['page_size'] = [`Wanted type Integer but got '${short(size)}'`];
  const times = { from: timeOf(query.get('from'), 0), to: timeOf(query.get('to'), 1) };
  for (const [name, time] of Object.entries(times))
    if (Number.isNaN(time))
      problems[name] = [`Wanted epoch seconds or an ISO time but got '${short(query.get(name) ?? '')}'`];
  const { from, to } = times;
  const [type, owner] = [query.get('type'), query.get('owner')];
  const filter: Filter = {
    statuses: chosen.length ? statuses.filter((status) => chosen.includes(status)) : statuses,
    ...(type && { type }),
    ...(owner && { owner }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  };
  const cursor = query.get('cursor');
  const rest = cursor ? readCursor(repo, filter, cursor) : undefined;
  if (cursor && !rest) problems['cursor'] = ['Not a cursor of this listing with these filters'];
  if (Object.keys(problems).length > 0) throw new Refusal({ code: 'bad_request', problems });
  return { filter, size: Math.min(maxPageSize, Number(size)), ...(rest && { rest }) };
}

const short = (text: string) => text.slice(0, 100);

/**
 * Milliseconds since 1970; undefined when nothing is given, NaN when it is no time.
 *
 * @param end 1: the last millisecond of the second, or of the day, that is named; 0: the first
 */
function timeOf(text: string | null, end: 0 | 1): number | undefined {
  if (text === null || text === '') return undefined;
  if (/^\d{1,11}$/.test(text)) return Number(text) * 1000 + end * 999;
  const [, time] = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d))?$/.exec(text) ?? [text, text];
  if (time === text) return Number.NaN;
  return Date.parse(text) + end * (time === undefined ? 86_399_999 : 999);
}

/**
 * Opaque to clients. It only says where to go on, within a listing that is checked anew for each request, so it gives
 * no access; the check part refuses what was altered, or made for another repository or other filters.
 */
const cursorOf = (repo: number, filter: Filter, rest: Range) => {
  const place = `${rest.before}-${rest.floor}`;
  return Buffer.from(`${place}-${check(repo, filter, place)}`).toString('base64url');
};

function readCursor(repo: number, filter: Filter, cursor: string): Range | undefined {
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const [, before, floor, checked] = /^(\d{1,12})-(\d{1,12})-([0-9a-f]{24})$/.exec(text) ?? [];
  if (checked === undefined || checked !== check(repo, filter, `${before}-${floor}`)) return undefined;
  return { before: Number(before), floor: Number(floor) };
}

const check = (repo: number, { statuses: some, type, owner, from, to }: Filter, place: string) =>
  createHash('sha256')
    .update(JSON.stringify(['jobs/browse', 1, repo, some, type, owner, from, to, place]))
    .digest('hex')
    .slice(0, 24);
