// An OpenID Connect issuer on loopback, with keys of its own: discovery, keys, and tokens good and bad.
import { createHmac, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SigningKey {
  readonly kid: string;
  readonly alg: 'RS256' | 'ES256' | 'EdDSA';
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export function makeKey(alg: SigningKey['alg'], kid: string): SigningKey {
  const pair =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : alg === 'ES256'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('ed25519');
  return { kid, alg, ...pair };
}

const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');

/** A token of these claims, signed with this key; `header` changes what its header says. */
export function token(key: SigningKey, claims: object, header: object = {}): string {
  const text = `${encoded({ typ: 'JWT', alg: key.alg, kid: key.kid, ...header })}.${encoded(claims)}`;
  const digest = key.alg === 'EdDSA' ? null : 'sha256';
  const signature = sign(digest, Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

export const jwkOf = ({ publicKey, kid, alg }: SigningKey): JsonWebKey => ({
  ...publicKey.export({ format: 'jwk' }),
  kid,
  alg,
  use: 'sig',
});

export interface Issuer {
  readonly url: string;
  /** What it publishes; a test may change it. */
  keys: SigningKey[];
  /** The paths that were asked for. */
  readonly asked: string[];
  /** Answers in place of the documents, by path. */
  readonly instead: Map<string, { readonly status?: number; readonly body: string; readonly location?: string }>;
  close(): Promise<void>;
}

export async function startIssuer(): Promise<Issuer> {
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    issuer.asked.push(path);
    const other = issuer.instead.get(path);
    if (other) {
      response.writeHead(other.status ?? 200, { ...(other.location && { location: other.location }) });
      response.end(other.body);
      return;
    }
    const documents: Record<string, object> = {
      '/.well-known/openid-configuration': { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` },
      '/keys': { keys: issuer.keys.map(jwkOf) },
    };
    const document = documents[path];
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(document ?? {}));
  });
  await new Promise<void>((started) => server.listen(0, '127.0.0.1', started));
  const issuer: Issuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keys: [makeKey('RS256', 'rsa'), makeKey('ES256', 'ec'), makeKey('EdDSA', 'ed')],
    asked: [],
    instead: new Map(),
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
  return issuer;
}

export const audience = 'background-jobs';
export const nowSeconds = () => Math.floor(Date.now() / 1000);

/** Claims that hold for an hour. */
export const goodClaims = (issuer: Pick<Issuer, 'url'>, more: object = {}) => ({
  iss: issuer.url,
  aud: audience,
  sub: 'ada',
  iat: nowSeconds(),
  exp: nowSeconds() + 3_600,
  ...more,
});

/** Tokens that must not be taken, and what is wrong with each. */
export function badTokens({ url, keys }: Issuer): readonly (readonly [what: string, token: string])[] {
  const [rsa, ec] = keys as [SigningKey, SigningKey];
  const claims = (more: object = {}) => goodClaims({ url }, { groups: ['staff'], ...more });
  const good = token(rsa, claims());
  const [header = '', payload = '', signature = ''] = good.split('.');
  const other = makeKey('RS256', 'rsa');
  const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
  const hs = (kid: string, secret: string | Buffer) => {
    const text = `${encoded({ typ: 'JWT', alg: 'HS256', kid })}.${encoded(claims())}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  };
  const admin = encoded(claims({ groups: ['admins'] }));
  return [
    ['no algorithm and no signature', `${encoded({ alg: 'none', typ: 'JWT' })}.${payload}.`],
    ['no algorithm with a key and any signature', `${encoded({ alg: 'none', kid: 'rsa' })}.${payload}.${signature}`],
    ['algorithm nOnE', `${encoded({ alg: 'nOnE', kid: 'rsa' })}.${payload}.${signature}`],
    ['HS256 with the public key as its secret', hs('rsa', pem)],
    ['HS256 with the modulus as its secret', hs('rsa', Buffer.from(String(jwkOf(rsa).n), 'base64url'))],
    ['HS256 with an empty secret', hs('rsa', '')],
    ['an algorithm that is not the key’s', token(rsa, claims(), { alg: 'RS512' })],
    ['the algorithm of another key', token(rsa, claims(), { alg: 'ES256' })],
    ['the name of another key', token(rsa, claims(), { kid: 'ec' })],
    [
      'an EC signature of zeros',
      `${encoded({ alg: 'ES256', kid: 'ec' })}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
    ],
    ['another issuer', token(rsa, claims({ iss: 'https://evil.example' }))],
    ['an issuer with a slash more', token(rsa, claims({ iss: `${url}/` }))],
    ['no issuer', token(rsa, claims({ iss: undefined }))],
    ['another audience', token(rsa, claims({ aud: 'another-application' }))],
    ['other audiences', token(ec, claims({ aud: ['a', 'b'] }))],
    ['no audience', token(rsa, claims({ aud: undefined }))],
    ['an end in the past', token(rsa, claims({ exp: nowSeconds() - 60 }))],
    ['no end', token(rsa, claims({ exp: undefined }))],
    ['an end that is text', token(rsa, claims({ exp: String(nowSeconds() + 60) }))],
    ['a begin in the future', token(rsa, claims({ nbf: nowSeconds() + 600 }))],
    ['an unknown key', token({ ...other, kid: 'unheard-of' }, claims())],
    ['no key', token(rsa, claims(), { kid: undefined })],
    ['the key of somebody else under a known name', token(other, claims())],
    ['a key that it brings along', token(other, claims(), { jwk: jwkOf(other) })],
    ['an address of keys that it brings along', token(other, claims(), { jku: 'https://evil.example/keys', kid: 'x' })],
    ['a payload that was exchanged', `${header}.${admin}.${signature}`],
    ['a header that was exchanged', `${encoded({ alg: 'RS256', kid: 'rsa', typ: 'at+jwt' })}.${payload}.${signature}`],
    ['a signature that was cut', `${header}.${payload}.${signature.slice(0, -8)}`],
    ['no username', token(rsa, claims({ sub: undefined }))],
    ['a username that is a list', token(rsa, claims({ sub: ['admin'] }))],
    ['a username with a space around', token(rsa, claims({ sub: ' admin' }))],
    ['a username with a line break', token(rsa, claims({ sub: 'a\nb' }))],
    ['an endless username', token(rsa, claims({ sub: 'a'.repeat(300) }))],
    ['no token at all', 'let-me-in'],
    ['two parts', `${header}.${payload}`],
    ['a payload that is no JSON', `${header}.${Buffer.from('{').toString('base64url')}.${signature}`],
  ];
}
