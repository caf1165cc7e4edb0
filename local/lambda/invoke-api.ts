// Lambda's Invoke over HTTP. https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
import { randomUUID } from 'node:crypto';
import type { ServiceRequest, ServiceResponse } from '../control.ts';
import { type Lambdas, maxPayloadBytes } from './lambdas.ts';

/** https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const maxAsyncPayloadBytes = 1024 * 1024;
const route = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/;

/** Answers `POST /2015-03-31/functions/:name/invocations`; undefined for any other request. */
export async function answerInvoke(lambdas: Lambdas, request: ServiceRequest): Promise<ServiceResponse | undefined> {
  const encoded = request.method === 'POST' ? route.exec(request.path)?.[1] : undefined;
  if (encoded === undefined) return undefined;
  const name = decodeURIComponent(encoded);
  const payload = request.body.length > 0 ? request.body.toString() : '{}';
  if (!isJson(payload)) return refuse(400, 'InvalidRequestContentException', 'Could not parse request body into json');
  const spec = lambdas.find(name);
  if (!spec) return refuse(404, 'ResourceNotFoundException', `Function not found: ${name}`);

  const type = request.headers['x-amz-invocation-type'] ?? 'RequestResponse';
  if (type === 'DryRun') return { status: 204, headers: {}, body: '' };
  if (type === 'Event') {
    const bytes = Buffer.byteLength(payload);
    if (bytes > maxAsyncPayloadBytes) return tooLarge(bytes, 'Event', maxAsyncPayloadBytes);
    lambdas.invokeLater(name, payload);
    return { status: 202, headers: {}, body: '' };
  }
  const outcome = await lambdas.invoke(name, payload);
  switch (outcome.kind) {
    case 'result':
      return { status: 200, headers: { 'x-amz-executed-version': '$LATEST' }, body: outcome.payload };
    case 'error': {
      const headers = { 'x-amz-executed-version': '$LATEST', 'x-amz-function-error': 'Unhandled' };
      return { status: 200, headers, body: JSON.stringify(outcome.error) };
    }
    case 'throttled': {
      const reserved = spec.reservedConcurrency !== undefined;
      const reason = reserved
        ? 'ReservedFunctionConcurrentInvocationLimitExceeded'
        : 'ConcurrentInvocationLimitExceeded';
      return refuse(429, 'TooManyRequestsException', 'Rate Exceeded.', { Reason: reason });
    }
    case 'too-large':
      return tooLarge(outcome.bytes, 'RequestResponse', maxPayloadBytes);
    case 'unknown-function':
      return refuse(404, 'ResourceNotFoundException', `Function not found: ${name}`);
    default:
      return outcome satisfies never;
  }
}

function tooLarge(bytes: number, type: string, limitBytes: number): ServiceResponse {
  const message = `${bytes} byte payload is too large for the ${type} invocation type (limit ${limitBytes} bytes)`;
  return refuse(413, 'RequestTooLargeException', message);
}

function refuse(status: number, code: string, message: string, more: Record<string, string> = {}): ServiceResponse {
  const headers = { 'x-amzn-errortype': code, 'x-amzn-requestid': randomUUID() };
  return { status, headers, body: JSON.stringify({ Type: 'User', message, ...more }) };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
