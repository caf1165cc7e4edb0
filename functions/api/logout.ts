import { Refusal } from '../../core/errors.ts';
import type { Handler } from './http.ts';
import type { Sessions } from './sessions.ts';

/**
 * POST /logout: ends the session in ArchivesSpace and is forgotten here. Beside the reads, because they are what
 * remembers sessions. A token ends when its issuer says so.
 */
export const logout =
  (sessions: Sessions): Handler =>
  async ({ session }) => {
    if (session) {
      sessions.forget(session);
      const ended = await sessions.backend().logout(session);
      if (!ended.ok) {
        const gone = ended.reason === 'gone';
        throw new Refusal({
          code: 'no_session',
          gone: gone ? 'SESSION_GONE' : 'SESSION_EXPIRED',
          message: gone ? 'No session found' : 'Session timed out',
        });
      }
    }
    return { json: { status: 'session_logged_out' } };
  };
