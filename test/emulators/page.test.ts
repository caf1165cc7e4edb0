import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LoopbackServer, listenOnLoopback } from '../../local/loopback.ts';
import { servePage } from '../../local/page.ts';

let server: LoopbackServer;
const root = mkdtempSync(join(tmpdir(), 'page-'));
beforeAll(async () => {
  const dir = join(root, 'dist');
  mkdirSync(join(dir, 'assets'), { recursive: true });
  writeFileSync(join(root, 'secret.txt'), 'secret');
  writeFileSync(join(dir, 'index.html'), 'the page');
  writeFileSync(join(dir, 'assets', 'main-abc.js'), 'code');
  server = await listenOnLoopback(async (incoming, outgoing) => {
    if (!servePage({ dir, headers: { 'x-of-the-page': 'yes' } }, incoming, outgoing)) outgoing.end('the API');
  });
});
afterAll(async () => {
  await server.close();
  rmSync(root, { recursive: true });
});

/** With the path as it is: `fetch` would tidy it. */
const ask = (path: string, method = 'GET') =>
  new Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
    const sent = request(`${server.endpoint}`, { path, method }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
    });
    sent.once('error', reject);
    sent.end();
  });

test('deep links are the page, files are files, and all else is left to the API', async () => {
  expect((await ask('/ui/')).text).toBe('the page');
  expect((await ask('/ui/repositories/2/jobs/7?x=y')).text).toBe('the page');
  expect(await ask('/ui/assets/main-abc.js')).toMatchObject({
    text: 'code',
    headers: {
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-of-the-page': 'yes',
    },
  });
  expect((await ask('/ui/assets/main-old.js')).status).toBe(404);
  expect(await ask('/')).toMatchObject({ status: 302, headers: { location: '/ui/' } });
  for (const path of ['/repositories/2/jobs', '/uix', '/version']) expect((await ask(path)).text).toBe('the API');
  expect((await ask('/ui/', 'POST')).text).toBe('the API');
});

test.each(['/ui/../secret.txt', '/ui/..%2fsecret.txt', '/ui/assets/..%2f..%2fsecret.txt', '/ui/%zz', '/ui/%00'])(
  'nothing outside of its folder is served: %s',
  async (path) => {
    expect((await ask(path)).text).not.toContain('secret');
  },
);
