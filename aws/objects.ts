import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';

/**
 * Files in the bucket by presigned requests. Signing is in the bundle anyway; the S3 client would add 150 KB to each
 * function of the API for three kinds of request.
 */
export interface Objects {
  readonly bucket: string;
}

const region = () => process.env['AWS_REGION'] ?? 'us-east-1';

/**
 * An address that allows one request for so long.
 *
 * @param headers lower case; the request must carry exactly these. They stay headers: a checksum or a condition that is
 *   moved into the query binds nothing (github.com/aws/aws-sdk, issue 480)
 */
export async function presign(
  { bucket }: Objects,
  method: 'GET' | 'HEAD' | 'PUT' | 'DELETE',
  key: string,
  forSeconds: number,
  query: Readonly<Record<string, string>> = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const local = process.env['AWS_ENDPOINT_URL_S3'];
  const host = local ? new URL(local) : new URL(`https://${bucket}.s3.${region()}.amazonaws.com`);
  const signer = new SignatureV4({
    service: 's3',
    region: region(),
    sha256: Sha256,
    uriEscapePath: false,
    applyChecksum: false,
    credentials: {
      accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
      ...(process.env['AWS_SESSION_TOKEN'] && { sessionToken: process.env['AWS_SESSION_TOKEN'] }),
    },
  });
  const signed = await signer.presign(
    {
      method,
      protocol: host.protocol,
      hostname: host.hostname,
      ...(host.port && { port: Number(host.port) }),
      path: `${local ? `/${bucket}` : ''}/${key.split('/').map(encodeURIComponent).join('/')}`,
      query: { ...query },
      // The content is not part of the signature (S3, "Authenticating Requests: Using Query Parameters").
      headers: { host: host.host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...headers },
    },
    { expiresIn: forSeconds, unhoistableHeaders: new Set(Object.keys(headers)) },
  );
  const search = new URLSearchParams(signed.query as Record<string, string>);
  return `${host.origin}${signed.path}?${search.toString().replaceAll('+', '%20')}`;
}

/** Stores an object; returns its ETag. Throws when the bucket does not take it. */
export async function store(objects: Objects, key: string, bytes: Uint8Array): Promise<string> {
  const response = await fetch(await presign(objects, 'PUT', key, 60), { method: 'PUT', body: Buffer.from(bytes) });
  const etag = response.headers.get('etag');
  await response.body?.cancel();
  if (!response.ok || !etag) throw new Error(`The bucket did not take ${key}: ${response.status}.`);
  return etag;
}

export interface Described {
  readonly size: number;
  /** As base64; undefined when it was stored without one. */
  readonly sha256: string | undefined;
  readonly etag: string;
}

/** What an object is; undefined when it is not there. Throws when the bucket does not answer. */
export async function describe(objects: Objects, key: string): Promise<Described | undefined> {
  const headers = { 'x-amz-checksum-mode': 'ENABLED' };
  const response = await fetch(await presign(objects, 'HEAD', key, 60, {}, headers), { method: 'HEAD', headers });
  // Without the right to list, what is not there is forbidden (S3, HeadObject, "Permissions").
  if (response.status === 404 || response.status === 403) return undefined;
  if (!response.ok) throw new Error(`The bucket did not describe ${key}: ${response.status}.`);
  return {
    size: Number(response.headers.get('content-length')),
    sha256: response.headers.get('x-amz-checksum-sha256') ?? undefined,
    etag: response.headers.get('etag') ?? '',
  };
}

/**
 * Copies an object within the bucket, which takes up to 5 GB at once; returns the copy's ETag, or undefined when the
 * object is not there or is another one by now. Throws when the bucket does not take it.
 */
export async function copy(objects: Objects, from: string, to: string, etag: string): Promise<string | undefined> {
  const headers = {
    'x-amz-copy-source': `/${objects.bucket}/${from.split('/').map(encodeURIComponent).join('/')}`,
    'x-amz-copy-source-if-match': etag,
  };
  const response = await fetch(await presign(objects, 'PUT', to, 60, {}, headers), { method: 'PUT', headers });
  const text = await response.text();
  if ([403, 404, 412].includes(response.status)) return undefined;
  // A copy that fails on its way says so in a body that began with 200 (S3, CopyObject).
  const copied = /<ETag>([^<]+)<\/ETag>/.exec(text)?.[1];
  if (!response.ok || copied === undefined) throw new Error(`The bucket did not copy ${from}: ${response.status}.`);
  return copied.replaceAll('&quot;', '"').replaceAll('&#34;', '"');
}

/** Reads an object whole; undefined when it is not there. Throws when the bucket does not answer. */
export async function load(objects: Objects, key: string): Promise<Uint8Array | undefined> {
  const response = await fetch(await presign(objects, 'GET', key, 60));
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`The bucket did not give ${key}: ${response.status}.`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The keys below a prefix, at most `most`. They are made by core/table.ts, so that XML escapes nothing in them. */
export async function list(objects: Objects, prefix: string, most: number): Promise<readonly string[]> {
  const query = { 'list-type': '2', prefix, 'max-keys': String(most) };
  const response = await fetch(await presign(objects, 'GET', '', 60, query));
  const text = await response.text();
  if (!response.ok) throw new Error(`The bucket did not list ${prefix}: ${response.status}.`);
  return [...text.matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key = '']) => key);
}

/** Removes an object; one that is not there is removed already. Throws when the bucket does not do it. */
export async function remove(objects: Objects, key: string): Promise<void> {
  const response = await fetch(await presign(objects, 'DELETE', key, 60), { method: 'DELETE' });
  await response.body?.cancel();
  if (!response.ok && response.status !== 404) throw new Error(`The bucket did not remove ${key}: ${response.status}.`);
}
