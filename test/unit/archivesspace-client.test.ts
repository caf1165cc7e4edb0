import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import {
  type ArchivesSpaceClientOptions,
  ArchivesSpaceUnavailable,
  createArchivesSpaceClient,
} from '../../archivesspace/client.ts';

const SESSION = 'a'.repeat(64);
const USER = {
  username: 'archivist',
  name: 'Ada',
  permissions: { '/repositories/2': ['create_job'] },
  is_admin: false,
};
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

async function serve(listener: RequestListener) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    listener(request, response);
  });
  await new Promise<void>((started) => server.listen(0, '127.0.0.1', started));
  const close = async () => {
    const closed = new Promise((done) => server.close(done));
    server.closeAllConnections();
    await closed;
  };
  cleanups.push(close);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { url: `http://127.0.0.1:${address.port}`, requests, close };
}

async function clientOf(listener: RequestListener, options: Partial<ArchivesSpaceClientOptions> = {}) {
  const { url, requests } = await serve(listener);
  return { client: createArchivesSpaceClient({ baseUrl: url, ...options }), requests };
}

const always =
  (status: number, body: string, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) => {
    response.writeHead(status, headers).end(body);
  };
const json = (status: number, body: unknown) => always(status, JSON.stringify(body));

test.each([301, 302, 303, 307, 308])(
  'a redirect (%i) is refused, and the session reaches no other host',
  async (status) => {
    const thief = await serve(always(200, '{}'));
    const { client, requests } = await clientOf(always(status, '', { location: `${thief.url}/repositories` }));

    await expect(client.request({ method: 'GET', path: '/repositories', session: SESSION })).rejects.toThrow(
      ArchivesSpaceUnavailable,
    );

    expect(requests[0]?.headers['x-archivesspace-session']).toBe(SESSION);
    expect(thief.requests).toHaveLength(0);
  },
);

test.each(['//evil.example/x', '@evil.example/', 'http://evil.example/', '/a/../b', '/a\r\nb: c'])(
  'the path %j is never sent',
  async (path) => {
    const { client, requests } = await clientOf(json(200, {}));

    await expect(client.request({ method: 'GET', path, session: SESSION })).rejects.toThrow(TypeError);

    expect(requests).toHaveLength(0);
  },
);

test('an address with a path keeps it', async () => {
  const { url, requests } = await serve(json(200, {}));

  const client = createArchivesSpaceClient({ baseUrl: `${url}/api/` });
  await client.request({ method: 'GET', path: '/repositories/2/resources?page=1' });

  expect(requests[0]?.url).toBe('/api/repositories/2/resources?page=1');
  expect(requests[0]?.headers).not.toHaveProperty('x-archivesspace-session');
});

test.each(['ftp://a.example', 'http://user:pw@a.example', 'http://a.example/?x=1', 'a.example'])(
  'the address %s is refused',
  (baseUrl) => {
    expect(() => createArchivesSpaceClient({ baseUrl })).toThrow(TypeError);
  },
);

test('any status of a request is returned with its headers and body', async () => {
  const { client } = await clientOf(always(409, '{"error":"stale"}', { 'x-one': '1' }));

  const response = await client.request({ method: 'POST', path: '/repositories/2/resources/1', body: '{}' });

  expect([response.status, response.headers.get('x-one'), await response.json()]).toEqual([
    409,
    '1',
    { error: 'stale' },
  ]);
});

test('an answer that is larger than allowed is cut off, even when it was compressed', async () => {
  const large = Buffer.alloc(20_000, 'x');
  const plain = await clientOf(always(200, large.toString()), { maxResponseBytes: 10_000 });
  const packed = await clientOf(
    (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(large)),
    { maxResponseBytes: 10_000 },
  );

  for (const { client } of [plain, packed]) {
    const response = await client.request({ method: 'GET', path: '/version' });
    await expect(response.text()).rejects.toThrow('ArchivesSpace answered more than 10000 bytes');
  }
});

test('a backend that does not answer, or stops in the middle, is unavailable after the time-out', async () => {
  const silent = await clientOf(() => undefined, { timeoutMs: 50 });
  const half = await clientOf((_request, response) => void response.writeHead(200).write('{'), { timeoutMs: 50 });

  await expect(silent.client.currentUser(SESSION)).rejects.toThrow(ArchivesSpaceUnavailable);
  await expect(half.client.currentUser(SESSION)).rejects.toThrow('did not answer within 50 ms');
});

test('a backend that is not there, or hangs up, is unavailable and says why', async () => {
  const hangsUp = await clientOf((request) => request.socket.destroy());
  const { url, close } = await serve(json(200, USER));
  await close();
  const gone = createArchivesSpaceClient({ baseUrl: url });

  for (const client of [hangsUp.client, gone]) {
    await expect(client.currentUser(SESSION)).rejects.toMatchObject({
      name: 'ArchivesSpaceUnavailable',
      message: 'ArchivesSpace could not be reached: GET /users/current-user',
      cause: expect.any(Error),
    });
  }
});

test("a caller's abort is the caller's reason, not a fault of the backend", async () => {
  const abort = new AbortController();
  const { client } = await clientOf(() => abort.abort(new Error('the job was canceled')));

  const request = client.request({ method: 'GET', path: '/version', signal: abort.signal });

  await expect(request).rejects.toThrow('the job was canceled');
});

test('the current user is reduced to name and permissions', async () => {
  const { client } = await clientOf(json(200, USER));

  const { username, name, permissions } = USER;
  expect(await client.currentUser(SESSION)).toEqual({ ok: true, user: { username, name, permissions } });
});

test.each([
  [500, '{"error":"boom"}'],
  [502, '<html>'],
  [404, '<html>'],
  [412, '{"code":"OTHER"}'],
  [200, '<html>'],
  [200, '{}'],
  [200, '{"username":"a","permissions":{"/repositories/2":"create_job"}}'],
  [200, '{"username":"a","permissions":null}'],
])('an answer of %i %s to "who is it" is a fault, never a user', async (status, body) => {
  const { client } = await clientOf(always(status, body));

  await expect(client.currentUser(SESSION)).rejects.toMatchObject({ name: 'ArchivesSpaceUnavailable', status });
});

test.each([
  [403, '{"error":"Login failed"}', { ok: false, reason: 'refused' }],
  [400, '{"error":{}}', { ok: false, reason: 'refused' }],
])('a login answered with %i is refused', async (status, body, expected) => {
  const { client } = await clientOf(always(status, body));

  expect(await client.login({ username: 'a', password: 'b' })).toEqual(expected);
});

test.each([
  [403, '<html>a firewall</html>'],
  [200, '{"session":"with a space","user":{"username":"a","permissions":{}}}'],
  [200, '{"user":{"username":"a","permissions":{}}}'],
])('a login answered with %i %s is a fault', async (status, body) => {
  const { client } = await clientOf(always(status, body));

  await expect(client.login({ username: 'a', password: 'b' })).rejects.toThrow(ArchivesSpaceUnavailable);
});

test('names and sessions that cannot exist are refused without asking', async () => {
  const { client, requests } = await clientOf(json(200, {}));

  expect(await client.login({ username: '../x', password: 'b' })).toEqual({ ok: false, reason: 'refused' });
  expect(await client.becomeUser({ session: SESSION, username: '..' })).toEqual({ ok: false, reason: 'unknown_user' });
  expect(await client.currentUser('a b\r\nx: y')).toEqual({ ok: false, reason: 'gone' });
  expect(await client.logout('')).toEqual({ ok: false, reason: 'gone' });
  expect(requests).toHaveLength(0);
});
