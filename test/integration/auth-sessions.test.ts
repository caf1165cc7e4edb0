import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { items, useService, withSession } from '../helpers/stack.ts';

/** What the stand-in was asked, and whether it is broken. */
const asked: string[] = [];
let broken: RegExp | undefined;
const stack = useService({
  onBackendRequest: (method, path) => {
    asked.push(`${method} ${path}`);
    if (broken?.test(path)) throw new Error('The stand-in is broken.');
  },
});
beforeEach(() => {
  asked.length = 0;
  broken = undefined;
});

const login = (username: string, body: string | URLSearchParams, query = '', headers: Record<string, string> = {}) =>
  fetch(`${stack.service.apiUrl}/users/${username}/login${query}`, { method: 'POST', body, headers });
const form = (fields: Record<string, string>) => new URLSearchParams(fields);
const attempt = (username: string, password: string) => login(username, form({ password }));
const askedFor = (what: string) => asked.filter((one) => one === what).length;
const attempts = async () => (await items(stack.service)).filter(({ pk }) => String(pk).startsWith('LOGIN#'));

describe('a login', () => {
  test('answers as ArchivesSpace does: a session, the user, and permissions by repository and global', async () => {
    const answer = (await (await attempt('archivist', 'archivist')).json()) as Record<string, unknown>;
    const original = await fetch(`${stack.service.archivesspaceUrl}/users/archivist/login`, {
      method: 'POST',
      body: form({ password: 'archivist' }),
    });

    expect(answer).toEqual({
      ...((await original.json()) as object),
      session: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(answer).toMatchObject({
      user: {
        jsonmodel_type: 'user',
        username: 'archivist',
        permissions: {
          '/repositories/2': expect.arrayContaining(['create_job']),
          '/repositories/3': ['view_repository'],
          _archivesspace: [],
        },
      },
    });
    expect(answer).not.toHaveProperty('expire_after_seconds');
  });

  test('with expiring=false says how long the session lasts, and so does JSON', async () => {
    const lasting = { session: expect.any(String), expire_after_seconds: 604_800 };
    const json = { 'content-type': 'application/json' };

    expect(await (await login('viewer', form({ password: 'viewer', expiring: 'False' }))).json()).toMatchObject(
      lasting,
    );
    expect(
      await (await login('viewer', JSON.stringify({ password: 'viewer', expiring: false }), '', json)).json(),
    ).toMatchObject(lasting);
  });

  test('gives a session that the API and the backend know', async () => {
    const { session } = (await (await attempt('Archivist', 'archivist')).json()) as { session: string };

    expect(await withSession(stack.service.apiUrl, session).get('/repositories/2/jobs?page=1')).toMatchObject({
      status: 200,
    });
  });

  test.each([
    ['?password=hunter2', form({ password: 'hunter2' })],
    ['?password=hunter2', ''],
    ['?expiring=false&Password=hunter2', ''],
    ['?password[]=hunter2', ''],
    ['?user%5Bpassword%5D=hunter2', ''],
  ])('with the password in the address (%s) is refused, and the password is repeated nowhere', async (query, body) => {
    const response = await login('viewer', body, query);
    const text = await response.text();

    expect(response.status).toBe(400);
    expect(text).toMatch(/"password":\["Must be in the body/);
    expect(text + stack.printed.join('\n')).not.toContain('hunter2');
    expect(asked).toEqual([]);
  });

  test.each([
    ['no body', '', {}],
    ['no password', form({ expiring: 'true' }), {}],
    ['an empty password', form({ password: '' }), {}],
    ['a password that is a number', '{"password":1}', { 'content-type': 'application/json' }],
    ['JSON that is null', 'null', { 'content-type': 'application/json' }],
  ])('with %s says that it needs one', async (_, body, headers) => {
    const response = await login('viewer', body, '', headers);

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { password: ['Parameter required but no value provided'] },
    });
    expect(asked).toEqual([]);
  });
});

describe('logins that fail', () => {
  test('five times are told that they did, then that there were too many, whether or not the user exists', async () => {
    const seen = async (username: string) => {
      const responses = [];
      for (let n = 0; n < 7; n++) responses.push(await attempt(username, `wrong-${username}`));
      return Promise.all(
        responses.map(async (one) => [one.status, await one.text(), one.headers.has('retry-after')] as const),
      );
    };
    const [known, unknown] = [await seen('manager'), await seen('nobody-at-all')];
    const failed = [403, '{"error":"Login failed"}\n', false];
    const tooMany = [429, expect.stringContaining('Too many failed logins'), true];

    expect(known).toEqual([failed, failed, failed, failed, failed, tooMany, tooMany]);
    expect(unknown).toEqual(known);
    expect(askedFor('POST /users/manager/login')).toBe(5);
    expect(stack.printed.join('\n')).not.toMatch(/wrong-/);
  });

  test('do not keep others out, but the right password of the same user for a while', async () => {
    const [right, other] = [await attempt('manager', 'manager'), await attempt('viewer', 'viewer')];

    expect([right.status, other.status]).toEqual([429, 200]);
    expect(Number(right.headers.get('retry-after'))).toBeGreaterThan(800);
    expect(Number(right.headers.get('retry-after'))).toBeLessThanOrEqual(900);
  });

  test('are forgotten by one that succeeds', async () => {
    const statuses = [];
    for (const password of ['x', 'x', 'x', 'x', 'data-entry', 'x', 'x', 'x', 'x', 'data-entry'])
      statuses.push((await attempt('data-entry', password)).status);

    expect(statuses).toEqual([403, 403, 403, 403, 200, 403, 403, 403, 403, 200]);
  });

  test('all at once are counted before any is answered', async () => {
    const responses = await Promise.all(Array.from({ length: 12 }, () => attempt('at-once', 'x')));

    expect(askedFor('POST /users/at-once/login')).toBeLessThanOrEqual(5);
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([403, 429]));
  });

  test('because the backend is broken are not counted', async () => {
    broken = /login/;
    for (let n = 0; n < 7; n++) expect((await attempt('archivist', 'archivist')).status).toBe(503);
    broken = undefined;

    expect((await attempt('archivist', 'archivist')).status).toBe(200);
  });

  test('leave nothing in the table but a count that expires: no name, no address, no password', async () => {
    const stored = await attempts();

    expect(stored.length).toBeGreaterThan(0);
    for (const item of stored) {
      expect(Object.keys(item).sort()).toEqual(['count', 'expires', 'pk', 'sk', 'until', 'v']);
      expect(item['pk']).toMatch(/^LOGIN#[0-9a-f]{64}$/);
      expect(item['expires']).toBeLessThanOrEqual(Date.now() / 1000 + 901);
    }
    expect(stored.map(({ pk }) => pk)).toContain(
      `LOGIN#${createHash('sha256').update('manager\n127.0.0.1').digest('hex')}`,
    );
  });
});

describe('a session', () => {
  test('is asked for once while one only reads, and again for each create and cancel', async () => {
    const archivist = await stack.as('archivist');
    for (let n = 0; n < 3; n++) await archivist.get('/repositories/2/jobs?page=1');
    expect(askedFor('GET /users/current-user')).toBe(1);

    const uri = await archivist.create('quick_job');
    await archivist.create('quick_job');
    await archivist.cancel(uri);
    expect(askedFor('GET /users/current-user')).toBe(4);
  });

  test('that was logged out is gone at once, here and in ArchivesSpace', async () => {
    const { session } = (await (await attempt('viewer', 'viewer')).json()) as { session: string };
    const viewer = withSession(stack.service.apiUrl, session);
    expect((await viewer.get('/repositories/2/jobs?page=1')).status).toBe(200);

    expect(await viewer.post('/logout')).toMatchObject({ status: 200, body: { status: 'session_logged_out' } });

    expect(await viewer.get('/repositories/2/jobs?page=1')).toMatchObject({
      status: 412,
      body: { code: 'SESSION_GONE' },
    });
    expect(await viewer.post('/logout')).toMatchObject({ status: 412, body: { code: 'SESSION_GONE' } });
    const backend = await fetch(`${stack.service.archivesspaceUrl}/users/current-user`, { headers: viewer.headers() });
    expect(backend.status).toBe(412);
  });

  test('that nobody has is gone on every route, before anything else is looked at', async () => {
    const stranger = withSession(stack.service.apiUrl, 'f'.repeat(64));

    for (const answer of [
      await stranger.get('/job_types'),
      await stranger.get('/repositories/2/jobs/1'),
      await stranger.post('/repositories/2/jobs', '{'),
      await stranger.post('/repositories/x/jobs/y/cancel'),
    ]) {
      expect(answer).toMatchObject({ status: 412, body: { code: 'SESSION_GONE' } });
    }
  });

  test.each(['a b', 'a\tb', 'x'.repeat(5_000)])('that cannot be one (%#) is gone, and never sent on', async (text) => {
    const stranger = withSession(stack.service.apiUrl, text);

    expect(await stranger.get('/job_types')).toMatchObject({ status: 412, body: { code: 'SESSION_GONE' } });
    expect(asked).toEqual([]);
  });

  test('is not needed for nothing, and without one nothing is permitted', async () => {
    const nobody = withSession(stack.service.apiUrl, undefined);

    expect((await nobody.get('/job_types')).status).toBe(200);
    expect(await nobody.get('/repositories/2/jobs?page=1')).toMatchObject({
      status: 403,
      body: { error: 'Access denied', missing_permissions: ['view_repository'] },
    });
    expect(await nobody.post('/logout')).toMatchObject({ status: 200 });
  });

  test('of a backend that fails is nobody’s fault, and nobody is let in', async () => {
    broken = /current-user/;
    const admin = await stack.as('admin');

    expect(await admin.post('/repositories/2/jobs', { job: { jsonmodel_type: 'quick_job' } })).toMatchObject({
      status: 503,
    });
  });
});

test('a token means nothing to a service that has no issuer', async () => {
  const response = await fetch(`${stack.service.apiUrl}/repositories/2/jobs?page=1`, {
    headers: { authorization: 'Bearer a.b.c' },
  });

  expect(response.status).toBe(403);
});
