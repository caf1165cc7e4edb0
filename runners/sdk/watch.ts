import { Worker } from 'node:worker_threads';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import type { Key } from '../../core/writes.ts';

/**
 * The watch over a run: a worker thread that reads the run item each second, says when a cancel was asked for or the
 * time limit is reached, and ends the process when the grace time is over or the run's token was taken away, even
 * while the runner's own code blocks the event loop (design 3.6).
 *
 * In a worker `process.exit` ends only the worker, hence SIGKILL; `console.log` waits for the main thread, hence
 * `fs.writeSync`. Its code is a string, so that whoever bundles a runner needs no second entry.
 */
const code = `
const { workerData: watch, parentPort } = require('node:worker_threads');
const fs = require('node:fs');
const current = new Int32Array(watch.current);
let killAt = Infinity;
const kill = (why) => {
  if (Atomics.load(current, 0) !== 1) return;
  fs.writeSync(1, JSON.stringify({ level: 'WARN', message: 'Ending the process: ' + why, run: watch.run }) + '\\n');
  process.kill(process.pid, 'SIGKILL');
};
const stop = (why) => {
  if (killAt !== Infinity) return;
  killAt = Date.now() + watch.graceMs;
  parentPort.postMessage(why);
};
const look = async () => {
  const request = watch.requests[Math.min(watch.requests.length - 1, Math.floor((Date.now() - watch.signedAt) / watch.signedForMs))];
  const response = await fetch(request.url, { method: 'POST', headers: request.headers, body: request.body, signal: AbortSignal.timeout(5000) });
  if (!response.ok) return;
  const { Item: run } = await response.json();
  if (!run) return;
  if (run.token.S !== watch.token) kill('the token of its run was taken away.');
  if (run.cancelAt) stop('canceled');
};
// A read that fails says nothing: the next one asks again. The first can wait: the claim of the segment has just read
// the run.
const round = () => look().catch(() => {}).then(() => setTimeout(round, watch.everyMs));
setTimeout(round, watch.everyMs);
setInterval(() => {
  if (watch.limitAt && Date.now() >= watch.limitAt) stop('time_limit');
  if (Date.now() >= killAt) kill('its grace time is over.');
}, 250);
`;

/** A signature counts for five minutes before and after its time (DynamoDB API, error "Signature expired"). */
const signedForMs = 4 * 60_000;

export interface Watched {
  readonly table: string;
  readonly key: Key;
  readonly token: string;
  readonly graceMs: number;
  readonly limitAt: number | undefined;
  /** How long the invocation may last. */
  readonly remainingMs: number;
}

export interface Watch {
  /** Ends the watch; it kills no more once this was called, and its thread is gone when this resolves. */
  stop(): Promise<void>;
}

/**
 * Starts watching a run.
 *
 * @param client for the region, endpoint and credentials of the table
 * @param onStop is called once, in the main thread, when the runner is to stop
 */
export async function startWatch(
  client: DynamoDBClient,
  watched: Watched,
  onStop: (why: 'canceled' | 'time_limit') => void,
): Promise<Watch> {
  const signedAt = Date.now();
  const current = new SharedArrayBuffer(4);
  const flag = new Int32Array(current);
  Atomics.store(flag, 0, 1);
  const worker = new Worker(code, {
    eval: true,
    workerData: {
      current,
      run: watched.key.pk,
      token: watched.token,
      graceMs: watched.graceMs,
      limitAt: watched.limitAt,
      everyMs: 1_000,
      signedAt,
      signedForMs,
      requests: await signedReads(client, watched, Math.ceil(watched.remainingMs / signedForMs)),
    },
  });
  worker.on('message', onStop);
  worker.unref();
  return {
    async stop() {
      Atomics.store(flag, 0, 0);
      await worker.terminate();
    },
  };
}

interface SignedRequest {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** By the client it signs for: making one takes longer than signing. */
const signers = new WeakMap<DynamoDBClient, { readonly client: DynamoDBClient; readonly signed: SignedRequest[] }>();

function signerFor(client: DynamoDBClient) {
  const known = signers.get(client);
  if (known) return known;
  const signed: SignedRequest[] = [];
  const signer = new DynamoDBClient({
    region: client.config.region,
    credentials: client.config.credentials,
    ...(client.config.endpoint && { endpoint: client.config.endpoint }),
    maxAttempts: 1,
    requestHandler: {
      handle: async ({ protocol, hostname, port, path, headers, body }: HttpRequest) => {
        const { host: _host, 'content-length': _length, ...rest } = headers;
        const url = `${protocol}//${hostname}${port ? `:${port}` : ''}${path}`;
        signed.push({
          url,
          headers: rest,
          body: typeof body === 'string' ? body : new TextDecoder().decode(body as Uint8Array),
        });
        throw new Error('signed, not sent');
      },
    },
  });
  signers.set(client, { client: signer, signed });
  return { client: signer, signed };
}

interface HttpRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: unknown;
}

/**
 * The same consistent read, signed by the SDK for now and for later times, so that the thread needs neither
 * credentials nor a signer: a handler takes each signed request instead of sending it.
 */
async function signedReads(client: DynamoDBClient, { table, key }: Watched, count: number): Promise<SignedRequest[]> {
  const signer = signerFor(client);
  signer.signed.length = 0;
  const command = new GetItemCommand({
    TableName: table,
    Key: marshall(key),
    ConsistentRead: true,
    ProjectionExpression: '#t, cancelAt',
    ExpressionAttributeNames: { '#t': 'token' },
  });
  for (let n = 0; n < count; n++) {
    signer.client.config.systemClockOffset = n * signedForMs;
    await signer.client.send(command).catch((error: unknown) => {
      if (signer.signed.length !== n + 1) throw error;
    });
  }
  return [...signer.signed];
}
