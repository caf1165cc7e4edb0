// What a message may be, and what a queue's attributes say about it.
import { createHash } from 'node:crypto';
import { invalidValue, missingParameter } from './errors.ts';

export const MAX_MESSAGE_BYTES = 1024 * 1024;

export interface Queue {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly createdMs: number;
  readonly isFifo: boolean;
}

export interface NewMessage {
  readonly MessageBody?: string;
  readonly DelaySeconds?: number;
  readonly MessageGroupId?: string;
  readonly MessageDeduplicationId?: string;
  readonly MessageAttributes?: Readonly<Record<string, object>>;
  readonly MessageSystemAttributes?: Readonly<Record<string, { readonly StringValue?: string }>>;
}

/** Size as SQS counts it: the body and the attributes' names, types and values. */
export function messageBytes(message: NewMessage): number {
  const attributes = Object.entries(message.MessageAttributes ?? {});
  return attributes.reduce(
    (sum, [name, attribute]) =>
      sum +
      Buffer.byteLength(name) +
      Object.values(attribute).reduce((all, value) => all + Buffer.byteLength(String(value)), 0),
    Buffer.byteLength(message.MessageBody ?? ''),
  );
}

/** Returns the deduplication id of a message to a FIFO queue, its body's digest where the queue says so. */
export function checkFifo(queue: Queue, message: NewMessage): string {
  if (message.MessageGroupId === undefined) throw missingParameter('MessageGroupId');
  if (message.DelaySeconds !== undefined && message.DelaySeconds > 0) {
    throw invalidValue(
      'Value for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.',
    );
  }
  if (message.MessageDeduplicationId !== undefined) return message.MessageDeduplicationId;
  if (queue.attributes['ContentBasedDeduplication'] !== 'true') {
    throw invalidValue(
      'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
    );
  }
  return createHash('sha256').update(String(message.MessageBody)).digest('hex');
}

export function systemAttributes(message: NewMessage): Record<string, string> {
  const header = message.MessageSystemAttributes?.['AWSTraceHeader']?.StringValue;
  return header === undefined ? {} : { AWSTraceHeader: header };
}

export function redriveOf(attributes: Queue['attributes']): { queue: string; max: number } | undefined {
  const policy = attributes['RedrivePolicy'];
  if (policy === undefined || policy === '') return undefined;
  const { deadLetterTargetArn, maxReceiveCount } = JSON.parse(policy) as {
    deadLetterTargetArn: string;
    maxReceiveCount: number | string;
  };
  return { queue: deadLetterTargetArn.split(':').at(-1) as string, max: Number(maxReceiveCount) };
}
