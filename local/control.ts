// The HTTP server on loopback behind the services that this stack answers itself: Lambda, Step Functions and the
// answers of custom resources. Whatever else is sent there gets a clear refusal and never reaches AWS.
import type { IncomingMessage } from 'node:http';
import { type LoopbackServer, listenOnLoopback, readBody } from './loopback.ts';

export interface ServiceRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-cased names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface ServiceResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A service looks at a request and answers it, or leaves it to the next one by undefined. */
export type Service = (request: ServiceRequest) => Promise<ServiceResponse | undefined>;

/** Listens on a free port of 127.0.0.1 and gives each request to the first service that answers it. */
export function startControlServer(services: readonly Service[]): Promise<LoopbackServer> {
  return listenOnLoopback(async (incoming, outgoing) => {
    const { status, headers, body } = await respond(services, await read(incoming));
    outgoing.writeHead(status, { 'content-type': 'application/json', ...headers });
    outgoing.end(body);
  });
}

async function read(incoming: IncomingMessage): Promise<ServiceRequest> {
  const headers = Object.entries(incoming.headers).map(([name, value]) => [name, value?.toString()]);
  const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://localhost');
  return {
    method: incoming.method ?? 'GET',
    path: pathname,
    query: searchParams,
    headers: Object.fromEntries(headers),
    body: await readBody(incoming),
  };
}

async function respond(services: readonly Service[], request: ServiceRequest): Promise<ServiceResponse> {
  for (const service of services) {
    const answer = await service(request);
    if (answer) return answer;
  }
  const what = request.headers['x-amz-target'] ?? `${request.method} ${request.path}`;
  const message = `The local stack does not answer ${what}.`;
  return { status: 400, headers: {}, body: JSON.stringify({ __type: 'UnknownOperationException', message }) };
}
