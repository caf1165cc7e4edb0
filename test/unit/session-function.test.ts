// The session function: against a run's token, a session of that job's owner, and of nobody else.
import type { Context } from 'aws-lambda';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createArchivesSpaceClient } from '../../archivesspace/client.ts';
import { create, settle } from '../../core/table.ts';
import { startArchivesSpace } from '../../local/archivesspace/server.ts';
import { startSecretsManager } from '../../local/secretsmanager/server.ts';
import { claimNow, makeWorld, newJob, type World, write } from './service-helpers.ts';

const type = 'free_job';
const ref = { job: 1, type, token: 't1' };

beforeEach(() => {
  // The function opens its clients when it is loaded, as in Lambda.
  vi.resetModules();
});

/** Job 1 of `owner`, running, and the function in its environment. */
async function running(
  owner = 'archivist',
  secret: object | string = { username: 'service', password: 'word' },
  env = {},
) {
  const world: World = await makeWorld();
  const backend = await startArchivesSpace({ serviceUser: { name: 'service', password: 'word' } });
  onTestFinished(backend.close);
  const secrets = await startSecretsManager({
    secrets: { service: typeof secret === 'string' ? secret : JSON.stringify(secret) },
  });
  onTestFinished(() => secrets.close());
  const variables = {
    AWS_ENDPOINT_URL_DYNAMODB: world.table.endpoint,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    POWERTOOLS_LOG_LEVEL: 'SILENT',
    TABLE: 'jobs',
    ARCHIVESSPACE_URL: backend.url,
    ARCHIVESSPACE_SECRET_ARN: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:service',
    OIDC_ISSUER: '',
    OIDC_AUDIENCE: '',
    OIDC_USERNAME_CLAIM: '',
    OIDC_GROUPS_CLAIM: '',
    OIDC_GROUPS: '',
    ...env,
  };
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  await write(world.table, create(newJob(1, type, { owner })));
  await claimNow(world, 1, type);
  const { handler } = await import('../../functions/session.ts');
  const client = createArchivesSpaceClient({ baseUrl: backend.url });
  return {
    world,
    client,
    ask: async (asked: object = ref) =>
      (await handler(asked as typeof ref, { awsRequestId: 'x' } as Context)) as object,
  };
}

describe('the current run of a job', () => {
  test.each(['archivist', 'viewer'])('gets a session of its owner, %s', async (owner) => {
    const { ask, client } = await running(owner);

    const { session = '' } = (await ask()) as { session?: string };

    expect(await client.currentUser(session)).toMatchObject({ ok: true, user: { username: owner } });
  });

  test('gets another session each time it asks', async () => {
    const { ask } = await running();

    expect(await ask()).not.toEqual(await ask());
  });

  test('gets one again after the service user’s own session is gone', async () => {
    const { ask, client } = await running();
    const login = vi.spyOn(globalThis, 'fetch');
    onTestFinished(() => login.mockRestore());
    await ask();
    const become = login.mock.calls.find(([url]) => String(url).endsWith('/become-user'));
    const own = new Headers(become?.[1]?.headers).get('x-archivesspace-session') ?? '';
    expect(await client.logout(own)).toEqual({ ok: true });

    expect(await ask()).toEqual({ session: expect.any(String) });
  });

  test('of an owner that ArchivesSpace no longer has is told so', async () => {
    const { ask } = await running('nobody');

    expect(await ask()).toEqual({
      refused: 'ArchivesSpace has no user nobody any more, in whose name this job would work.',
    });
  });

  test('is told when the service user may not become another', async () => {
    const { ask } = await running('archivist', { username: 'viewer', password: 'viewer' });

    expect(await ask()).toEqual({
      refused:
        'ArchivesSpace does not let this service act as archivist: its service user lacks the permission become_user.',
    });
  });

  test.each([{ ARCHIVESSPACE_URL: '' }, { ARCHIVESSPACE_SECRET_ARN: '' }])(
    'is told when the service has no ArchivesSpace: %j',
    async (env) => {
      const { ask } = await running('archivist', {}, env);

      expect(await ask()).toEqual({
        refused:
          'This service is not set up with an ArchivesSpace (settings archivesspace_url and archivesspace_secret_arn).',
      });
    },
  );

  test.each([
    [
      'a secret without password',
      { username: 'service' },
      'The secret of the ArchivesSpace service user must be JSON with username and password.',
    ],
    [
      'a wrong password',
      { username: 'service', password: 'x' },
      'ArchivesSpace refused the login of the service user service.',
    ],
  ])('fails for %s', async (_, secret, message) => {
    const { ask } = await running('archivist', secret);

    await expect(ask()).rejects.toThrow(message);
    await expect(ask()).rejects.toThrow(message);
  });
});

describe('nobody else gets a session:', () => {
  const refused = { refused: 'This run of the job is no longer current.' };

  test.each<[name: string, asked: object]>([
    ['a run with another token', { ...ref, token: 't2' }],
    ['a run of another type', { ...ref, type: 'serial_job' }],
    ['a job that is not there', { ...ref, job: 2 }],
    ['a run without a token', { job: 1, type }],
    ['a run with the token of revoked ones', { ...ref, token: 'revoked' }],
  ])('%s', async (_, asked) => {
    const { ask } = await running();

    expect(await ask(asked)).toEqual(refused);
  });

  test('a job that is queued', async () => {
    const { ask, world } = await running();
    await write(world.table, create(newJob(2, type)));

    expect(await ask({ job: 2, type })).toEqual(refused);
  });

  test('a job that has ended', async () => {
    const { ask, world } = await running();
    const ends = { log: 0, files: 0, records: 0 };
    await write(world.table, settle({ id: 1, token: 't1' }, { outcome: 'canceled', ends }, 2_000_000));

    expect(await ask()).toEqual(refused);
  });
});
