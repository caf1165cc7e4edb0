import { Refusal } from '../../core/errors.ts';
import type { Sessions } from './sessions.ts';

/** How long it is remembered that a repository exists: one that is deleted takes its jobs' meaning with it, not more. */
const knownForMs = 10 * 60_000;
/** How long that it does not: somebody may be making it just now. */
const missingForMs = 10_000;
const mostKnown = 1_000;

interface Known {
  readonly exists: boolean;
  readonly until: number;
}
const known = new WeakMap<Sessions, Map<number, Known>>();

/**
 * Throws the `Refusal` that ArchivesSpace gives before it looks at permissions when there is no such repository
 * (backend/app/lib/rest.rb). Without an ArchivesSpace every repository exists.
 */
export async function mustExist(sessions: Sessions, repo: number, session: string | undefined): Promise<void> {
  if (!sessions.client) return;
  const repositories = known.get(sessions) ?? new Map<number, Known>();
  known.set(sessions, repositories);
  const before = repositories.get(repo);
  if (before && Date.now() < before.until) {
    if (!before.exists) throw notThere();
    return;
  }
  const response = await sessions.client.request({
    method: 'GET',
    path: `/repositories/${repo}`,
    ...(session && { session }),
  });
  await response.body?.cancel();
  const exists = response.ok;
  if (!exists && response.status !== 404) return;
  const oldest = repositories.keys().next();
  if (repositories.size >= mostKnown && !oldest.done) repositories.delete(oldest.value);
  repositories.set(repo, { exists, until: Date.now() + (exists ? knownForMs : missingForMs) });
  if (!exists) throw notThere();
}

const notThere = () =>
  new Refusal({
    code: 'bad_request',
    problems: { repo_id: ['Failed validation -- The Repository must exist'] },
  });
