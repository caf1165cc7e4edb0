import { Refusal } from '../../core/errors.ts';
import type { Handler, Reply, Request } from './http.ts';
import type { Sessions } from './sessions.ts';

/**
 * POST /users/:username/login: passes a login through to ArchivesSpace, so that a client needs one address. The
 * password counts only in the body: an address is logged on its way.
 */
export const login =
  (sessions: Sessions): Handler =>
  async (request): Promise<Reply> => {
    const { password, expiring } = credentials(request);
    const username = (request.path['username'] ?? '').toLowerCase();
    const found = await sessions.backend().login({ username, password, expiring });
    if (!found.ok) throw new Refusal({ code: 'login_failed' });
    return { json: { session: found.session, user: { jsonmodel_type: 'user', ...found.user } } };
  };

function credentials({ body, contentType }: Request): { password: string; expiring: boolean } {
  const text = body.toString('utf8');
  const fields = contentType.startsWith('application/json') ? jsonFields(text) : new URLSearchParams(text);
  const password = fields.get('password');
  if (!password)
    throw new Refusal({ code: 'bad_request', problems: { password: ['Parameter required but no value provided'] } });
  return { password, expiring: !/^false$/i.test(fields.get('expiring') ?? '') };
}

function jsonFields(text: string): URLSearchParams {
  try {
    const { password, expiring } = JSON.parse(text) as Record<string, unknown>;
    return new URLSearchParams({
      ...(typeof password === 'string' && { password }),
      ...(expiring === false && { expiring: 'false' }),
    });
  } catch {
    throw new Refusal({ code: 'unreadable', message: 'the body is not JSON' });
  }
}
