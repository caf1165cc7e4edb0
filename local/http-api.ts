// An HTTP API of API Gateway with Lambda proxy integrations, payload format 2.0.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { InvokeOutcome } from './lambda/lambdas.ts';
import { type LoopbackServer, listenOnLoopback } from './loopback.ts';
import { type Page, servePage } from './page.ts';

/** https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html */
const maxRequestBytes = 10 * 1024 * 1024;
const integrationTimeoutMs = 30_000;
/** Bodies of these types reach the function as text, all others (also without a type) in base64. */
const textType = /^\s*(text\/|application\/(json|xml|javascript)\s*(;|$))/i;

export interface Route {
  /** `GET /items/{id}`, `ANY /files/{path+}` or `$default`. */
  readonly key: string;
  readonly functionArn: string;
}

export interface HttpApi {
  readonly url: string;
  /** Begins to serve; until then every request gets 503. */
  serve(apiId: string, routes: readonly Route[]): void;
  close(): Promise<void>;
}

export interface HttpApiOptions {
  readonly port: number;
  /** Takes the next free port when `port` is taken. */
  readonly portMayMove: boolean;
  readonly accountId: string;
  readonly invoke: (functionArn: string, payload: string) => Promise<InvokeOutcome>;
  /** Served in front of the API, as an edge would. */
  readonly page?: Page | undefined;
}

interface Served {
  readonly apiId: string;
  readonly routes: readonly CompiledRoute[];
}

interface CompiledRoute extends Route {
  readonly method: string;
  readonly segments: readonly string[];
}

interface Match {
  readonly route: CompiledRoute;
  readonly pathParameters: Record<string, string>;
}

/** Listens on 127.0.0.1. @throws when the port is taken and may not move. */
export async function startHttpApi(options: HttpApiOptions): Promise<HttpApi> {
  let served: Served | undefined;
  const server = await listen(options, async (incoming, outgoing) => {
    if (options.page && servePage(options.page, incoming, outgoing)) return;
    await answer(incoming, outgoing, served, options).catch(() => sendMessage(outgoing, 500, 'Internal Server Error'));
  });
  return {
    url: server.endpoint,
    serve(apiId, routes) {
      served = { apiId, routes: routes.map(compileRoute) };
    },
    close: server.close,
  };
}

async function listen(
  { port, portMayMove }: Pick<HttpApiOptions, 'port' | 'portMayMove'>,
  respond: (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>,
): Promise<LoopbackServer> {
  try {
    return await listenOnLoopback(respond, port);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    if (portMayMove && port < 65_535) return listen({ port: port + 1, portMayMove }, respond);
    throw new Error(`Port ${port} of 127.0.0.1 is taken. Choose another one, or end the program that uses it.`);
  }
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  served: Served | undefined,
  options: HttpApiOptions,
): Promise<void> {
  if (!served) return sendMessage(outgoing, 503, 'Service Unavailable');
  const [rawPath = '/', query = ''] = splitOnce(incoming.url ?? '/', '?');
  const path = decode(rawPath);
  const match = path === undefined ? undefined : findRoute(served.routes, incoming.method ?? 'GET', path);
  if (!match || path === undefined) return sendMessage(outgoing, 404, 'Not Found');
  const body = await readLimited(incoming);
  if (!body) return sendMessage(outgoing, 413, 'Request Entity Too Large');
  const event = toEvent(incoming, path, query, body, match, served.apiId, options.accountId);
  const timeout = Promise.withResolvers<'timeout'>();
  const timer = setTimeout(() => timeout.resolve('timeout'), integrationTimeoutMs);
  const outcome = await Promise.race([options.invoke(match.route.functionArn, JSON.stringify(event)), timeout.promise]);
  clearTimeout(timer);
  if (outcome === 'timeout') return sendMessage(outgoing, 503, 'Service Unavailable');
  switch (outcome.kind) {
    case 'result':
      return sendResult(outgoing, JSON.parse(outcome.payload));
    case 'too-large':
      return sendMessage(outgoing, 413, 'Request Entity Too Large');
    case 'throttled':
      return sendMessage(outgoing, 503, 'Service Unavailable');
    case 'error':
    case 'unknown-function':
      return sendMessage(outgoing, 500, 'Internal Server Error');
    default:
      return outcome satisfies never;
  }
}

function compileRoute(route: Route): CompiledRoute {
  const [method = '', path = ''] = splitOnce(route.key, ' ');
  return { ...route, method, segments: path.split('/').slice(1) };
}

/**
 * The most specific route: one that matches as a whole before one with a greedy variable before `$default`; fixed
 * words before variables, a method before ANY.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
 */
function findRoute(routes: readonly CompiledRoute[], method: string, path: string): Match | undefined {
  const segments = path.split('/').slice(1);
  const rank = (route: CompiledRoute): string =>
    route.segments.map((word) => (word.endsWith('+}') ? '2' : word.startsWith('{') ? '1' : '0')).join('') +
    (route.method === 'ANY' ? '1' : '0');
  const matches = routes.flatMap((route): Match[] => {
    if (route.method !== method && route.method !== 'ANY') return [];
    const pathParameters = matchSegments(route.segments, segments);
    return pathParameters ? [{ route, pathParameters }] : [];
  });
  matches.sort(
    (a, b) => Number(isGreedy(a.route)) - Number(isGreedy(b.route)) || (rank(a.route) < rank(b.route) ? -1 : 1),
  );
  const fallback = routes.find(({ key }) => key === '$default');
  return matches[0] ?? (fallback && { route: fallback, pathParameters: {} });
}

function isGreedy(route: CompiledRoute): boolean {
  return route.segments.at(-1)?.endsWith('+}') ?? false;
}

function matchSegments(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  const found: Record<string, string> = {};
  for (const [index, word] of pattern.entries()) {
    const segment = segments[index];
    if (segment === undefined || (segment === '' && word !== '')) return undefined;
    if (word.endsWith('+}')) {
      found[word.slice(1, -2)] = segments.slice(index).join('/');
      return found;
    }
    if (word.startsWith('{')) found[word.slice(1, -1)] = segment;
    else if (word !== segment) return undefined;
  }
  return segments.length === pattern.length ? found : undefined;
}

function toEvent(
  incoming: IncomingMessage,
  path: string,
  query: string,
  body: Buffer,
  match: Match,
  apiId: string,
  accountId: string,
): object {
  const { cookie, ...named } = incoming.headersDistinct;
  const headers = Object.fromEntries(Object.entries(named).map(([name, values]) => [name, values?.join(',') ?? '']));
  const queryParameters: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    queryParameters[name] = name in queryParameters ? `${queryParameters[name]},${value}` : value;
  }
  const now = new Date();
  const isText = textType.test(headers['content-type'] ?? '');
  const sourceIp = incoming.socket.remoteAddress ?? '127.0.0.1';
  const host = headers['host'] ?? '';
  return {
    version: '2.0',
    routeKey: match.route.key,
    rawPath: path,
    rawQueryString: query,
    ...(cookie ? { cookies: cookie.flatMap((one) => one.split(/;\s*/)) } : {}),
    headers: {
      ...headers,
      'x-forwarded-for': sourceIp,
      'x-forwarded-port': String(incoming.socket.localPort),
      'x-forwarded-proto': 'http',
    },
    ...(query === '' ? {} : { queryStringParameters: queryParameters }),
    requestContext: {
      accountId,
      apiId,
      domainName: host,
      domainPrefix: host.split('.')[0],
      http: {
        method: incoming.method,
        path,
        protocol: `HTTP/${incoming.httpVersion}`,
        sourceIp,
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: randomUUID(),
      routeKey: match.route.key,
      stage: '$default',
      time: clfTime(now),
      timeEpoch: now.getTime(),
    },
    ...(Object.keys(match.pathParameters).length > 0 ? { pathParameters: match.pathParameters } : {}),
    ...(body.length > 0 ? { body: body.toString(isText ? 'utf8' : 'base64') } : {}),
    isBase64Encoded: body.length > 0 && !isText,
  };
}

/** A function's answer: a response, or any other value, which is then the JSON body of a 200. */
function sendResult(outgoing: ServerResponse, result: unknown): void {
  const response = result as {
    statusCode?: unknown;
    headers?: Record<string, unknown>;
    cookies?: readonly string[];
    body?: unknown;
    isBase64Encoded?: boolean;
  } | null;
  if (typeof response !== 'object' || response?.statusCode === undefined) {
    outgoing.writeHead(200, { 'content-type': 'application/json' });
    outgoing.end(typeof result === 'string' ? result : JSON.stringify(result));
    return;
  }
  const status = Number(response.statusCode);
  const { body } = response;
  if (!(status >= 100 && status <= 599) || (body !== undefined && body !== null && typeof body !== 'string')) {
    sendMessage(outgoing, 500, 'Internal Server Error');
    return;
  }
  outgoing.setHeader('content-type', 'text/plain;charset=UTF-8');
  for (const [name, value] of Object.entries(response.headers ?? {})) outgoing.setHeader(name, String(value));
  if (response.cookies) outgoing.setHeader('set-cookie', response.cookies);
  const bytes = Buffer.from(body ?? '', response.isBase64Encoded ? 'base64' : 'utf8');
  outgoing.setHeader('content-length', bytes.length);
  outgoing.statusCode = status;
  outgoing.end(bytes);
}

function sendMessage(outgoing: ServerResponse, status: number, message: string): void {
  if (outgoing.headersSent) {
    outgoing.end();
    return;
  }
  // A request that is refused before its body was read: nothing more of it is taken.
  const close = outgoing.req.complete ? {} : { connection: 'close' };
  outgoing.writeHead(status, STATUS_CODES[status], { 'content-type': 'application/json', ...close });
  outgoing.end(JSON.stringify({ message }));
}

/** The body; undefined when it is larger than API Gateway takes. */
async function readLimited(incoming: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(incoming.headers['content-length'] ?? 0) > maxRequestBytes) return drain(incoming);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= maxRequestBytes) chunks.push(chunk);
  }
  return bytes > maxRequestBytes ? undefined : Buffer.concat(chunks);
}

/** Takes the rest of a body that is refused: a client that is still sending would not see the answer. */
async function drain(incoming: IncomingMessage): Promise<undefined> {
  for await (const _ of incoming);
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** `12/Mar/2026:19:03:58 +0000`. */
function clfTime(time: Date): string {
  const [, day, month, year, clock] = time.toUTCString().split(' ');
  return `${day}/${month}/${year}:${clock} +0000`;
}
