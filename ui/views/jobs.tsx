import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect, useRef } from 'react';
import { Link, useSearchParams } from 'wouter';
import type { BrowseReply, JobBrief } from '../../schemas/extensions.ts';
import { calls } from '../api/calls.ts';
import { useHere } from '../context.ts';
import { titleOf } from '../lib/labels.ts';
import type { LocalType } from '../lib/localize.ts';
import { lacksToCreate } from '../lib/may.ts';
import { backoffMs, listMs, restingMs } from '../lib/polling.ts';
import { parseTime, showDuration, zoneName } from '../lib/time.ts';
import { Busy, ProblemNote, ProgressBar, StatusBadge, Time, TypeTitle, useTitle } from '../parts.tsx';
import { useTypes } from '../queries.ts';
import { say } from '../words/say.ts';

const statuses = ['running', 'queued', 'completed', 'failed', 'canceled'] as const;
const ended = ['completed', 'failed', 'canceled'];
/** Of the queued: five requests at most. */
const mostQueuedPages = 5;

export function JobsView() {
  useTitle(say('jobs.title'));
  const { repo, user } = useHere();
  const [search, setSearch] = useSearchParams();
  const types = useTypes(repo);
  const wanted = search.get('status') ?? '';
  const filters = new URLSearchParams();
  for (const name of ['type', 'owner'] as const) {
    const value = search.get(name);
    if (value) filters.set(name, value);
  }
  for (const [name, clock] of [
    ['from', 'T00:00:00'],
    ['to', 'T23:59:59'],
  ] as const) {
    const day = search.get(name);
    const at = day ? Date.parse(day + clock) : Number.NaN;
    if (!Number.isNaN(at)) filters.set(name, String(Math.floor(at / 1000)));
  }
  const isFiltered = wanted !== '' || filters.size > 0;
  const running = useLive(repo, 'running', filters, wanted === '' || wanted === 'running');
  const queued = useLive(repo, 'queued', filters, wanted === '' || wanted === 'queued');
  const isMoving = Boolean(running.data?.results.length || queued.data?.results.length);
  const finished = useFinished(repo, ended.includes(wanted) ? wanted : ended.join(','), filters, {
    enabled: wanted === '' || ended.includes(wanted),
    isMoving,
  });
  useWhenLess(running.data, () => finished.refetch());

  const lists = [running, queued, finished].filter(({ isEnabled }) => isEnabled);
  const problem = lists.find(({ isError, data }) => isError && !data);
  const isReady = lists.every(({ data }) => data !== undefined);
  const past = finished.data?.pages.flatMap(({ results }) => results) ?? [];
  const isEmpty = isReady && !isMoving && past.length === 0 && !finished.hasNextPage;
  const mayCreate = lacksToCreate(user, repo).length === 0;
  const section = { types: types.data, repo };
  return (
    <>
      <div className="title-row">
        <h1>{say('jobs.title')}</h1>
        {mayCreate && (
          <Link className="button primary" href={`/repositories/${repo}/jobs/new`}>
            {say('create.title')}
          </Link>
        )}
      </div>
      <Filters types={types.data} search={search} onChange={setSearch} isFiltered={isFiltered} />
      {problem && (
        <ProblemNote
          error={problem.error}
          again={() => lists.filter(({ isError }) => isError).map(({ refetch }) => refetch())}
        />
      )}
      {!isReady && !problem && <Busy />}
      {isEmpty && (
        <div className="empty">
          <h2>{say(isFiltered ? 'jobs.none.match' : 'jobs.none')}</h2>
          {!isFiltered && <p>{say('jobs.none.help')}</p>}
        </div>
      )}
      {isReady && !isEmpty && (
        <>
          {running.isEnabled && (
            <Section {...section} title={say('jobs.running')} jobs={running.data?.results} none="jobs.none.running" />
          )}
          {queued.isEnabled && (
            <Section
              {...section}
              title={say('jobs.queued')}
              jobs={queued.data?.results.toReversed()}
              none="jobs.none.queued"
            >
              {queued.data?.next !== undefined && (
                <p>{say('jobs.moreQueued', { count: queued.data.results.length.toLocaleString() })}</p>
              )}
            </Section>
          )}
          {finished.isEnabled && (
            <Section {...section} title={say('jobs.finished')} jobs={past} none="jobs.none.finished">
              {finished.hasNextPage && (
                <button type="button" disabled={finished.isFetchingNextPage} onClick={() => finished.fetchNextPage()}>
                  {say(finished.isFetchingNextPage ? 'app.loading' : 'jobs.more')}
                </button>
              )}
            </Section>
          )}
          <p className="quiet">{say('jobs.zone', { zone: zoneName() })}</p>
        </>
      )}
    </>
  );
}

/** All jobs of a status that soon ends, newest first. */
function useLive(repo: number, status: 'running' | 'queued', filters: URLSearchParams, enabled: boolean) {
  return useQuery({
    queryKey: ['jobs', repo, status, String(filters)],
    enabled,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }): Promise<BrowseReply> => {
      const results: JobBrief[] = [];
      let next: string | undefined;
      for (let page = 0; page < mostQueuedPages; page++) {
        const query = new URLSearchParams({ ...Object.fromEntries(filters), status, page_size: '100' });
        if (next !== undefined) query.set('cursor', next);
        const reply = await calls.browse(repo, query, signal);
        results.push(...reply.results);
        next = reply.next;
        if (next === undefined) break;
      }
      return { results, ...(next !== undefined && { next }) };
    },
    refetchInterval: ({ state }) => backoffMs(state.fetchFailureCount, listMs),
  });
}

function useFinished(
  repo: number,
  status: string,
  filters: URLSearchParams,
  { enabled, isMoving }: { enabled: boolean; isMoving: boolean },
) {
  return useInfiniteQuery({
    queryKey: ['jobs', repo, 'finished', status, String(filters)],
    enabled,
    placeholderData: keepPreviousData,
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) => {
      const query = new URLSearchParams({ ...Object.fromEntries(filters), status, page_size: '25' });
      if (pageParam !== '') query.set('cursor', pageParam);
      return calls.browse(repo, query, signal);
    },
    getNextPageParam: ({ next }) => next,
    refetchInterval: ({ state }) =>
      // Whoever has opened many pages is reading old ones: those do not change.
      (state.data?.pages.length ?? 0) > 4 ? false : backoffMs(state.fetchFailureCount, isMoving ? 10_000 : restingMs),
  });
}

/** Calls when a job is not in the list any more that was. */
function useWhenLess(list: BrowseReply | undefined, call: () => unknown): void {
  const before = useRef<ReadonlySet<number>>(new Set());
  const latest = useRef(call);
  latest.current = call;
  useEffect(() => {
    if (!list) return;
    const now = new Set(list.results.map(({ id }) => id));
    if ([...before.current].some((id) => !now.has(id))) latest.current();
    before.current = now;
  }, [list]);
}

interface SectionProps {
  readonly title: string;
  readonly jobs: readonly JobBrief[] | undefined;
  readonly none: 'jobs.none.running' | 'jobs.none.queued' | 'jobs.none.finished';
  readonly types: readonly LocalType[] | undefined;
  readonly repo: number;
  readonly children?: ReactNode;
}

function Section({ title, jobs = [], none, types, repo, children }: SectionProps) {
  return (
    <section className="jobs" aria-label={title}>
      <h2>{title}</h2>
      {jobs.length === 0 ? (
        <p className="quiet">{say(none)}</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">{say('jobs.job')}</th>
              <th scope="col">{say('jobs.status')}</th>
              <th scope="col" className="wide">
                {say('jobs.owner')}
              </th>
              <th scope="col" className="wide">
                {say('jobs.submitted')}
              </th>
              <th scope="col">{say('jobs.duration')}</th>
            </tr>
          </thead>
          <tbody>
            {jobs.map((job) => (
              <Row key={job.id} job={job} types={types} repo={repo} />
            ))}
          </tbody>
        </table>
      )}
      {children}
    </section>
  );
}

function Row({ job, types, repo }: { job: JobBrief; types: readonly LocalType[] | undefined; repo: number }) {
  const { time_started: started, time_finished: finished, progress, failure } = job;
  const end = finished ? parseTime(finished) : Date.now();
  return (
    <tr>
      <td>
        <Link href={`/repositories/${repo}/jobs/${job.id}`}>
          <TypeTitle type={job.job_type} types={types} />
        </Link>
        <span className="quiet number">{say('jobs.number', { id: job.id })}</span>
      </td>
      <td>
        <StatusBadge job={job} />
        {progress && <ProgressBar progress={progress} />}
        {failure && <span className="reason">{failure.reason}</span>}
      </td>
      <td className="wide">{job.owner}</td>
      <td className="wide">
        <Time at={job.time_submitted} />
      </td>
      <td>{started ? showDuration(end - parseTime(started)) : '–'}</td>
    </tr>
  );
}

interface FiltersProps {
  readonly types: readonly LocalType[] | undefined;
  readonly search: URLSearchParams;
  readonly onChange: (search: URLSearchParams) => void;
  readonly isFiltered: boolean;
}

function Filters({ types = [], search, onChange, isFiltered }: FiltersProps) {
  return (
    <details className="filters" open={isFiltered || undefined}>
      <summary>{say('jobs.filters')}</summary>
      <form
        key={String(search)}
        onSubmit={(event) => {
          event.preventDefault();
          const given = [...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value).trim()]);
          onChange(new URLSearchParams(given.filter(([, value]) => value !== '')));
        }}
      >
        <label>
          {say('jobs.filter.status')}
          <select name="status" defaultValue={search.get('status') ?? ''}>
            <option value="">{say('jobs.filter.any')}</option>
            {statuses.map((status) => (
              <option key={status} value={status}>
                {say(`status.${status}`)}
              </option>
            ))}
          </select>
        </label>
        <label>
          {say('jobs.filter.type')}
          <select name="type" key={types.length} defaultValue={search.get('type') ?? ''}>
            <option value="">{say('jobs.filter.any')}</option>
            {types.map(({ type, langs }) => (
              <option key={type} value={type} lang={langs.title}>
                {titleOf(type, types)}
              </option>
            ))}
          </select>
        </label>
        <label>
          {say('jobs.filter.owner')}
          <input name="owner" autoCapitalize="none" spellCheck={false} defaultValue={search.get('owner') ?? ''} />
        </label>
        <label>
          {say('jobs.filter.from')}
          <input name="from" type="date" defaultValue={search.get('from') ?? ''} />
        </label>
        <label>
          {say('jobs.filter.to')}
          <input name="to" type="date" defaultValue={search.get('to') ?? ''} />
        </label>
        <div className="actions">
          <button type="submit">{say('jobs.filter.apply')}</button>
          {isFiltered && (
            <button type="button" className="plain" onClick={() => onChange(new URLSearchParams())}>
              {say('jobs.filter.clear')}
            </button>
          )}
        </div>
      </form>
    </details>
  );
}
