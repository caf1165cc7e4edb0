import type { GroupGrants } from '../../core/default-groups.ts';
import { Refusal } from '../../core/errors.ts';
import type { EnvOf, signInEnv } from '../env.ts';

export interface OidcSettings {
  readonly issuer: string;
  readonly audience: string;
  readonly usernameClaim: string;
  readonly groupsClaim: string;
  readonly groups: GroupGrants;
}

/** Who a token says its bearer is. */
export interface Bearer {
  readonly username: string;
  readonly groups: readonly string[];
}

/** The issuer could not be asked for its keys, so nobody's token can be checked. */
export class IssuerUnavailable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'IssuerUnavailable';
  }
}

/** A key that the issuer withdrew is taken for at most this long. */
const keysKnownForMs = 3_600_000;
/** How far the clocks of issuer and service may be apart. */
const clockMarginSeconds = 10;
const issuerTimeoutMs = 3_000;
const maxDocumentBytes = 256 * 1024;
const maxUsernameLength = 255;

/** Undefined when the service takes no tokens. */
export function oidcOf(env: Omit<EnvOf<typeof signInEnv>, 'SESSION_FUNCTION'>): OidcSettings | undefined {
  if (!env.OIDC_ISSUER) return undefined;
  return {
    issuer: env.OIDC_ISSUER,
    audience: env.OIDC_AUDIENCE,
    usernameClaim: env.OIDC_USERNAME_CLAIM,
    groupsClaim: env.OIDC_GROUPS_CLAIM,
    groups: JSON.parse(env.OIDC_GROUPS || '{}') as GroupGrants,
  };
}

/** The token of an `Authorization: Bearer` header (RFC 6750); undefined when there is none. */
export const bearerOf = (authorization: string | undefined) =>
  /^Bearer +([^\s,]+)$/i.exec(authorization?.trim() ?? '')?.[1];

type Claims = Readonly<Record<string, unknown>>;
interface Verifier {
  /** Throws the library's errors; `isRefused` tells a bad token from an issuer that does not answer. */
  claimsOf(token: string): Promise<Claims>;
  isRefused(error: unknown): boolean;
  isExpired(error: unknown): boolean;
}

/** Checks the tokens of one issuer: signature, issuer, audience, times. */
export class Tokens {
  readonly #settings: OidcSettings;
  #verifier: Promise<Verifier> | undefined;
  #until = 0;

  constructor(settings: OidcSettings) {
    this.#settings = settings;
  }

  /**
   * Throws `Refusal` (401) when the token does not hold, `IssuerUnavailable` when the keys to check it cannot be had.
   *
   * @param log is told why a token was refused; never the token
   */
  async check(token: string, log: (reason: string) => void = () => undefined): Promise<Bearer> {
    const verifier = await this.#open();
    try {
      return bearer(await verifier.claimsOf(token), this.#settings);
    } catch (error) {
      if (!(error instanceof BadClaim) && !verifier.isRefused(error)) {
        throw new IssuerUnavailable(`The issuer's keys could not be read: ${this.#settings.issuer}`, error);
      }
      log((error as Error).message);
      const expired = verifier.isExpired(error);
      throw new Refusal({
        code: 'no_token',
        expired,
        message: expired ? 'The token has expired' : 'The token is not accepted here',
      });
    }
  }

  #open(): Promise<Verifier> {
    if (!this.#verifier || Date.now() >= this.#until) {
      this.#until = Date.now() + keysKnownForMs;
      const opening = openVerifier(this.#settings);
      opening.catch(() => {
        if (this.#verifier === opening) this.#verifier = undefined;
      });
      this.#verifier = opening;
    }
    return this.#verifier;
  }
}

class BadClaim extends Error {}

function bearer(claims: Claims, { usernameClaim, groupsClaim }: OidcSettings): Bearer {
  const username = claims[usernameClaim];
  // ArchivesSpace takes spaces around a name away: " admin" would be somebody else.
  if (
    typeof username !== 'string' ||
    !/^[^\p{C}]+$/u.test(username) ||
    username !== username.trim() ||
    username.length > maxUsernameLength
  ) {
    throw new BadClaim(`The claim ${usernameClaim} is no username.`);
  }
  if (usernameClaim === 'email' && claims['email_verified'] !== true && claims['email_verified'] !== 'true') {
    throw new BadClaim('The issuer has not verified the address in the claim email.');
  }
  const given = claims[groupsClaim];
  const groups = Array.isArray(given) ? given : [given];
  return { username, groups: groups.filter((group) => typeof group === 'string') };
}

/** Loads the library at the first token: services that take none start without it. */
async function openVerifier({ issuer, audience }: OidcSettings): Promise<Verifier> {
  const [{ JwtVerifier }, { SimpleJwksCache }, errors] = await Promise.all([
    import('aws-jwt-verify'),
    import('aws-jwt-verify/jwk'),
    import('aws-jwt-verify/error'),
  ]);
  const discovery = await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const { issuer: itself, jwks_uri: jwksUri } = discovery as { issuer?: unknown; jwks_uri?: unknown };
  // OpenID Connect Discovery 1.0, 4.3: the document must be that of the issuer which was asked.
  if (itself !== issuer || typeof jwksUri !== 'string') {
    throw new IssuerUnavailable(`The issuer's discovery document is not that of ${issuer}.`);
  }
  const verifier = JwtVerifier.create(
    {
      issuer,
      audience,
      jwksUri,
      graceSeconds: clockMarginSeconds,
      customJwtCheck: ({ payload }) => {
        // The library lets a token without an end pass.
        if (payload.exp === undefined) throw new errors.JwtExpiredError('The token has no exp claim', payload.exp);
      },
    },
    { jwksCache: new SimpleJwksCache({ fetcher: { fetch: fetchBytes } }) },
  );
  return {
    claimsOf: (token) => verifier.verify(token),
    isRefused: (error) =>
      error instanceof errors.JwtBaseError &&
      !(error instanceof errors.FetchError || error instanceof errors.JwksValidationError),
    isExpired: (error) => error instanceof errors.JwtExpiredError,
  };
}

async function fetchJson(url: string): Promise<object> {
  const bytes = await fetchBytes(url);
  try {
    const document: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof document === 'object' && document !== null) return document;
  } catch {
    // Said below: a page of HTML in place of the document is the usual case.
  }
  throw new IssuerUnavailable(`The issuer did not answer with JSON: ${url}`);
}

const loopback = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Reads a document of the issuer. Keys that came over plain http, or from behind a redirect, would prove nothing. */
async function fetchBytes(address: string): Promise<ArrayBuffer> {
  const url = new URL(address);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback.has(url.hostname))) {
    throw new IssuerUnavailable(`The issuer is asked over https only: ${address}`);
  }
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(issuerTimeoutMs) });
    if (!response.ok) throw new Error(`Status ${response.status}`);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength;
      if (size > maxDocumentBytes) throw new Error(`More than ${maxDocumentBytes} bytes`);
      chunks.push(chunk);
    }
    return new Uint8Array(Buffer.concat(chunks)).buffer;
  } catch (error) {
    throw new IssuerUnavailable(`The issuer did not answer: ${address}`, error);
  }
}
