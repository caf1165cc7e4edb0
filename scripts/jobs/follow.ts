import { setTimeout as pause } from 'node:timers/promises';
import { logHeaders, type StatusReply } from '../../schemas/extensions.ts';
import type { Client } from './client.ts';

type Take = (bytes: Uint8Array) => Promise<void> | void;

/** Hands over a job's log as it grows, until the job has ended. Returns how it stands then. */
export async function follow(client: Client, uri: string, take: Take): Promise<StatusReply> {
  let offset = 0;
  for (let waitMs = 200; ; waitMs = Math.min(2000, waitMs * 1.5)) {
    const { next, complete } = await readLog(client, uri, offset, take);
    if (complete) return client.json<StatusReply>(`${uri}/status`);
    if (next > offset) waitMs = 200;
    offset = next;
    await pause(waitMs);
  }
}

/** Hands over what there is of a log from a byte on. */
export async function readLog(client: Client, uri: string, from: number, take: Take) {
  for (let offset = from; ; ) {
    const response = await client.send(`${uri}/log?offset=${offset}`);
    await take(new Uint8Array(await response.arrayBuffer()));
    const next = Number(response.headers.get(logHeaders.next));
    const end = Number(response.headers.get(logHeaders.end));
    offset = next;
    if (next >= end) return { next, end, complete: response.headers.get(logHeaders.complete) === 'true' };
  }
}

/** Waits for whoever reads: a large log is not held in memory. */
export const writer =
  (stream: NodeJS.WritableStream): Take =>
  (bytes) =>
    new Promise<void>((written, failed) => stream.write(bytes, (error) => (error ? failed(error) : written())));
