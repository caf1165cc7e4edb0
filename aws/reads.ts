import { UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import type { Heads } from '../core/dispatch.ts';
import { Fault } from '../core/errors.ts';
import { fileName, isContentType } from '../core/file-names.ts';
import {
  type Board,
  type Ends,
  fromItem,
  type Hold,
  isEnded,
  type Job,
  type QueueRow,
  type Run,
  type Settings,
  type Slot,
} from '../core/job.ts';
import { countOf, readRunItem } from '../core/run-item.ts';
import { inputKey, keys, numberOf, outputKey, type RegisteredType } from '../core/table.ts';
import type { Item } from '../core/writes.ts';
import { query, read, type Table } from './dynamo.ts';

/** Gives the next job id: ids grow in the order in which creates asked for them (design 3.11). */
export async function nextId(table: Table): Promise<number> {
  const { Attributes: counter } = await table.client.send(
    new UpdateItemCommand({
      TableName: table.name,
      Key: marshall(keys.counter),
      UpdateExpression: 'ADD #last :one',
      ExpressionAttributeNames: { '#last': 'last' },
      ExpressionAttributeValues: { ':one': { N: '1' } },
      ReturnValues: 'UPDATED_NEW',
    }),
  );
  const id = Number(counter?.['last']?.N);
  if (!Number.isSafeInteger(id)) throw new Fault('The job counter gave no number.', counter);
  return id;
}

export async function lastId(table: Table): Promise<number> {
  return Number((await read(table, keys.counter))?.['last'] ?? 0);
}

/** Slots, locks and settings in one consistent read. Throws `Fault` before the first deploy wrote the settings. */
export async function readBoard(table: Table): Promise<Board> {
  const slots: Slot[] = [];
  const locks: Hold[] = [];
  let settings: Settings | undefined;
  for await (const item of query(table, keys.settings.pk)) {
    const sk = String(item['sk']);
    if (sk.startsWith('SLOT#')) slots.push(fromItem<Slot>(item));
    else if (sk.startsWith('LOCK#')) locks.push(fromItem<Hold>(item));
    else if (sk === keys.settings.sk) settings = fromItem<Settings>(item);
  }
  if (!settings)
    throw new Fault('The table has no settings: the deployment that registers job types has not run.', undefined);
  return { settings, slots, locks };
}

/** The oldest rows of each type's queue, at most `rows` of each. */
export async function readHeads(table: Table, types: readonly string[], rows: number): Promise<Heads> {
  const heads = await Promise.all(
    types.map(async (type) => {
      const found: QueueRow[] = [];
      for await (const item of query(table, `QUEUE#${type}`, { limit: rows })) found.push(fromItem<QueueRow>(item));
      return [type, found] as const;
    }),
  );
  return new Map(heads);
}

export async function readJob(table: Table, id: number): Promise<Job | undefined> {
  const item = await read(table, keys.job(id));
  return item && fromItem<Job>(item);
}

export async function readRun(
  table: Table,
  job: { readonly type: string; readonly id: number },
): Promise<Run | undefined> {
  const item = await read(table, keys.run(job.type, job.id));
  return item && readRunItem(item);
}

/** The job's parameters as JSON text, wherever they are kept. */
export async function readParams(
  table: Table,
  job: { readonly type: string; readonly id: number; readonly params?: string },
): Promise<string> {
  if (job.params !== undefined) return job.params;
  const item = await read(table, keys.run(job.type, job.id, 'PARAMS'), true);
  return String(item?.['params'] ?? '{}');
}

export interface StoredFile {
  readonly name: string;
  readonly size: number;
  readonly contentType: string;
  /** As the bucket gave it when the file was stored. */
  readonly etag: string;
}

/** The files uploaded with a job, in their order. */
export async function readInputs(
  table: Table,
  job: { readonly type: string; readonly id: number; readonly inputs: number },
): Promise<readonly StoredFile[]> {
  if (job.inputs === 0) return [];
  const item = await read(table, keys.run(job.type, job.id, 'INPUTS'), true);
  return fromItem<{ files?: readonly StoredFile[] }>(item ?? {}).files ?? [];
}

/** Where the writes of a run that said nothing of its end do end: its last log chunk and its last chunk of records. */
export async function findEnds(
  table: Table,
  run: { readonly type: string; readonly id: number; readonly token: string },
): Promise<Ends> {
  const last = async (prefix: 'LOG#' | 'RECORD#') => {
    for await (const item of query(table, keys.run(run.type, run.id).pk, {
      from: prefix,
      to: `${prefix}~`,
      backwards: true,
      limit: 1,
    }))
      return item;
    return undefined;
  };
  const [log, record] = await Promise.all([last('LOG#'), last('RECORD#')]);
  return {
    log: log ? countOf(numberOf(String(log['sk'])) + Number(log['size'])) : 0,
    files: 0,
    records: record ? countOf(numberOf(String(record['sk'])) + 1) : 0,
  };
}

export async function readTypes(table: Table): Promise<readonly Omit<RegisteredType, 'dispatch'>[]> {
  const types: Item[] = [];
  for await (const item of query(table, 'TYPES')) types.push(item);
  return types.map((item) => fromItem<Omit<RegisteredType, 'dispatch'>>(item));
}

/** Whether what bears this token and stands at this place counts for the job. */
const counts = (job: Job, token: unknown, place: number, what: keyof Ends) =>
  'token' in job && job.token === token && (!isEnded(job) || place < (job.ends?.[what] ?? 0));

/** The bytes of a job's log from `offset` on, at most `most`. Beyond the end: none. */
export const readLog = async (table: Table, job: Job, offset: number, most: number): Promise<Uint8Array> =>
  (await readLogPart(table, job, offset, most)).bytes;

/** The same, and where the log ends for now. */
export async function readLogPart(
  table: Table,
  job: Job,
  offset: number,
  most: number,
): Promise<{ readonly bytes: Uint8Array; readonly end: number }> {
  const { pk, sk } = keys.log(job.type, job.id, offset);
  let first: string | undefined;
  for await (const item of query(table, pk, { from: 'LOG#', to: sk, backwards: true, limit: 1 }))
    first = String(item['sk']);
  const parts: Uint8Array[] = [];
  let left = most;
  let seenTo = 0;
  for await (const item of query(table, pk, { from: first ?? sk, to: 'LOG#~' })) {
    const start = numberOf(String(item['sk']));
    if (!counts(job, item['token'], start, 'log')) continue;
    const end = isEnded(job) ? (job.ends?.log ?? 0) : Number.POSITIVE_INFINITY;
    const chunk = item['bytes'];
    if (!(chunk instanceof Uint8Array)) continue;
    const bytes = chunk.subarray(Math.max(0, offset - start), end - start).subarray(0, left);
    seenTo = start + chunk.length;
    parts.push(bytes);
    left -= bytes.length;
    if (left <= 0) break;
  }
  const bytes = Buffer.concat(parts);
  if (isEnded(job)) return { bytes, end: job.ends?.log ?? 0 };
  const isCut = left <= 0 && job.status === 'running';
  return { bytes, end: isCut ? (await findEnds(table, job)).log : seenTo };
}

/** The URIs that a job created or changed, newest first, each once. */
export async function readRecords(table: Table, job: Job): Promise<readonly string[]> {
  const uris: string[] = [];
  for await (const item of query(table, keys.run(job.type, job.id).pk, { from: 'RECORD#', to: 'RECORD#~' })) {
    if (!counts(job, item['token'], numberOf(String(item['sk'])), 'records')) continue;
    for (const written of [item['created'], item['modified']])
      if (Array.isArray(written)) uris.push(...written.filter((uri) => typeof uri === 'string'));
  }
  // Not records of their own: they are part of the record that they are about (archivesspace: controllers/job.rb).
  return [...new Set(uris.reverse())].filter((uri) => !uri.includes('/collection_management/'));
}

export interface JobFile extends Omit<StoredFile, 'etag'> {
  readonly key: string;
  readonly output: boolean;
}

const anyContent = 'application/octet-stream';

/** A job's files: those uploaded with it, then those it made, which count when it has ended. */
export async function readFiles(table: Table, job: Job): Promise<readonly JobFile[]> {
  const { type, id } = job;
  const inputs = (await readInputs(table, job)).map(({ name, size, contentType }, n) => ({
    name,
    size,
    contentType,
    key: inputKey(type, id, n),
    output: false,
  }));
  if (!isEnded(job) || job.token === undefined) return inputs;
  const outputs: JobFile[] = [];
  for await (const item of query(table, keys.run(type, id).pk, { from: 'FILE#', to: 'FILE#~' })) {
    const n = numberOf(String(item['sk']));
    if (!counts(job, item['token'], n, 'files')) continue;
    const { name, size, contentType } = item;
    outputs.push({
      // The SDK refuses paths; what did not come by it may name anything.
      name: fileName(typeof name === 'string' ? name : undefined),
      size: countOf(size),
      contentType: typeof contentType === 'string' && isContentType(contentType) ? contentType : anyContent,
      key: outputKey(type, id, job.token, countOf(item['segment']), n),
      output: true,
    });
  }
  return [...inputs, ...outputs];
}
