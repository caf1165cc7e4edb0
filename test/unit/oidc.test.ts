import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Refusal } from '../../core/errors.ts';
import { bearerOf, IssuerUnavailable, type OidcSettings, Tokens } from '../../functions/api/oidc.ts';
import {
  audience,
  badTokens,
  goodClaims,
  type Issuer,
  makeKey,
  nowSeconds,
  type SigningKey,
  startIssuer,
  token,
} from '../helpers/issuer.ts';

let issuer: Issuer;
let made: SigningKey[];
beforeAll(() => {
  made = [makeKey('RS256', 'rsa'), makeKey('ES256', 'ec'), makeKey('EdDSA', 'ed')];
});
beforeEach(async () => {
  issuer = await startIssuer();
  issuer.keys = [...made];
});
afterEach(async () => {
  vi.useRealTimers();
  await issuer.close();
});

const settings = (more: Partial<OidcSettings> = {}): OidcSettings => ({
  issuer: issuer.url,
  audience,
  usernameClaim: 'sub',
  groupsClaim: 'groups',
  groups: {},
  ...more,
});
const [discovery, jwks] = ['/.well-known/openid-configuration', '/keys'];
const key = (n: number) => issuer.keys[n] as SigningKey;
const good = (more: object = {}) => token(key(0), goodClaims(issuer, more));
const refused = (tokens: Tokens, text: string) =>
  tokens.check(text).then(
    () => undefined,
    (error: unknown) => (error instanceof Refusal ? error.error : error),
  );

describe('a token is taken', () => {
  test.each([
    ['RS256', 0],
    ['ES256', 1],
    ['EdDSA', 2],
  ])('signed by %s', async (_, n) => {
    const text = token(key(n), goodClaims(issuer, { groups: ['staff', 7, 'more'] }));

    expect(await new Tokens(settings()).check(text)).toEqual({ username: 'ada', groups: ['staff', 'more'] });
  });

  test('for several audiences, with one group that is text, and a second after its begin', async () => {
    const text = good({ aud: ['x', audience], groups: 'staff', nbf: nowSeconds() + 1 });

    expect(await new Tokens(settings()).check(text)).toEqual({ username: 'ada', groups: ['staff'] });
  });

  test('by the claims that the site chose', async () => {
    const text = good({ sub: 'x', 'cognito:username': 'Ada', 'https://example.org/groups': ['a'], groups: ['b'] });
    const tokens = new Tokens(
      settings({ usernameClaim: 'cognito:username', groupsClaim: 'https://example.org/groups' }),
    );

    expect(await tokens.check(text)).toEqual({ username: 'Ada', groups: ['a'] });
  });

  test('without groups, which are then none', async () => {
    expect(await new Tokens(settings()).check(good())).toEqual({ username: 'ada', groups: [] });
  });
});

test('a token is refused when anything is wrong with it, and the answer does not say what', async () => {
  const tokens = new Tokens(settings());
  await tokens.check(good());

  for (const [what, text] of badTokens(issuer)) {
    const past = what === 'an end in the past' || what === 'no end';
    expect({ what, answer: await refused(tokens, text) }).toEqual({
      what,
      answer: {
        code: 'no_token',
        expired: past,
        message: past ? 'The token has expired' : 'The token is not accepted here',
      },
    });
  }
});

test('a token with one bit changed anywhere is refused', async () => {
  const tokens = new Tokens(settings());
  const parts = good({ groups: ['staff'] })
    .split('.')
    .map((part) => Buffer.from(part, 'base64url'));
  await fc.assert(
    fc.asyncProperty(fc.nat(2), fc.nat(100_000), async (part, bit) => {
      const changed = parts.map((bytes) => Buffer.from(bytes));
      const bytes = changed[part] as Buffer;
      const at = bit % (bytes.length * 8);
      bytes[at >> 3] = (bytes[at >> 3] ?? 0) ^ (1 << (at & 7));

      expect(await refused(tokens, changed.map((one) => one.toString('base64url')).join('.'))).toMatchObject({
        code: 'no_token',
      });
    }),
    { numRuns: 300 },
  );
});

test('whatever is sent as a token is refused, and is no fault', async () => {
  const tokens = new Tokens(settings());
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc
          .tuple(fc.json(), fc.json(), fc.string())
          .map((three) => three.map((one) => Buffer.from(one).toString('base64url')).join('.')),
      ),
      async (text) => {
        expect(await refused(tokens, text)).toMatchObject({ code: 'no_token' });
      },
    ),
    { numRuns: 300 },
  );
});

test('an address in the claim email counts only when the issuer has verified it', async () => {
  const tokens = new Tokens(settings({ usernameClaim: 'email' }));

  expect(await refused(tokens, good({ email: 'ada@example.org' }))).toMatchObject({ code: 'no_token' });
  expect(await refused(tokens, good({ email: 'ada@example.org', email_verified: false }))).toMatchObject({
    code: 'no_token',
  });
  expect(await tokens.check(good({ email: 'ada@example.org', email_verified: true }))).toMatchObject({
    username: 'ada@example.org',
  });
});

describe('keys', () => {
  test('are asked for once, and an unknown one does not make the service ask for each token', async () => {
    const tokens = new Tokens(settings());
    const unknown = token({ ...made[0], kid: 'unheard-of' } as SigningKey, goodClaims(issuer));

    for (let n = 0; n < 5; n++) {
      await tokens.check(good());
      await refused(tokens, unknown);
    }

    expect(issuer.asked).toEqual([discovery, jwks, jwks]);
  });

  test('that are new are found when a token names them', async () => {
    const tokens = new Tokens(settings());
    await tokens.check(good());
    const fresh = makeKey('ES256', 'fresh');
    issuer.keys = [...issuer.keys, fresh];

    expect(await tokens.check(token(fresh, goodClaims(issuer)))).toMatchObject({ username: 'ada' });
  });

  test('that were withdrawn count no longer than an hour', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const tokens = new Tokens(settings());
    const text = good({ exp: nowSeconds() + 100_000 });
    await tokens.check(text);
    issuer.keys = issuer.keys.slice(1);

    vi.setSystemTime(Date.now() + 3_599_000);
    expect(await tokens.check(text)).toMatchObject({ username: 'ada' });
    vi.setSystemTime(Date.now() + 2_000);
    expect(await refused(tokens, text)).toMatchObject({ code: 'no_token' });
  });
});

describe('an issuer that cannot be trusted or asked', () => {
  test.each<[what: string, path: string | undefined, answer: { status?: number; body: string; location?: string }]>([
    ['is broken', discovery, { status: 500, body: '' }],
    ['answers with a page', discovery, { body: '<html>' }],
    [
      'calls itself something else',
      discovery,
      { body: '{"issuer":"https://evil.example","jwks_uri":"http://127.0.0.1:9/"}' },
    ],
    ['leads elsewhere', discovery, { status: 302, body: '', location: '/other' }],
    ['has no keys', jwks, { status: 404, body: '{}' }],
    ['has keys of no meaning', jwks, { body: '{"keys":{}}' }],
    ['answers without end', jwks, { body: `{"keys":[],"x":"${'x'.repeat(300_000)}"}` }],
  ])('%s', async (_, path, answer) => {
    issuer.instead.set(path ?? '', answer);
    // What a redirect would find is good.
    issuer.instead.set('/other', { body: JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}${jwks}` }) });
    const tokens = new Tokens(settings());

    expect(await refused(tokens, good())).toBeInstanceOf(IssuerUnavailable);

    issuer.instead.clear();
    expect(await tokens.check(good())).toMatchObject({ username: 'ada' });
  });

  test.each(['http://keys.example/keys', 'file:///etc/passwd'])('has its keys at %s', async (address) => {
    issuer.instead.set(discovery, { body: JSON.stringify({ issuer: issuer.url, jwks_uri: address }) });

    expect(await refused(new Tokens(settings()), good())).toBeInstanceOf(IssuerUnavailable);
  });

  test('is on the network without TLS', async () => {
    expect(await refused(new Tokens(settings({ issuer: 'http://login.example' })), good())).toBeInstanceOf(
      IssuerUnavailable,
    );
  });
});

test.each([
  ['Bearer a.b.c', 'a.b.c'],
  ['bearer  a.b.c ', 'a.b.c'],
  ['Basic YTpi', undefined],
  ['Bearer', undefined],
  ['Bearer a.b.c, Bearer d.e.f', undefined],
  [undefined, undefined],
])('the token of the header %j is %j', (header, expected) => {
  expect(bearerOf(header)).toBe(expected);
});
