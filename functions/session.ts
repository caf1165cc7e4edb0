import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import {
  type ArchivesSpaceClient,
  ArchivesSpaceUnavailable,
  createArchivesSpaceClient,
} from '../archivesspace/client.ts';
import { openTable } from '../aws/clients.ts';
import type { SessionAnswer, UserAnswer } from '../aws/people.ts';
import { readJob } from '../aws/reads.ts';
import { IssuerUnavailable, oidcOf, Tokens } from './api/oidc.ts';
import { internal, log } from './bundle.ts';
import type { RunRef } from './end.ts';
import { readEnv, sessionEnv } from './env.ts';

const env = readEnv(sessionEnv);
const table = openTable(env.TABLE);
const secrets = new SecretsManagerClient({});
const oidc = oidcOf(env);
const tokens = oidc && new Tokens(oidc);

let service: Promise<string> | undefined;

/**
 * The only function that reads the service user's password; that user may do nothing but `become_user` (design 3.12a).
 * It gives a runner, against its run's token, a session of that job's owner and of nobody else; and it tells the API
 * what the bearer of a token may do, and gives no session for that.
 */
export const handler = internal(
  async (event: RunRef | { readonly bearer: string }): Promise<SessionAnswer | UserAnswer> =>
    'bearer' in event ? userOf(event.bearer) : sessionOf(event),
);

async function sessionOf(ref: RunRef): Promise<SessionAnswer> {
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
  const become = await becomeUser(createArchivesSpaceClient({ baseUrl: env.ARCHIVESSPACE_URL }), job.owner);
  if (become.ok) return { session: become.session };
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

/**
 * What ArchivesSpace lets the bearer of a token do. It says so of any user only to `become_user`; the session that this
 * makes is ended before anybody has it. Throws `Refusal` when the token does not hold.
 */
async function userOf(bearer: string): Promise<UserAnswer> {
  if (!tokens || !env.ARCHIVESSPACE_URL || !env.ARCHIVESSPACE_SECRET_ARN)
    throw new Error('Whose token this is was asked of a service without an issuer, an ArchivesSpace or its user.');
  const client = createArchivesSpaceClient({ baseUrl: env.ARCHIVESSPACE_URL });
  try {
    const { username } = await tokens.check(bearer);
    const become = await becomeUser(client, username);
    if (become.ok) {
      await client.logout(become.session);
      return { user: { username: become.user.username, permissions: become.user.permissions } };
    }
    if (become.reason === 'unknown_user') return { user: { username, permissions: {} } };
    log.error('ArchivesSpace refused to say what a user may do.', { reason: become.reason });
    return { unavailable: 'The service user lacks the permission become_user.' };
  } catch (error) {
    if (!(error instanceof ArchivesSpaceUnavailable || error instanceof IssuerUnavailable)) throw error;
    return { unavailable: error.message };
  }
}

async function becomeUser(client: ArchivesSpaceClient, username: string) {
  for (let again = false; ; again = true) {
    service ??= loginService(client);
    const session = await service.catch((error: unknown) => {
      service = undefined;
      throw error;
    });
    const become = await client.becomeUser({ session, username });
    // The service user's own session may be gone; once more with a new one.
    if (again || become.ok || (become.reason !== 'gone' && become.reason !== 'expired')) return become;
    service = undefined;
  }
}

async function loginService(client: ArchivesSpaceClient): Promise<string> {
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
