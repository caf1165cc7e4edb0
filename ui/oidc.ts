import { calls } from './api/calls.ts';
import { sessions } from './api/session.ts';

/**
 * Signing in at an OpenID Connect issuer: authorization code with PKCE (RFC 7636), in this window. The issuer must
 * know `<address>/ui/` as a redirect address of the client, and let the page read its documents (CORS).
 */
const place = 'background-jobs-oidc';

interface Begun {
  readonly verifier: string;
  readonly state: string;
  readonly back: string;
  readonly tokenEndpoint: string;
  readonly clientId: string;
}

/** Why the last sign-in came to nothing. */
let failure: string | undefined;
export const signInFailure = (): string | undefined => failure;

const redirect = () => `${location.origin}/ui/`;
const base64url = (bytes: Uint8Array) =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** Leaves for the issuer. Throws when its configuration cannot be read. */
export async function beginSignIn(issuer: string, clientId: string): Promise<void> {
  const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  if (!response.ok) throw new Error(String(response.status));
  const { authorization_endpoint: authorize, token_endpoint: tokenEndpoint } = (await response.json()) as Record<
    string,
    string
  >;
  if (!authorize || !tokenEndpoint) throw new Error(issuer);
  const begun: Begun = {
    verifier: random(),
    state: random(),
    back: location.pathname + location.search,
    tokenEndpoint,
    clientId,
  };
  sessionStorage.setItem(place, JSON.stringify(begun));
  const challenge = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(begun.verifier));
  location.assign(
    `${authorize}?${new URLSearchParams({
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirect(),
      scope: 'openid profile',
      state: begun.state,
      code_challenge: base64url(new Uint8Array(challenge)),
      code_challenge_method: 'S256',
    })}`,
  );
}

/** When the issuer has sent somebody back: takes the token and goes on where they were. */
export function finishSignIn(): void {
  const query = new URLSearchParams(location.search);
  const code = query.get('code');
  const text = sessionStorage.getItem(place);
  if (!code || !text) return;
  sessionStorage.removeItem(place);
  const begun = JSON.parse(text) as Begun;
  history.replaceState(null, '', begun.back);
  const isOurs = query.get('state') === begun.state;
  const taking = isOurs ? takeToken(begun, code) : Promise.reject(new Error('state'));
  taking.catch((error: unknown) => {
    failure = error instanceof Error ? error.message : String(error);
    sessions.end();
  });
}

async function takeToken({ tokenEndpoint, clientId, verifier }: Begun, code: string): Promise<void> {
  const response = await fetch(tokenEndpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: clientId,
      redirect_uri: redirect(),
      code,
      code_verifier: verifier,
    }),
  });
  if (!response.ok) throw new Error(String(response.status));
  const { id_token: secret } = (await response.json()) as { id_token?: string };
  if (!secret) throw new Error('id_token');
  sessions.begin({ kind: 'oidc', secret, username: '' });
  const { user } = await calls.page();
  sessions.begin({ kind: 'oidc', secret, username: user?.username ?? '' });
  location.reload();
}
