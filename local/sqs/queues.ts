// Queues and their messages, with SQS's rules for standard and FIFO queues
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html).
// All state is in the database, so it survives a kill: messages, what is in flight, receive counts, deduplication.
import { randomUUID } from 'node:crypto';
import { type Database, openDatabase, type Row } from '../sqlite.ts';
import { expiredHandle, invalidHandle, invalidValue, missingParameter, noSuchQueue, SqsError } from './errors.ts';
import {
  checkFifo,
  MAX_MESSAGE_BYTES,
  messageBytes,
  type NewMessage,
  type Queue,
  redriveOf,
  systemAttributes,
} from './messages.ts';

const DEDUPLICATION_WINDOW_MS = 5 * 60 * 1000;

const SCHEMA = `
  create table if not exists queue (name text primary key, attributes text not null, created_ms integer not null);
  create table if not exists message (
    sequence integer primary key autoincrement, queue text not null, id text not null, body text not null,
    attributes text not null, system_attributes text not null, group_id text, deduplication_id text,
    sent_ms integer not null, visible_ms integer not null, receive_count integer not null default 0,
    first_received_ms integer, handle text, source_arn text);
  create index if not exists message_by_queue on message (queue, sequence);
  create index if not exists message_by_group on message (queue, group_id, visible_ms);
  create index if not exists message_by_age on message (queue, sent_ms);
  create unique index if not exists message_by_id on message (queue, id);
  create table if not exists deduplication (
    queue text, key text, id text not null, sequence integer not null, until_ms integer not null,
    primary key (queue, key));`;

const DEFAULTS: Readonly<Record<string, string>> = {
  VisibilityTimeout: '30',
  DelaySeconds: '0',
  MessageRetentionPeriod: '345600',
  ReceiveMessageWaitTimeSeconds: '0',
  MaximumMessageSize: String(MAX_MESSAGE_BYTES),
};

// A message may be received when it is visible and its group is free: nothing of it in flight, and no earlier message
// of it still delayed.
const AVAILABLE = `
  select * from message m indexed by message_by_queue where queue = ?1 and visible_ms <= ?2 and (?3 = 0 or not exists (
    select 1 from message b indexed by message_by_group where b.queue = m.queue and b.group_id = m.group_id and b.visible_ms > ?2
      and (b.handle is not null or b.sequence < m.sequence)))
  order by sequence limit ?4`;

export interface Sent {
  readonly id: string;
  readonly sequence: number;
}

export class Queues {
  readonly #db: Database;
  readonly #region: string;

  constructor(dir: string | undefined, region: string) {
    this.#db = openDatabase(dir, 'sqs', SCHEMA);
    this.#region = region;
  }

  close(): void {
    this.#db.close();
  }

  arnOf(name: string): string {
    return `arn:aws:sqs:${this.#region}:000000000000:${name}`;
  }

  /** Throws `QueueDoesNotExist`. */
  find(name: string): Queue {
    const row = this.#db.one('select * from queue where name = ?', name);
    if (row === undefined) throw noSuchQueue();
    const attributes = { ...DEFAULTS, ...(JSON.parse(String(row['attributes'])) as Record<string, string>) };
    return { name, attributes, createdMs: Number(row['created_ms']), isFifo: name.endsWith('.fifo') };
  }

  /** Creates a queue, or does nothing when one with these attributes exists. */
  create(name: string, attributes: Readonly<Record<string, string>>, nowMs: number): void {
    if (!/^[\w-]{1,75}(\.fifo)?$/.test(name)) {
      throw invalidValue('Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length');
    }
    if (name.endsWith('.fifo') !== (attributes['FifoQueue'] === 'true')) {
      throw invalidValue('The name of a FIFO queue can only end with .fifo, and its attribute FifoQueue must be true.');
    }
    this.#checkRedrive(name, attributes);
    if (this.#db.one('select 1 from queue where name = ?', name) !== undefined) {
      const old = this.find(name).attributes;
      const changed = Object.entries(attributes).filter(([attribute, value]) => old[attribute] !== value);
      if (changed.length === 0) return;
      const names = changed.map(([attribute]) => attribute).join(', ');
      throw new SqsError(
        'QueueAlreadyExists',
        `A queue already exists with a different value for ${names}`,
        'QueueNameExists',
      );
    }
    this.#db.run('insert into queue values (?, ?, ?)', name, JSON.stringify(attributes), nowMs);
  }

  setAttributes(queue: Queue, attributes: Readonly<Record<string, string>>): void {
    this.#checkRedrive(queue.name, attributes);
    const merged = { ...queue.attributes, ...attributes };
    this.#db.run('update queue set attributes = ? where name = ?', JSON.stringify(merged), queue.name);
  }

  /** Stores a message; a repeated deduplication id within five minutes is accepted and dropped. */
  send(queue: Queue, message: NewMessage, nowMs: number): Sent {
    const body = message.MessageBody;
    if (body === undefined || body === '') throw missingParameter('MessageBody');
    if (messageBytes(message) > Number(queue.attributes['MaximumMessageSize'])) {
      throw invalidValue('One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.');
    }
    const deduplicationId = queue.isFifo ? checkFifo(queue, message) : undefined;
    const scope = queue.attributes['DeduplicationScope'] === 'messageGroup' ? message.MessageGroupId : '';
    const key = deduplicationId === undefined ? undefined : `${scope}\n${deduplicationId}`;
    return this.#db.atomically(() => {
      const known = key === undefined ? undefined : this.#findSent(queue, key, nowMs);
      if (known !== undefined) return known;
      const id = randomUUID();
      const delayS = message.DelaySeconds ?? Number(queue.attributes['DelaySeconds']);
      const sequence = this.#insert({
        queue: queue.name,
        id,
        body,
        attributes: JSON.stringify(message.MessageAttributes ?? {}),
        system_attributes: JSON.stringify(systemAttributes(message)),
        group_id: message.MessageGroupId ?? null,
        deduplication_id: deduplicationId ?? null,
        sent_ms: nowMs,
        visible_ms: nowMs + delayS * 1000,
        receive_count: 0,
        source_arn: null,
      });
      if (key !== undefined) {
        const until = nowMs + DEDUPLICATION_WINDOW_MS;
        this.#db.run('insert into deduplication values (?, ?, ?, ?, ?)', queue.name, key, id, sequence, until);
      }
      return { id, sequence };
    });
  }

  /**
   * Takes up to `max` messages out of sight for `visibilityMs` and hands out a new receipt handle for each. A message
   * that was received too often goes to its dead-letter queue instead; `deadLetterQueue` says that one did.
   */
  receive(queue: Queue, max: number, visibilityMs: number, nowMs: number): { rows: Row[]; deadLetterQueue?: string } {
    const retentionMs = Number(queue.attributes['MessageRetentionPeriod']) * 1000;
    const redrive = redriveOf(queue.attributes);
    return this.#db.atomically(() => {
      this.#db.run('delete from message where queue = ? and sent_ms < ?', queue.name, nowMs - retentionMs);
      let moved = 0;
      for (;;) {
        const rows = this.#db.all(AVAILABLE, queue.name, nowMs, queue.isFifo ? 1 : 0, max);
        const spent = redrive === undefined ? [] : rows.filter((row) => Number(row['receive_count']) >= redrive.max);
        for (const row of spent) this.#moveTo(redrive?.queue as string, row, queue, nowMs);
        moved += spent.length;
        if (spent.length > 0) continue;
        const received = rows.map((row) => this.#take(row, visibilityMs, nowMs));
        return { rows: received, ...(moved > 0 && redrive !== undefined ? { deadLetterQueue: redrive.queue } : {}) };
      }
    });
  }

  /** Deletes by receipt handle. A handle of a later receive is needed once the message was received again. */
  delete(queue: Queue, handle: string, nowMs: number): void {
    const row = this.#findReceived(queue, handle);
    if (row === undefined) return;
    const isCurrent = row['handle'] === handle;
    if (queue.isFifo && (!isCurrent || Number(row['visible_ms']) <= nowMs)) throw expiredHandle(handle);
    if (isCurrent) this.#db.run('delete from message where sequence = ?', row['sequence'] ?? null);
  }

  /** Sets when a message in flight comes back: 0 at once. Throws `MessageNotInflight`. */
  changeVisibility(queue: Queue, handle: string, visibilityMs: number, nowMs: number): void {
    const row = this.#findReceived(queue, handle);
    if (row === undefined || row['handle'] !== handle || Number(row['visible_ms']) <= nowMs) {
      throw new SqsError(
        'AWS.SimpleQueueService.MessageNotInflight',
        'The message is not in flight.',
        'MessageNotInflight',
      );
    }
    this.#db.run('update message set visible_ms = ? where sequence = ?', nowMs + visibilityMs, row['sequence'] ?? null);
  }

  purge(queue: Queue): void {
    this.#db.run('delete from message where queue = ?', queue.name);
  }

  /** When the next hidden message of the queue comes into sight, if there is one. */
  nextVisibleMs(queue: Queue, nowMs: number): number | undefined {
    const row = this.#db.one(
      'select min(visible_ms) ms from message where queue = ? and visible_ms > ?',
      queue.name,
      nowMs,
    );
    return row?.['ms'] === null || row === undefined ? undefined : Number(row['ms']);
  }

  count(queue: Queue, nowMs: number): { visible: number; inFlight: number; delayed: number } {
    const row = this.#db.one(
      `select count(*) filter (where visible_ms <= ?2) visible,
        count(*) filter (where visible_ms > ?2 and handle is not null) in_flight,
        count(*) filter (where visible_ms > ?2 and handle is null) delayed from message where queue = ?1`,
      queue.name,
      nowMs,
    );
    return {
      visible: Number(row?.['visible']),
      inFlight: Number(row?.['in_flight']),
      delayed: Number(row?.['delayed']),
    };
  }

  #checkRedrive(name: string, attributes: Readonly<Record<string, string>>): void {
    const target = redriveOf(attributes)?.queue;
    if (target === undefined) return;
    const exists = this.#db.one('select 1 from queue where name = ?', target) !== undefined;
    if (exists && target.endsWith('.fifo') === name.endsWith('.fifo')) return;
    throw invalidValue('The dead-letter queue must exist and be of the same type as its source.');
  }

  #findSent(queue: Queue, key: string, nowMs: number): Sent | undefined {
    this.#db.run('delete from deduplication where queue = ? and until_ms <= ?', queue.name, nowMs);
    const row = this.#db.one('select id, sequence from deduplication where queue = ? and key = ?', queue.name, key);
    return row === undefined ? undefined : { id: String(row['id']), sequence: Number(row['sequence']) };
  }

  #insert(row: Row): number {
    const columns = Object.keys(row);
    const places = columns.map(() => '?').join(', ');
    const sql = `insert into message (${columns.join(', ')}) values (${places}) returning sequence`;
    return Number(this.#db.one(sql, ...Object.values(row))?.['sequence']);
  }

  #take(row: Row, visibilityMs: number, nowMs: number): Row {
    const taken = {
      handle: Buffer.from(`${row['queue']} ${row['id']} ${randomUUID()}`).toString('base64url'),
      visible_ms: nowMs + visibilityMs,
      receive_count: Number(row['receive_count']) + 1,
      first_received_ms: row['first_received_ms'] ?? nowMs,
    };
    this.#db.run(
      'update message set handle = ?, visible_ms = ?, receive_count = ?, first_received_ms = ? where sequence = ?',
      ...Object.values(taken),
      row['sequence'] ?? null,
    );
    return { ...row, ...taken };
  }

  #moveTo(target: string, { sequence, handle: _, ...row }: Row, queue: Queue, nowMs: number): void {
    this.#db.run('delete from message where sequence = ?', sequence ?? null);
    this.#insert({ ...row, queue: target, visible_ms: nowMs, source_arn: this.arnOf(queue.name) });
  }

  #findReceived(queue: Queue, handle: string): Row | undefined {
    const [name, id, nonce] = Buffer.from(handle, 'base64url').toString().split(' ');
    if (name !== queue.name || id === undefined || nonce === undefined) throw invalidHandle();
    return this.#db.one('select sequence, handle, visible_ms from message where queue = ? and id = ?', queue.name, id);
  }
}
