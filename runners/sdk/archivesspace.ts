import { createArchivesSpaceClient } from '../../archivesspace/client.ts';
import { isWithin } from '../../archivesspace/paths.ts';
import { askSession } from '../../aws/people.ts';
import type { ArchivesSpaceSession } from './context.ts';

export interface SessionOf {
  readonly job: number;
  readonly type: string;
  readonly token: string;
  readonly repository: number;
}

/** Runners may fetch more, and wait longer, than the API: a batch import answers for minutes. */
const timeoutMs = 14 * 60_000;
const maxResponseBytes = 64 * 1024 * 1024;

/**
 * ArchivesSpace as the job's owner, or undefined when the runner's manifest or the service has none. The session comes
 * from the service's session function, against the run's token, and is asked for again when it is gone (design 3.12a).
 */
export function openArchivesSpace(run: SessionOf): ArchivesSpaceSession | undefined {
  const baseUrl = process.env['ARCHIVESSPACE_URL'];
  const sessionFunction = process.env['SESSION_FUNCTION'];
  if (!baseUrl || !sessionFunction) return undefined;
  const client = createArchivesSpaceClient({ baseUrl, timeoutMs, maxResponseBytes });
  const prefixes = (process.env['ARCHIVESSPACE_PATHS'] ?? '').split(',').filter(Boolean);
  let session: Promise<string> | undefined;

  async function ask(askedOf: string): Promise<string> {
    const answer = await askSession(askedOf, run);
    if (answer && 'session' in answer) return answer.session;
    throw new Error(answer?.refused ?? "The service could not get a session of the job's owner in ArchivesSpace.");
  }

  return {
    async request(path, { method = 'GET', body, contentType, signal } = {}) {
      if (!isWithin(path, `/repositories/${run.repository}`, prefixes, method)) {
        throw new TypeError(
          `${JSON.stringify(path)} is outside the job's repository and what the runner's manifest lists.`,
        );
      }
      for (let again = false; ; again = true) {
        session ??= ask(sessionFunction);
        const response = await client.request({
          method,
          path,
          session: await session.catch((error: unknown) => {
            session = undefined;
            throw error;
          }),
          ...(body !== undefined && { body }),
          ...(contentType !== undefined && { contentType }),
          ...(signal && { signal }),
        });
        // 412 is answered before anything is done (archivesspace: backend/app/main.rb), so asking again is safe.
        if (response.status !== 412 || again) return response;
        session = undefined;
      }
    },
  };
}
