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

/** An address that allows one request for so long. */
export async function presign(
  { bucket }: Objects,
  method: 'GET' | 'PUT' | 'DELETE',
  key: string,
  forSeconds: number,
  query: Readonly<Record<string, string>> = {},
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
      headers: { host: host.host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
    },
    { expiresIn: forSeconds },
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
