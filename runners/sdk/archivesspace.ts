import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { createArchivesSpaceClient } from '../../archivesspace/client.ts';
import { isWithin } from '../../archivesspace/paths.ts';
import type { ArchivesSpaceSession } from './context.ts';

export interface SessionOf {
  readonly job: number;
  readonly type: string;
  readonly token: string;
  readonly repository: number;
}

/** What the session function answers. */
export type SessionAnswer = { readonly session: string } | { readonly refused: string };

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
  const lambda = new LambdaClient({});
  const client = createArchivesSpaceClient({ baseUrl, timeoutMs, maxResponseBytes });
  const prefixes = (process.env['ARCHIVESSPACE_PATHS'] ?? '').split(',').filter(Boolean);
  let session: Promise<string> | undefined;

  async function ask(): Promise<string> {
    const { job, type, token } = run;
    const { Payload, FunctionError } = await lambda.send(
      new InvokeCommand({ FunctionName: sessionFunction, Payload: JSON.stringify({ job, type, token }) }),
    );
    const answer = JSON.parse(Buffer.from(Payload ?? []).toString() || '{}') as SessionAnswer;
    if (FunctionError || !('session' in answer)) {
      throw new Error(
        'refused' in answer
          ? answer.refused
          : "The service could not get a session of the job's owner in ArchivesSpace.",
      );
    }
    return answer.session;
  }

  return {
    async request(path, { method = 'GET', body, contentType, signal } = {}) {
      if (!isWithin(path, `/repositories/${run.repository}`, prefixes, method)) {
        throw new TypeError(
          `${JSON.stringify(path)} is outside the job's repository and what the runner's manifest lists.`,
        );
      }
      for (let again = false; ; again = true) {
        session ??= ask();
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
