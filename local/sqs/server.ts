// SQS on loopback: standard and FIFO queues under AWS's JSON protocol, with long polling.
//
// Not here: tags, policies, move tasks, ReceiveRequestAttemptId, fair queues, the in-flight quota, encryption, and
// what a real queue does now and then (duplicates of standard queues, approximate counts).
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type LoopbackServer, listenOnLoopback, readBody, sendJson } from '../loopback.ts';
import type { Row } from '../sqlite.ts';
import { invalidValue, missingParameter, SqsError } from './errors.ts';
import { messageBytes, type NewMessage, type Queue } from './messages.ts';
import { Pollers } from './pollers.ts';
import { Queues } from './queues.ts';

const MAX_BATCH_ENTRIES = 10;
const MAX_BATCH_BYTES = 1024 * 1024;

export interface SqsOptions {
  /** @default any free port */
  readonly port?: number;
  /** Folder that keeps the queues over restarts and kills; without it they are kept in memory. */
  readonly dir?: string;
  /** Region in the queues' ARNs. */
  readonly region: string;
}

interface Entry extends NewMessage {
  readonly Id: string;
  readonly ReceiptHandle?: string;
  readonly VisibilityTimeout?: number;
}

interface Request extends NewMessage {
  readonly QueueName?: string;
  readonly QueueUrl?: string;
  readonly Attributes?: Readonly<Record<string, string>>;
  readonly AttributeNames?: readonly string[];
  readonly MessageAttributeNames?: readonly string[];
  readonly MessageSystemAttributeNames?: readonly string[];
  readonly MaxNumberOfMessages?: number;
  readonly VisibilityTimeout?: number;
  readonly WaitTimeSeconds?: number;
  readonly ReceiptHandle?: string;
  readonly Entries?: readonly Entry[];
}

/**
 * Starts SQS. Queue URLs are `<endpoint>/000000000000/<name>`; a URL of an earlier run, with another port, still names
 * its queue. Any credentials are taken.
 *
 * Rejects when another process holds the folder, and with `EADDRINUSE` when the port is taken.
 */
export async function startSqs(options: SqsOptions): Promise<LoopbackServer> {
  const queues = new Queues(options.dir, options.region);
  const pollers = new Pollers();
  const act = createActions(queues, pollers, (name) => `${server.endpoint}/000000000000/${name}`);
  const server = await listenOnLoopback(async (request, response) => {
    const body = await readBody(request);
    const name = String(request.headers['x-amz-target']).replace(/^AmazonSQS\./, '');
    try {
      const answer = await act(name, JSON.parse(body.toString() || '{}') as Request, response);
      // A poller that has gone gets nothing.
      if (answer !== undefined) sendJson(response, 200, answer);
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      sendError(response, error);
    }
  }, options.port).catch((error: unknown) => {
    queues.close();
    throw error;
  });
  return {
    endpoint: server.endpoint,
    close: async () => {
      pollers.close();
      await server.close();
      queues.close();
    },
  };
}

type Act = (name: string, request: Request, response: ServerResponse<IncomingMessage>) => Promise<object | undefined>;

function createActions(queues: Queues, pollers: Pollers, urlOf: (name: string) => string): Act {
  const send = (queue: Queue, message: NewMessage) => {
    const { id, sequence } = queues.send(queue, message, Date.now());
    return {
      MessageId: id,
      MD5OfMessageBody: md5(String(message.MessageBody)),
      ...(queue.isFifo ? { SequenceNumber: padSequence(sequence) } : {}),
    };
  };
  const changeVisibility = (queue: Queue, { ReceiptHandle: handle, VisibilityTimeout: timeoutS }: Request | Entry) => {
    if (timeoutS === undefined) throw missingParameter('VisibilityTimeout');
    queues.changeVisibility(
      queue,
      checkHandle(handle),
      checkRange('VisibilityTimeout', timeoutS, 0, 43_200) * 1000,
      Date.now(),
    );
  };

  return async (name, request, response) => {
    if (name === 'CreateQueue' || name === 'GetQueueUrl') {
      const queueName = request.QueueName ?? '';
      if (name === 'CreateQueue') queues.create(queueName, request.Attributes ?? {}, Date.now());
      return { QueueUrl: urlOf(queues.find(queueName).name) };
    }
    if (request.QueueUrl === undefined) throw missingParameter('QueueUrl');
    const queue = queues.find(request.QueueUrl.split('/').at(-1) ?? '');
    switch (name) {
      case 'GetQueueAttributes':
        return { Attributes: pick(attributesOf(queue, queues), request.AttributeNames) };
      case 'SetQueueAttributes':
        queues.setAttributes(queue, request.Attributes ?? {});
        return {};
      case 'SendMessage': {
        const sent = send(queue, request);
        pollers.wake(queue.name);
        return sent;
      }
      case 'SendMessageBatch': {
        const entries = checkEntries(request.Entries);
        if (entries.reduce((sum, entry) => sum + messageBytes(entry), 0) > MAX_BATCH_BYTES) {
          throw new SqsError(
            'AWS.SimpleQueueService.BatchRequestTooLong',
            'The batch is too long.',
            'BatchRequestTooLong',
          );
        }
        const result = inBatch(entries, (entry) => send(queue, entry));
        pollers.wake(queue.name);
        return result;
      }
      case 'ReceiveMessage':
        return receive(queue, request, response);
      case 'DeleteMessage':
        queues.delete(queue, checkHandle(request.ReceiptHandle), Date.now());
        pollers.wake(queue.name);
        return {};
      case 'DeleteMessageBatch': {
        const result = inBatch(checkEntries(request.Entries), (entry) => {
          queues.delete(queue, checkHandle(entry.ReceiptHandle), Date.now());
          return {};
        });
        pollers.wake(queue.name);
        return result;
      }
      case 'ChangeMessageVisibility':
        changeVisibility(queue, request);
        pollers.wake(queue.name);
        return {};
      case 'ChangeMessageVisibilityBatch': {
        const result = inBatch(checkEntries(request.Entries), (entry) => {
          changeVisibility(queue, entry);
          return {};
        });
        pollers.wake(queue.name);
        return result;
      }
      case 'PurgeQueue':
        queues.purge(queue);
        return {};
      default:
        throw new SqsError('InvalidAction', `The action ${name} is not valid for this endpoint.`);
    }
  };

  async function receive(queue: Queue, request: Request, response: ServerResponse): Promise<object | undefined> {
    const max = checkRange('MaxNumberOfMessages', request.MaxNumberOfMessages ?? 1, 1, 10);
    const waitS = request.WaitTimeSeconds ?? Number(queue.attributes['ReceiveMessageWaitTimeSeconds']);
    const deadlineMs = Date.now() + checkRange('WaitTimeSeconds', waitS, 0, 20) * 1000;
    for (;;) {
      // The queue is read anew: it may have been changed, or be gone, since the last look.
      const current = queues.find(queue.name);
      const timeoutS = request.VisibilityTimeout ?? Number(current.attributes['VisibilityTimeout']);
      const visibilityMs = checkRange('VisibilityTimeout', timeoutS, 0, 43_200) * 1000;
      const { rows, deadLetterQueue } = queues.receive(current, max, visibilityMs, Date.now());
      if (deadLetterQueue !== undefined) pollers.wake(deadLetterQueue);
      if (rows.length > 0) return { Messages: rows.map((row) => toMessage(row, current, request)) };

      const nowMs = Date.now();
      if (nowMs >= deadlineMs) return {};
      const untilMs = Math.min(deadlineMs, queues.nextVisibleMs(current, nowMs) ?? deadlineMs);
      // Nothing is taken for a client that has hung up: the message would be hidden from all others.
      if ((await pollers.wait(queue.name, untilMs - nowMs, response)) === 'gone') return undefined;
    }
  }
}

function attributesOf(queue: Queue, queues: Queues): Record<string, string> {
  const { visible, inFlight, delayed } = queues.count(queue, Date.now());
  return {
    ...queue.attributes,
    QueueArn: queues.arnOf(queue.name),
    CreatedTimestamp: String(Math.floor(queue.createdMs / 1000)),
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: String(delayed),
  };
}

function toMessage(row: Row, queue: Queue, request: Request): object {
  const all = {
    SenderId: '000000000000',
    SentTimestamp: String(row['sent_ms']),
    ApproximateReceiveCount: String(row['receive_count']),
    ApproximateFirstReceiveTimestamp: String(row['first_received_ms']),
    ...(queue.isFifo ? { SequenceNumber: padSequence(Number(row['sequence'])) } : {}),
    ...(row['deduplication_id'] === null ? {} : { MessageDeduplicationId: String(row['deduplication_id']) }),
    ...(row['group_id'] === null ? {} : { MessageGroupId: String(row['group_id']) }),
    ...(row['source_arn'] === null ? {} : { DeadLetterQueueSourceArn: String(row['source_arn']) }),
    ...(JSON.parse(String(row['system_attributes'])) as Record<string, string>),
  };
  const attributes = pick(all, request.MessageSystemAttributeNames ?? request.AttributeNames);
  const own = pick(JSON.parse(String(row['attributes'])) as Record<string, object>, request.MessageAttributeNames);
  return {
    MessageId: row['id'],
    ReceiptHandle: row['handle'],
    Body: row['body'],
    MD5OfBody: md5(String(row['body'])),
    ...(Object.keys(attributes).length > 0 ? { Attributes: attributes } : {}),
    ...(Object.keys(own).length > 0 ? { MessageAttributes: own } : {}),
  };
}

function pick<T>(all: Readonly<Record<string, T>>, names: readonly string[] = []): Record<string, T> {
  const wanted = (name: string) =>
    names.some(
      (pattern) =>
        pattern === 'All' || pattern === name || (pattern.endsWith('.*') && name.startsWith(pattern.slice(0, -2))),
    );
  return Object.fromEntries(Object.entries(all).filter(([name]) => wanted(name)));
}

function inBatch(entries: readonly Entry[], run: (entry: Entry) => object): object {
  const successful: object[] = [];
  const failed: object[] = [];
  for (const entry of entries) {
    try {
      successful.push({ Id: entry.Id, ...run(entry) });
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      failed.push({ Id: entry.Id, SenderFault: true, Code: error.code, Message: error.message });
    }
  }
  return { Successful: successful, Failed: failed };
}

function checkEntries(entries: readonly Entry[] = []): readonly Entry[] {
  const refuse = (name: string, message: string) => new SqsError(`AWS.SimpleQueueService.${name}`, message, name);
  if (entries.length === 0) throw refuse('EmptyBatchRequest', 'There should be at least one entry in the request.');
  if (entries.length > MAX_BATCH_ENTRIES) {
    throw refuse('TooManyEntriesInBatchRequest', `Maximum number of entries per request are ${MAX_BATCH_ENTRIES}.`);
  }
  if (new Set(entries.map((entry) => entry.Id)).size < entries.length) {
    throw refuse('BatchEntryIdsNotDistinct', 'Two or more batch entries in the request have the same Id.');
  }
  return entries;
}

function checkHandle(handle: string | undefined): string {
  if (handle === undefined) throw missingParameter('ReceiptHandle');
  return handle;
}

function checkRange(name: string, value: number, min: number, max: number): number {
  if (value >= min && value <= max) return value;
  throw invalidValue(
    `Value ${value} for parameter ${name} is invalid. Reason: Must be between ${min} and ${max}, if provided.`,
  );
}

function sendError(response: ServerResponse, error: SqsError): void {
  response.setHeader('x-amzn-query-error', `${error.code};Sender`);
  sendJson(response, 400, { __type: `com.amazonaws.sqs#${error.type}`, message: error.message });
}

const md5 = (text: string) => createHash('md5').update(text).digest('hex');

const padSequence = (sequence: number) => String(sequence).padStart(20, '0');
