import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link, useLocation } from 'wouter';
import type { StatusReply } from '../../schemas/extensions.ts';
import { calls } from '../api/calls.ts';
import { useHere } from '../context.ts';
import { hasEnded, isStopping, statusText } from '../lib/labels.ts';
import type { LocalType } from '../lib/localize.ts';
import { lacksToCancel, lacksToCreate, whyNotCancel } from '../lib/may.ts';
import { Dialog, ProblemNote } from '../parts.tsx';
import { say } from '../words/say.ts';

interface Props {
  readonly job: StatusReply;
  /** Undefined when the type is not installed, or not known yet. */
  readonly type: LocalType | undefined;
  readonly title: string;
}

type Asked = 'cancel' | 'again' | 'delete';

/** What may be done with a job; for cancel also why not. */
export function JobActions({ job, type, title }: Props) {
  const { repo, user } = useHere();
  const [asked, setAsked] = useState<Asked>();
  const isOver = hasEnded(job.status);
  const lacking = lacksToCancel(user, repo, type);
  const mayCancel = lacking.length === 0;
  const mayCreate = type !== undefined && lacksToCreate(user, repo, type).length === 0;
  const close = () => setAsked(undefined);
  return (
    <div className="job-actions">
      <div className="actions">
        {!isOver && mayCancel && (
          <button type="button" className="danger" disabled={isStopping(job)} onClick={() => setAsked('cancel')}>
            {isStopping(job) ? say('status.stopping') : say('cancel.button')}
          </button>
        )}
        {mayCreate && (
          <button type="button" onClick={() => setAsked('again')}>
            {say('again.button')}
          </button>
        )}
        {mayCancel && isOver && (
          <button type="button" onClick={() => setAsked('delete')}>
            {say('delete.button')}
          </button>
        )}
        <Notify job={job} title={title} />
      </div>
      {!isOver && !mayCancel && <p className="quiet">{whyNotCancel(lacking)}</p>}
      {asked === 'cancel' && <CancelDialog job={job} onClose={close} />}
      {asked === 'again' && <AgainDialog job={job} onClose={close} />}
      {asked === 'delete' && <DeleteDialog job={job} onClose={close} />}
    </div>
  );
}

interface DialogProps {
  readonly job: StatusReply;
  readonly onClose: () => void;
}

function CancelDialog({ job, onClose }: DialogProps) {
  const { repo } = useHere();
  const client = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => calls.cancel(repo, job.id),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['job', repo, job.id] });
      onClose();
    },
  });
  return (
    <Dialog title={say('cancel.title')} onClose={onClose}>
      <p>
        {say(job.status === 'queued' ? 'cancel.queued' : job.status === 'running' ? 'cancel.running' : 'cancel.late')}
      </p>
      {cancel.isError && <ProblemNote error={cancel.error} />}
      <div className="actions">
        <button type="button" onClick={onClose}>
          {say('cancel.no')}
        </button>
        <button
          type="button"
          className="danger"
          disabled={cancel.isPending || hasEnded(job.status)}
          onClick={() => cancel.mutate()}
        >
          {say('cancel.yes')}
        </button>
      </div>
    </Dialog>
  );
}

function AgainDialog({ job, onClose }: DialogProps) {
  const { repo } = useHere();
  const [, navigate] = useLocation();
  const [key] = useState(() => crypto.randomUUID());
  const again = useMutation({
    mutationFn: () => calls.rerun(repo, job.id, key),
    onSuccess: ({ uri }) => {
      onClose();
      navigate(uri);
    },
  });
  return (
    <Dialog title={say('again.title')} onClose={onClose}>
      <p>{say('again.help')}</p>
      {again.isError && <ProblemNote error={again.error} />}
      <div className="actions">
        <button type="button" onClick={onClose}>
          {say('again.no')}
        </button>
        <Link className="button" href={`/repositories/${repo}/jobs/new/${job.job_type}?from=${job.id}`}>
          {say('again.change')}
        </Link>
        <button type="button" className="primary" disabled={again.isPending} onClick={() => again.mutate()}>
          {say('again.yes')}
        </button>
      </div>
    </Dialog>
  );
}

function DeleteDialog({ job, onClose }: DialogProps) {
  const { repo } = useHere();
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const remove = useMutation({
    mutationFn: () => calls.remove(repo, job.id),
    onSuccess: () => {
      navigate(`/repositories/${repo}/jobs`);
      client.removeQueries({ queryKey: ['job', repo, job.id] });
      void client.invalidateQueries({ queryKey: ['jobs', repo] });
    },
  });
  return (
    <Dialog title={say('delete.title')} onClose={onClose}>
      <p>{say('delete.help')}</p>
      {remove.isError && <ProblemNote error={remove.error} />}
      <div className="actions">
        <button type="button" onClick={onClose}>
          {say('delete.no')}
        </button>
        <button type="button" className="danger" disabled={remove.isPending} onClick={() => remove.mutate()}>
          {say('delete.yes')}
        </button>
      </div>
    </Dialog>
  );
}

/** A notification of the browser when the job ends, if the reader wants one and the browser allows it. */
function Notify({ job, title }: { job: StatusReply; title: string }) {
  const [state, setState] = useState<'off' | 'on' | 'denied'>('off');
  const isOver = hasEnded(job.status);
  const text = say('job.notify.body', { title, status: statusText(job) });
  useEffect(() => {
    if (isOver && state === 'on') new Notification(text);
  }, [isOver, state, text]);
  if (isOver || !('Notification' in globalThis)) return null;
  if (state !== 'off')
    return <span className="quiet">{say(state === 'on' ? 'job.notify.on' : 'job.notify.denied')}</span>;
  return (
    <button
      type="button"
      onClick={async () => setState((await Notification.requestPermission()) === 'granted' ? 'on' : 'denied')}
    >
      {say('job.notify')}
    </button>
  );
}
