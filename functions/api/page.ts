import { missing, type User } from '../../core/permissions.ts';
import type { PageReply } from '../../schemas/extensions.ts';
import type { Handler } from './http.ts';
import type { Sessions } from './sessions.ts';

type Repositories = NonNullable<PageReply['user']>['repositories'];

/** GET /page: how one signs in here, and who has: their permissions, and the repositories that they may view. */
export const showPage =
  (sessions: Sessions, staffUrl: string): Handler =>
  async ({ user, session }) => {
    const { oidc } = sessions;
    const reply: PageReply = {
      sign_in: oidc ? { kind: 'oidc', issuer: oidc.issuer, client_id: oidc.audience } : { kind: 'password' },
      ...(staffUrl && { staff_url: staffUrl }),
      ...(user.username && {
        user: {
          username: user.username,
          permissions: user.permissions,
          repositories: await repositoriesOf(sessions, user, session),
        },
      }),
    };
    return { json: reply };
  };

async function repositoriesOf(sessions: Sessions, user: User, session: string | undefined): Promise<Repositories> {
  const named = await namesOf(sessions, session);
  return (named ?? numbersIn(user))
    .filter(({ id }) => missing(user, id, ['view_repository']).length === 0)
    .sort((a, b) => a.id - b.id);
}

/** What ArchivesSpace has. Undefined where there is none, or it does not say so to this user. */
async function namesOf({ client }: Sessions, session: string | undefined): Promise<Repositories | undefined> {
  if (!client) return undefined;
  const response = await client.request({ method: 'GET', path: '/repositories', ...(session && { session }) });
  if (!response.ok) {
    await response.body?.cancel();
    return undefined;
  }
  const list = (await response.json()) as readonly { uri?: unknown; name?: unknown; repo_code?: unknown }[];
  return list.flatMap(({ uri, name, repo_code: code }) => {
    const id = /^\/repositories\/(\d{1,15})$/.exec(String(uri))?.[1];
    return id === undefined ? [] : [{ id: Number(id), name: String(name ?? code ?? id) }];
  });
}

/** Nothing names the repositories: those that the user's permissions are for. */
function numbersIn({ permissions }: User): Repositories {
  const numbers = Object.keys(permissions).flatMap((uri) => /^\/repositories\/(\d+)$/.exec(uri)?.[1] ?? []);
  // Somebody who may view every repository, and nothing says which there are.
  return (numbers.length > 0 ? numbers : ['2']).map((id) => ({ id: Number(id), name: '' }));
}
