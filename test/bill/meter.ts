import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Units {
  requests: number;
  writes: number;
  reads: number;
}

interface Capacity {
  readonly CapacityUnits?: number;
  readonly ReadCapacityUnits?: number;
  readonly WriteCapacityUnits?: number;
}

const readActions = new Set(['GetItem', 'Query', 'BatchGetItem', 'TransactGetItems', 'Scan']);

/** Stands between the service and DynamoDB, asks for the capacity of each request, and adds it up by action. */
export async function startMeter(target: string) {
  const meter = new Map<string, Units>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const action = String(request.headers['x-amz-target']).split('.').at(-1) ?? '';
    const body = JSON.stringify({
      ...(JSON.parse(Buffer.concat(chunks).toString()) as object),
      ReturnConsumedCapacity: 'TOTAL',
    });
    const { host: _host, 'content-length': _length, ...headers } = request.headers;
    const answer = await fetch(target, { method: 'POST', headers: headers as Record<string, string>, body });
    const text = await answer.text();
    const { ConsumedCapacity: consumed } = JSON.parse(text) as { ConsumedCapacity?: Capacity | Capacity[] };
    const units = [consumed ?? []].flat().reduce((sum, { CapacityUnits = 0 }) => sum + CapacityUnits, 0);
    const before = meter.get(action) ?? { requests: 0, writes: 0, reads: 0 };
    const kind = readActions.has(action) ? 'reads' : 'writes';
    meter.set(action, { ...before, requests: before.requests + 1, [kind]: before[kind] + units });
    response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.0' }).end(text);
  });
  await new Promise<void>((started) => server.listen(0, '127.0.0.1', started));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** What was used since the last call. */
    take(): Units {
      const sum = [...meter.values()].reduce(
        (all, one) => ({
          requests: all.requests + one.requests,
          writes: all.writes + one.writes,
          reads: all.reads + one.reads,
        }),
        { requests: 0, writes: 0, reads: 0 },
      );
      meter.clear();
      return sum;
    },
    close: () => {
      server.closeAllConnections();
      return new Promise<void>((closed) => server.close(() => closed()));
    },
  };
}
