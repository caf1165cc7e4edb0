import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Page } from './page.ts';

/** Builds the page when what it is made of has changed, and says how it is served. Throws when it cannot be built. */
export async function buildPage(): Promise<Page> {
  await new Promise<void>((resolve, reject) => {
    const build = spawn(process.execPath, ['scripts/build-ui.ts'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [build.stdout, build.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    build.once('error', reject);
    build.once('close', (status) =>
      status === 0 ? resolve() : reject(new Error(`The page could not be built:\n${said.trim()}`)),
    );
  });
  const headers = JSON.parse(readFileSync('ui/headers.json', 'utf8')) as Record<string, string>;
  return {
    dir: 'ui/dist',
    // Files go to the local S3, on a port that is not known before.
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace('{connect}', 'http://127.0.0.1:*')]),
    ),
  };
}
