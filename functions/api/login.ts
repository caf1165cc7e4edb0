import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { commit, read, type Table } from '../../aws/dynamo.ts';
import { Refusal } from '../../core/errors.ts';
import {
  type Attempts,
  attemptsKey,
  countAttempt,
  forgetAttempts,
  readAttempts,
  uncountAttempt,
} from '../../core/login-attempts.ts';
import type { Checked } from './http.ts';
import type { Sessions } from './sessions.ts';

interface Credentials {
  readonly username: string;
  readonly password: string;
  readonly expiring: boolean;
}

/**
 * POST /users/:username/login: passes a login through to ArchivesSpace, so that a client needs one address. The
 * password counts only in the body: an address is logged on its way.
 */
export const login = (table: Table, sessions: Sessions): Checked<Credentials> => ({
  check: async ({ path, query, body, contentType }) => {
    if ([...query.keys()].some((name) => /password/i.test(name))) {
      throw badParameter('Must be in the body: addresses are written into logs. Change it if this was the real one');
    }
    return { username: (path['username'] ?? '').trim().toLowerCase(), ...credentialsIn(body, contentType) };
  },
  async handle({ address }, credentials) {
    if (sessions.oidc) {
      throw new Refusal({
        code: 'not_found',
        what: `This service takes no passwords: sign in at ${sessions.oidc.issuer} and send its token (Authorization: Bearer).`,
      });
    }
    const backend = sessions.backend();
    const pair = pairOf(credentials.username, address);
    const counted = await count(table, pair);
    const found = await backend.login(credentials).catch(async (error: unknown) => {
      // Whether the password was right is not known, and nobody is locked out for a backend that is down.
      await commit(table, uncountAttempt(pair, counted)).catch(() => undefined);
      throw error;
    });
    if (!found.ok) throw new Refusal({ code: 'login_failed' });
    await commit(table, forgetAttempts(pair));
    return { json: found.answer };
  },
});

/** How often an attempt is counted again when others of the same user and address came between. */
const mostTries = 8;

async function count(table: Table, pair: string): Promise<Attempts> {
  for (let tries = 0; tries < mostTries; tries++) {
    const counted = countAttempt(pair, readAttempts(await read(table, attemptsKey(pair))), Date.now());
    if (!counted.allowed) throw tooMany(counted.retryAfterSeconds);
    if ((await commit(table, counted.write)).done) return counted.now;
  }
  throw tooMany(1);
}

const tooMany = (retryAfterSeconds: number) =>
  new Refusal({
    code: 'too_many',
    retryAfterSeconds,
    message: 'Too many failed logins of this user from this address. Please try again later.',
  });

/** What a user and an address are counted under: neither is stored. */
export const pairOf = (username: string, address: string) =>
  createHash('sha256')
    .update(`${username}\n${networkOf(address)}`)
    .digest('hex');

/** Whoever has one IPv6 address usually has all of its /64 (RFC 6177). */
function networkOf(address: string): string {
  const inside = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (inside || !isIPv6(address)) return inside ?? address;
  const [before = '', after = ''] = address.split('::');
  const head = before.split(':').filter(Boolean);
  const tail = after.split(':').filter(Boolean);
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => '0');
  return [...head, ...zeros, ...tail]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

function credentialsIn(body: Buffer, contentType: string): Omit<Credentials, 'username'> {
  const text = body.toString('utf8');
  const fields = /^application\/json/i.test(contentType) ? jsonFields(text) : new URLSearchParams(text);
  const password = fields.get('password');
  if (!password) throw badParameter('Parameter required but no value provided');
  return { password, expiring: !/^false$/i.test(fields.get('expiring') ?? '') };
}

const badParameter = (problem: string) => new Refusal({ code: 'bad_request', problems: { password: [problem] } });

function jsonFields(text: string): URLSearchParams {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    throw new Refusal({ code: 'unreadable', message: 'the body is not JSON' });
  }
  const { password, expiring } = Object(fields) as Record<string, unknown>;
  return new URLSearchParams({
    ...(typeof password === 'string' && { password }),
    ...(expiring !== undefined && { expiring: String(expiring) }),
  });
}
