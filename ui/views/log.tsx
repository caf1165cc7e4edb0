import { useVirtualizer } from '@tanstack/react-virtual';
import { useCallback, useDeferredValue, useEffect, useMemo, useRef, useState } from 'react';
import { logHeaders } from '../../schemas/extensions.ts';
import { ask } from '../api/http.ts';
import { useHere } from '../context.ts';
import { cutAt, LogText, linesWith } from '../lib/log-text.ts';
import { backoffMs, movingMs } from '../lib/polling.ts';
import { mayPass, problemIn, sentence } from '../lib/problem.ts';
import { Busy } from '../parts.tsx';
import { say, sayCount } from '../words/say.ts';

interface LogState {
  readonly log: LogText;
  readonly isComplete: boolean;
  readonly problem: string | undefined;
}

/** Reads a log to its end, and on while it grows; not while the page is hidden. */
function useLog(repo: number, id: number): LogState {
  const [log] = useState(() => new LogText());
  const [state, setState] = useState({ version: 0, isComplete: false, problem: undefined as string | undefined });
  useEffect(() => {
    const stop = new AbortController();
    void read();
    return () => stop.abort();

    async function read(): Promise<void> {
      for (let failures = 0; !stop.signal.aborted; ) {
        try {
          const at = log.offset;
          const response = await ask(`/repositories/${repo}/jobs/${id}/log?offset=${at}`, { signal: stop.signal });
          const bytes = new Uint8Array(await response.arrayBuffer());
          if (stop.signal.aborted) return;
          log.push(bytes, at);
          failures = 0;
          const end = Number(response.headers.get(logHeaders.end));
          const isComplete = response.headers.get(logHeaders.complete) === 'true' && log.offset >= end;
          if (isComplete) log.finish();
          setState({ version: log.version, isComplete, problem: undefined });
          if (isComplete) return;
          if (log.offset < end) continue;
        } catch (error) {
          if (stop.signal.aborted) return;
          failures++;
          const problem = problemIn(error);
          setState((before) => ({ ...before, problem: sentence(problem) }));
          if (!mayPass(problem) && problem.kind !== 'signed_out') return;
        }
        await pause(backoffMs(failures, movingMs), stop.signal);
      }
    }
  }, [repo, id, log]);
  return { log, isComplete: state.isComplete, problem: state.problem };
}

/** Waits, and on while the page is hidden. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      if (document.hidden && !signal.aborted) return;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', done);
      resolve();
    };
    const timer = setTimeout(() => {
      document.addEventListener('visibilitychange', done);
      done();
    }, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}

const lineHeight = 20;

export function LogView({ id, isQueued }: { id: number; isQueued: boolean }) {
  return (
    <div className="log">
      <h2>{say('log.title')}</h2>
      {isQueued ? <p className="quiet">{say('log.later')}</p> : <LogLines id={id} />}
    </div>
  );
}

function LogLines({ id }: { id: number }) {
  const { repo } = useHere();
  const { log, isComplete, problem } = useLog(repo, id);
  const [isFollowing, setFollowing] = useState(true);
  const [isWrapped, setWrapped] = useState(true);
  const [search, setSearch] = useState('');
  const [at, setAt] = useState(0);
  const wanted = useDeferredValue(search.trim());
  const { lines, version } = log;
  // biome-ignore lint/correctness/useExhaustiveDependencies: lines is the same list, which grows; version tells.
  const matches = useMemo(() => linesWith(lines, wanted), [lines, version, wanted]);
  const current = matches[Math.min(at, matches.length - 1)];

  const box = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => lineHeight,
    overscan: 30,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: heights are others when lines are wrapped or not.
  useEffect(() => rows.measure(), [isWrapped]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: with each change of the log.
  useEffect(() => {
    if (isFollowing && lines.length > 0) rows.scrollToIndex(lines.length - 1, { align: 'end' });
  }, [version, isFollowing]);
  const go = (step: number) => {
    if (matches.length === 0) return;
    const next = (Math.min(at, matches.length - 1) + step + matches.length) % matches.length;
    setFollowing(false);
    setAt(next);
    rows.scrollToIndex(matches[next] ?? 0, { align: 'center' });
  };
  const download = useCallback(() => {
    // From memory when all is there: what is shown is what is kept.
    const url = URL.createObjectURL(new Blob([lines.join('\n'), '\n'], { type: 'text/plain' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = `job_${id}_log.txt`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }, [lines, id]);

  return (
    <>
      <div className="log-tools">
        <label className="check">
          <input type="checkbox" checked={isFollowing} onChange={({ target }) => setFollowing(target.checked)} />
          {say('log.follow')}
        </label>
        <label className="check">
          <input type="checkbox" checked={isWrapped} onChange={({ target }) => setWrapped(target.checked)} />
          {say('log.wrap')}
        </label>
        <search>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              go(current === undefined ? 0 : 1);
            }}
          >
            <label>
              <span className="hidden-text">{say('log.search')}</span>
              <input
                type="search"
                placeholder={say('log.search')}
                value={search}
                onChange={({ target }) => {
                  setSearch(target.value);
                  setAt(0);
                }}
              />
            </label>
            {search.trim() !== '' && (
              <>
                <button type="button" aria-label={say('log.previous')} onClick={() => go(-1)}>
                  ↑
                </button>
                <button type="submit" aria-label={say('log.next')}>
                  ↓
                </button>
              </>
            )}
            <span role="status">
              {search.trim() === ''
                ? ''
                : matches.length === 0
                  ? say('log.matches_none')
                  : say('log.matches', { at: Math.min(at, matches.length - 1) + 1, count: matches.length })}
            </span>
          </form>
        </search>
        <button type="button" onClick={download} disabled={lines.length === 0}>
          {say('log.download')}
        </button>
      </div>
      {problem && (
        <p className="note bad" role="alert">
          {say('log.stalled', { reason: problem })}
        </p>
      )}
      {lines.length === 0 ? (
        isComplete ? (
          <p className="quiet">{say('log.empty')}</p>
        ) : (
          <Busy />
        )
      ) : (
        <>
          <section
            className="log-box"
            ref={box}
            // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
            tabIndex={0}
            aria-label={say('log.title')}
            onWheel={({ deltaY }) => deltaY < 0 && setFollowing(false)}
            onKeyDown={({ key }) => ['ArrowUp', 'PageUp', 'Home'].includes(key) && setFollowing(false)}
          >
            <div className={isWrapped ? 'log-lines wrapped' : 'log-lines'} style={{ height: rows.getTotalSize() }}>
              {rows.getVirtualItems().map(({ index, start, key }) => (
                <div
                  key={key}
                  data-index={index}
                  ref={rows.measureElement}
                  className={index === current && wanted !== '' ? 'line current' : 'line'}
                  style={{ transform: `translateY(${start}px)` }}
                >
                  <Line text={lines[index] ?? ''} wanted={wanted} />
                </div>
              ))}
            </div>
          </section>
          <p className="quiet">{sayCount('log.lines', lines.length)}</p>
        </>
      )}
    </>
  );
}

function Line({ text, wanted }: { text: string; wanted: string }) {
  if (wanted === '') return text || '\u00a0';
  const parts = cutAt(text, wanted);
  // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one text have nothing but their place.
  return parts.map((part, index) => (index % 2 === 1 ? <mark key={index}>{part}</mark> : part));
}
