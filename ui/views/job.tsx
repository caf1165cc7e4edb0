import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query';
import { Fragment, useEffect, useId, useRef, useState } from 'react';
import { Link } from 'wouter';
import type { FileEntry, JobEvent, StatusReply } from '../../schemas/extensions.ts';
import { calls, recordsAtOnce } from '../api/calls.ts';
import { useHere } from '../context.ts';
import { type FormSchema, langOfValue, shownValue } from '../lib/form.ts';
import { hasEnded, idIn, isStopping, readable, statusText, titleOf } from '../lib/labels.ts';
import type { LocalType } from '../lib/localize.ts';
import { parseTime, showDuration, showPercent, showSize, zoneName } from '../lib/time.ts';
import { Busy, Message, ProblemNote, ProgressBar, StatusBadge, Time, TypeTitle, useTitle } from '../parts.tsx';
import { isGone, useStatus, useTypes } from '../queries.ts';
import { isKey, say, sayCount } from '../words/say.ts';
import { JobActions } from './job-actions.tsx';
import { LogView } from './log.tsx';
import { WhyItWaits } from './why-it-waits.tsx';

export function JobView({ id }: { id: number }) {
  const { repo } = useHere();
  const types = useTypes(repo);
  const status = useStatus(repo, id);
  if (isGone(status.error)) return <Gone wasThere={status.data !== undefined} />;
  if (status.data)
    return <Job job={status.data} types={types.data} problem={status.isError ? status.error : undefined} />;
  return status.isError ? <ProblemNote error={status.error} again={() => status.refetch()} /> : <Busy />;
}

function Gone({ wasThere }: { wasThere: boolean }) {
  const { repo } = useHere();
  const title = say(wasThere ? 'job.deleted' : 'job.gone');
  useTitle(title);
  return (
    <div role="alert">
      <Message title={title} text={say(wasThere ? 'job.deleted.help' : 'job.gone.help')}>
        <Link href={`/repositories/${repo}/jobs`}>{say('app.browse')}</Link>
      </Message>
    </div>
  );
}

function Job({ job, types, problem }: { job: StatusReply; types: readonly LocalType[] | undefined; problem: unknown }) {
  const { id, status, progress, failure } = job;
  const title = titleOf(job.job_type, types);
  useTitle(tabTitle(job, title));
  const announcement = useAnnouncement(job);
  return (
    <>
      <div className="title-row">
        <div>
          <h1>
            <TypeTitle type={job.job_type} types={types} /> <span className="quiet">{say('jobs.number', { id })}</span>
          </h1>
          <p className="standing">
            <StatusBadge job={job} />
            <Duration job={job} />
          </p>
        </div>
        <JobActions job={job} type={types?.find(({ type }) => type === job.job_type)} title={title} />
      </div>
      <p role="status" className="hidden-text">
        {announcement}
      </p>
      {problem !== undefined && <ProblemNote error={problem} />}
      {isStopping(job) && <p className="note">{say('cancel.stopping', { by: job.cancel_requested?.by ?? '' })}</p>}
      {status === 'running' && <ProgressBar progress={progress} />}
      {job.queue && <WhyItWaits queue={job.queue} types={types} />}
      {failure && (
        <div className="note bad">
          <h2>{say('failure.title')}</h2>
          <p className="pre">{failure.reason}</p>
          <p>
            <strong>{say('failure.todo')}: </strong>
            {say(todoKey(failure.kind))}
          </p>
        </div>
      )}
      <Basics job={job} title={title} type={types?.find(({ type }) => type === job.job_type)} />
      <Files job={job} />
      <LogView id={id} isQueued={status === 'queued'} />
      <Records job={job} />
      <Timeline job={job} />
    </>
  );
}

const todoKey = (kind: string) => {
  const key = `failure.${kind}.todo`;
  return isKey(key) ? key : 'failure.other.todo';
};

function tabTitle(job: StatusReply, title: string): string {
  const { id, status, progress } = job;
  if (status === 'running' && progress && progress.total > 0 && !isStopping(job))
    return say('job.tab.progress', { percent: showPercent(progress.done, progress.total), title, id });
  return say('job.tab.status', { status: statusText(job), title, id });
}

/** What changes is said once; how it stood when the page was opened is read anyway. */
function useAnnouncement(job: StatusReply): string {
  const text = statusText(job);
  const first = useRef(text);
  return text === first.current ? '' : say('job.announce', { status: text });
}

function Duration({ job }: { job: StatusReply }) {
  const { time_started: started, time_finished: finished } = job;
  const [now, setNow] = useState(Date.now);
  const isRunning = started !== undefined && finished === undefined;
  useEffect(() => {
    if (!isRunning) return;
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [isRunning]);
  if (started === undefined) return null;
  const took = showDuration((finished ? parseTime(finished) : now) - parseTime(started));
  return <span className="quiet">{`${say(finished ? 'job.took' : 'jobs.runningFor')} ${took}`}</span>;
}

function Basics({ job, title, type }: { job: StatusReply; title: string; type: LocalType | undefined }) {
  const { repo } = useHere();
  const { rerun_of: rerunOf } = job;
  const shown = useQuery({
    queryKey: ['job', repo, job.id, 'show'],
    queryFn: ({ signal }) => calls.show(repo, job.id, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const params = typeof shown.data?.job === 'object' ? shown.data.job : {};
  const entries = Object.entries(params).filter(([name]) => name !== 'jsonmodel_type');
  return (
    <>
      <section aria-labelledby="basic">
        <h2 id="basic">{say('job.basic')}</h2>
        <dl>
          <dt>{say('job.type')}</dt>
          <dd lang={type?.langs.title}>{title}</dd>
          <dt>{say('job.owner')}</dt>
          <dd>{job.owner}</dd>
          <dt>{say('job.submitted')}</dt>
          <dd>
            <Time at={job.time_submitted} />
          </dd>
          {job.time_started && (
            <>
              <dt>{say('job.started')}</dt>
              <dd>
                <Time at={job.time_started} />
              </dd>
            </>
          )}
          {job.time_finished && (
            <>
              <dt>{say('job.finished')}</dt>
              <dd>
                <Time at={job.time_finished} />
              </dd>
            </>
          )}
          {rerunOf && (
            <>
              <dt>{say('job.rerunOf')}</dt>
              <dd>
                <Link href={rerunOf}>{say('job.link', { id: idIn(rerunOf) })}</Link>
              </dd>
            </>
          )}
        </dl>
        <p className="quiet">{say('jobs.zone', { zone: zoneName() })}</p>
      </section>
      <section aria-labelledby="parameters">
        <h2 id="parameters">{say('job.parameters')}</h2>
        {shown.isError ? (
          <ProblemNote error={shown.error} again={() => shown.refetch()} />
        ) : !shown.data ? (
          <Busy />
        ) : entries.length === 0 ? (
          <p className="quiet">{say('job.noParameters')}</p>
        ) : (
          <dl>
            {entries.map(([name, value]) => {
              const property = propertyOf(type, name);
              return (
                <Fragment key={name}>
                  <dt lang={property?.['x-page']?.langs.title}>{property?.title ?? readable(name)}</dt>
                  <dd className="pre" lang={langOfValue(property, value)}>
                    <Value value={shownValue(property, value)} />
                  </dd>
                </Fragment>
              );
            })}
          </dl>
        )}
      </section>
    </>
  );
}

function propertyOf(type: LocalType | undefined, name: string): FormSchema | undefined {
  const { properties = {} } = type?.schema ?? {};
  return Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** A parameter's value; URIs of records lead to them. */
function Value({ value }: { value: unknown }) {
  const { staffUrl } = useHere();
  if (Array.isArray(value) && value.every((entry) => typeof entry !== 'object'))
    return (
      <ul className="values">
        {value.map((entry, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a list that does not change.
          <li key={index}>{String(entry)}</li>
        ))}
      </ul>
    );
  if (typeof value === 'object') return JSON.stringify(value, null, 2);
  const text = String(value);
  return staffUrl && /^\/(repositories\/\d+\/)?[a-z_]+(\/[a-z_]+)?\/\d+$/.test(text) ? (
    <RecordLink uri={text} title={text} staffUrl={staffUrl} />
  ) : (
    text
  );
}

function RecordLink({ uri, title, staffUrl }: { uri: string; title: string; staffUrl: string | undefined }) {
  if (!staffUrl) return <>{title}</>;
  return (
    <a href={`${staffUrl}/resolve/readonly?uri=${encodeURIComponent(uri)}`} target="_blank" rel="noreferrer">
      {title}
      <span className="hidden-text">{` (${say('app.opensNewTab')})`}</span>
    </a>
  );
}

function Files({ job }: { job: StatusReply }) {
  const { repo } = useHere();
  const files = useQuery({
    queryKey: ['job', repo, job.id, 'about', 'files'],
    queryFn: ({ signal }) => calls.files(repo, job.id, signal),
  });
  const all = files.data?.files ?? [];
  return (
    <section aria-labelledby="files">
      <h2 id="files">{say('job.files')}</h2>
      {files.isError ? (
        <ProblemNote error={files.error} again={() => files.refetch()} />
      ) : !files.data ? (
        <Busy />
      ) : (
        <>
          {(['input', 'output'] as const).map((kind) => (
            <FileList key={kind} kind={kind} files={all.filter((file) => file.kind === kind)} job={job.id} />
          ))}
          {all.length === 0 && hasEnded(job.status) && <p className="quiet">{say('job.files.none')}</p>}
          {!hasEnded(job.status) && <p className="quiet">{say('job.files.later')}</p>}
        </>
      )}
    </section>
  );
}

function FileList({ kind, files, job }: { kind: FileEntry['kind']; files: readonly FileEntry[]; job: number }) {
  const { repo } = useHere();
  const heading = useId();
  const download = useMutation({
    mutationFn: (file: number) => calls.fileLink(repo, job, file),
    onSuccess: ({ link }) => location.assign(link),
  });
  if (files.length === 0) return null;
  return (
    <>
      <h3 id={heading}>{say(`job.files.${kind}`)}</h3>
      <ul className="files" aria-labelledby={heading}>
        {files.map(({ id, name, size }) => (
          <li key={id}>
            <button
              type="button"
              className="link"
              aria-label={say('job.files.download', { name, size: showSize(size) })}
              onClick={() => download.mutate(id)}
            >
              {name}
            </button>
            <span className="quiet">{showSize(size)}</span>
          </li>
        ))}
      </ul>
      {download.isError && <ProblemNote error={download.error} />}
    </>
  );
}

function Records({ job }: { job: StatusReply }) {
  const { repo, staffUrl } = useHere();
  const isOver = hasEnded(job.status);
  const records = useInfiniteQuery({
    queryKey: ['job', repo, job.id, 'about', 'records'],
    enabled: isOver,
    initialPageParam: 1,
    queryFn: async ({ pageParam, signal }) => {
      const total = await calls.recordCount(repo, job.id, signal);
      return { total, results: total === 0 ? [] : await calls.records(repo, job.id, pageParam, signal) };
    },
    getNextPageParam: ({ total }, _, first) => (first + recordsAtOnce <= total ? first + recordsAtOnce : undefined),
  });
  const pages = records.data?.pages ?? [];
  const total = pages[0]?.total ?? 0;
  return (
    <section aria-labelledby="records">
      <h2 id="records">{say('job.records')}</h2>
      {!isOver ? (
        <p className="quiet">{say('job.records.later')}</p>
      ) : records.isError ? (
        <ProblemNote error={records.error} again={() => records.refetch()} />
      ) : !records.data ? (
        <Busy />
      ) : total === 0 ? (
        <p className="quiet">{say('job.records.none')}</p>
      ) : (
        <>
          <p className="quiet">{sayCount('job.records.count', total)}</p>
          <ul className="records">
            {pages
              .flatMap(({ results }) => results)
              .map(({ record: { ref, _resolved } }) => (
                <li key={ref}>
                  <RecordLink
                    uri={ref}
                    title={_resolved?.display_string ?? _resolved?.title ?? ref}
                    staffUrl={staffUrl}
                  />
                </li>
              ))}
          </ul>
          {records.hasNextPage && (
            <button type="button" disabled={records.isFetchingNextPage} onClick={() => records.fetchNextPage()}>
              {say(records.isFetchingNextPage ? 'app.loading' : 'job.records.more')}
            </button>
          )}
        </>
      )}
    </section>
  );
}

function Timeline({ job }: { job: StatusReply }) {
  const { repo } = useHere();
  const events = useQuery({
    queryKey: ['job', repo, job.id, 'about', 'events'],
    queryFn: ({ signal }) => calls.events(repo, job.id, signal),
  });
  return (
    <section aria-labelledby="timeline">
      <h2 id="timeline">{say('job.events')}</h2>
      {events.isError ? (
        <ProblemNote error={events.error} again={() => events.refetch()} />
      ) : !events.data ? (
        <Busy />
      ) : (
        <ol className="timeline">
          {events.data.events.map((event) => (
            <li key={`${event.time} ${event.event}`}>
              <Time at={event.time} /> {eventText(event)}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function eventText(event: JobEvent): string {
  switch (event.event) {
    case 'created':
      return event.rerun_of
        ? say('job.event.createdFrom', { by: event.by, id: idIn(event.rerun_of) })
        : say('job.event.created', { by: event.by });
    case 'finished':
      return say(`job.event.${event.status}`);
    case 'started':
      return say('job.event.started');
    default:
      return say(`job.event.${event.event}`, { by: event.by });
  }
}
