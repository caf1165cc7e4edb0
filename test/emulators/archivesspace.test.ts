import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { type ArchivesSpaceClient, createArchivesSpaceClient } from '../../archivesspace/client.ts';
import { type ArchivesSpaceOptions, startArchivesSpace } from '../../local/archivesspace/server.ts';

const SERVICE = { name: 'background-jobs', password: 'a secret' };
const NOBODY = 'f'.repeat(64);
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  vi.useRealTimers();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: ArchivesSpaceOptions = {}) {
  const backend = await startArchivesSpace({ serviceUser: SERVICE, ...options });
  cleanups.push(backend.close);
  return { ...backend, client: createArchivesSpaceClient({ baseUrl: backend.url }) };
}

async function logIn(client: ArchivesSpaceClient, username: string, password = username): Promise<string> {
  const login = await client.login({ username, password });
  if (!login.ok) throw new Error(`${username} could not log in`);
  return login.session;
}

test('a user logs in, is known by the session, and is not after logging out', async () => {
  const { client } = await start();

  const login = await client.login({ username: 'archivist', password: 'archivist' });

  if (!login.ok) throw new Error('not logged in');
  expect(login.session).toMatch(/^[0-9a-f]{64}$/);
  expect(login.user).toMatchObject({ username: 'archivist', name: 'Ada Archivist' });
  expect(await client.currentUser(login.session)).toEqual({ ok: true, user: login.user });
  expect(await client.logout(login.session)).toEqual({ ok: true });
  expect(await client.currentUser(login.session)).toEqual({ ok: false, reason: 'gone' });
});

test('a wrong password and an unknown user get the same answer', async () => {
  const { url, client } = await start();

  const answers = await Promise.all(
    ['archivist', 'stranger'].map(async (name) => {
      const response = await fetch(`${url}/users/${name}/login?password=wrong`, { method: 'POST' });
      return [response.status, await response.text()];
    }),
  );

  expect(answers).toEqual([
    [403, '{"error":"Login failed"}\n'],
    [403, '{"error":"Login failed"}\n'],
  ]);
  expect(await client.login({ username: 'archivist', password: '' })).toEqual({ ok: false, reason: 'refused' });
});

test('the password is taken as form, multipart, query or JSON field, and asked for when it is missing', async () => {
  const { url } = await start();
  const multipart = new FormData();
  multipart.set('password', 'viewer');
  const json = { 'content-type': 'application/json' };
  const post = async (query: string, init: RequestInit) =>
    (await fetch(`${url}/users/Viewer/login${query}`, { method: 'POST', ...init })).status;

  expect(await post('', { body: new URLSearchParams({ password: 'viewer' }) })).toBe(200);
  expect(await post('', { body: multipart })).toBe(200);
  expect(await post('?password=viewer', {})).toBe(200);
  expect(await post('', { body: JSON.stringify({ password: 'viewer' }), headers: json })).toBe(200);
  expect(await post('', { body: '{', headers: json })).toBe(400);
  expect(await post('', {})).toBe(400);
  expect(await post('', { body: new URLSearchParams({ password: 'x'.repeat(100_000) }) })).toBe(413);
});

const COLUMNS = [
  'view_repository',
  'create_job',
  'cancel_job',
  'import_records',
  'cancel_importer_job',
  'manage_repository',
  'update_resource_record',
  'manage_custom_report_templates',
];

test.each([
  ['manager', 'y n y y n y y y'],
  ['archivist', 'y y y y n n y y'],
  ['data-entry', 'y y n n n n y n'],
  ['viewer', 'y n n n n n n n'],
])("%s has the permissions of ArchivesSpace's default group", async (username, row) => {
  const { client } = await start();

  const current = await client.currentUser(await logIn(client, username));

  const held = current.ok ? current.user.permissions : {};
  expect(COLUMNS.map((code) => (held['/repositories/2']?.includes(code) ? 'y' : 'n')).join(' ')).toBe(row);
  expect(held['/repositories/3']).toEqual(username === 'archivist' ? ['view_repository'] : undefined);
  expect(held['_archivesspace']).toEqual([]);
});

test('admin holds everything everywhere, the service user only that it may become another', async () => {
  const { client } = await start();

  const admin = await client.currentUser(await logIn(client, 'admin'));
  const service = await client.currentUser(await logIn(client, SERVICE.name, SERVICE.password));

  if (!admin.ok || !service.ok) throw new Error('not logged in');
  expect(admin.user.permissions['_archivesspace']).toEqual(expect.arrayContaining([...COLUMNS, 'administer_system']));
  expect(service.user.permissions).toEqual({ '/repositories/1': ['become_user'], _archivesspace: ['become_user'] });
});

test('the service user becomes the archivist; the archivist becomes nobody', async () => {
  const { client } = await start();
  const service = await logIn(client, SERVICE.name, SERVICE.password);

  const become = await client.becomeUser({ session: service, username: 'archivist' });

  if (!become.ok) throw new Error(become.reason);
  expect(become.session).not.toBe(service);
  const current = await client.currentUser(become.session);
  expect(current.ok && current.user.username).toBe('archivist');
  expect(await client.becomeUser({ session: become.session, username: 'admin' })).toEqual({
    ok: false,
    reason: 'refused',
  });
  expect(await client.becomeUser({ session: service, username: 'stranger' })).toEqual({
    ok: false,
    reason: 'unknown_user',
  });
  expect(await client.becomeUser({ session: NOBODY, username: 'admin' })).toEqual({ ok: false, reason: 'gone' });
});

test('without a service user there is none', async () => {
  const backend = await startArchivesSpace();
  cleanups.push(backend.close);
  const client = createArchivesSpaceClient({ baseUrl: backend.url });

  expect(await client.login({ username: SERVICE.name, password: SERVICE.password })).toMatchObject({ ok: false });
});

test('an unknown session is answered before the route is looked at; no session is an anonymous user', async () => {
  const { url } = await start();
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, { headers });
    return [response.status, await response.text()];
  };

  const lost = `{"code":"SESSION_GONE","error":"No session found for ${NOBODY}"}\n`;
  expect(await get('/no/such/path', { 'x-archivesspace-session': NOBODY })).toEqual([412, lost]);
  expect(await get('/no/such/path')).toEqual([404, '{"error":"Sinatra::NotFound"}\n']);
  expect(await get('/users/current-user')).toEqual([404, '{"error":"Not logged in"}\n']);
  expect(await get('/repositories/2/resources?all_ids=true')).toEqual([403, '{"error":"Access denied"}\n']);
  expect((await get('/version'))[0]).toBe(200);
});

test('a session expires when it was not used for its idle time, is said to have expired once, and then is gone', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const { client } = await start({ sessionIdleSeconds: 60 });
  const session = await logIn(client, 'viewer');
  const lasting = await client.login({ username: 'viewer', password: 'viewer', expiring: false });
  if (!lasting.ok) throw new Error('not logged in');

  vi.setSystemTime(Date.now() + 59_000);
  expect(await client.currentUser(session)).toMatchObject({ ok: true });
  vi.setSystemTime(Date.now() + 59_000);
  expect(await client.currentUser(session)).toMatchObject({ ok: true });
  vi.setSystemTime(Date.now() + 60_000);
  expect(await client.currentUser(session)).toEqual({ ok: false, reason: 'expired' });
  expect(await client.currentUser(session)).toEqual({ ok: false, reason: 'gone' });
  expect(await client.currentUser(lasting.session)).toMatchObject({ ok: true });
});

test('a restart logs nobody out, and brings nobody back', async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'archivesspace-'));
  cleanups.push(() => rm(stateDir, { recursive: true }));
  const first = await start({ stateDir });
  const kept = await logIn(first.client, 'viewer');
  const ended = await logIn(first.client, 'viewer');
  await first.client.logout(ended);
  await first.close();
  cleanups.pop();

  const second = await start({ stateDir });

  expect(await second.client.currentUser(kept)).toMatchObject({ ok: true });
  expect(await second.client.currentUser(ended)).toEqual({ ok: false, reason: 'gone' });
});

test('repositories can be listed and read', async () => {
  const { url } = await start();

  const repositories = await (await fetch(`${url}/repositories`)).json();

  expect(repositories).toMatchObject([
    { uri: '/repositories/2', repo_code: 'EXAMPLE', jsonmodel_type: 'repository' },
    { uri: '/repositories/3', repo_code: 'OTHER' },
  ]);
  expect(await (await fetch(`${url}/repositories/3`)).json()).toMatchObject({ uri: '/repositories/3' });
  expect((await fetch(`${url}/repositories/4`)).status).toBe(404);
});

test('a request can be held, and broken', async () => {
  const held = Promise.withResolvers<void>();
  const onRequest = vi.fn(async (method: string, path: string) => {
    if (path === '/repositories') await held.promise;
    if (method === 'POST') throw new Error('broken');
  });
  const { url } = await start({ onRequest });
  let answered = false;
  const listing = fetch(`${url}/repositories`).then((response) => {
    answered = true;
    return response.status;
  });

  expect((await fetch(`${url}/version`)).status).toBe(200);
  expect((await fetch(`${url}/logout`, { method: 'POST' })).status).toBe(500);
  expect(onRequest).toHaveBeenCalledWith('GET', '/repositories');
  expect(answered).toBe(false);
  held.resolve();
  expect(await listing).toBe(200);
});
