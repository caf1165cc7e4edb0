// Takes in the body of an upload: the SDK's chunk framing is removed, lengths and checksums are held against it.
import { createHash, type Hash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { notImplemented, S3Error } from './errors.ts';

export interface Received {
  readonly size: number;
  readonly md5: Buffer;
  /** The checksum that the client named, once it was found right. */
  readonly checksum: Checksum | undefined;
}

export interface Checksum {
  /** As in the header `x-amz-checksum-<name>`. */
  readonly name: string;
  readonly value: string;
}

const CHECKSUMS: Readonly<Record<string, () => { update(data: Buffer): void; value(): string }>> = {
  sha256: () => hashing(createHash('sha256')),
  sha1: () => hashing(createHash('sha1')),
  crc32: () => {
    let sum = 0;
    return {
      update: (data) => {
        sum = crc32(data, sum);
      },
      value: () => {
        const bytes = Buffer.alloc(4);
        bytes.writeUInt32BE(sum >>> 0);
        return bytes.toString('base64');
      },
    };
  },
};

/**
 * Writes the body to a file. Throws `BadDigest`, `IncompleteBody` or `MissingContentLength`; what is in the file is
 * then to be thrown away.
 *
 * @param headers the request's, with those that a presigned URL carries in its query
 */
export async function receiveBody(
  request: IncomingMessage,
  headers: IncomingHttpHeaders,
  file: string,
): Promise<Received> {
  const isFramed = /\baws-chunked\b/.test(String(headers['content-encoding'] ?? ''));
  const length = headers['x-amz-decoded-content-length'] ?? headers['content-length'];
  if (length === undefined) {
    throw new S3Error('MissingContentLength', 411, 'You must provide the Content-Length HTTP header.');
  }
  const trailers: Record<string, string> = {};
  const name = checksumName(headers);
  const sum = name === undefined ? undefined : CHECKSUMS[name]?.();
  if (name !== undefined && sum === undefined) throw notImplemented(`x-amz-checksum-${name}`);
  const md5 = createHash('md5');
  const sha256 = createHash('sha256');
  let size = 0;
  async function* measure(chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      size += chunk.length;
      md5.update(chunk);
      sha256.update(chunk);
      sum?.update(chunk);
      yield chunk;
    }
  }
  await pipeline(isFramed ? removeFraming(request, trailers) : request, measure, createWriteStream(file));

  if (size !== Number(length)) {
    throw new S3Error('IncompleteBody', 400, 'The body is not as long as the Content-Length header says.');
  }
  const digest = md5.digest();
  const givenMd5 = headers['content-md5'];
  if (givenMd5 !== undefined && givenMd5 !== digest.toString('base64')) throw badDigest('Content-MD5');
  const givenHash = String(headers['x-amz-content-sha256'] ?? '');
  if (/^[0-9a-f]{64}$/.test(givenHash) && givenHash !== sha256.digest('hex')) {
    throw new S3Error('XAmzContentSHA256Mismatch', 400, "The provided 'x-amz-content-sha256' header does not match.");
  }
  if (name === undefined || sum === undefined) return { size, md5: digest, checksum: undefined };
  const given = trailers[`x-amz-checksum-${name}`] ?? headers[`x-amz-checksum-${name}`];
  const value = sum.value();
  if (given !== value) throw badDigest(name.toUpperCase());
  return { size, md5: digest, checksum: { name, value } };
}

function checksumName(headers: IncomingHttpHeaders): string | undefined {
  const fromHeader = Object.keys(headers).find((name) => /^x-amz-checksum-(?!algorithm$|type$|mode$)/.test(name));
  return (fromHeader ?? String(headers['x-amz-trailer'] ?? '')).match(/^x-amz-checksum-(\w+)$/)?.[1];
}

/** Removes `aws-chunked`: `<hex size>[;…]\r\n<data>\r\n … 0\r\n<trailers>\r\n`. */
async function* removeFraming(source: AsyncIterable<Buffer>, trailers: Record<string, string>): AsyncIterable<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  let left = -1;
  let isLast = false;
  for await (const data of source) {
    rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
    while (!isLast && rest.length > 0) {
      if (left > 0) {
        const part = rest.subarray(0, left);
        rest = rest.subarray(part.length);
        left -= part.length;
        yield part;
        continue;
      }
      // After a chunk's data stands an empty line, before the next size.
      const start = left === 0 ? 2 : 0;
      const end = rest.indexOf('\r\n', start);
      if (end === -1) break;
      left = Number.parseInt(rest.subarray(start, end).toString('latin1'), 16);
      rest = rest.subarray(end + 2);
      isLast = left === 0;
    }
  }
  for (const line of rest.toString('latin1').split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) trailers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim();
  }
}

function hashing(hash: Hash) {
  return { update: (data: Buffer) => void hash.update(data), value: () => hash.digest('base64') };
}

function badDigest(what: string): S3Error {
  return new S3Error('BadDigest', 400, `The ${what} you specified did not match what we received.`);
}
