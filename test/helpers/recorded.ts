import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import { onTestFinished } from 'vitest';

/** One request to DynamoDB as it came over the wire, and the answer. */
export interface Recorded {
  /** Such as `UpdateItem`. */
  readonly operation: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly answer: Readonly<Record<string, unknown>>;
}

/** Serves JSON on loopback until the test ends. Without an answer the connection breaks. */
export async function serveJson(
  answer: (
    request: IncomingMessage,
    body: string,
  ) => Promise<{ readonly status: number; readonly body: string } | undefined>,
): Promise<string> {
  const server = createServer(async (request, response) => {
    const answered = await answer(request, await text(request));
    if (!answered) return void request.socket.destroy();
    response.writeHead(answered.status, { 'content-type': 'application/x-amz-json-1.0' });
    response.end(answered.body);
  });
  await new Promise<void>((started) => server.listen(0, '127.0.0.1', started));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export interface Recording {
  readonly endpoint: string;
  readonly recorded: Recorded[];
  /** Each write happens, and its first answer is lost on the way. */
  losesAnswers: boolean;
}

/** Stands in front of a DynamoDB and notes what goes through, whoever sends it. */
export async function recordRequests(endpoint: string): Promise<Recording> {
  const recorded: Recorded[] = [];
  const lost = new Set<string>();
  const proxy = await serveJson(async ({ headers }, body) => {
    const target = String(headers['x-amz-target']);
    const answer = await fetch(endpoint, {
      method: 'POST',
      body,
      headers: {
        'x-amz-target': target,
        'content-type': String(headers['content-type']),
        authorization: String(headers.authorization),
        'x-amz-date': String(headers['x-amz-date']),
      },
    });
    const answered = await answer.text();
    recorded.push({
      operation: target.slice(target.indexOf('.') + 1),
      request: JSON.parse(body) as Recorded['request'],
      answer: JSON.parse(answered) as Recorded['answer'],
    });
    if (recording.losesAnswers && /(Put|Update)Item$/.test(target) && !lost.has(body)) {
      lost.add(body);
      return undefined;
    }
    return { status: answer.status, body: answered };
  });
  const recording = { endpoint: proxy, recorded, losesAnswers: false };
  return recording;
}

type Attributes = Record<string, AttributeValue>;

/** An item in plain JSON values: bytes as base64. */
export const plain = (attributes: unknown): Record<string, unknown> =>
  withoutBytes(unmarshall(attributes as Attributes));

const withoutBytes = (values: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
    ]),
  );

/** A write in the form of schemas/protocol; undefined for a read. Throws for an expression that the protocol has not. */
export function writeOf({ operation, request }: Recorded): Readonly<Record<string, unknown>> | undefined {
  // The wire has bytes as base64 already.
  const values = (attributes: unknown) =>
    plain(
      Object.fromEntries(
        Object.entries((attributes ?? {}) as Record<string, { B?: unknown }>).map(([name, value]) => [
          name,
          value.B === undefined ? value : { B: Buffer.from(String(value.B), 'base64') },
        ]),
      ),
    );
  const names = (request['ExpressionAttributeNames'] ?? {}) as Record<string, string>;
  const given = values(request['ExpressionAttributeValues']);
  const name = (text: string) => names[text] ?? text;
  const when = () =>
    Object.fromEntries(
      String(request['ConditionExpression'])
        .split(' AND ')
        .map((part) => {
          const absent = /^attribute_not_exists\((\S+)\)$/.exec(part)?.[1];
          if (absent) return [name(absent), null];
          const [, left = '', right = ''] = /^(\S+) = (\S+)$/.exec(part) ?? [];
          if (!(right in given)) throw new Error(`A condition that is not of the protocol: ${part}`);
          return [name(left), given[right]];
        }),
    );
  if (operation === 'PutItem') return { op: 'put', item: values(request['Item']), when: when() };
  if (operation !== 'UpdateItem') return undefined;
  const [, sets = '', removes] = /^SET (.*?)(?: REMOVE (.*))?$/.exec(String(request['UpdateExpression'])) ?? [];
  return {
    op: 'update',
    key: plain(request['Key']),
    set: Object.fromEntries(
      sets.split(', ').map((part) => {
        const [left = '', right = ''] = part.split(' = ');
        return [name(left), given[right]];
      }),
    ),
    ...(removes && { remove: removes.split(', ').map(name) }),
    when: when(),
  };
}
