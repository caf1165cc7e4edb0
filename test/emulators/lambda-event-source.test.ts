// Expectations: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html,
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html (batchItemFailures).
import {
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { waitFor } from '../helpers/wait.ts';
import { clientFor, runAssembly, type TestStack } from './assembly.ts';

interface Setting {
  readonly source: string;
  readonly queue?: object;
  readonly mapping?: object;
  readonly properties?: object;
}

async function start({ source, queue = {}, mapping = {}, properties = {} }: Setting) {
  const stack = await runAssembly({
    functions: { Fn: { source, properties: { Timeout: 5, ...properties } } },
    resources: {
      Dead: { Type: 'AWS::SQS::Queue', Properties: { FifoQueue: true } },
      Queue: {
        Type: 'AWS::SQS::Queue',
        Properties: {
          FifoQueue: true,
          VisibilityTimeout: 1,
          RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': ['Dead', 'Arn'] }, maxReceiveCount: 2 },
          ...queue,
        },
      },
      Mapping: {
        Type: 'AWS::Lambda::EventSourceMapping',
        Properties: {
          BatchSize: 10,
          EventSourceArn: { 'Fn::GetAtt': ['Queue', 'Arn'] },
          FunctionName: { Ref: 'Fn' },
          FunctionResponseTypes: ['ReportBatchItemFailures'],
          ...mapping,
        },
      },
    },
  });
  const client = new SQSClient(clientFor(stack, 'sqs'));
  const url = stack.resources['Queue'] ?? '';
  const send = (body: string, group = 'g') =>
    client.send(
      new SendMessageCommand({
        QueueUrl: url,
        MessageBody: body,
        MessageGroupId: group,
        MessageDeduplicationId: body,
        MessageAttributes: { kind: { DataType: 'String', StringValue: 'doorbell' } },
      }),
    );
  const left = async (id: 'Queue' | 'Dead'): Promise<number> => {
    const command = new GetQueueAttributesCommand({ QueueUrl: stack.resources[id], AttributeNames: ['All'] });
    const { Attributes = {} } = await client.send(command);
    return (
      Number(Attributes['ApproximateNumberOfMessages']) + Number(Attributes['ApproximateNumberOfMessagesNotVisible'])
    );
  };
  return { stack, client, url, send, left };
}

function printed(stack: TestStack): string[] {
  return stack.lines.filter((line) => line.startsWith('Fn: ')).map((line) => line.slice(4));
}

test('messages reach the function in order and are gone when it has answered', async () => {
  const { stack, send, left } = await start({
    source: `export const handler = async ({ Records }) => { for (const one of Records) console.log(JSON.stringify(one)); };`,
  });

  await send('a');
  await send('b');

  await waitFor(() => expect(printed(stack)).toHaveLength(2));
  const records = printed(stack).map((line) => JSON.parse(line));
  expect(records.map(({ body }) => body)).toEqual(['a', 'b']);
  expect(records[0]).toMatchObject({
    messageId: expect.any(String),
    receiptHandle: expect.any(String),
    attributes: { ApproximateReceiveCount: '1', MessageGroupId: 'g', MessageDeduplicationId: 'a' },
    messageAttributes: { kind: { stringValue: 'doorbell', dataType: 'String' } },
    md5OfBody: '0cc175b9c0f1b6a831c399e269772661',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:Test-Queue.fifo',
    awsRegion: 'us-east-1',
  });
  await waitFor(async () => expect(await left('Queue')).toBe(0));
});

test('a batch that fails comes back after its visibility timeout, and goes to the dead letters in the end', async () => {
  const { stack, client, send, left } = await start({
    source: `export const handler = async ({ Records }) => {
      console.log(Date.now() + ' ' + Records[0].attributes.ApproximateReceiveCount); throw new Error('no'); };`,
  });

  const sentMs = Date.now();
  await send('a');

  await waitFor(async () => expect(await left('Dead')).toBe(1), { timeout: 5_000 });
  const [first, second, ...more] = printed(stack)
    .filter((line) => /^\d+ \d$/.test(line))
    .map((line) => line.split(' '));
  expect([first?.[1], second?.[1], more]).toEqual(['1', '2', []]);
  expect(Number(second?.[0]) - sentMs).toBeGreaterThanOrEqual(1_000);
  const { Messages } = await client.send(new ReceiveMessageCommand({ QueueUrl: stack.resources['Dead'] }));
  expect(Messages).toMatchObject([{ Body: 'a' }]);
});

test('only the messages that the function names come back', async () => {
  const { stack, client, url, left } = await start({
    queue: { FifoQueue: undefined, RedrivePolicy: undefined },
    source: `export const handler = async ({ Records }) => {
      for (const { body, attributes } of Records) console.log(body + attributes.ApproximateReceiveCount);
      const failed = Records.filter(({ body, attributes }) => body === 'bad' && attributes.ApproximateReceiveCount === '1');
      return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) }; };`,
  });

  const Entries = ['good', 'bad', 'fine'].map((word) => ({ Id: word, MessageBody: word }));
  await client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries }));

  await waitFor(() => expect(printed(stack)).toContain('bad2'), { timeout: 5_000 });
  await waitFor(async () => expect(await left('Queue')).toBe(0));
  expect(printed(stack).toSorted()).toEqual(['bad1', 'bad2', 'fine1', 'good1']);
});

test('an answer that names a message which was not in the batch fails the whole batch', async () => {
  const { stack, send } = await start({
    source: `export const handler = async ({ Records }) => {
      console.log(Records[0].body + Records[0].attributes.ApproximateReceiveCount);
      return { batchItemFailures: [{ itemIdentifier: 'nobody' }] }; };`,
  });

  await send('a');

  await waitFor(() => expect(printed(stack)).toEqual(['a1', 'a2']), { timeout: 5_000 });
});

test('no more batches run at once than the function has reserved, and none is throttled', async () => {
  const { stack, send, left } = await start({
    properties: { ReservedConcurrentExecutions: 2 },
    queue: { VisibilityTimeout: 30 },
    mapping: { BatchSize: 1 },
    source: `export const handler = async ({ Records }) => { console.log('begin');
      await new Promise((done) => setTimeout(done, 60)); console.log('end ' + Records[0].attributes.ApproximateReceiveCount); };`,
  });

  for (let index = 0; index < 8; index += 1) await send(`m${index}`, `lane${index % 4}`);

  await waitFor(() => expect(printed(stack).filter((line) => line.startsWith('end'))).toHaveLength(8), {
    timeout: 5_000,
  });
  let running = 0;
  const depths = printed(stack).map((line) => (running += line === 'begin' ? 1 : -1));
  expect(Math.max(...depths)).toBe(2);
  expect(printed(stack).filter((line) => line.startsWith('end '))).toEqual(Array(8).fill('end 1'));
  await waitFor(async () => expect(await left('Queue')).toBe(0));
});
