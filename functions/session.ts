import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { createArchivesSpaceClient } from '../archivesspace/client.ts';
import { openTable } from '../aws/clients.ts';
import { readJob } from '../aws/reads.ts';
import { internal, log } from './bundle.ts';
import type { RunRef } from './end.ts';
import { readEnv, sessionEnv } from './env.ts';

const env = readEnv(sessionEnv);
const table = openTable(env.TABLE);
const secrets = new SecretsManagerClient({});

/** A sentence for staff when the answer is no. */
export type SessionAnswer = { readonly session: string } | { readonly refused: string };

let service: Promise<string> | undefined;

/**
 * Gives a runner, against its run's token, a session of that job's owner and of nobody else (design 3.12a). The only
 * function that reads the service user's password; the user may do nothing but `become_user`.
 */
export const handler = internal(async (ref: RunRef): Promise<SessionAnswer> => {
  const job = await readJob(table, ref.job);
  if (job?.status !== 'running' || job.token !== ref.token || job.type !== ref.type) {
    log.warn('A session was asked for by a run that is not current.', { job: ref.job, type: ref.type });
    return { refused: 'This run of the job is no longer current.' };
  }
  if (!env.ARCHIVESSPACE_URL || !env.ARCHIVESSPACE_SECRET_ARN) {
    return {
      refused:
        'This service is not set up with an ArchivesSpace (settings archivesspace_url and archivesspace_secret_arn).',
    };
  }
  const client = createArchivesSpaceClient({ baseUrl: env.ARCHIVESSPACE_URL });
  for (let again = false; ; again = true) {
    service ??= loginService(client);
    const session = await service.catch((error: unknown) => {
      service = undefined;
      throw error;
    });
    const become = await client.becomeUser({ session, username: job.owner });
    if (become.ok) return { session: become.session };
    // The service user's own session may be gone; once more with a new one.
    if (!again && (become.reason === 'gone' || become.reason === 'expired')) {
      service = undefined;
      continue;
    }
    log.error('ArchivesSpace refused to let the service act as the owner of a job.', {
      job: ref.job,
      owner: job.owner,
      reason: become.reason,
    });
    return {
      refused:
        become.reason === 'unknown_user'
          ? `ArchivesSpace has no user ${job.owner} any more, in whose name this job would work.`
          : `ArchivesSpace does not let this service act as ${job.owner}: its service user lacks the permission become_user.`,
    };
  }
});

async function loginService(client: ReturnType<typeof createArchivesSpaceClient>): Promise<string> {
  const { SecretString: text = '' } = await secrets.send(
    new GetSecretValueCommand({ SecretId: env.ARCHIVESSPACE_SECRET_ARN }),
  );
  const { username, password } = JSON.parse(text) as { username?: string; password?: string };
  if (!username || !password)
    throw new Error('The secret of the ArchivesSpace service user must be JSON with username and password.');
  const login = await client.login({ username, password });
  if (!login.ok) throw new Error(`ArchivesSpace refused the login of the service user ${username}.`);
  return login.session;
}
