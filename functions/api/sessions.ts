import { createHash } from 'node:crypto';
import {
  type ArchivesSpaceClient,
  ArchivesSpaceUnavailable,
  createArchivesSpaceClient,
} from '../../archivesspace/client.ts';
import { permissionsOf } from '../../core/default-groups.ts';
import { Refusal } from '../../core/errors.ts';
import type { User } from '../../core/permissions.ts';
import { log } from '../bundle.ts';
import type { EnvOf, signInEnv } from '../env.ts';
import { bearerOf, type OidcSettings, oidcOf, Tokens } from './oidc.ts';

/** How long a read may go by what was said of a session or token before. */
const knownForMs = 60_000;
const mostKnown = 1_000;

const anonymous: User = { username: '', permissions: {} };

/**
 * Who asks (design 3.12): by a session of ArchivesSpace, or by a token of the issuer where there is one. What somebody
 * may do, ArchivesSpace says where there is one; else the token's groups do.
 */
export class Sessions {
  readonly client: ArchivesSpaceClient | undefined;
  /** Undefined when the service takes no tokens. */
  readonly oidc: OidcSettings | undefined;
  readonly #tokens: Tokens | undefined;
  readonly #sessionFunction: string;
  readonly #known = new Map<string, { readonly user: User; readonly until: number }>();

  constructor(env: EnvOf<typeof signInEnv>) {
    this.client = env.ARCHIVESSPACE_URL ? createArchivesSpaceClient({ baseUrl: env.ARCHIVESSPACE_URL }) : undefined;
    this.oidc = oidcOf(env);
    this.#tokens = this.oidc && new Tokens(this.oidc);
    this.#sessionFunction = env.SESSION_FUNCTION;
  }

  /** The backend's client. Throws `Refusal` when the service has no backend. */
  backend(): ArchivesSpaceClient {
    if (!this.client)
      throw new Refusal({
        code: 'unavailable',
        message: 'This service is not set up with an ArchivesSpace (setting archivesspace_url).',
      });
    return this.client;
  }

  /**
   * The user of a request; nobody in particular when it names none. Throws `Refusal`: 412 when a session is gone or
   * expired, as ArchivesSpace does before it looks at the route (backend/app/main.rb), 401 when a token does not hold.
   *
   * @param headers with names in lower case
   * @param mayRemember answer from memory what was asked within the last minute
   */
  async userOf(headers: Readonly<Record<string, string | undefined>>, mayRemember: boolean): Promise<User> {
    const session = headers['x-archivesspace-session'];
    if (session) return this.#remembered(session, mayRemember, () => this.#ofSession(session));
    const token = bearerOf(headers['authorization']);
    if (!this.#tokens || !this.oidc || token === undefined) return anonymous;
    // Never remembered: that it has expired shows only when it is looked at.
    const { username, groups } = await this.#tokens.check(token, (reason) =>
      log.warn('A token was refused.', { reason }),
    );
    if (!this.client) return { username, permissions: permissionsOf(this.oidc.groups, groups) };
    return this.#remembered(token, mayRemember, () => this.#ofToken(token));
  }

  /** Forgets a session that was ended. Other sandboxes know it for what is left of its minute. */
  forget(session: string): void {
    this.#known.delete(keyOf(session));
  }

  async #remembered(credential: string, mayRemember: boolean, ask: () => Promise<User>): Promise<User> {
    const key = keyOf(credential);
    const known = this.#known.get(key);
    if (mayRemember && known && Date.now() < known.until) return known.user;
    this.#known.delete(key);
    // From before it is asked: what is answered may be as old as the question.
    const until = Date.now() + knownForMs;
    const user = await ask();
    const oldest = this.#known.keys().next();
    if (this.#known.size >= mostKnown && !oldest.done) this.#known.delete(oldest.value);
    this.#known.set(key, { user, until });
    return user;
  }

  async #ofSession(session: string): Promise<User> {
    // Where only tokens count nobody can have a session.
    const found =
      this.#tokens && !this.client
        ? ({ ok: false, reason: 'gone' } as const)
        : await this.backend().currentUser(session);
    if (found.ok) return found.user;
    const gone = found.reason === 'gone';
    throw new Refusal({
      code: 'no_session',
      gone: gone ? 'SESSION_GONE' : 'SESSION_EXPIRED',
      message: gone ? 'No session found' : 'Session timed out',
    });
  }

  /** The session function checks the token again, so that nobody is taken for another on this function's word alone. */
  async #ofToken(token: string): Promise<User> {
    const { askUser } = await import('../../aws/people.ts');
    const answer = await askUser(this.#sessionFunction, token);
    if ('user' in answer) return answer.user;
    throw new ArchivesSpaceUnavailable(answer.unavailable);
  }
}

const keyOf = (credential: string) => createHash('sha256').update(credential).digest('base64');
