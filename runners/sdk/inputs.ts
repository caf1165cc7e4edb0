import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { Bucket } from '../../aws/clients.ts';
import { read, type Table } from '../../aws/dynamo.ts';
import type { StoredFile } from '../../aws/reads.ts';
import { inputKey, keys } from '../../core/table.ts';
import type { InputFile } from './context.ts';

/** The files uploaded with a job, read from the bucket when they are opened. */
export function inputFiles(
  bucket: Bucket,
  type: string,
  id: number,
  files: readonly StoredFile[],
): readonly InputFile[] {
  return files.map(({ name, contentType, size, etag }, n) => ({
    name,
    contentType,
    size,
    async open({ from = 0 } = {}) {
      // The ETag it had at create: a file that was replaced since then is refused (S3, GetObject, If-Match).
      const { Body: body } = await bucket.client.send(
        new GetObjectCommand({
          Bucket: bucket.name,
          Key: inputKey(type, id, n),
          IfMatch: etag,
          // An empty object has no first byte: S3 would refuse `0-` (GetObject, InvalidRange).
          ...(from > 0 && { Range: `bytes=${from}-` }),
        }),
      );
      if (!body) throw new Error(`The uploaded file ${name} is empty or gone.`);
      return body as unknown as AsyncIterable<Uint8Array>;
    },
  }));
}

/** What a client sent beside the parameters; most send nothing. */
export async function readJobParams(table: Table, type: string, id: number): Promise<string | undefined> {
  const item = await read(table, keys.run(type, id, 'JOB_PARAMS'), true);
  return item && String(item['jobParams']);
}
