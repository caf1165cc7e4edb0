import { randomInt, randomUUID } from 'node:crypto';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';

export interface Doorbell {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly lanes: number;
}

export const openDoorbell = (queueUrl: string, lanes: number): Doorbell => ({
  // The queue's URL names where it is; without this the client would go there past AWS_ENDPOINT_URL.
  client: new SQSClient({ useQueueUrlAsEndpoint: false }),
  queueUrl,
  lanes,
});

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
