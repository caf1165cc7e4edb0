// The HTTP ground under the emulators: a server on 127.0.0.1 that can be stopped at once, and whole request bodies.
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface LoopbackServer {
  /** `http://127.0.0.1:<port>`, without a slash at the end. */
  readonly endpoint: string;
  /** Stops listening and drops open connections; resolves when the port is free. */
  close(): Promise<void>;
}

/**
 * Listens on 127.0.0.1 and answers each request with `answer`. A rejection of `answer` is a fault of the emulator: it
 * is printed and answered with status 500.
 *
 * @param port 0 (default) takes any free port; rejects with `EADDRINUSE` when the port is taken
 */
export async function listenOnLoopback(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  port = 0,
): Promise<LoopbackServer> {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      // A client that hung up in the middle of its request is no fault of ours.
      if (request.destroyed && !request.complete) return;
      console.error(error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  // The SDK keeps idle connections open; were they closed after Node's 5 s, a request could meet a closing socket.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Reads a whole request body. Rejects when the client hangs up. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
}

/** Answers with a JSON document under AWS's JSON protocol 1.0 (or 1.1). */
export function sendJson(response: ServerResponse, statusCode: number, document: unknown, version = '1.0'): void {
  const body = JSON.stringify(document);
  response.writeHead(statusCode, {
    'content-type': `application/x-amz-json-${version}`,
    'content-length': Buffer.byteLength(body),
    'x-amzn-requestid': randomUUID(),
  });
  response.end(body);
}
