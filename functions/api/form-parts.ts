import { Busboy } from '@fastify/busboy';
import { Refusal } from '../../core/errors.ts';
import { fileName } from '../../core/file-names.ts';
import { maxFiles, maxFormBytes } from '../../core/limits.ts';
import type { FormFile } from './new-files.ts';

export interface Part {
  /** The number in `files[3]`; for `files[]`, its place in the form. */
  readonly place: number;
  readonly file: FormFile;
}

/** Reads a form: the text of `job`, and its files as they come. Throws `Refusal` when it is damaged or has too many. */
export function readParts(
  body: Buffer,
  contentType: string,
): Promise<{ job: Buffer | undefined; parts: readonly Part[] }> {
  return new Promise((resolve, reject) => {
    const unreadable = (error: unknown) =>
      reject(
        new Refusal({ code: 'unreadable', message: error instanceof Error ? error.message : 'the form is damaged' }),
      );
    const parts: Part[] = [];
    let job: Buffer | undefined;
    let form: InstanceType<typeof Busboy>;
    try {
      form = new Busboy({
        headers: { 'content-type': contentType },
        limits: { files: maxFiles + 1, fields: 20, fieldSize: maxFormBytes },
      });
    } catch (error) {
      unreadable(error);
      return;
    }
    form.on('field', (name, value) => {
      if (name === 'job') job = Buffer.from(value);
    });
    form.on('file', (name, stream, filename, _encoding, mimetype) => {
      const place = /^files\[(\d{0,6})\]$/.exec(name)?.[1];
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', unreadable);
      stream.on('end', () => {
        if (name === 'job' && job === undefined) job = Buffer.concat(chunks);
        if (place === undefined) return;
        const file = { name: fileName(filename), contentType: mimeType(mimetype), bytes: Buffer.concat(chunks) };
        parts.push({ place: place === '' ? parts.length : Number(place), file });
      });
    });
    form.on('error', unreadable);
    form.on('finish', () => {
      const problem =
        parts.length > maxFiles
          ? `At most ${maxFiles} files`
          : new Set(parts.map(({ place }) => place)).size < parts.length
            ? 'Two files have the same number'
            : undefined;
      if (problem) reject(new Refusal({ code: 'bad_request', problems: { files: [problem] } }));
      else resolve({ job, parts });
    });
    form.end(body);
  });
}

const mimeType = (given: string) =>
  /^[\w.+-]{1,100}\/[\w.+-]{1,100}$/.test(given) ? given.toLowerCase() : 'application/octet-stream';
