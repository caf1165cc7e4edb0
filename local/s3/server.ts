// S3 on loopback, path-style: what a service does with private objects, presigned URLs among it.
//
// Not here: versions, ACLs and policies, server-side encryption, lifecycle, events, checksums other than SHA-256,
// SHA-1 and CRC-32. What is not known is refused with NotImplemented. Every origin may send: a bucket's own CORS rules
// are not read. Signatures are checked on presigned URLs, not on the SDK's signed headers.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { type LoopbackServer, listenOnLoopback } from '../loopback.ts';
import { answerBucket, listBuckets } from './buckets.ts';
import { accessDenied, notImplemented, S3Error } from './errors.ts';
import { type Exchange, sendXml } from './exchange.ts';
import { answerObject } from './object-operations.ts';
import { Objects } from './objects.ts';
import { checkPresigned, type SigningKey } from './presigned.ts';

export interface S3Options {
  /** @default any free port */
  readonly port?: number;
  /** Folder that keeps the objects over restarts and kills; without it they are gone when the server is closed. */
  readonly dir?: string;
  /** Region that presigned URLs must be signed for. */
  readonly region: string;
  /** The secret of all access keys; presigned URLs must be signed with it. @default 'local' */
  readonly secretAccessKey?: string;
}

const SUBRESOURCES = new Set(['tagging', 'uploads', 'uploadId', 'partNumber', 'delete', 'list-type', 'x-id']);
const PARAMETERS = /^(x-amz-.*|response-.*|prefix|delimiter|max-keys|continuation-token|start-after|fetch-owner)$/i;

/**
 * Starts S3. Rejects when another process holds the folder, and with `EADDRINUSE` when the port is taken.
 *
 * A request must carry a signature: in its headers (of any key; it is not checked) or as a presigned URL (checked:
 * key, region, expiry, headers, path and query).
 */
export async function startS3(options: S3Options): Promise<LoopbackServer> {
  const objects = new Objects(options.dir);
  const key: SigningKey = { region: options.region, secretAccessKey: options.secretAccessKey ?? 'local' };
  const server = await listenOnLoopback(async (request, response) => {
    allowOrigin(request, response);
    try {
      if (request.method === 'OPTIONS') response.writeHead(200).end();
      else await answer(request, response, key, objects);
    } catch (error) {
      if (!(error instanceof S3Error) || response.headersSent) throw error;
      // What is left of an upload is read and dropped, else the client cannot see the answer.
      request.resume();
      sendXml(response, error.statusCode, request.method === 'HEAD' ? '' : error.toXml(request.url ?? ''));
    }
  }, options.port).catch((error: unknown) => {
    objects.close();
    throw error;
  });
  return {
    endpoint: server.endpoint,
    close: async () => {
      await server.close();
      objects.close();
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  signingKey: SigningKey,
  objects: Objects,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const query = url.searchParams;
  if (query.has('X-Amz-Signature')) checkPresigned(request, url, signingKey, Date.now());
  else if (request.headers.authorization === undefined) throw accessDenied('Access Denied');

  const unknown = [...query.keys()].find((name) => !SUBRESOURCES.has(name) && !PARAMETERS.test(name));
  if (unknown !== undefined) throw notImplemented(`the query parameter ${unknown}`);
  const [bucket = '', ...rest] = url.pathname.slice(1).split('/').map(decodeURIComponent);
  // A checksum that the signer moved into the query binds nothing, as on S3 (github.com/aws/aws-sdk/issues/480): it
  // must be a signed header.
  const carried = [...query]
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => name.startsWith('x-amz-') && !name.startsWith('x-amz-checksum-'));
  const headers = { ...Object.fromEntries(carried), ...request.headers } as IncomingHttpHeaders;
  const exchange: Exchange = { request, response, bucket, key: rest.join('/'), query, headers, objects };
  if (bucket === '') listBuckets(exchange);
  else if (exchange.key === '') await answerBucket(exchange);
  else await answerObject(exchange);
}

function allowOrigin(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.origin === undefined) return;
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', 'etag, content-length, content-range, content-disposition');
  if (request.method !== 'OPTIONS') return;
  response.setHeader('access-control-allow-methods', 'GET, HEAD, PUT, POST, DELETE');
  response.setHeader('access-control-allow-headers', request.headers['access-control-request-headers'] ?? '*');
  response.setHeader('access-control-max-age', '3000');
}
