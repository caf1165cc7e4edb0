import { createHash } from 'node:crypto';
import { type ArchivesSpaceClient, createArchivesSpaceClient } from '../../archivesspace/client.ts';
import { Refusal } from '../../core/errors.ts';
import type { User } from '../../core/permissions.ts';

/** How long a read may go by what ArchivesSpace said of a session before. */
const knownForMs = 60_000;
const mostKnown = 1_000;

const anonymous: User = { username: '', permissions: {} };

/** Who a session belongs to, by what the ArchivesSpace backend says (design 3.12). */
export class Sessions {
  readonly client: ArchivesSpaceClient | undefined;
  readonly #known = new Map<string, { readonly user: User; readonly until: number }>();

  /** @param url of the backend; empty when the service has none */
  constructor(url: string) {
    this.client = url ? createArchivesSpaceClient({ baseUrl: url }) : undefined;
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
   * The user of a session; nobody in particular without one. Throws `Refusal` (412) when it is gone or expired, as
   * ArchivesSpace does before it looks at the route (backend/app/main.rb).
   *
   * @param mayRemember answer from memory what was asked within the last minute
   */
  async userOf(session: string | undefined, mayRemember: boolean): Promise<User> {
    if (!session) return anonymous;
    const key = createHash('sha256').update(session).digest('base64');
    const known = this.#known.get(key);
    if (mayRemember && known && Date.now() < known.until) return known.user;
    this.#known.delete(key);
    const found = await this.backend().currentUser(session);
    if (!found.ok) {
      const gone = found.reason === 'gone';
      throw new Refusal({
        code: 'no_session',
        gone: gone ? 'SESSION_GONE' : 'SESSION_EXPIRED',
        message: gone ? 'No session found' : 'Session timed out',
      });
    }
    const oldest = this.#known.keys().next();
    if (this.#known.size >= mostKnown && !oldest.done) this.#known.delete(oldest.value);
    this.#known.set(key, { user: found.user, until: Date.now() + knownForMs });
    return found.user;
  }
}
