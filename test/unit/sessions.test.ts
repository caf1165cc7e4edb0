import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ArchivesSpaceUnavailable } from '../../archivesspace/client.ts';
import { Sessions } from '../../functions/api/sessions.ts';

const env = {
  ARCHIVESSPACE_URL: '',
  OIDC_ISSUER: '',
  OIDC_AUDIENCE: '',
  OIDC_USERNAME_CLAIM: '',
  OIDC_GROUPS_CLAIM: '',
  OIDC_GROUPS: '',
  SESSION_FUNCTION: '',
};
const session = (text: string) => ({ 'x-archivesspace-session': text });

let asked: string[];
let answer: { status: number; body: unknown };
let url: string;
let close: () => Promise<void>;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  asked = [];
  answer = { status: 200, body: { username: 'archivist', permissions: { '/repositories/2': ['create_job'] } } };
  const server = createServer((request, response) => {
    asked.push(String(request.headers['x-archivesspace-session']));
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
  });
  await new Promise<void>((started) => server.listen(0, '127.0.0.1', started));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = () =>
    new Promise((closed) => {
      server.close(() => closed());
      server.closeAllConnections();
    });
});
afterEach(async () => {
  vi.useRealTimers();
  await close();
});

const made = () => new Sessions({ ...env, ARCHIVESSPACE_URL: url });
const lost = (code: string) => ({ status: 412, body: { code, error: 'No session found for secret' } });

test('a read goes for a minute by what ArchivesSpace said, and then asks again', async () => {
  const sessions = made();
  await sessions.userOf(session('a'), true);
  vi.setSystemTime(Date.now() + 59_000);

  expect(await sessions.userOf(session('a'), true)).toMatchObject({ username: 'archivist' });
  expect(asked).toHaveLength(1);

  vi.setSystemTime(Date.now() + 1_000);
  await sessions.userOf(session('a'), true);
  expect(asked).toHaveLength(2);
});

test('what is not a read asks each time, and what it hears counts for reads at once', async () => {
  const sessions = made();
  await sessions.userOf(session('a'), true);
  answer = { status: 200, body: { username: 'archivist', permissions: {} } };

  expect((await sessions.userOf(session('a'), false)).permissions).toEqual({});
  expect((await sessions.userOf(session('a'), true)).permissions).toEqual({});
  expect(asked).toHaveLength(2);
});

test('a session that a write found gone is gone for reads too', async () => {
  const sessions = made();
  await sessions.userOf(session('a'), true);
  answer = lost('SESSION_GONE');

  await expect(sessions.userOf(session('a'), false)).rejects.toMatchObject({ error: { gone: 'SESSION_GONE' } });
  await expect(sessions.userOf(session('a'), true)).rejects.toMatchObject({ error: { gone: 'SESSION_GONE' } });
});

test('that a session is gone is not remembered', async () => {
  const sessions = made();
  const before = answer;
  answer = lost('SESSION_GONE');
  await expect(sessions.userOf(session('a'), true)).rejects.toMatchObject({ error: { code: 'no_session' } });
  answer = before;

  expect(await sessions.userOf(session('a'), true)).toMatchObject({ username: 'archivist' });
});

test('a session that was logged out is asked for again', async () => {
  const sessions = made();
  await sessions.userOf(session('a'), true);
  sessions.forget('a');
  await sessions.userOf(session('a'), true);

  expect(asked).toEqual(['a', 'a']);
});

test('one session never stands for another, and a thousand are remembered at most', async () => {
  const sessions = made();
  for (let n = 0; n <= 1_000; n++) await sessions.userOf(session(`s${n}`), true);
  await sessions.userOf(session('s1000'), true);
  await sessions.userOf(session('s0'), true);

  expect(asked).toHaveLength(1_002);
  expect(asked.at(-1)).toBe('s0');
});

describe('a session that is lost', () => {
  test.each([
    ['SESSION_GONE', 'No session found'],
    ['SESSION_EXPIRED', 'Session timed out'],
  ])('is told as ArchivesSpace tells it (%s), without repeating it', async (code, message) => {
    answer = lost(code);

    await expect(made().userOf(session('secret'), true)).rejects.toMatchObject({
      error: { code: 'no_session', gone: code, message },
    });
  });
});

test('without a session there is nobody, and nobody is asked', async () => {
  expect(await made().userOf({}, false)).toEqual({ username: '', permissions: {} });
  expect(asked).toEqual([]);
});

test('a token means nothing where no issuer is set', async () => {
  expect(await made().userOf({ authorization: 'Bearer a.b.c' }, false)).toEqual({ username: '', permissions: {} });
});

test('a backend that fails is no lost session', async () => {
  answer = { status: 500, body: {} };

  await expect(made().userOf(session('a'), true)).rejects.toBeInstanceOf(ArchivesSpaceUnavailable);
});
