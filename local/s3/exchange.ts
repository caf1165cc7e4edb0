import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Objects } from './objects.ts';

/** One request, taken apart. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  /** With the `x-amz-…` members that a presigned URL carries in its query, except checksums. */
  readonly headers: IncomingHttpHeaders;
  readonly objects: Objects;
}

export function sendXml(response: ServerResponse, statusCode: number, xml: string): void {
  response.writeHead(statusCode, xml === '' ? {} : { 'content-type': 'application/xml' });
  response.end(xml);
}
