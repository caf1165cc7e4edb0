import { randomInt, randomUUID } from 'node:crypto';
import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';

export interface Doorbell {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly lanes: number;
}

/**
 * Tells a dispatcher to look at the queue. The message has no meaning of its own; its deduplication id is new each
 * time, since a repeated one is dropped silently for five minutes (SQS, "Exactly-once processing").
 */
export async function ring({ client, queueUrl, lanes }: Doorbell): Promise<void> {
  await client.send(
    new SendMessageCommand({
      QueueUrl: queueUrl,
      MessageBody: 'look',
      MessageGroupId: String(randomInt(Math.max(1, lanes))),
      MessageDeduplicationId: randomUUID(),
    }),
  );
}
