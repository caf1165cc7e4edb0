// The folder of a built page under /ui/, as the bucket and the edge in front of the API serve it on AWS: `/` leads there,
// every address of the page that is no file is its index.html, and what has a hash in its name is kept for ever.
import { createReadStream, existsSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

export interface Page {
  /** Built: index.html, and assets/ with hashes in their names. */
  readonly dir: string;
  /** What each answer carries, the content security policy among it. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Answers what is the page's; false when the request is not for it. */
export function servePage({ dir, headers }: Page, request: IncomingMessage, response: ServerResponse): boolean {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  if (request.method !== 'GET' && request.method !== 'HEAD') return false;
  if (path === '/' || path === '/ui') {
    response.writeHead(302, { location: '/ui/', 'cache-control': 'no-cache' }).end();
    return true;
  }
  if (!path.startsWith('/ui/')) return false;
  const wanted = decode(path.slice('/ui/'.length));
  const file = wanted === undefined || wanted === '' ? undefined : join(dir, normalize(`/${wanted}`));
  const isFile = file !== undefined && existsSync(file) && statSync(file).isFile();
  if (!isFile && path.startsWith('/ui/assets/')) {
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('Not found\n');
    return true;
  }
  const found = isFile ? file : join(dir, 'index.html');
  response.writeHead(200, {
    ...headers,
    'content-type': types[extname(found)] ?? 'application/octet-stream',
    'content-length': statSync(found).size,
    'cache-control': path.startsWith('/ui/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
  });
  if (request.method === 'HEAD') response.end();
  else createReadStream(found).pipe(response);
  return true;
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
