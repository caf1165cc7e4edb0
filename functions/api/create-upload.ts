import { randomBytes } from 'node:crypto';
import { commit } from '../../aws/dynamo.ts';
import { presign } from '../../aws/objects.ts';
import { Fault, Refusal } from '../../core/errors.ts';
import { fileName } from '../../core/file-names.ts';
import { maxFileBytes, uploadLinkSeconds } from '../../core/limits.ts';
import { placeUpload, uploadKey } from '../../core/uploads.ts';
import type { UploadReply } from '../../schemas/extensions.ts';
import type { Creation } from './create-job.ts';
import type { Checked } from './http.ts';
import { jobTime } from './wire.ts';

const mostBodyBytes = 16 * 1024;

interface Announced {
  readonly name: string;
  readonly size: number;
  /** As base64. */
  readonly sha256: string;
  readonly contentType: string;
}

/**
 * POST /repositories/:repo_id/jobs/uploads: a place for one file of any size, sent straight to the bucket. The address
 * takes this content once: its key is random, and length, checksum and "only if there is none" are signed as headers.
 */
export const createUpload = ({ table, objects }: Pick<Creation, 'table' | 'objects'>): Checked<Announced> => ({
  check: async ({ body }) => announcedIn(body),
  async handle({ repo, user }, { name, size, sha256, contentType }) {
    const id = randomBytes(24).toString('base64url');
    const now = Date.now();
    const headers = { 'x-amz-checksum-sha256': sha256, 'if-none-match': '*' };
    const signed = { ...headers, 'content-length': String(size) };
    const url = await presign(objects, 'PUT', uploadKey(id), uploadLinkSeconds, {}, signed);
    const written = await commit(
      table,
      placeUpload({ id, repo, owner: user.username, name, contentType, size, sha256 }, now),
    );
    if (!written.done) throw new Fault('A random id was not new.', written.refused);
    const reply: UploadReply = {
      upload_id: id,
      method: 'PUT',
      url,
      // Without the length: browsers let no one set it, and every client sends it.
      headers,
      expires: jobTime(now + uploadLinkSeconds * 1000),
    };
    return { json: reply };
  },
});

function announcedIn(body: Buffer): Announced {
  const { name, size, sha256, content_type: contentType = 'application/octet-stream' } = fieldsOf(body);
  const problems: Record<string, string[]> = {};
  const required = ['Parameter required but no value provided'];
  if (name === undefined || name === '') problems['name'] = required;
  else if (typeof name !== 'string' || name.length > 1024)
    problems['name'] = ['Wanted a text of at most 1024 characters'];
  if (size === undefined) problems['size'] = required;
  else if (!Number.isSafeInteger(size) || Number(size) < 0) problems['size'] = ['Wanted a number of bytes'];
  else if (Number(size) > maxFileBytes) problems['size'] = [`At most ${maxFileBytes} bytes`];
  const sum = sha256 === undefined ? undefined : sumOf(sha256);
  if (sha256 === undefined) problems['sha256'] = required;
  else if (!sum) problems['sha256'] = ['Wanted the SHA-256 of the content as base64 or as 64 hex digits'];
  if (typeof contentType !== 'string' || !/^[\w.+-]{1,80}\/[\w.+-]{1,80}$/.test(contentType))
    problems['content_type'] = ['Wanted a type such as text/csv'];
  if (sum === undefined || Object.keys(problems).length > 0) throw new Refusal({ code: 'bad_request', problems });
  return { name: fileName(String(name)), size: Number(size), sha256: sum, contentType: String(contentType) };
}

function fieldsOf(body: Buffer): Readonly<Record<string, unknown>> {
  if (body.length > mostBodyBytes)
    throw new Refusal({ code: 'too_large', message: `An upload is announced in at most ${mostBodyBytes} bytes.` });
  let fields: unknown;
  try {
    fields = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new Refusal({ code: 'unreadable', message: error instanceof Error ? error.message.slice(0, 200) : '' });
  }
  if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) return { ...fields };
  throw new Refusal({ code: 'unreadable', message: 'it must be an object with name, size and sha256' });
}

/** As base64, which S3 wants. */
function sumOf(given: unknown): string | undefined {
  if (typeof given !== 'string') return undefined;
  if (/^[0-9a-fA-F]{64}$/.test(given)) return Buffer.from(given, 'hex').toString('base64');
  return /^[A-Za-z0-9+/]{43}=$/.test(given) ? Buffer.from(given, 'base64').toString('base64') : undefined;
}
