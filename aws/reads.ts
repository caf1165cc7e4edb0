import { UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import type { Heads } from '../core/dispatch.ts';
import { Fault } from '../core/errors.ts';
import {
  type Board,
  type Ends,
  fromItem,
  type Hold,
  type Job,
  type QueueRow,
  type Run,
  type Settings,
  type Slot,
} from '../core/job.ts';
import { keys, numberOf, type RegisteredType } from '../core/table.ts';
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
  return item && fromItem<Run>(item);
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
    log: log ? numberOf(String(log['sk'])) + Number(log['size']) : 0,
    files: 0,
    records: record ? numberOf(String(record['sk'])) + 1 : 0,
  };
}

export async function readType(table: Table, type: string): Promise<Omit<RegisteredType, 'dispatch'> | undefined> {
  const item = await read(table, keys.type(type), true);
  return item && fromItem<Omit<RegisteredType, 'dispatch'>>(item);
}

export async function readTypes(table: Table): Promise<readonly Omit<RegisteredType, 'dispatch'>[]> {
  const types: Item[] = [];
  for await (const item of query(table, 'TYPES')) types.push(item);
  return types.map((item) => fromItem<Omit<RegisteredType, 'dispatch'>>(item));
}
