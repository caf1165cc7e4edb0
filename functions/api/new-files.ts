import { read, type Table } from '../../aws/dynamo.ts';
import { copy, describe, type Objects, store } from '../../aws/objects.ts';
import { Refusal } from '../../core/errors.ts';
import { misfits } from '../../core/file-rules.ts';
import { fromItem } from '../../core/job.ts';
import { maxUploads } from '../../core/limits.ts';
import { type Upload, uploadItemKey, uploadKey } from '../../core/uploads.ts';
import type { FileRules } from '../../schemas/runner-manifest.ts';
import type { Request } from './http.ts';

/** A file of a job to be created, wherever it is now. */
export interface NewFile {
  readonly name: string;
  readonly contentType: string;
  readonly size: number;
  /** Brings it to its place among the job's inputs; returns its ETag there. Throws `Refusal` when it is gone. */
  place(key: string): Promise<string>;
}

export interface FormFile {
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

/** Files that came with the request. */
export const fromForm = (objects: Objects, files: readonly FormFile[]): readonly NewFile[] =>
  files.map(({ name, contentType, bytes }) => ({
    name,
    contentType,
    size: bytes.length,
    place: (key) => store(objects, key, bytes),
  }));

/** Files that lie in the bucket already. They are copied, so that no address that can still write reaches a job's inputs. */
export const fromBucket = (
  objects: Objects,
  { from, etag, ...file }: Omit<NewFile, 'place'> & { readonly from: string; readonly etag: string },
): NewFile => ({
  ...file,
  async place(key) {
    const placed = await copy(objects, from, key, etag);
    if (placed === undefined)
      throw new Refusal({ code: 'conflict', message: `The file ${file.name} is gone, or is not what it was.` });
    return placed;
  },
});

/**
 * The uploads that a request names, in its order, each as it was announced. Throws `Refusal` when one of them was never
 * sent, is not this user's in this repository, or has its job already.
 */
export async function findUploads(
  table: Table,
  objects: Objects,
  { user, repo }: Pick<Request, 'user' | 'repo'>,
  ids: readonly string[],
): Promise<{ readonly uploads: readonly Upload[]; readonly files: readonly NewFile[] }> {
  const refused = (problem: string) => new Refusal({ code: 'bad_request', problems: { uploads: [problem] } });
  if (ids.length > maxUploads) throw refused(`At most ${maxUploads} uploads`);
  if (new Set(ids).size < ids.length) throw refused('Each upload can be named once');
  const found = await Promise.all(
    ids.map(async (id) => {
      const item = await read(table, uploadItemKey(id));
      const upload = item && fromItem<Upload>(item);
      // One answer for all: whether somebody else has such an upload is not told.
      if (!upload || upload.owner !== user.username || upload.repo !== repo || upload.until <= Date.now())
        throw refused(`No upload '${id}' of yours in this repository`);
      if (upload.job !== undefined) throw usedAlready();
      const from = uploadKey(id);
      const sent = await describe(objects, from);
      if (!sent) throw refused(`The content of upload '${id}' has not been sent`);
      if (sent.size !== upload.size || sent.sha256 !== upload.sha256)
        throw refused(`The content of upload '${id}' is not what was announced`);
      const { name, contentType, size } = upload;
      return { upload, file: fromBucket(objects, { name, contentType, size, from, etag: sent.etag }) };
    }),
  );
  return { uploads: found.map(({ upload }) => upload), files: found.map(({ file }) => file) };
}

export const usedAlready = () =>
  new Refusal({ code: 'conflict', message: 'An upload that is named here belongs to another job already.' });

const filesOf = (count: number) => (count === 1 ? '1 file' : `${count} files`);

/** Throws `Refusal` when a job of this type cannot have these files: too few, too many, too much together, or not of its types. */
export function mustBeTaken(files: readonly NewFile[], type: string, rules?: FileRules): void {
  const problems: string[] = [];
  let tooLarge: string | undefined;
  for (const misfit of misfits(files, rules)) {
    switch (misfit.why) {
      case 'type':
        problems.push(`${misfit.name} is not a file that ${type} takes: ${misfit.types.join(', ')}`);
        break;
      case 'missing':
        problems.push(`At least ${filesOf(misfit.least)}, not ${misfit.count}`);
        break;
      case 'count':
        problems.push(`At most ${filesOf(misfit.most)}, not ${misfit.count}`);
        break;
      case 'bytes':
        tooLarge =
          `The files of one ${type} are at most ${misfit.most} bytes together; these are ${misfit.bytes}, ` +
          `the largest is ${misfit.largest.name} with ${misfit.largest.size}.`;
        break;
      default:
        misfit satisfies never;
    }
  }
  if (problems.length > 0) throw new Refusal({ code: 'bad_request', problems: { files: problems } });
  if (tooLarge !== undefined) throw new Refusal({ code: 'too_large', message: tooLarge });
}
