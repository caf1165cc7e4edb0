import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { Link, useLocation, useSearchParams } from 'wouter';
import { calls } from '../api/calls.ts';
import { type FormFile, send } from '../api/upload.ts';
import { useHere } from '../context.ts';
import { check, fieldFor } from '../lib/check.ts';
import { fileProblem } from '../lib/files.ts';
import { fieldsOf, fileFieldOf, paramsOf, type Values, valuesOf } from '../lib/form.ts';
import { titleOf } from '../lib/labels.ts';
import type { LocalType } from '../lib/localize.ts';
import { lacksToCreate } from '../lib/may.ts';
import { backoffMs } from '../lib/polling.ts';
import { problemIn } from '../lib/problem.ts';
import { Busy, Message, ProblemNote, useTitle } from '../parts.tsx';
import { useTypes } from '../queries.ts';
import { listed, say, sayCount } from '../words/say.ts';
import { FileField } from './file-field.tsx';
import { idOf, SchemaFields } from './schema-fields.tsx';

export function CreateView({ type }: { type: string | undefined }) {
  useTitle(say('create.title'));
  const { repo, user } = useHere();
  const types = useTypes(repo);
  const lacking = lacksToCreate(user, repo);
  if (lacking.length > 0)
    return <Message title={say('create.denied')} text={say('create.denied.help', { permissions: listed(lacking) })} />;
  if (types.isError) return <ProblemNote error={types.error} again={() => types.refetch()} />;
  if (!types.data) return <Busy />;
  if (type === undefined) return <Menu types={types.data} />;
  const entry = types.data.find((one) => one.type === type);
  if (!entry)
    return (
      <Message title={say('create.unknown', { type })} text={say('app.notFound.help')}>
        <Link href={`/repositories/${repo}/jobs/new`}>{say('create.choose')}</Link>
      </Message>
    );
  const more = lacksToCreate(user, repo, entry);
  if (more.length > 0)
    return (
      <Message
        title={titleOf(type, types.data)}
        text={`${say('create.denied.type', { permissions: listed(more) })} ${say('create.denied.help', { permissions: listed(more) })}`}
      />
    );
  return <FormOf entry={entry} title={titleOf(type, types.data)} />;
}

/** What may be created here, and what only others may. */
function Menu({ types }: { types: readonly LocalType[] }) {
  const { repo, user } = useHere();
  const shown = types
    .filter(({ hidden }) => !hidden)
    .map((entry) => ({ entry, title: titleOf(entry.type, types), lacking: lacksToCreate(user, repo, entry) }))
    .sort((a, b) => a.title.localeCompare(b.title));
  const mine = shown.filter(({ lacking }) => lacking.length === 0);
  const others = shown.filter(({ lacking }) => lacking.length > 0);
  return (
    <>
      <div className="title-row">
        <h1>{say('create.title')}</h1>
      </div>
      <h2>{say('create.choose')}</h2>
      {mine.length === 0 && <p>{say('create.none')}</p>}
      <ul className="types">
        {mine.map(({ entry, title }) => (
          <li key={entry.type}>
            <Link href={`/repositories/${repo}/jobs/new/${entry.type}`} lang={entry.langs.title}>
              {title}
            </Link>
            {entry.description && <p lang={entry.langs.description}>{entry.description}</p>}
          </li>
        ))}
      </ul>
      {others.length > 0 && (
        <>
          <h2>{say('create.others')}</h2>
          <ul>
            {others.map(({ entry, title, lacking }) => (
              <li key={entry.type} className="quiet">
                {say('create.others.needs', { title, permissions: listed(lacking) })}
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

/** The form of a type, empty, or filled from another job. */
function FormOf({ entry, title }: { entry: LocalType; title: string }) {
  const { repo } = useHere();
  const [search] = useSearchParams();
  const from = /^\d{1,15}$/.test(search.get('from') ?? '') ? Number(search.get('from')) : undefined;
  const old = useQuery({
    queryKey: ['job', repo, from, 'old'],
    enabled: from !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => {
      const [job, { files }] = await Promise.all([
        calls.show(repo, from ?? 0, signal),
        calls.files(repo, from ?? 0, signal),
      ]);
      return {
        params: Object(job.job) as Record<string, unknown>,
        files: files.filter(({ kind }) => kind === 'input'),
      };
    },
  });
  if (from === undefined) return <Form entry={entry} title={title} from={undefined} params={undefined} files={[]} />;
  if (old.isError) return <ProblemNote error={old.error} again={() => old.refetch()} />;
  if (!old.data) return <Busy />;
  const files = old.data.files.map(({ id, name, size, content_type: contentType }) => ({
    key: String(id),
    name,
    size,
    contentType,
    from: { job: from, file: id },
    state: { is: 'waiting' as const },
  }));
  return <Form entry={entry} title={title} from={from} params={old.data.params} files={files} />;
}

/** Where the service says what is wrong with files, and the place for those that are no parameter. */
const besidePath = 'files';

interface FormProps {
  readonly entry: LocalType;
  readonly title: string;
  readonly from: number | undefined;
  readonly params: Readonly<Record<string, unknown>> | undefined;
  readonly files: readonly FormFile[];
}

type Stage = 'filling' | 'sending' | 'creating';

function Form({ entry, title, from, params, files: oldFiles }: FormProps) {
  const { repo } = useHere();
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const { schema } = entry;
  const [values, setValues] = useState<Values>(() => valuesOf(schema, params));
  const [files, setFiles] = useState<readonly FormFile[]>(oldFiles);
  const [refused, setRefused] = useState<string>();
  const [problems, setProblems] = useState<ReadonlyMap<string, string>>(new Map());
  const [failure, setFailure] = useState<unknown>();
  const [stage, setStage] = useState<Stage>('filling');
  const form = useRef<HTMLFormElement>(null);
  // The same content is the same request, however often it is sent: a lost answer makes no second job.
  const attempt = useRef({ content: '', key: '' });
  const fileField = fileFieldOf(schema);
  const filesPath = fieldsOf(schema).find(({ widget }) => widget === 'files' || widget === 'file')?.path ?? besidePath;
  // Said as soon as files are chosen, and not only when the job is to start.
  const filesProblem = [refused, fileProblem(files, entry.files)].filter(Boolean).join(' ') || undefined;
  const shown = filesProblem === undefined ? problems : new Map([...problems, [filesPath, filesProblem]]);

  const set = (file: FormFile, state: FormFile['state']) =>
    setFiles((before) => before.map((one) => (one.key === file.key ? { ...one, state } : one)));
  const change = (chosen: readonly FormFile[]) => {
    setFiles(chosen);
    // What was wrong with the files before.
    setProblems((before) => new Map([...before].filter(([path]) => path !== filesPath)));
  };
  const show = (found: ReadonlyMap<string, string>) => {
    setProblems(found);
    // After the problems are there to be described by.
    requestAnimationFrame(() => {
      const invalid = form.current?.querySelector<HTMLElement>('[aria-invalid="true"]');
      const first = [...found.keys()][0];
      (invalid ?? (first !== undefined ? document.getElementById(idOf(first)) : null))?.focus();
    });
  };

  async function submit(): Promise<void> {
    if (stage !== 'filling') return;
    setFailure(undefined);
    const { params: given, unreadable } = paramsOf(
      schema,
      values,
      files.map(({ name }) => name),
    );
    const job = { jsonmodel_type: entry.type, ...given };
    const found = new Map([...unreadable.map((path) => [path, say('field.json')] as const), ...check(schema, job)]);
    for (const path of unreadable) found.set(path, say('field.json'));
    for (const { path, widget } of fieldsOf(schema))
      if ((widget === 'files' || widget === 'file') && found.has(path)) found.set(path, say('field.file'));
    const misfit = fileProblem(files, entry.files, true);
    if (misfit !== undefined) found.set(filesPath, misfit);
    show(found);
    if (found.size > 0) return;

    setStage('sending');
    const uploads: (string | undefined)[] = [];
    for (const file of files) uploads.push(await send(repo, file, (state) => set(file, state)));
    if (uploads.includes(undefined)) return setStage('filling');
    setStage('creating');
    const content = JSON.stringify([job, uploads]);
    if (attempt.current.content !== content) attempt.current = { content, key: crypto.randomUUID() };
    try {
      const { uri } = await calls.create(repo, job, uploads as string[], attempt.current.key);
      void client.invalidateQueries({ queryKey: ['jobs', repo] });
      navigate(uri);
    } catch (error) {
      setStage('filling');
      const problem = problemIn(error);
      const mine = new Map<string, string>();
      if (problem.kind === 'invalid')
        for (const [path, messages] of Object.entries(problem.problems)) {
          const field = document.getElementById(idOf(path)) ? path : fieldFor(schema, path);
          if (field !== '') mine.set(field, [mine.get(field) ?? [], messages].flat().join(' '));
        }
      if (mine.size > 0) show(mine);
      else setFailure(error);
    }
  }

  const place = (id: string, isMany: boolean, describedBy: string | undefined, isInvalid: boolean) => (
    <FileField
      id={id}
      isMany={isMany}
      describedBy={describedBy}
      isInvalid={isInvalid}
      files={files}
      rules={entry.files}
      onChange={change}
      onRefuse={setRefused}
      onRetry={(file) => send(repo, file, (state) => set(file, state))}
      isBusy={stage !== 'filling'}
    />
  );
  const hasFields = fieldsOf(schema).length > 0 || fileField === 'beside';
  return (
    <>
      <h1 lang={entry.langs.title}>{title}</h1>
      {entry.description && <p lang={entry.langs.description}>{entry.description}</p>}
      {from !== undefined && <p className="quiet">{say('create.from', { id: from })}</p>}
      <form
        ref={form}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {problems.size > 0 && (
          <div className="note bad" role="alert">
            <p>{sayCount('create.problems', problems.size)}</p>
            {problems.has('') && <p>{problems.get('')}</p>}
          </div>
        )}
        {!hasFields && <p>{say('create.noFields')}</p>}
        <SchemaFields schema={schema} values={values} problems={shown} onChange={setValues} files={place} />
        {fileField === 'beside' && (
          <div className="field">
            <label htmlFor={idOf(besidePath)}>{say('files.extra')}</label>
            <p className="help" id="field-files-help">
              {say(entry.files?.min ? 'files.needed.help' : 'files.extra.help')}
            </p>
            {shown.has(besidePath) && (
              <p className="problem" id="field-files-problem">
                {shown.get(besidePath)}
              </p>
            )}
            {place(
              idOf(besidePath),
              true,
              shown.has(besidePath) ? 'field-files-help field-files-problem' : 'field-files-help',
              shown.has(besidePath),
            )}
          </div>
        )}
        {failure !== undefined &&
          (problemIn(failure).kind === 'offline' ? (
            <p className="note bad" role="alert">
              {say('create.notSure')}
            </p>
          ) : (
            <ProblemNote error={failure} />
          ))}
        <Ahead />
        <div className="actions">
          {/* Not disabled while it works: a button that is loses the focus. A second click does nothing. */}
          <button type="submit" className="primary" aria-disabled={stage !== 'filling'}>
            {say(
              stage === 'filling' ? 'create.submit' : stage === 'sending' ? 'create.uploading' : 'create.submitting',
            )}
          </button>
          <Link className="button" href={`/repositories/${repo}/jobs`}>
            {say('create.cancel')}
          </Link>
        </div>
      </form>
    </>
  );
}

/** How many jobs a new one finds before it. */
function Ahead() {
  const { repo } = useHere();
  const queue = useQuery({
    queryKey: ['queue', repo],
    queryFn: ({ signal }) => calls.queue(repo, signal),
    refetchInterval: ({ state }) => backoffMs(state.fetchFailureCount, 5_000),
  });
  if (!queue.data) return null;
  const { queued, more, slots } = queue.data;
  const text = slots.paused
    ? say('wait.paused')
    : more
      ? say('create.ahead_more', { count: queued.toLocaleString() })
      : queued === 0
        ? say(slots.free > 0 ? 'create.ahead_none' : 'create.ahead_full')
        : sayCount('create.ahead', queued);
  return (
    <p className="quiet" role="status">
      {text}
    </p>
  );
}
