// Lambda's API over HTTP, as far as functions use it: Invoke, ListVersionsByFunction, and DeleteFunction of a version.
// https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html
import { randomUUID } from 'node:crypto';
import type { ServiceRequest, ServiceResponse } from '../control.ts';
import { type Lambdas, latest, maxPayloadBytes, parseFunctionName } from './lambdas.ts';
import type { FunctionSpec } from './sandbox.ts';
import type { Versions } from './versions.ts';

/** https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const maxAsyncPayloadBytes = 1024 * 1024;
const route = /^\/2015-03-31\/functions\/([^/]+)(\/invocations|\/versions)?$/;
const defaultPageSize = 50;

/** Answers what it knows of Lambda's API; undefined for any other request. */
export async function answerLambda(
  lambdas: Lambdas,
  versions: Versions,
  request: ServiceRequest,
): Promise<ServiceResponse | undefined> {
  const [, encoded, what = ''] = route.exec(request.path) ?? [];
  if (encoded === undefined) return undefined;
  const given = decodeURIComponent(encoded);
  const qualifier = request.query.get('Qualifier');
  const name = qualifier === null ? given : `${given}:${qualifier}`;
  switch (`${request.method} ${what}`) {
    case 'POST /invocations':
      return answerInvoke(lambdas, name, request);
    case 'GET /versions':
      return listVersions(lambdas, versions, given, request.query);
    case 'DELETE ':
      return deleteVersion(lambdas, versions, name);
    default:
      return undefined;
  }
}

async function answerInvoke(lambdas: Lambdas, name: string, request: ServiceRequest): Promise<ServiceResponse> {
  const payload = request.body.length > 0 ? request.body.toString() : '{}';
  if (!isJson(payload)) return refuse(400, 'InvalidRequestContentException', 'Could not parse request body into json');
  const spec = lambdas.find(name);
  if (!spec) return notFound(name);

  const type = request.headers['x-amz-invocation-type'] ?? 'RequestResponse';
  if (type === 'DryRun') return { status: 204, headers: {}, body: '' };
  if (type === 'Event') {
    const bytes = Buffer.byteLength(payload);
    if (bytes > maxAsyncPayloadBytes) return tooLarge(bytes, 'Event', maxAsyncPayloadBytes);
    lambdas.invokeLater(name, payload);
    return { status: 202, headers: {}, body: '' };
  }
  const executed = { 'x-amz-executed-version': parseFunctionName(name).version };
  const outcome = await lambdas.invoke(name, payload);
  switch (outcome.kind) {
    case 'result':
      return { status: 200, headers: executed, body: outcome.payload };
    case 'error': {
      const headers = { ...executed, 'x-amz-function-error': 'Unhandled' };
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
      return notFound(name);
    default:
      return outcome satisfies never;
  }
}

/** `$LATEST`, then the published ones by number, a page at a time: the marker is how many came before. */
function listVersions(lambdas: Lambdas, versions: Versions, name: string, query: URLSearchParams): ServiceResponse {
  const spec = lambdas.find(parseFunctionName(name).name);
  if (!spec) return notFound(name);
  const all = [
    configuration({ ...spec, arn: `${spec.arn}:${latest}` }, latest),
    ...versions.list(spec.name).map((one) => configuration(one.spec, one.number, one.publishedMs)),
  ];
  const from = Number(query.get('Marker') ?? 0);
  const to = from + Number(query.get('MaxItems') ?? defaultPageSize);
  const body = { Versions: all.slice(from, to), ...(to < all.length && { NextMarker: String(to) }) };
  return { status: 200, headers: {}, body: JSON.stringify(body) };
}

function configuration(spec: FunctionSpec, version: string, modifiedMs?: number): object {
  return {
    FunctionName: spec.name,
    FunctionArn: spec.arn,
    Version: version,
    Handler: spec.handler,
    MemorySize: spec.memoryMb,
    Timeout: spec.timeoutMs / 1000,
    ...(modifiedMs !== undefined && { LastModified: new Date(modifiedMs).toISOString().replace('Z', '+0000') }),
  };
}

/** Functions themselves come and go with the template only. */
function deleteVersion(lambdas: Lambdas, versions: Versions, nameOrArn: string): ServiceResponse {
  const { name, version } = parseFunctionName(nameOrArn);
  if (!lambdas.find(nameOrArn)) return notFound(nameOrArn);
  if (version === latest) {
    const message =
      '$LATEST version cannot be deleted without deleting the function, which the local stack does not do.';
    return refuse(400, 'InvalidParameterValueException', message);
  }
  versions.remove(name, version);
  return { status: 204, headers: {}, body: '' };
}

const notFound = (name: string) => refuse(404, 'ResourceNotFoundException', `Function not found: ${name}`);

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
