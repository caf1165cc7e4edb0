import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { ArchivesSpaceUnavailable } from '../../archivesspace/client.ts';
import { type ClientError, httpStatus, Refusal } from '../../core/errors.ts';
import { missing, type User } from '../../core/permissions.ts';
import { internal, log, metrics } from '../bundle.ts';
import { IssuerUnavailable } from './oidc.ts';
import { mustExist } from './repositories.ts';
import { type Operation, type Route, routes } from './routes.ts';
import type { Sessions } from './sessions.ts';

/** A request as an operation sees it: who asks is known, and may ask in this repository. */
export interface Request {
  /** Path parameters; `repo_id`, `id` and `file_id` are whole numbers. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Buffer;
  readonly contentType: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly user: User;
  readonly session: string | undefined;
  /** The network address that the request came from. */
  readonly address: string;
  /** The repository of the path; NaN on routes without one. */
  readonly repo: number;
  /** The job of the path; NaN on routes without one. */
  readonly id: number;
  readonly correlation: string;
  /** Throws the refusal that ArchivesSpace gives when any of these is missing in this repository. */
  need(permissions: readonly string[]): void;
}

/** What an operation answers: JSON, or bytes with headers of their own. */
export type Reply =
  | { readonly json: unknown; readonly headers?: Readonly<Record<string, string>> }
  /** 304: what the client has, under this ETag, still holds. */
  | { readonly unchanged: string }
  | { readonly bytes: Uint8Array; readonly headers: Readonly<Record<string, string>> }
  | { readonly redirect: string };

export type Handler = (request: Request) => Promise<Reply>;

/**
 * The order of ArchivesSpace's checks (backend/app/lib/rest.rb): session, parameters, body, permission, operation.
 * An operation that reads a body checks it in `check`, before the permission is looked at.
 */
export interface Checked<Body> {
  check(request: Omit<Request, 'user' | 'need'>): Promise<Body>;
  handle(request: Request, body: Body): Promise<Reply>;
}
export type AnyOperation = Handler | Checked<unknown>;

/** Makes the Lambda of some of the routes. Reads may know a user for a minute; what writes asks each time. */
export function api<F extends Route['function']>(
  name: F,
  sessions: Sessions,
  operations: Readonly<Record<Operation<F>, AnyOperation>>,
) {
  return internal(async (event: APIGatewayProxyEventV2): Promise<APIGatewayProxyStructuredResultV2> => {
    try {
      const route = routes.find(
        (one: Route) => one.function === name && `${one.method} ${one.path}` === event.routeKey,
      ) as Route | undefined;
      if (!route) return answer(404, { error: 'Not found' });
      return await serve(route, operations[route.operation as Operation<F>], sessions, event);
    } catch (error) {
      return failed(error, event);
    }
  });
}

/** Whole numbers in a path, as ArchivesSpace types its parameters. */
const numbers = new Set(['repo_id', 'id', 'file_id']);

async function serve(
  route: Route,
  operation: AnyOperation,
  sessions: Sessions,
  event: APIGatewayProxyEventV2,
): Promise<APIGatewayProxyStructuredResultV2> {
  const headers = event.headers;
  const session = headers['x-archivesspace-session'];
  const user = await sessions.userOf(headers, route.function === 'read');
  const path = Object.fromEntries(
    Object.entries(event.pathParameters ?? {}).map(([key, value = '']) => [key, value.toWellFormed()]),
  );
  const wrong = Object.entries(path).filter(([key, value]) => numbers.has(key) && !/^\d{1,15}$/.test(value));
  if (wrong.length) {
    throw new Refusal({
      code: 'bad_request',
      problems: Object.fromEntries(wrong.map(([key, value]) => [key, [`Wanted type Integer but got '${value}'`]])),
    });
  }
  if (path['repo_id'] !== undefined) await mustExist(sessions, Number(path['repo_id']), session);
  const request = {
    path,
    query: new URLSearchParams(event.rawQueryString),
    body: Buffer.from(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8'),
    contentType: headers['content-type'] ?? '',
    headers,
    session,
    address: event.requestContext.http.sourceIp,
    repo: Number(path['repo_id'] ?? Number.NaN),
    id: Number(path['id'] ?? Number.NaN),
    correlation: event.requestContext.requestId,
  };
  const need = (permissions: readonly string[]) => {
    const lacking = missing(user, request.repo, permissions);
    if (lacking.length) throw new Refusal({ code: 'denied', missing: lacking });
  };
  const whole = { ...request, user, need };
  if (typeof operation === 'function') {
    if (route.permission) need([route.permission]);
    return replied(await operation(whole));
  }
  const body = await operation.check(request);
  if (route.permission) need([route.permission]);
  return replied(await operation.handle(whole, body));
}

const always = { 'cache-control': 'private, must-revalidate, max-age=0', 'x-content-type-options': 'nosniff' };

function replied(reply: Reply): APIGatewayProxyStructuredResultV2 {
  if ('json' in reply) {
    const whole = answer(200, reply.json, reply.headers);
    if (fits(whole)) return whole;
    throw new Refusal({
      code: 'too_large',
      message:
        'The answer would be larger than can be sent. Ask for less at a time: page_size, or fewer ids in id_set.',
    });
  }
  if ('unchanged' in reply) return { statusCode: 304, headers: { ...always, etag: reply.unchanged } };
  if ('redirect' in reply) return { statusCode: 303, headers: { ...always, location: reply.redirect } };
  return {
    statusCode: 200,
    // Whatever a job wrote is shown as what it is, never run (design 3.13).
    headers: { ...always, 'content-security-policy': 'sandbox', ...reply.headers },
    body: Buffer.from(reply.bytes).toString('base64'),
    isBase64Encoded: true,
  };
}

/** Lambda takes answers of 6 MB, with the body as a string of JSON (AWS Lambda quotas). */
const mostAnswerBytes = 6_000_000;
/** Escaping makes a string at most six times as long. */
const fits = ({ body = '' }: APIGatewayProxyStructuredResultV2) =>
  body.length * 6 < mostAnswerBytes || Buffer.byteLength(JSON.stringify(body)) < mostAnswerBytes;

function answer(
  statusCode: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): APIGatewayProxyStructuredResultV2 {
  return {
    statusCode,
    headers: { ...always, 'content-type': 'application/json', ...headers },
    body: `${JSON.stringify(body)}\n`,
  };
}

function failed(error: unknown, event: APIGatewayProxyEventV2): APIGatewayProxyStructuredResultV2 {
  if (error instanceof Refusal)
    return answer(httpStatus[error.error.code], errorBody(error.error), errorHeaders(error.error));
  if (error instanceof IssuerUnavailable) {
    log.error('The issuer of tokens did not answer.', { error, route: event.routeKey });
    return answer(503, {
      error: 'The sign-in does not answer at the moment, so nobody can be recognised. Please try again.',
    });
  }
  if (error instanceof ArchivesSpaceUnavailable) {
    log.error('ArchivesSpace did not answer.', { error, route: event.routeKey });
    return answer(503, {
      error: 'ArchivesSpace does not answer at the moment, so nobody can be recognised. Please try again.',
    });
  }
  log.error('An operation failed.', { error, route: event.routeKey });
  metrics.addMetric('ApiFault', MetricUnit.Count, 1);
  return answer(500, {
    error: `Something went wrong on our side; it is in the log under ${event.requestContext.requestId}.`,
  });
}

/** RFC 6750, section 3, and RFC 9110, 10.2.3. */
function errorHeaders(error: ClientError): Readonly<Record<string, string>> {
  if (error.code === 'no_token') return { 'www-authenticate': 'Bearer error="invalid_token"' };
  if (error.code === 'too_many') return { 'retry-after': String(error.retryAfterSeconds) };
  return {};
}

/** Bodies as ArchivesSpace writes them (backend/app/lib/exceptions.rb); `missing_permissions` is ours. */
function errorBody(error: ClientError): unknown {
  switch (error.code) {
    case 'bad_request':
      return { error: error.problems, ...(error.invalid && { warning: null, invalid_object: error.invalid }) };
    case 'unreadable':
      return { error: `Had some trouble parsing your request: ${error.message}` };
    case 'no_session':
      return { code: error.gone, error: error.message };
    case 'no_token':
      return { code: error.expired ? 'SESSION_EXPIRED' : 'SESSION_GONE', error: error.message };
    case 'login_failed':
      return { error: 'Login failed' };
    case 'denied':
      return { error: 'Access denied', missing_permissions: error.missing };
    case 'not_found':
      return { error: error.what };
    case 'conflict':
    case 'too_large':
    case 'too_many':
    case 'unavailable':
      return { error: error.message };
    default:
      return error satisfies never;
  }
}
