import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type LocalService, startService } from '../../local/service.ts';
import {
  audience,
  badTokens,
  goodClaims,
  type Issuer,
  type SigningKey,
  startIssuer,
  token,
} from '../helpers/issuer.ts';
import { items, type Person, person, withSession } from '../helpers/stack.ts';

let issuer: Issuer;
beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer?.close());

const claims = (more: object) => goodClaims(issuer, more);
const signed = (more: object, key = 0) => token(issuer.keys[key] as SigningKey, claims(more));
/** One request with a token. */
const send = async (service: LocalService, text: string, path: string, body?: object) => {
  const response = await fetch(`${service.apiUrl}${path}`, {
    headers: { authorization: `Bearer ${text}` },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
};
const quick = { job: { jsonmodel_type: 'quick_job' } };
const options = { jobThreadCount: 2, plugins: ['test/plugins/jobs_test'], port: 0 };

describe('where only an issuer is set', () => {
  let service: LocalService;
  const printed: string[] = [];
  beforeAll(async () => {
    service = await startService({
      ...options,
      archivesspace: 'none',
      settings: {
        oidc_issuer: issuer.url,
        oidc_audience: audience,
        oidc_groups: JSON.stringify({
          staff: { '/repositories/2': 'repository-archivists' },
          readers: { '/repositories/2': ['repository-viewers'], '/repositories/3': 'repository-viewers' },
          it: { _archivesspace: 'administrators' },
        }),
      },
      log: (line) => printed.push(line),
    });
  });
  afterAll(() => service?.stop());

  test.each([
    ['RSA', 0],
    ['EC', 1],
    ['Ed25519', 2],
  ])('a token with an %s key is its bearer’s, who does what their groups may', async (_, key) => {
    const text = signed({ sub: 'ada', groups: ['staff'] }, key);
    const created = await send(service, text, '/repositories/2/jobs', quick);
    const { uri } = JSON.parse(created.text) as { uri: string };
    const shown = await send(service, text, uri);

    expect([created.status, shown.status]).toEqual([200, 200]);
    expect(JSON.parse(shown.text)).toMatchObject({ owner: 'ada', job_type: 'quick_job' });
  });

  test.each<[groups: unknown, repo: number, read: number, create: number]>([
    [['staff'], 2, 200, 200],
    [['staff'], 3, 403, 403],
    [['readers'], 2, 200, 403],
    [['readers'], 3, 200, 403],
    [['readers', 'staff'], 2, 200, 200],
    [['it'], 77, 200, 200],
    ['staff', 2, 200, 200],
    [[], 2, 403, 403],
    [undefined, 2, 403, 403],
    [['repository-archivists', 'administrators'], 2, 403, 403],
    [{ staff: true }, 2, 403, 403],
    [['__proto__', 'constructor'], 2, 403, 403],
  ])('groups %j in repository %i: read %i, create %i', async (groups, repo, read, create) => {
    const text = signed({ groups });

    expect((await send(service, text, `/repositories/${repo}/jobs?page=1`)).status).toBe(read);
    expect((await send(service, text, `/repositories/${repo}/jobs`, quick)).status).toBe(create);
  });

  test('somebody without groups is told what is missing', async () => {
    const answer = await send(service, signed({}), '/repositories/2/jobs?page=1');

    expect(JSON.parse(answer.text)).toMatchObject({ error: 'Access denied', missing_permissions: ['view_repository'] });
  });

  test('no bad token is taken, whatever is wrong with it; nothing is stored, and it is repeated nowhere', async () => {
    const jobs = async () => (await items(service)).filter(({ sk }) => sk === 'JOB').length;
    const before = await jobs();
    for (const [what, text] of badTokens(issuer)) {
      const read = await send(service, text, '/repositories/2/jobs?page=1');
      const create = await send(service, text, '/repositories/2/jobs', quick);

      expect({ what, statuses: [read.status, create.status] }).toEqual({ what, statuses: [401, 401] });
      expect(read.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
      expect(JSON.parse(read.text)).toEqual({
        code: expect.stringMatching(/^SESSION_(GONE|EXPIRED)$/),
        error: expect.any(String),
      });
      const told = [read.text, create.text, ...printed].join('\n');
      expect(told.includes(text), what).toBe(false);
    }
    expect(await jobs()).toBe(before);
    expect((await send(service, signed({ groups: ['staff'] }), '/repositories/2/jobs?page=1')).status).toBe(200);
  });

  test('what needs no permission needs no bearer either, but a bad token is told even there', async () => {
    expect((await fetch(`${service.apiUrl}/job_types`)).status).toBe(200);
    expect((await send(service, 'a.b.c', '/job_types')).status).toBe(401);
  });

  test('there are no passwords and no sessions', async () => {
    const login = await fetch(`${service.apiUrl}/users/admin/login`, {
      method: 'POST',
      body: new URLSearchParams({ password: 'admin' }),
    });

    expect(login.status).toBe(404);
    expect(await login.json()).toMatchObject({ error: expect.stringContaining(`sign in at ${issuer.url}`) });
    expect(await withSession(service.apiUrl, 'a'.repeat(64)).get('/job_types')).toMatchObject({
      status: 412,
      body: { code: 'SESSION_GONE' },
    });
  });

  test('a type that works in ArchivesSpace says that there is none', async () => {
    const text = signed({ groups: ['it'] });
    const form = new FormData();
    form.set(
      'job',
      JSON.stringify({ job: { jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: ['a.xml'] } }),
    );
    form.set('files[0]', new Blob(['<ead/>']), 'a.xml');
    const created = await fetch(`${service.apiUrl}/repositories/2/jobs_with_files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${text}` },
      body: form,
    });
    const { uri } = (await created.json()) as { uri: string };
    const job = async () => JSON.parse((await send(service, text, uri)).text) as Record<string, unknown>;
    await expect.poll(async () => (await job())['status'], { timeout: 15_000 }).toBe('failed');

    expect(await job()).toMatchObject({ failure: { reason: expect.stringMatching(/ArchivesSpace/) } });
  });
});

describe('where an issuer and an ArchivesSpace are set', () => {
  let service: LocalService;
  const asked: string[] = [];
  beforeAll(async () => {
    service = await startService({
      ...options,
      settings: { oidc_issuer: issuer.url, oidc_audience: audience, oidc_username_claim: 'preferred_username' },
      onBackendRequest: (method, path) => void asked.push(`${method} ${path}`),
      log: () => undefined,
    });
  });
  afterAll(() => service?.stop());
  beforeEach(() => {
    asked.length = 0;
  });
  const as = (username: string, more: object = {}) => signed({ preferred_username: username, ...more });

  test('ArchivesSpace says what the bearer may do, and groups do not', async () => {
    const archivist = as('Archivist');
    const viewer = as('viewer', { groups: ['repository-archivists', 'administrators'] });

    const created = await send(service, archivist, '/repositories/2/jobs', quick);
    expect(created.status).toBe(200);
    const { uri } = JSON.parse(created.text) as { uri: string };
    // ArchivesSpace keeps names in lower case, and a runner becomes the owner by that name.
    expect(JSON.parse((await send(service, archivist, uri)).text)).toMatchObject({ owner: 'archivist' });
    expect((await send(service, archivist, '/repositories/3/jobs', quick)).status).toBe(403);
    expect((await send(service, viewer, uri)).status).toBe(200);
    expect((await send(service, viewer, '/repositories/2/jobs', quick)).status).toBe(403);
  });

  test('somebody whom ArchivesSpace does not know may do nothing', async () => {
    const answer = await send(service, as('stranger'), '/repositories/2/jobs?page=1');

    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.text)).toMatchObject({ missing_permissions: ['view_repository'] });
  });

  test('reads ask once a minute, what is created asks each time; the session that this takes is ended', async () => {
    const text = as('archivist', { jti: 'counted' });
    for (let n = 0; n < 3; n++) await send(service, text, '/repositories/2/jobs?page=1');
    const becoming = () => asked.filter((one) => one === 'POST /users/archivist/become-user').length;
    expect(becoming()).toBe(1);

    await send(service, text, '/repositories/2/jobs', { job: { jsonmodel_type: 'unheard_of_job' } });
    await send(service, text, '/repositories/2/jobs', { job: { jsonmodel_type: 'unheard_of_job' } });
    expect(becoming()).toBe(3);
    expect(asked.filter((one) => one === 'POST /logout')).toHaveLength(3);
  });

  test('no bad token is taken', async () => {
    for (const [what, text] of badTokens(issuer)) {
      expect({ what, status: (await send(service, text, '/repositories/2/jobs?page=1')).status }).toEqual({
        what,
        status: 401,
      });
    }
    expect(asked).toEqual([]);
  });

  test('the session function takes nobody’s word for who asks, and gives no session away', async () => {
    const name = Object.entries(service.stack.resources).find(([id]) => /^Session[0-9A-F]{8}$/.test(id))?.[1];
    const invoke = async (event: object) => {
      const response = await fetch(`${service.stack.endpoints.lambda}/2015-03-31/functions/${name}/invocations`, {
        method: 'POST',
        body: JSON.stringify(event),
      });
      return { failed: response.headers.has('x-amz-function-error'), answer: await response.text() };
    };
    const forged = token(
      { ...(issuer.keys[1] as SigningKey), kid: 'rsa', alg: 'RS256' },
      claims({ preferred_username: 'admin' }),
    );

    expect(await invoke({ bearer: forged })).toMatchObject({ failed: true });
    expect(asked).toEqual([]);
    const honest = await invoke({ bearer: as('admin') });
    expect(Object.keys((JSON.parse(honest.answer) as { user: object }).user).sort()).toEqual([
      'permissions',
      'username',
    ]);
  });

  test('sessions of ArchivesSpace count beside tokens, but no password is passed on', async () => {
    const staff: Person = withSession(
      service.apiUrl,
      (await person(service.archivesspaceUrl, 'archivist')).headers()['x-archivesspace-session'],
    );

    expect((await staff.get('/repositories/2/jobs?page=1')).status).toBe(200);
    asked.length = 0;
    expect((await withSession(service.apiUrl, undefined).post('/users/admin/login', 'password=admin')).status).toBe(
      404,
    );
    expect(asked).toEqual([]);
  });
});
