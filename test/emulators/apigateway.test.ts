// Expectations: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
// (payload format 2.0), …/http-api-develop-routes.html (which route wins), …/http-api-quotas.html (10 MB, 30 s). Which
// content types are text, and that rawPath comes decoded, AWS does not document: as measured on HTTP APIs in
// https://github.com/ministackorg/ministack/pull/766 and https://github.com/middleapi/standard-server/pull/93.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type AssemblyParts, runAssembly } from './assembly.ts';

const mirror = `export const handler = async (event) => event;`;

/** An API whose routes lead to functions. */
function api(routes: Readonly<Record<string, string>>): Record<string, object> {
  const functions = [...new Set(Object.values(routes))];
  return {
    Api: { Type: 'AWS::ApiGatewayV2::Api', Properties: { Name: 'api', ProtocolType: 'HTTP' } },
    Stage: {
      Type: 'AWS::ApiGatewayV2::Stage',
      Properties: { ApiId: { Ref: 'Api' }, StageName: '$default', AutoDeploy: true },
    },
    ...Object.fromEntries(
      functions.map((name) => [
        `Integration${name}`,
        {
          Type: 'AWS::ApiGatewayV2::Integration',
          Properties: {
            ApiId: { Ref: 'Api' },
            IntegrationType: 'AWS_PROXY',
            IntegrationUri: { 'Fn::GetAtt': [name, 'Arn'] },
            PayloadFormatVersion: '2.0',
          },
        },
      ]),
    ),
    ...Object.fromEntries(
      Object.entries(routes).map(([key, name], index) => [
        `Route${index}`,
        {
          Type: 'AWS::ApiGatewayV2::Route',
          Properties: {
            ApiId: { Ref: 'Api' },
            AuthorizationType: 'NONE',
            RouteKey: key,
            Target: { 'Fn::Join': ['', ['integrations/', { Ref: `Integration${name}` }]] },
          },
        },
      ]),
    ),
  };
}

async function serve(functions: NonNullable<AssemblyParts['functions']>, routes: Readonly<Record<string, string>>) {
  const { apiUrl } = await runAssembly({ functions, resources: api(routes) });
  const call = (path: string, init: RequestInit = {}) => fetch(`${apiUrl}${path}`, init);
  const json = async (path: string, init: RequestInit = {}) =>
    (await (await call(path, init)).json()) as Record<string, unknown>;
  return { apiUrl, call, json };
}

test('an event has the shape of payload format 2.0', async () => {
  const { apiUrl, json } = await serve({ Fn: mirror }, { 'POST /repositories/{repo_id}/jobs': 'Fn' });

  const event = await json('/repositories/2/jobs?resolve[]=a%2Cb&resolve[]=c&q=a%20b', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'X-Session': 'abc', cookie: 'a=1; b=2', 'user-agent': 'test' },
    body: '{"ü":1}',
  });

  const port = new URL(apiUrl).port;
  expect(event).toMatchObject({
    version: '2.0',
    routeKey: 'POST /repositories/{repo_id}/jobs',
    rawPath: '/repositories/2/jobs',
    rawQueryString: 'resolve[]=a%2Cb&resolve[]=c&q=a%20b',
    cookies: ['a=1', 'b=2'],
    headers: { 'content-type': 'application/json', 'x-session': 'abc', host: `127.0.0.1:${port}` },
    queryStringParameters: { 'resolve[]': 'a,b,c', q: 'a b' },
    pathParameters: { repo_id: '2' },
    requestContext: {
      accountId: '000000000000',
      apiId: 'api',
      domainName: `127.0.0.1:${port}`,
      http: {
        method: 'POST',
        path: '/repositories/2/jobs',
        protocol: 'HTTP/1.1',
        sourceIp: '127.0.0.1',
        userAgent: 'test',
      },
      requestId: expect.any(String),
      routeKey: 'POST /repositories/{repo_id}/jobs',
      stage: '$default',
      time: expect.stringMatching(/^\d{2}\/[A-Z][a-z]{2}\/\d{4}:\d{2}:\d{2}:\d{2} \+0000$/),
      timeEpoch: expect.any(Number),
    },
    body: '{"ü":1}',
    isBase64Encoded: false,
  });
  expect(event['headers']).not.toHaveProperty('cookie');
});

test('what is absent from a request is absent from its event', async () => {
  const { json } = await serve({ Fn: mirror }, { 'GET /plain': 'Fn' });

  const event = await json('/plain');

  expect(event).toMatchObject({ rawQueryString: '', isBase64Encoded: false });
  for (const field of ['body', 'cookies', 'queryStringParameters', 'pathParameters'])
    expect(event).not.toHaveProperty(field);
});

test.each([
  ['application/json; charset=utf-8', false],
  ['text/csv', false],
  ['application/xml', false],
  ['application/javascript', false],
  ['application/x-www-form-urlencoded', true],
  ['multipart/form-data; boundary=x', true],
  ['application/octet-stream', true],
  ['application/jsonlines', true],
])('a body of type %s comes in base64: %s', async (type, inBase64) => {
  const { json } = await serve({ Fn: mirror }, { 'POST /': 'Fn' });

  const event = await json('/', { method: 'POST', headers: { 'content-type': type }, body: 'añb' });

  expect(event['isBase64Encoded']).toBe(inBase64);
  expect(Buffer.from(String(event['body']), inBase64 ? 'base64' : 'utf8').toString()).toBe('añb');
});

test('binary bodies come through unchanged in both directions', async () => {
  const source = `export const handler = async ({ body, isBase64Encoded }) => ({ statusCode: 201, isBase64Encoded, body,
    headers: { 'Content-Type': 'application/octet-stream', 'X-Own': 1 }, cookies: ['a=1; Path=/', 'b=2'] });`;
  const { call } = await serve({ Fn: source }, { 'PUT /files/{name}': 'Fn' });
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));

  const answer = await call('/files/x', { method: 'PUT', body: bytes });

  expect(answer.status).toBe(201);
  expect(answer.headers.get('content-type')).toBe('application/octet-stream');
  expect(answer.headers.get('x-own')).toBe('1');
  expect(answer.headers.getSetCookie()).toEqual(['a=1; Path=/', 'b=2']);
  expect(Buffer.from(await answer.arrayBuffer())).toEqual(bytes);
});

test('the most specific route wins', async () => {
  const name = (id: string) => `export const handler = async (event) => ({ to: '${id}', ...event.pathParameters });`;
  const { call, json } = await serve(
    { A: name('A'), B: name('B'), C: name('C'), D: name('D'), E: name('E') },
    { 'GET /jobs/{id}': 'A', 'GET /jobs/active': 'B', 'ANY /jobs/{id}': 'C', 'GET /{rest+}': 'D', 'POST /only': 'E' },
  );

  expect(await json('/jobs/7')).toEqual({ to: 'A', id: '7' });
  expect(await json('/jobs/active')).toEqual({ to: 'B' });
  expect(await json('/jobs/7', { method: 'DELETE' })).toEqual({ to: 'C', id: '7' });
  expect(await json('/jobs/7/log')).toEqual({ to: 'D', rest: 'jobs/7/log' });
  expect(await json('/jobs/a%20b')).toEqual({ to: 'A', id: 'a b' });
  const missing = await call('/jobs', { method: 'PATCH' });
  expect(missing.status).toBe(404);
  expect(await missing.json()).toEqual({ message: 'Not Found' });
});

test('$default takes what no other route takes', async () => {
  const { json } = await serve({ Fn: mirror }, { $default: 'Fn' });

  expect(await json('/any/thing%20here', { method: 'DELETE' })).toMatchObject({
    routeKey: '$default',
    rawPath: '/any/thing here',
  });
});

test('an answer without a status is the body of a 200, one with a status is plain text unless it says', async () => {
  const { call } = await serve(
    {
      Fn: `export const handler = async ({ rawPath }) => ({
        '/object': { a: 1 }, '/string': 'text', '/status': { statusCode: 404, body: 'none' },
        '/empty': { statusCode: 204 }, '/bad': { statusCode: 'x' } })[rawPath];`,
    },
    { 'GET /{path}': 'Fn' },
  );

  const object = await call('/object');
  expect([object.status, object.headers.get('content-type'), await object.json()]).toEqual([
    200,
    'application/json',
    { a: 1 },
  ]);
  expect(await (await call('/string')).text()).toBe('text');
  const status = await call('/status');
  expect([status.status, status.headers.get('content-type'), await status.text()]).toEqual([
    404,
    'text/plain;charset=UTF-8',
    'none',
  ]);
  expect((await call('/empty')).status).toBe(204);
  expect((await call('/bad')).status).toBe(500);
});

test('faults of functions show nothing of themselves', async () => {
  const { call } = await serve(
    {
      Throws: `export const handler = async () => { throw new Error('secret'); };`,
      Full: { source: mirror, properties: { ReservedConcurrentExecutions: 0 } },
    },
    { 'GET /throws': 'Throws', 'GET /full': 'Full' },
  );

  const thrown = await call('/throws');
  expect([thrown.status, await thrown.json()]).toEqual([500, { message: 'Internal Server Error' }]);
  const throttled = await call('/full');
  expect([throttled.status, await throttled.json()]).toEqual([503, { message: 'Service Unavailable' }]);
});

test('bodies above what API Gateway and Lambda take are refused with 413', async () => {
  const source = `export const handler = async ({ body }) => ({ statusCode: 200, body: String(body.length) });`;
  const { call } = await serve({ Fn: source }, { 'POST /': 'Fn' });
  const post = (bytes: number) => call('/', { method: 'POST', body: Buffer.alloc(bytes, 1) });

  const accepted = await post(4_400_000);
  expect([accepted.status, await accepted.text()]).toEqual([200, String(Math.ceil(4_400_000 / 3) * 4)]);
  // In base64 it is more than the 6 MB that an invocation takes.
  expect((await post(4_800_000)).status).toBe(413);
  const refused = await post(10 * 1024 * 1024 + 1);
  expect([refused.status, await refused.json()]).toEqual([413, { message: 'Request Entity Too Large' }]);
});

test('a port that is taken is refused, or left for the next free one', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void other.close());
  const { port } = other.address() as AddressInfo;
  const parts = { functions: { Fn: mirror }, resources: api({ $default: 'Fn' }) };

  await expect(runAssembly(parts, { port })).rejects.toThrow(`Port ${port} of 127.0.0.1 is taken`);
  const moved = await runAssembly(parts, { port, portMayMove: true });

  expect(Number(new URL(moved.apiUrl).port)).toBeGreaterThan(port);
  expect((await fetch(`${moved.apiUrl}/x`)).status).toBe(200);
});
