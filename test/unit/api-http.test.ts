// What stands before every operation of the API, and what stands in every answer.
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createArchivesSpaceClient } from '../../archivesspace/client.ts';
import { type ClientError, Fault, Refusal } from '../../core/errors.ts';
import { type AnyOperation, api, type Reply, type Request } from '../../functions/api/http.ts';
import { Sessions } from '../../functions/api/sessions.ts';
import { startArchivesSpace } from '../../local/archivesspace/server.ts';

vi.hoisted(() => {
  process.env['POWERTOOLS_LOG_LEVEL'] = 'SILENT';
  process.env['POWERTOOLS_METRICS_DISABLED'] = 'true';
});

const oidc = { OIDC_ISSUER: '', OIDC_AUDIENCE: '', OIDC_USERNAME_CLAIM: '', OIDC_GROUPS_CLAIM: '', OIDC_GROUPS: '' };
const cancelRoute = 'POST /repositories/{repo_id}/jobs/{id}/cancel';

interface Asked {
  readonly session?: string;
  readonly route?: string;
  readonly path?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An API of one operation over the stand-in backend. */
async function serving(operation: AnyOperation) {
  const { url, close } = await startArchivesSpace();
  onTestFinished(close);
  const client = createArchivesSpaceClient({ baseUrl: url });
  const sessions = new Sessions({ ...oidc, ARCHIVESSPACE_URL: url, SESSION_FUNCTION: '' });
  const handler = api('cancel', sessions, { 'cancel-job': operation, 'delete-job': operation });
  return {
    stopBackend: close,
    async login(username: string): Promise<string> {
      const login = await client.login({ username, password: username });
      return login.ok ? login.session : '';
    },
    async ask({ session, route = cancelRoute, path = { repo_id: '2', id: '7' }, body = '' }: Asked) {
      const event = {
        routeKey: route,
        pathParameters: path,
        rawQueryString: '',
        headers: session ? { 'x-archivesspace-session': session } : {},
        body,
        isBase64Encoded: false,
        requestContext: { requestId: 'request-1', http: { sourceIp: '127.0.0.1' } },
      } as unknown as APIGatewayProxyEventV2;
      const answer = (await handler(event, { awsRequestId: 'x' } as Context)) as APIGatewayProxyStructuredResultV2;
      return { status: answer.statusCode, headers: answer.headers ?? {}, text: answer.body ?? '', answer };
    },
  };
}
const answers = (reply: Reply) => async () => reply;
const throws = (error: unknown) => async () => {
  throw error;
};

describe('an error', () => {
  // archivesspace: backend/app/lib/exceptions.rb. Its own 500 carries a backtrace; ours does not.
  test.each<[error: ClientError, status: number, body: object]>([
    [{ code: 'bad_request', problems: { n: ['Bad'] } }, 400, { error: { n: ['Bad'] } }],
    [
      { code: 'bad_request', problems: { n: ['Bad'] }, invalid: '#<X>' },
      400,
      { error: { n: ['Bad'] }, warning: null, invalid_object: '#<X>' },
    ],
    [{ code: 'unreadable', message: 'x' }, 400, { error: 'Had some trouble parsing your request: x' }],
    [
      { code: 'no_session', gone: 'SESSION_GONE', message: 'No session found' },
      412,
      { code: 'SESSION_GONE', error: 'No session found' },
    ],
    [{ code: 'login_failed' }, 403, { error: 'Login failed' }],
    [{ code: 'denied', missing: ['a'] }, 403, { error: 'Access denied', missing_permissions: ['a'] }],
    [{ code: 'not_found', what: 'Job not found' }, 404, { error: 'Job not found' }],
    [{ code: 'conflict', message: 'Changed' }, 409, { error: 'Changed' }],
    [{ code: 'too_large', message: 'Large' }, 413, { error: 'Large' }],
    [{ code: 'unavailable', message: 'Off' }, 503, { error: 'Off' }],
  ])('%j is %i', async (error, status, body) => {
    const { ask, login } = await serving(throws(new Refusal(error)));

    const answer = await ask({ session: await login('manager') });

    expect(answer.status).toBe(status);
    expect(answer.text).toBe(`${JSON.stringify(body)}\n`);
  });

  test.each([
    ['an error', new Error('password=hunter2')],
    ['a fault', new Fault('The table did not take a write.', new Error('password=hunter2'))],
    ['anything', 'password=hunter2'],
  ])('of ours says where it is logged, and nothing of %s', async (_, error) => {
    const { ask, login } = await serving(throws(error));

    const answer = await ask({ session: await login('manager') });

    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text)).toEqual({
      error: 'Something went wrong on our side; it is in the log under request-1.',
    });
    expect(JSON.stringify(answer.answer)).not.toMatch(/hunter2|\.ts:|at /);
  });

  test('of ArchivesSpace is 503, with nothing of where it is', async () => {
    const { ask, stopBackend } = await serving(answers({ json: 1 }));
    await stopBackend();

    const answer = await ask({ session: 'a'.repeat(64) });

    expect(answer.status).toBe(503);
    expect(answer.text).toMatch(/^\{"error":"ArchivesSpace does not answer at the moment/);
    expect(answer.text).not.toMatch(/127\.0\.0\.1|ECONN/);
  });
});

describe('before an operation', () => {
  const reached: AnyOperation = answers({ json: 'reached' });

  test('a session that is gone is 412, whatever else is wrong', async () => {
    const { ask } = await serving(reached);

    const answer = await ask({ session: 'a'.repeat(64), path: { repo_id: 'x', id: '7' } });

    expect(answer).toMatchObject({ status: 412 });
    expect(JSON.parse(answer.text)).toEqual({ code: 'SESSION_GONE', error: expect.any(String) });
  });

  test.each<[name: string, path: Record<string, string>, problems: object]>([
    ['a job', { repo_id: '2', id: 'x' }, { id: ["Wanted type Integer but got 'x'"] }],
    ['a repository', { repo_id: '-1', id: '7' }, { repo_id: ["Wanted type Integer but got '-1'"] }],
    [
      'a repository that is not there',
      { repo_id: '99', id: '7' },
      { repo_id: ['Failed validation -- The Repository must exist'] },
    ],
  ])('%s that is no number of one is 400, by name', async (_, path, problems) => {
    const { ask, login } = await serving(reached);

    const answer = await ask({ session: await login('manager'), path });

    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ error: problems });
  });

  test.each([
    ['who is nobody', undefined, 403],
    ['who may only look', 'viewer', 403],
    ['who may', 'manager', 200],
  ])('somebody %s', async (_, username, status) => {
    const { ask, login } = await serving(reached);
    const session = username && (await login(username));

    expect((await ask({ ...(session && { session }) })).status).toBe(status);
  });

  test('a body is checked before the permission is looked at, as in ArchivesSpace', async () => {
    const checked: AnyOperation = {
      check: throws(new Refusal({ code: 'unreadable', message: 'x' })),
      handle: answers({ json: 'reached' }),
    };
    const { ask, login } = await serving(checked);

    expect((await ask({ session: await login('viewer'), body: '{' })).status).toBe(400);
  });

  test('a good body does not help who may not', async () => {
    const checked: AnyOperation = { check: async () => 'good', handle: answers({ json: 'reached' }) };
    const { ask, login } = await serving(checked);

    const answer = await ask({ session: await login('viewer') });

    expect(JSON.parse(answer.text)).toEqual({ error: 'Access denied', missing_permissions: ['cancel_job'] });
  });

  test.each(['GET /repositories/{repo_id}/jobs', '$default'])(
    'a route of another function is none: %s',
    async (route) => {
      const { ask } = await serving(reached);

      expect((await ask({ route })).status).toBe(404);
    },
  );

  test('an operation is told who asks, where, and for which job', async () => {
    const seen: Partial<Request>[] = [];
    const { ask, login } = await serving(async (request: Request) => {
      seen.push(request);
      return { json: null };
    });

    await ask({ session: await login('manager'), body: 'größe' });

    expect(seen[0]).toMatchObject({ repo: 2, id: 7, correlation: 'request-1', user: { username: 'manager' } });
    expect(seen[0]?.body?.toString()).toBe('größe');
  });

  test('a permission of a type that is lacking refuses', async () => {
    const { ask, login } = await serving(async (request: Request) => {
      request.need(['cancel_job', 'become_user']);
      return { json: 'reached' };
    });

    const answer = await ask({ session: await login('manager') });

    expect(JSON.parse(answer.text)).toEqual({ error: 'Access denied', missing_permissions: ['become_user'] });
  });
});

describe('an answer', () => {
  const hardened = { 'cache-control': 'private, must-revalidate, max-age=0', 'x-content-type-options': 'nosniff' };

  test('of JSON ends with a newline, and is not kept', async () => {
    const { ask, login } = await serving(answers({ json: { a: 1 } }));

    expect(await ask({ session: await login('manager') })).toMatchObject({
      status: 200,
      headers: { ...hardened, 'content-type': 'application/json' },
      text: '{"a":1}\n',
    });
  });

  test('of bytes is sandboxed, whatever a job wrote', async () => {
    const bytes = Buffer.from('<script>');
    const { ask, login } = await serving(answers({ bytes, headers: { 'content-type': 'text/plain; charset=utf-8' } }));

    expect(await ask({ session: await login('manager') })).toMatchObject({
      headers: { ...hardened, 'content-type': 'text/plain; charset=utf-8', 'content-security-policy': 'sandbox' },
      text: bytes.toString('base64'),
      answer: { isBase64Encoded: true },
    });
  });

  test('may send on', async () => {
    const { ask, login } = await serving(answers({ redirect: 'https://bucket/file' }));

    expect(await ask({ session: await login('manager') })).toMatchObject({
      status: 303,
      headers: { location: 'https://bucket/file' },
    });
  });
});
