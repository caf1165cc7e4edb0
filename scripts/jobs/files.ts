import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, openAsBlob, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { FileEntry, FileLink, UploadReply } from '../../schemas/extensions.ts';
import type { Client } from './client.ts';
import { Stop } from './stop.ts';

/** What a form may have in all, with room for what is between its parts. */
const mostFormBytes = 4 * 1024 * 1024 - 64 * 1024;
const types: Readonly<Record<string, string>> = {
  '.xml': 'application/xml',
  '.csv': 'text/csv',
  '.tsv': 'text/tab-separated-values',
  '.txt': 'text/plain',
  '.json': 'application/json',
  '.pdf': 'application/pdf',
  '.xlsx': 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
};
const typeOf = (path: string) => types[extname(path).toLowerCase()] ?? 'application/octet-stream';

/** Where a job of these files is created, and the body: a form as long as it takes them, else they are sent ahead. */
export async function bodyWith(client: Client, repo: string, job: object, paths: readonly string[]) {
  const sizes = paths.map((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found?.isFile()) throw new Stop('usage', `There is no file ${path}`);
    return found.size;
  });
  const jobs = `/repositories/${repo}/jobs`;
  if (paths.length === 0) return { path: jobs, body: JSON.stringify(job) };
  if (sizes.reduce((sum, size) => sum + size, Buffer.byteLength(JSON.stringify(job))) <= mostFormBytes) {
    const body = new FormData();
    body.set('job', JSON.stringify(job));
    for (const [n, path] of paths.entries())
      body.set(`files[${n}]`, await openAsBlob(path, { type: typeOf(path) }), basename(path));
    return { path: `${jobs}_with_files`, body };
  }
  const uploads: string[] = [];
  for (const [n, path] of paths.entries()) uploads.push(await sendAhead(client, jobs, path, sizes[n] ?? 0));
  return { path: jobs, body: JSON.stringify({ ...job, uploads }) };
}

async function sendAhead(client: Client, jobs: string, path: string, size: number): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const place = await client.json<UploadReply>(`${jobs}/uploads`, {
    method: 'POST',
    body: JSON.stringify({ name: basename(path), size, sha256: hash.digest('hex'), content_type: typeOf(path) }),
  });
  const sent = await fetch(place.url, { method: 'PUT', headers: place.headers, body: await openAsBlob(path) });
  if (!sent.ok) throw new Stop('refused', `${path} was not taken: ${sent.status} ${(await sent.text()).slice(0, 300)}`);
  return place.upload_id;
}

/** Writes a file of a job into a folder, under its own name; never over another file. Returns where it is. */
export async function download(client: Client, job: string, { id, name }: FileEntry, folder: string): Promise<string> {
  const { link } = await client.json<FileLink>(`${job}/files/${id}`);
  // The link is enough; a session would go where it is not needed.
  const response = await fetch(link);
  if (!response.ok || !response.body) throw new Stop('unavailable', `${name} could not be fetched: ${response.status}`);
  const path = join(folder, safe(name));
  await pipeline(response.body, createWriteStream(path, { flags: 'wx' })).catch((error: unknown) => {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Stop('usage', code === 'EEXIST' ? `${path} is there already.` : message);
  });
  return path;
}

/** The service has names without folders; that is not for it to promise. */
const safe = (name: string) => {
  const last =
    name
      .split(/[/\\]/)
      .at(-1)
      ?.replace(/\p{Cc}/gu, '') ?? '';
  return last === '' || last === '.' || last === '..' ? 'file' : last;
};
