// An event source mapping from an SQS queue to a function: what Lambda's pollers do.
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
import {
  DeleteMessageBatchCommand,
  type Message,
  type MessageAttributeValue,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { InvokeOutcome } from './lambda/lambdas.ts';

/** Lambda begins with five pollers. */
const defaultPollers = 5;
const longPollSeconds = 20;
/** A queue that does not answer is asked again after this time. */
const faultPauseMs = 1_000;

export interface EventSource {
  readonly queueUrl: string;
  readonly queueArn: string;
  readonly functionArn: string;
  readonly batchSize: number;
  /** The function names the messages that failed (`ReportBatchItemFailures`). */
  readonly reportsFailures: boolean;
  /** How many batches may be in the function at once; absent = Lambda's own start. */
  readonly maxConcurrency?: number;
}

/** Polls until `signal` aborts; resolves when every poller has ended. */
export async function pollQueue(
  source: EventSource,
  client: SQSClient,
  region: string,
  invoke: (functionArn: string, payload: string) => Promise<InvokeOutcome>,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const pollers = Math.max(1, Math.min(source.maxConcurrency ?? defaultPollers, defaultPollers));
  await Promise.all(Array.from({ length: pollers }, poll));

  async function poll(): Promise<void> {
    while (!signal.aborted) {
      try {
        const messages = await receive();
        if (messages.length > 0) await deliver(messages);
      } catch (error) {
        if (signal.aborted) return;
        log(`The poller of ${source.queueArn} met ${error}.`);
        await pause(faultPauseMs, signal);
      }
    }
  }

  async function receive(): Promise<Message[]> {
    const command = new ReceiveMessageCommand({
      QueueUrl: source.queueUrl,
      MaxNumberOfMessages: Math.min(source.batchSize, 10),
      WaitTimeSeconds: longPollSeconds,
      MessageAttributeNames: ['All'],
      MessageSystemAttributeNames: ['All'],
    });
    const { Messages = [] } = await client.send(command, { abortSignal: signal });
    return Messages;
  }

  async function deliver(messages: readonly Message[]): Promise<void> {
    const event = { Records: messages.map((message) => toRecord(message, source.queueArn, region)) };
    const outcome = await invoke(source.functionArn, JSON.stringify(event));
    // What stays in the queue comes back when its visibility timeout is over, and counts as received.
    const failed = outcome.kind === 'result' ? failures(source, outcome.payload, messages) : 'all';
    if (failed === 'all' || signal.aborted) return;
    const done = messages.filter(({ MessageId }) => !failed.has(MessageId ?? ''));
    if (done.length === 0) return;
    await client.send(
      new DeleteMessageBatchCommand({
        QueueUrl: source.queueUrl,
        Entries: done.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle })),
      }),
    );
  }
}

/**
 * Which messages failed. An answer that cannot be read, or that names a message which is not of the batch, fails all.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 */
function failures(source: EventSource, payload: string, messages: readonly Message[]): Set<string> | 'all' {
  if (!source.reportsFailures) return new Set();
  const answer = JSON.parse(payload) as { batchItemFailures?: readonly { itemIdentifier?: unknown }[] | null } | null;
  const reported = answer?.batchItemFailures ?? [];
  if (!Array.isArray(reported)) return 'all';
  const known = new Set(messages.map(({ MessageId }) => MessageId));
  const ids = reported.map((failure: { itemIdentifier?: unknown } | null) => failure?.itemIdentifier);
  if (!ids.every((id): id is string => typeof id === 'string' && known.has(id))) return 'all';
  return new Set(ids);
}

function toRecord(message: Message, queueArn: string, region: string): object {
  return {
    messageId: message.MessageId,
    receiptHandle: message.ReceiptHandle,
    body: message.Body,
    attributes: message.Attributes ?? {},
    messageAttributes: Object.fromEntries(
      Object.entries(message.MessageAttributes ?? {}).map(([name, value]) => [name, toAttribute(value)]),
    ),
    ...(message.MD5OfMessageAttributes ? { md5OfMessageAttributes: message.MD5OfMessageAttributes } : {}),
    md5OfBody: message.MD5OfBody,
    eventSource: 'aws:sqs',
    eventSourceARN: queueArn,
    awsRegion: region,
  };
}

function toAttribute({ StringValue, BinaryValue, DataType }: MessageAttributeValue): object {
  const binary = BinaryValue ? { binaryValue: Buffer.from(BinaryValue).toString('base64') } : {};
  return {
    ...(StringValue === undefined ? {} : { stringValue: StringValue }),
    ...binary,
    stringListValues: [],
    binaryListValues: [],
    dataType: DataType,
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}
