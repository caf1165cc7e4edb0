// The SQS emulator, as AWS documents SQS (developer guide, "FIFO queue delivery logic", "visibility timeout",
// "dead-letter queues"; API reference); nothing here was compared with AWS itself.
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  GetQueueUrlCommand,
  type Message,
  PurgeQueueCommand,
  SendMessageBatchCommand,
  SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { makeFolder, startChild, startOn } from './emulator-process.ts';
import { bodies, createQueue, sqsOf, startWithQueue, TestQueue } from './sqs-helpers.ts';

afterEach(() => {
  vi.useRealTimers();
});

function changeVisibility(queue: TestQueue, message: Message | undefined, timeoutS: number) {
  const input = { QueueUrl: queue.url, ReceiptHandle: message?.ReceiptHandle, VisibilityTimeout: timeoutS };
  return queue.client.send(new ChangeMessageVisibilityCommand(input));
}

describe('a FIFO queue', () => {
  test('holds a group back while a message of it is in flight, and lets other groups pass', async () => {
    const queue = await startWithQueue('q.fifo');
    for (const [body, group] of [
      ['a1', 'a'],
      ['a2', 'a'],
      ['b1', 'b'],
    ] as const)
      await queue.send(body, group);

    const first = await queue.receive(1);
    const second = await queue.receive();
    const third = await queue.receive();
    await queue.delete(first[0]);
    const fourth = await queue.receive();

    expect([first, second, third, fourth].map(bodies)).toEqual([['a1'], ['b1'], [], ['a2']]);
  });

  test('hands out several messages of a group at once, in order', async () => {
    const queue = await startWithQueue('q.fifo');
    for (let i = 1; i <= 12; i++) await queue.send(`a${i}`, 'a');

    const messages = await queue.receive(10);

    expect(bodies(messages)).toEqual(Array.from({ length: 10 }, (_, i) => `a${i + 1}`));
    expect(bodies(await queue.receive(10))).toEqual([]);
  });

  test('keeps a group shut while a later message of a batch is in flight, and gives the earlier one first', async () => {
    const queue = await startWithQueue('q.fifo');
    for (const body of ['a1', 'a2']) await queue.send(body, 'a');
    const [first, second] = await queue.receive();

    await changeVisibility(queue, first, 0);
    expect(await queue.receive()).toEqual([]);
    await changeVisibility(queue, second, 0);

    expect(bodies(await queue.receive())).toEqual(['a1', 'a2']);
  });

  test('keeps the order of each group among many consumers', async () => {
    const queue = await startWithQueue('q.fifo');
    for (let i = 0; i < 8; i++) await Promise.all(['a', 'b', 'c'].map((group) => queue.send(`${group}${i}`, group)));
    const seen: Record<string, string[]> = { a: [], b: [], c: [] };
    let count = 0;
    const consume = async () => {
      while (count < 24) {
        for (const message of await queue.receive(2, { WaitTimeSeconds: 1 })) {
          seen[String(message.Attributes?.MessageGroupId)]?.push(String(message.Body));
          count++;
          await queue.delete(message);
        }
      }
    };

    await Promise.all(Array.from({ length: 4 }, consume));

    for (const group of ['a', 'b', 'c']) expect(seen[group]).toEqual(Array.from({ length: 8 }, (_, i) => group + i));
  });

  test('drops a repeated deduplication id for five minutes, also after the message was deleted', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const queue = await startWithQueue('q.fifo');
    const id = { MessageDeduplicationId: 'same' };

    const first = await queue.send('one', 'a', id);
    const second = await queue.send('two', 'a', id);
    const [received] = await queue.receive();
    await queue.delete(received);
    vi.setSystemTime(Date.now() + 299_000);
    await queue.send('three', 'a', id);
    const before = await queue.receive();
    vi.setSystemTime(Date.now() + 2_000);
    await queue.send('four', 'a', id);

    expect(second.MessageId).toBe(first.MessageId);
    expect(second.SequenceNumber).toBe(first.SequenceNumber);
    expect(received?.Body).toBe('one');
    expect(before).toEqual([]);
    expect(bodies(await queue.receive())).toEqual(['four']);
  });

  test('takes the digest of the body for the id where the queue says so', async () => {
    const queue = await startWithQueue('q.fifo', { ContentBasedDeduplication: 'true' });

    for (const body of ['same', 'same', 'other']) await queue.send(body, 'a', { MessageDeduplicationId: undefined });

    expect(bodies(await queue.receive())).toEqual(['same', 'other']);
  });

  test.each([
    ['a message without group', { MessageGroupId: undefined }, 'MissingParameter'],
    ['a message without deduplication id', { MessageDeduplicationId: undefined }, 'InvalidParameterValue'],
    ['a delay of its own', { DelaySeconds: 5 }, 'InvalidParameterValue'],
  ])('refuses %s', async (_what, more, name) => {
    const queue = await startWithQueue('q.fifo');

    await expect(queue.send('x', 'a', more)).rejects.toMatchObject({ name });
  });

  test('numbers its messages in the order of sending', async () => {
    const queue = await startWithQueue('q.fifo');
    const sent = [await queue.send('1', 'a'), await queue.send('2', 'b'), await queue.send('3', 'a')];

    const numbers = sent.map((message) => BigInt(message.SequenceNumber ?? -1));

    expect(numbers).toEqual([...numbers].sort((a, b) => Number(a - b)));
    expect(new Set(numbers).size).toBe(3);
  });
});

describe('visibility', () => {
  test('a message that is not deleted comes back in order, counted', async () => {
    const queue = await startWithQueue('q.fifo', { VisibilityTimeout: '1' });
    for (const body of ['a1', 'a2']) await queue.send(body, 'a');
    const startMs = performance.now();
    const [first] = await queue.receive(1);

    const [again] = await queue.receive(1, { WaitTimeSeconds: 5 });

    expect(performance.now() - startMs).toBeGreaterThan(950);
    expect(performance.now() - startMs).toBeLessThan(1300);
    expect(again).toMatchObject({ MessageId: first?.MessageId, Body: 'a1' });
    expect(again?.Attributes?.ApproximateReceiveCount).toBe('2');
    expect(again?.ReceiptHandle).not.toBe(first?.ReceiptHandle);
  });

  test('is ended at once by 0, and prolonged from now', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const queue = await startWithQueue('q.fifo', { VisibilityTimeout: '10' });
    await queue.send('a1', 'a');
    const [first] = await queue.receive();

    await changeVisibility(queue, first, 0);
    const [second] = await queue.receive();
    await changeVisibility(queue, second, 60);
    vi.setSystemTime(Date.now() + 59_000);
    const early = await queue.receive();
    vi.setSystemTime(Date.now() + 1_000);

    expect(second?.Body).toBe('a1');
    expect(early).toEqual([]);
    expect(bodies(await queue.receive())).toEqual(['a1']);
  });

  test('of a message that is not in flight cannot be changed', async () => {
    const queue = await startWithQueue('q.fifo', { VisibilityTimeout: '0' });
    await queue.send('a1', 'a');
    const [message] = await queue.receive();

    await expect(changeVisibility(queue, message, 10)).rejects.toMatchObject({ name: 'MessageNotInflight' });
  });

  test('an old receipt handle deletes nothing', async () => {
    const queue = await startWithQueue('q', { VisibilityTimeout: '0' });
    await queue.send('a1');
    const [old] = await queue.receive();
    const [current] = await queue.receive(1, { VisibilityTimeout: 30 });

    await queue.delete(old);
    expect(await queue.attributes()).toMatchObject({ ApproximateNumberOfMessagesNotVisible: '1' });
    await queue.delete(current);

    expect(await queue.attributes()).toMatchObject({ ApproximateNumberOfMessagesNotVisible: '0' });
  });

  test('an expired handle of a FIFO queue is refused, and one that is none', async () => {
    const queue = await startWithQueue('q.fifo', { VisibilityTimeout: '0' });
    await queue.send('a1', 'a');
    const [message] = await queue.receive();

    await expect(queue.delete(message)).rejects.toMatchObject({ name: 'InvalidParameterValue' });
    await expect(queue.delete({ ReceiptHandle: 'none' })).rejects.toMatchObject({ name: 'ReceiptHandleIsInvalid' });
  });
});

describe('long polling', () => {
  test('a message wakes a poller at once', async () => {
    const queue = await startWithQueue('q.fifo');
    const delaysMs: number[] = [];
    for (let i = 0; i < 8; i++) {
      const polling = queue.receive(1, { WaitTimeSeconds: 5 });
      await queue.attributes();
      const startMs = performance.now();
      await queue.send(`a${i}`, 'a');
      await queue.delete((await polling)[0]);
      delaysMs.push(performance.now() - startMs);
    }

    // Sending and deleting are in it; the median, since the machine may be busy.
    expect(delaysMs.sort((a, b) => a - b)[4]).toBeLessThan(20);
  });

  test('deleting a message wakes a poller for the next of its group', async () => {
    const queue = await startWithQueue('q.fifo');
    for (const body of ['a1', 'a2']) await queue.send(body, 'a');
    const [first] = await queue.receive(1);
    const polling = queue.receive(1, { WaitTimeSeconds: 5 });
    await queue.attributes();

    await queue.delete(first);

    expect(bodies(await polling)).toEqual(['a2']);
  });

  test('ends empty when its time is over', async () => {
    const queue = await startWithQueue('q');
    const startMs = performance.now();

    expect(await queue.receive(1, { WaitTimeSeconds: 1 })).toEqual([]);

    expect(performance.now() - startMs).toBeGreaterThan(950);
  });

  test('a poller that hung up takes no message with it', async () => {
    const queue = await startWithQueue('q');
    const aborting = new AbortController();
    const wait = { MaxNumberOfMessages: 1, QueueUrl: queue.url, WaitTimeSeconds: 10 };
    const request = fetch(new URL('/', queue.url), {
      method: 'POST',
      headers: { 'x-amz-target': 'AmazonSQS.ReceiveMessage', 'content-type': 'application/x-amz-json-1.0' },
      body: JSON.stringify(wait),
      signal: aborting.signal,
    }).catch((error: unknown) => error);
    await queue.attributes();
    aborting.abort();
    await request;
    // The server learns of it on its own connection: wait until it has.
    await queue.receive(1, { WaitTimeSeconds: 1 });

    await queue.send('a1');

    expect(bodies(await queue.receive(1))).toEqual(['a1']);
  });

  test('one message goes to one of several pollers', async () => {
    const queue = await startWithQueue('q');
    const polling = Array.from({ length: 3 }, () => queue.receive(1, { WaitTimeSeconds: 1 }));
    await queue.attributes();

    await queue.send('a1');

    expect((await Promise.all(polling)).flat()).toHaveLength(1);
  });
});

describe('a dead-letter queue', () => {
  test.each([
    ['dead', 'q', undefined],
    ['dead.fifo', 'q.fifo', 'a'],
  ])('%s gets what was received too often, and the next message comes', async (dead, name, group) => {
    const deadLetters = await startWithQueue(dead);
    const { QueueArn: arn } = await deadLetters.attributes();
    const queue = await createQueue(deadLetters.client, name, {
      VisibilityTimeout: '0',
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arn, maxReceiveCount: 2 }),
    });
    await queue.send('bad', group);
    await queue.send('good', group);

    const received = [await queue.receive(1), await queue.receive(1), await queue.receive(1)];

    expect(received.map(bodies)).toEqual([['bad'], ['bad'], ['good']]);
    const [letter] = await deadLetters.receive();
    expect(letter?.Body).toBe('bad');
    expect(letter?.Attributes?.MessageGroupId).toBe(group);
    expect(letter?.Attributes?.DeadLetterQueueSourceArn).toBe((await queue.attributes())['QueueArn']);
  });

  test('must exist and be of the same type', async () => {
    const dead = await startWithQueue('dead');
    const { QueueArn: arn } = await dead.attributes();
    const policyTo = (target: string | undefined) => ({
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: target, maxReceiveCount: 2 }),
    });

    const other = createQueue(dead.client, 'q.fifo', policyTo(arn));
    const none = createQueue(dead.client, 'q', policyTo(`${arn}-none`));

    await expect(other).rejects.toMatchObject({ name: 'InvalidParameterValue' });
    await expect(none).rejects.toMatchObject({ name: 'InvalidParameterValue' });
  });
});

test('a batch is done entry by entry', async () => {
  const queue = await startWithQueue('q.fifo');
  const entry = (id: string, more: object = {}) => ({ Id: id, MessageBody: id, MessageDeduplicationId: id, ...more });

  const sent = await queue.client.send(
    new SendMessageBatchCommand({
      QueueUrl: queue.url,
      Entries: [entry('1', { MessageGroupId: 'a' }), entry('2'), entry('3', { MessageGroupId: 'a' })],
    }),
  );
  const messages = await queue.receive();
  const deleted = await queue.client.send(
    new DeleteMessageBatchCommand({
      QueueUrl: queue.url,
      Entries: [
        { Id: 'right', ReceiptHandle: messages[0]?.ReceiptHandle },
        { Id: 'wrong', ReceiptHandle: 'none' },
      ],
    }),
  );

  expect(sent.Successful?.map((one) => one.Id)).toEqual(['1', '3']);
  expect(sent.Failed).toMatchObject([{ Id: '2', SenderFault: true, Code: 'MissingParameter' }]);
  expect(bodies(messages)).toEqual(['1', '3']);
  expect(deleted.Successful).toEqual([{ Id: 'right' }]);
  expect(deleted.Failed).toMatchObject([{ Id: 'wrong', Code: 'ReceiptHandleIsInvalid' }]);
});

test('message attributes and delays arrive', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const queue = await startWithQueue('q');
  const MessageAttributes = {
    text: { DataType: 'String', StringValue: 'é' },
    bytes: { DataType: 'Binary', BinaryValue: new Uint8Array([1, 2]) },
  };
  await queue.send('a1', undefined, { DelaySeconds: 10, MessageAttributes });

  expect(await queue.receive()).toEqual([]);
  vi.setSystemTime(Date.now() + 10_000);

  expect(await queue.receive(1, { MessageAttributeNames: ['All'] })).toMatchObject([{ Body: 'a1', MessageAttributes }]);
});

test('a queue has an ARN, a URL that needs no DNS, and attributes that can be changed', async () => {
  const queue = await startWithQueue('q.fifo', { VisibilityTimeout: '7' });

  const { QueueUrl: url } = await queue.client.send(new GetQueueUrlCommand({ QueueName: 'q.fifo' }));
  await queue.client.send(new SetQueueAttributesCommand({ QueueUrl: url, Attributes: { VisibilityTimeout: '9' } }));

  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/000000000000\/q\.fifo$/);
  const QueueArn = 'arn:aws:sqs:eu-west-1:000000000000:q.fifo';
  expect(await queue.attributes()).toMatchObject({ QueueArn, VisibilityTimeout: '9', FifoQueue: 'true' });
  const none = queue.client.send(new GetQueueUrlCommand({ QueueName: 'none' }));
  await expect(none).rejects.toMatchObject({ name: 'QueueDoesNotExist' });
});

test('purging empties a queue', async () => {
  const queue = await startWithQueue('q');
  await queue.send('a1');

  await queue.client.send(new PurgeQueueCommand({ QueueUrl: queue.url }));

  expect(await queue.receive()).toEqual([]);
});

test('after a kill it still knows what was sent, what is in flight and which ids it saw', async () => {
  const dir = await makeFolder();
  const child = await startChild('sqs', dir);
  const before = await createQueue(sqsOf(child.endpoint), 'q.fifo', { VisibilityTimeout: '3600' });
  for (const [body, group] of [
    ['a1', 'a'],
    ['a2', 'a'],
    ['b1', 'b'],
    ['c1', 'c'],
  ] as const)
    await before.send(body, group);
  const [inFlight] = await before.receive(1);
  const returned = await before.receive(2, { VisibilityTimeout: 0 });
  await child.kill();

  const client = sqsOf(await startOn('sqs', dir));
  const { QueueUrl: url } = await client.send(new GetQueueUrlCommand({ QueueName: 'q.fifo' }));
  const after = new TestQueue(client, String(url));
  await after.send('again', 'b', { MessageDeduplicationId: 'b1' });
  const messages = await after.receive();
  await after.delete(inFlight);

  expect(inFlight?.Body).toBe('a1');
  expect(bodies(returned)).toEqual(['b1', 'c1']);
  expect(messages.map((message) => [message.Body, message.Attributes?.ApproximateReceiveCount])).toEqual([
    ['b1', '2'],
    ['c1', '2'],
  ]);
  expect(bodies(await after.receive())).toEqual(['a2']);
});
