import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { JobBrief } from '../schemas/extensions.ts';
import { isStopping, statusText, titleOf } from './lib/labels.ts';
import type { LocalType } from './lib/localize.ts';
import { problemIn, sentence } from './lib/problem.ts';
import { parseTime, showPercent, showTime } from './lib/time.ts';
import { say } from './words/say.ts';

export const Busy = () => (
  <p className="busy" role="status">
    {say('app.loading')}
  </p>
);

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} – ${say('app.name')}`;
  }, [title]);
}

/** Something instead of a view. */
export function Message({ title, text, children }: { title: string; text: string; children?: ReactNode }) {
  return (
    <div className="message">
      <h1>{title}</h1>
      <p>{text}</p>
      {children}
    </div>
  );
}

/** What went wrong, in a sentence, and a way on. */
export function ProblemNote({ error, again }: { error: unknown; again?: () => unknown }) {
  return (
    <div className="note bad" role="alert">
      <p>{sentence(problemIn(error))}</p>
      {again && (
        <button type="button" onClick={() => again()}>
          {say('app.tryAgain')}
        </button>
      )}
    </div>
  );
}

/** The title of a type, in whatever language it is. */
export function TypeTitle({ type, types }: { type: string; types: readonly LocalType[] | undefined }) {
  return <span lang={types?.find((entry) => entry.type === type)?.langs.title}>{titleOf(type, types)}</span>;
}

export function StatusBadge({ job }: { job: Pick<JobBrief, 'status' | 'cancel_requested'> }) {
  return <span className={`badge ${isStopping(job) ? 'stopping' : job.status}`}>{statusText(job)}</span>;
}

export function Time({ at }: { at: string }) {
  return <time dateTime={new Date(parseTime(at)).toISOString()}>{showTime(at)}</time>;
}

export function ProgressBar({ progress }: { progress: NonNullable<JobBrief['progress']> | undefined }) {
  const { done, total, message } = progress ?? { done: 0, total: 0, message: undefined };
  const isKnown = total > 0;
  const text =
    progress === undefined
      ? say('job.progress.unknown')
      : isKnown
        ? `${say('job.progress.of', { done: done.toLocaleString(), total: total.toLocaleString() })} (${showPercent(done, total)})`
        : say('job.progress.done', { done: done.toLocaleString() });
  return (
    <div className="progress">
      <progress aria-label={say('job.progress')} {...(isKnown && { max: total, value: Math.min(done, total) })} />
      <span>{[text, message].filter(Boolean).join(' – ')}</span>
    </div>
  );
}

/** A dialog of the browser: it keeps the focus, Escape closes it, and the focus goes back where it was. */
export function Dialog(props: { title: string; onClose: () => void; isFixed?: boolean; children: ReactNode }) {
  const { title, onClose, isFixed = false, children } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  // Before it is taken away: closing gives the focus back to what opened it.
  useLayoutEffect(() => {
    const opened = dialog.current;
    opened?.showModal();
    return () => opened?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        if (!isFixed) onClose();
      }}
    >
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

/** Says when the way to the service is cut, and when it is there again. */
export function Connection() {
  const client = useQueryClient();
  const [isOff, setOff] = useState(false);
  const [wasOff, setWasOff] = useState(false);
  useEffect(
    () =>
      client.getQueryCache().subscribe(({ type, query }) => {
        if (type !== 'updated') return;
        const { fetchFailureReason, fetchFailureCount, dataUpdatedAt, fetchStatus } = query.state;
        const failed = fetchFailureCount > 0 && problemIn(fetchFailureReason).kind === 'offline';
        if (failed) {
          setOff(true);
          setWasOff(true);
        } else if (fetchStatus === 'idle' && Date.now() - dataUpdatedAt < 1_000) setOff(false);
      }),
    [client],
  );
  useEffect(() => {
    if (isOff || !wasOff) return;
    const timer = setTimeout(() => setWasOff(false), 6_000);
    return () => clearTimeout(timer);
  }, [isOff, wasOff]);
  return (
    <div role="status" className="connection">
      {isOff ? <p className="off">{say('app.offline')}</p> : wasOff && <p className="on">{say('app.online')}</p>}
    </div>
  );
}
