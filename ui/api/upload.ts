import { ApiError, problemIn, sentence } from '../lib/problem.ts';
import { say } from '../words/say.ts';
import { calls } from './calls.ts';

/** A file of a form: chosen on this machine, or one of another job. */
export interface FormFile {
  readonly key: string;
  readonly name: string;
  readonly size: number;
  readonly contentType: string;
  readonly from: File | { readonly job: number; readonly file: number };
  readonly state: FileState;
}

export type FileState =
  | { readonly is: 'waiting' | 'reading' }
  | { readonly is: 'sending'; readonly done: number }
  | { readonly is: 'sent'; readonly upload: string }
  | { readonly is: 'failed'; readonly reason: string };

/** Larger contents are hashed in parts, by code: the browser's own hash takes all at once. */
const wholeBytes = 128 * 1024 * 1024;

/** Sends a file to its place, and says how that goes. Returns the upload's id; undefined when it failed. */
export async function send(
  repo: number,
  file: FormFile,
  tell: (state: FileState) => void,
): Promise<string | undefined> {
  if (file.state.is === 'sent') return file.state.upload;
  try {
    tell({ is: 'reading' });
    const content = file.from instanceof File ? file.from : await fetchOld(repo, file.from);
    const place = await calls.upload(repo, {
      name: file.name,
      size: content.size,
      sha256: await sha256(content),
      content_type: /^[\w.+-]+\/[\w.+-]+$/.test(content.type) ? content.type : 'application/octet-stream',
    });
    await put(place.url, place.headers, content, (done) => tell({ is: 'sending', done }));
    tell({ is: 'sent', upload: place.upload_id });
    return place.upload_id;
  } catch (error) {
    const reason =
      // A file that was changed or taken away since it was chosen cannot be read any more.
      error instanceof DOMException ? error.message : sentence(problemIn(error));
    tell({ is: 'failed', reason });
    return undefined;
  }
}

async function fetchOld(repo: number, { job, file }: { job: number; file: number }): Promise<Blob> {
  const { link, content_type: type } = await calls.fileLink(repo, job, file);
  const response = await fetch(link).catch(() => undefined);
  if (!response?.ok) throw new ApiError({ kind: 'offline' });
  return new Blob([await response.blob()], { type });
}

async function sha256(content: Blob): Promise<string> {
  if (content.size <= wholeBytes) return hex(await crypto.subtle.digest('SHA-256', await content.arrayBuffer()));
  const { Sha256 } = await import('@aws-crypto/sha256-js');
  const hash = new Sha256();
  for await (const part of content.stream()) hash.update(part);
  return hex((await hash.digest()).buffer);
}

const hex = (bytes: ArrayBufferLike): string =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** With `XMLHttpRequest`: `fetch` does not say how far it is. */
function put(
  url: string,
  headers: Readonly<Record<string, string>>,
  content: Blob,
  tell: (done: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => tell(total > 0 ? loaded / total : 0);
    request.onload = () => {
      // It is there already: an earlier answer was lost.
      if (request.status < 300 || request.status === 412) resolve();
      else reject(new ApiError({ kind: 'fault', message: String(request.status) }));
    };
    request.onerror = () => reject(new ApiError({ kind: 'offline' }));
    // Without a type: only the headers that were signed.
    request.send(content.slice(0, content.size, ''));
  });
}

export const stateText = (state: FileState, percent: (part: number) => string): string => {
  switch (state.is) {
    case 'sending':
      return say('files.sending', { percent: percent(state.done) });
    case 'failed':
      return say('files.failed', { reason: state.reason });
    default:
      return say(`files.${state.is}`);
  }
};
