import { useMutation, useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { calls } from '../api/calls.ts';
import { sessions } from '../api/session.ts';
import { problemIn, sentence } from '../lib/problem.ts';
import { beginSignIn, signInFailure } from '../oidc.ts';
import { Busy, Dialog, ProblemNote, useTitle } from '../parts.tsx';
import { say } from '../words/say.ts';

export function LoginView() {
  useTitle(say('login.title'));
  return (
    <main className="narrow login">
      <p className="product">{say('app.name')}</p>
      <h1>{say('login.title')}</h1>
      <LoginForm username="" />
    </main>
  );
}

/** Over whatever was being done, which stays as it is. */
export function LoginDialog({ username }: { username: string }) {
  return (
    <Dialog title={say('login.title')} onClose={() => undefined} isFixed>
      <p>{say('login.again')}</p>
      <LoginForm username={username} />
    </Dialog>
  );
}

function LoginForm({ username }: { username: string }) {
  const ways = useQuery({ queryKey: ['ways'], queryFn: calls.signInWays, staleTime: 300_000 });
  if (ways.isError) return <ProblemNote error={ways.error} again={() => ways.refetch()} />;
  if (!ways.data) return <Busy />;
  const way = ways.data.sign_in;
  return way.kind === 'oidc' ? (
    <AtIssuer issuer={way.issuer} clientId={way.client_id} />
  ) : (
    <WithPassword username={username} />
  );
}

function AtIssuer({ issuer, clientId }: { issuer: string; clientId: string }) {
  const begin = useMutation({ mutationFn: () => beginSignIn(issuer, clientId) });
  const failure = useSyncExternalStore(sessions.subscribe, signInFailure);
  const problem = begin.isError ? begin.error.message : failure;
  return (
    <>
      <p>{say('login.oidc.help', { issuer: URL.canParse(issuer) ? new URL(issuer).host : issuer })}</p>
      {problem !== undefined && (
        <p className="note bad" role="alert">
          {say('login.oidc.failed', { reason: problem })}
        </p>
      )}
      <button type="button" className="primary" disabled={begin.isPending} onClick={() => begin.mutate()}>
        {say('login.oidc')}
      </button>
    </>
  );
}

function WithPassword({ username: known }: { username: string }) {
  const [username, setUsername] = useState(known);
  const [password, setPassword] = useState('');
  const [missing, setMissing] = useState<'username' | 'password'>();
  const first = useRef<HTMLInputElement>(null);
  const second = useRef<HTMLInputElement>(null);
  const login = useMutation({
    mutationFn: () => calls.login(username.trim(), password),
    onSuccess: ({ session, user }) => sessions.begin({ kind: 'password', secret: session, username: user.username }),
    onError: () => {
      setPassword('');
      second.current?.focus();
    },
  });
  useEffect(() => (known === '' ? first : second).current?.focus(), [known]);
  const submit = () => {
    const lacking = username.trim() === '' ? 'username' : password === '' ? 'password' : undefined;
    setMissing(lacking);
    if (lacking) (lacking === 'username' ? first : second).current?.focus();
    else login.mutate();
  };
  const problem = login.isError ? problemIn(login.error) : undefined;
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {problem && (
        <p className="note bad" role="alert">
          {problem.kind === 'denied' ? say('login.failed') : sentence(problem)}
        </p>
      )}
      <div className="field">
        <label htmlFor="username">{say('login.username')}</label>
        <input
          id="username"
          ref={first}
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          aria-invalid={missing === 'username'}
          aria-describedby={missing === 'username' ? 'username-problem' : undefined}
          value={username}
          onChange={({ target }) => setUsername(target.value)}
        />
        {missing === 'username' && (
          <p className="problem" id="username-problem">
            {say('login.usernameMissing')}
          </p>
        )}
      </div>
      <div className="field">
        <label htmlFor="password">{say('login.password')}</label>
        <input
          id="password"
          ref={second}
          type="password"
          autoComplete="current-password"
          required
          aria-invalid={missing === 'password'}
          aria-describedby={missing === 'password' ? 'password-problem' : undefined}
          value={password}
          onChange={({ target }) => setPassword(target.value)}
        />
        {missing === 'password' && (
          <p className="problem" id="password-problem">
            {say('login.passwordMissing')}
          </p>
        )}
      </div>
      <button type="submit" className="primary" disabled={login.isPending}>
        {login.isPending ? say('login.working') : say('login.submit')}
      </button>
    </form>
  );
}
