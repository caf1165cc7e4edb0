// Two kinds of things that go wrong: a client's, which is answered, and the service's, which ops read of.
import { describe, expect, test } from 'vitest';
import { Fault, httpStatus, Refusal } from '../../core/errors.ts';

test('a fault says what failed, and keeps why', () => {
  const cause = new Error('socket hang up');

  expect(new Fault('The table did not take a write.', cause)).toMatchObject({
    name: 'Fault',
    message: 'The table did not take a write.',
    cause,
  });
});

test('a refusal carries what the client is told', () => {
  const error = { code: 'not_found', what: 'Job not found' } as const;

  expect(new Refusal(error)).toMatchObject({ name: 'Refusal', message: 'not_found', error });
});

// RFC 9110 and RFC 6585; 412 for a session that is gone, and 403 for a failed login, as ArchivesSpace has them.
describe('what a client is told has the status', () => {
  test.each(
    Object.entries({
      bad_request: 400,
      unreadable: 400,
      no_session: 412,
      no_token: 401,
      login_failed: 403,
      too_many: 429,
      denied: 403,
      not_found: 404,
      conflict: 409,
      too_large: 413,
      unavailable: 503,
    } satisfies typeof httpStatus),
  )('of %s: %i', (code, status) => {
    expect(httpStatus[code as keyof typeof httpStatus]).toBe(status);
  });
});
