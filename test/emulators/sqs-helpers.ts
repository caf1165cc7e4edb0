import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageCommand,
  type SendMessageCommandInput,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { onTestFinished } from 'vitest';
import { startSqs } from '../../local/sqs/server.ts';

export function sqsOf(endpoint: string): SQSClient {
  const client = new SQSClient({
    endpoint,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  });
  onTestFinished(() => client.destroy());
  return client;
}

export class TestQueue {
  readonly client: SQSClient;
  readonly url: string;

  constructor(client: SQSClient, url: string) {
    this.client = client;
    this.url = url;
  }

  /** Sends a message; its body is its deduplication id unless `more` says otherwise. */
  send(body: string, group?: string, more: Partial<SendMessageCommandInput> = {}) {
    const fifo = group === undefined ? {} : { MessageGroupId: group, MessageDeduplicationId: body };
    return this.client.send(new SendMessageCommand({ QueueUrl: this.url, MessageBody: body, ...fifo, ...more }));
  }

  async receive(max = 10, more: Partial<ReceiveMessageCommandInput> = {}): Promise<Message[]> {
    const command = new ReceiveMessageCommand({
      QueueUrl: this.url,
      MaxNumberOfMessages: max,
      MessageSystemAttributeNames: ['All'],
      ...more,
    });
    return (await this.client.send(command)).Messages ?? [];
  }

  delete(message: Message | undefined) {
    return this.client.send(new DeleteMessageCommand({ QueueUrl: this.url, ReceiptHandle: message?.ReceiptHandle }));
  }

  async attributes(): Promise<Record<string, string>> {
    const command = new GetQueueAttributesCommand({ QueueUrl: this.url, AttributeNames: ['All'] });
    return (await this.client.send(command)).Attributes ?? {};
  }
}

export async function createQueue(client: SQSClient, name: string, attributes: Record<string, string> = {}) {
  const Attributes = { ...(name.endsWith('.fifo') ? { FifoQueue: 'true' } : {}), ...attributes };
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: name, Attributes }));
  return new TestQueue(client, String(QueueUrl));
}

/** A queue of a new SQS in memory. */
export async function startWithQueue(name: string, attributes: Record<string, string> = {}): Promise<TestQueue> {
  const server = await startSqs({ region: 'eu-west-1' });
  onTestFinished(() => server.close());
  return createQueue(sqsOf(server.endpoint), name, attributes);
}

export const bodies = (messages: readonly Message[]) => messages.map((message) => message.Body);
