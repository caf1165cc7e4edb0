// Checks presigned URLs (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html): a URL that
// was altered, has expired or is used with other headers than it was signed for must fail here as it does on AWS.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { accessDenied, S3Error } from './errors.ts';

const MAX_EXPIRES_S = 7 * 24 * 60 * 60;

export interface SigningKey {
  readonly secretAccessKey: string;
  readonly region: string;
}

/** Throws `AccessDenied`, `SignatureDoesNotMatch` or `AuthorizationQueryParametersError`. */
export function checkPresigned(request: IncomingMessage, url: URL, key: SigningKey, nowMs: number): void {
  const query = url.searchParams;
  const date = query.get('X-Amz-Date') ?? '';
  const expiresS = Number(query.get('X-Amz-Expires') ?? Number.NaN);
  const scope = (query.get('X-Amz-Credential') ?? '').split('/').slice(1);
  const startMs = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  const isWellFormed =
    query.get('X-Amz-Algorithm') === 'AWS4-HMAC-SHA256' &&
    scope.join('/') === `${date.slice(0, 8)}/${key.region}/s3/aws4_request` &&
    startMs > 0 &&
    expiresS > 0 &&
    expiresS <= MAX_EXPIRES_S;
  if (!isWellFormed) {
    throw new S3Error('AuthorizationQueryParametersError', 400, 'The query parameters of the signature are not valid.');
  }
  if (nowMs > startMs + expiresS * 1000) throw accessDenied('Request has expired');

  const signedHeaders = (query.get('X-Amz-SignedHeaders') ?? '').split(';');
  for (const name of Object.keys(request.headers)) {
    if (name.startsWith('x-amz-') && !signedHeaders.includes(name)) {
      throw accessDenied(`There were headers present in the request which were not signed: ${name}`);
    }
  }
  const text = ['AWS4-HMAC-SHA256', date, scope.join('/'), sha256(canonicalRequest(request, url, signedHeaders))];
  const signingKey = scope.reduce<string | Buffer>(hmac, `AWS4${key.secretAccessKey}`);
  const expected = hmac(signingKey, text.join('\n'));
  const given = Buffer.from(query.get('X-Amz-Signature') ?? '', 'hex');
  if (given.length === expected.length && timingSafeEqual(given, expected)) return;
  throw new S3Error(
    'SignatureDoesNotMatch',
    403,
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  );
}

function canonicalRequest(request: IncomingMessage, url: URL, signedHeaders: readonly string[]): string {
  const query = [...url.searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort();
  const headers = signedHeaders.map((name) => {
    const value = request.headers[name] ?? '';
    return `${name}:${[value].flat().join(',').trim().replace(/ +/g, ' ')}\n`;
  });
  const path = url.pathname.split('/').map((segment) => encode(decodeURIComponent(segment)));
  const payload = url.searchParams.get('X-Amz-Content-Sha256') ?? request.headers['x-amz-content-sha256'];
  return [
    request.method,
    path.join('/'),
    query.join('&'),
    headers.join(''),
    signedHeaders.join(';'),
    payload ?? 'UNSIGNED-PAYLOAD',
  ].join('\n');
}

/** Percent-encoding as the signature wants it: everything but RFC 3986's unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
