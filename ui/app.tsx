import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import { Redirect, Route, Router, Switch, useLocation } from 'wouter';
import type { PageReply } from '../schemas/extensions.ts';
import { calls } from './api/calls.ts';
import { sessions } from './api/session.ts';
import { HereContext } from './context.ts';
import { problemIn } from './lib/problem.ts';
import { finishSignIn } from './oidc.ts';
import { Busy, Connection, Message, ProblemNote, useTitle } from './parts.tsx';
import { CreateView } from './views/create.tsx';
import { JobView } from './views/job.tsx';
import { JobsView } from './views/jobs.tsx';
import { LoginDialog, LoginView } from './views/login.tsx';
import { say } from './words/say.ts';

const repositoryPlace = 'background-jobs-repository';

export function App() {
  const session = useSyncExternalStore(sessions.subscribe, sessions.now);
  useEffect(() => finishSignIn(), []);
  return (
    <Router base="/ui">
      <Connection />
      {session ? <SignedIn key={session.username} /> : <LoginView />}
      {session?.lost && <LoginDialog username={session.username} />}
    </Router>
  );
}

function SignedIn() {
  const session = useSyncExternalStore(sessions.subscribe, sessions.now);
  const page = useQuery({
    queryKey: ['page', session?.secret],
    queryFn: ({ signal }) => calls.page(signal),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
  const user = page.data?.user;
  if (user) return <Shell user={user} staffUrl={page.data?.staff_url} />;
  return (
    <main className="narrow">
      {page.isError && problemIn(page.error).kind !== 'signed_out' ? (
        <ProblemNote error={page.error} again={() => page.refetch()} />
      ) : (
        <Busy />
      )}
    </main>
  );
}

function Shell({ user, staffUrl }: { user: NonNullable<PageReply['user']>; staffUrl: string | undefined }) {
  const client = useQueryClient();
  const signOut = () => {
    // The page forgets the session whatever the service answers.
    calls.logout().catch(() => undefined);
    sessions.end();
    client.clear();
  };
  return (
    <>
      <a className="skip" href="#content">
        {say('app.skip')}
      </a>
      <Switch>
        <Route path="/repositories/:repo/*?">
          {({ repo }) => <Repository user={user} staffUrl={staffUrl} repo={Number(repo)} signOut={signOut} />}
        </Route>
        <Route path="/">
          <First user={user} signOut={signOut} />
        </Route>
        <Route>
          <Header user={user} signOut={signOut} />
          <main id="content" tabIndex={-1}>
            <NotFound />
          </main>
        </Route>
      </Switch>
    </>
  );
}

/** The repository that was looked at last, else the first. */
function First({ user, signOut }: { user: NonNullable<PageReply['user']>; signOut: () => void }) {
  const last = Number(localStorage.getItem(repositoryPlace));
  const repository = user.repositories.find(({ id }) => id === last) ?? user.repositories[0];
  if (repository) return <Redirect to={`/repositories/${repository.id}/jobs`} replace />;
  return (
    <>
      <Header user={user} signOut={signOut} />
      <main id="content" tabIndex={-1}>
        <Message title={say('app.noRepository')} text={say('app.noRepository.help')} />
      </main>
    </>
  );
}

function Repository(props: {
  user: NonNullable<PageReply['user']>;
  staffUrl: string | undefined;
  repo: number;
  signOut: () => void;
}) {
  const { user, staffUrl, repo, signOut } = props;
  const here = useMemo(() => ({ user, repo, staffUrl }), [user, repo, staffUrl]);
  useEffect(() => localStorage.setItem(repositoryPlace, String(repo)), [repo]);
  const base = '/repositories/:repo/jobs';
  return (
    <HereContext value={here}>
      <Header user={user} repo={repo} signOut={signOut} />
      <Main>
        <Switch>
          <Route path={base}>
            <JobsView key={repo} />
          </Route>
          <Route path={`${base}/new/:type?`}>
            {({ type }) => <CreateView key={`${repo} ${type}`} type={type ?? undefined} />}
          </Route>
          <Route path={`${base}/:id`}>
            {({ id }) => (/^\d{1,15}$/.test(id) ? <JobView key={`${repo} ${id}`} id={Number(id)} /> : <NotFound />)}
          </Route>
          <Route>
            <NotFound />
          </Route>
        </Switch>
      </Main>
    </HereContext>
  );
}

/** A new view begins at its heading, for those who do not see that it changed. */
function Main({ children }: { children: React.ReactNode }) {
  const [location] = useLocation();
  const main = useRef<HTMLElement>(null);
  const before = useRef(location);
  useEffect(() => {
    if (before.current === location) return;
    before.current = location;
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [location]);
  return (
    <main id="content" tabIndex={-1} ref={main}>
      {children}
    </main>
  );
}

function Header(props: { user: NonNullable<PageReply['user']>; repo?: number; signOut: () => void }) {
  const { user, repo, signOut } = props;
  const [location, navigate] = useLocation();
  const jobs = `/repositories/${repo}/jobs`;
  const link = (to: string, text: string, isHere: boolean) => (
    <li>
      <a
        href={`/ui${to}`}
        aria-current={isHere ? 'page' : undefined}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
          event.preventDefault();
          navigate(to);
        }}
      >
        {text}
      </a>
    </li>
  );
  const isKnown = user.repositories.some(({ id }) => id === repo);
  return (
    <header className="bar">
      <div className="bar-inner">
        <span className="product">{say('app.name')}</span>
        {repo !== undefined && (
          <nav aria-label={say('app.menu')}>
            <ul>
              {link(jobs, say('app.browse'), location === jobs)}
              {link(`${jobs}/new`, say('app.create'), location.startsWith(`${jobs}/new`))}
            </ul>
          </nav>
        )}
        <div className="who">
          {user.repositories.length > 0 && repo !== undefined && (
            <label>
              <span className="hidden-text">{say('app.repository')}</span>
              <select value={repo} onChange={({ target }) => navigate(`/repositories/${target.value}/jobs`)}>
                {!isKnown && <option value={repo}>{say('app.repository.number', { id: repo })}</option>}
                {user.repositories.map(({ id, name }) => (
                  <option key={id} value={id}>
                    {name || say('app.repository.number', { id })}
                  </option>
                ))}
              </select>
            </label>
          )}
          <span className="name" title={say('app.signedInAs', { name: user.username })}>
            {user.username}
          </span>
          <button type="button" className="plain" onClick={signOut}>
            {say('app.signOut')}
          </button>
        </div>
      </div>
    </header>
  );
}

function NotFound() {
  useTitle(say('app.notFound'));
  return <Message title={say('app.notFound')} text={say('app.notFound.help')} />;
}
