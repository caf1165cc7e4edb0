// Starting an execution once, whatever Step Functions answers. The client is mocked for what no emulator shows.
import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  ExecutionLimitExceeded,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { mockClient } from 'aws-sdk-client-mock';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ring } from '../../aws/doorbell.ts';
import { ensureStarted, executionName, renderInput } from '../../aws/executions.ts';
import type { ExecutionInput } from '../../core/job.ts';
import { newToken } from '../../functions/service.ts';

const input: ExecutionInput = { job: 7, type: 'a_job', token: 't', runner: 'arn', correlation: 'c' };
const meta = { message: '', $metadata: {} };

function mocked() {
  const client = new SFNClient({ region: 'us-east-1', maxAttempts: 1 });
  const machine = { client, arn: 'arn:aws:states:us-east-1:123456789012:stateMachine:jobs' };
  return { machine, sent: mockClient(client) };
}

describe('an execution', () => {
  test('that starts is open', async () => {
    const { machine, sent } = mocked();
    sent.on(StartExecutionCommand).resolves({});

    expect(await ensureStarted(machine, input)).toEqual({ state: 'open' });
  });

  // Step Functions API Reference, StartExecution: for a standard workflow the call is idempotent while an execution of
  // that name and input is running, and answers 400 ExecutionAlreadyExists once it is closed.
  test.each(['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED'] as const)(
    'that exists and %s is closed',
    async (status) => {
      const { machine, sent } = mocked();
      sent.on(StartExecutionCommand).rejects(new ExecutionAlreadyExists(meta));
      sent.on(DescribeExecutionCommand).resolves({ status });

      expect(await ensureStarted(machine, input)).toEqual({ state: 'closed', status });
      expect(sent.commandCalls(DescribeExecutionCommand)[0]?.args[0].input).toEqual({
        executionArn: 'arn:aws:states:us-east-1:123456789012:execution:jobs:job-7-t',
      });
    },
  );

  test.each(['RUNNING', 'PENDING_REDRIVE'] as const)('that exists and is %s is open', async (status) => {
    const { machine, sent } = mocked();
    sent.on(StartExecutionCommand).rejects(new ExecutionAlreadyExists(meta));
    sent.on(DescribeExecutionCommand).resolves({ status });

    expect(await ensureStarted(machine, input)).toEqual({ state: 'open' });
  });

  // API Reference, DescribeExecution: "This API action is eventually consistent. The results are best effort".
  test('that exists, but is not found yet, is open', async () => {
    const { machine, sent } = mocked();
    sent.on(StartExecutionCommand).rejects(new ExecutionAlreadyExists(meta));
    sent.on(DescribeExecutionCommand).rejects(new ExecutionDoesNotExist(meta));

    expect(await ensureStarted(machine, input)).toEqual({ state: 'open' });
  });

  // General Reference, "Retry behavior": a call that timed out may have been carried out. The next one, with the same
  // name and input, finds it running.
  test('that started, though the call failed, is started again under the same name and with the same bytes', async () => {
    const { machine, sent } = mocked();
    const timeout = Object.assign(new Error('timeout'), { name: 'TimeoutError' });
    sent.on(StartExecutionCommand).rejectsOnce(timeout).resolves({});

    await expect(ensureStarted(machine, input)).rejects.toBe(timeout);
    expect(await ensureStarted(machine, { ...input })).toEqual({ state: 'open' });

    const [first, second] = sent.commandCalls(StartExecutionCommand).map(({ args }) => args[0].input);
    expect(second).toEqual(first);
  });

  // API Reference, StartExecution, errors: ExecutionLimitExceeded.
  test('that cannot start now fails', async () => {
    const { machine, sent } = mocked();
    const error = new ExecutionLimitExceeded(meta);
    sent.on(StartExecutionCommand).rejects(error);

    await expect(ensureStarted(machine, input)).rejects.toBe(error);
    expect(sent.commandCalls(DescribeExecutionCommand)).toHaveLength(0);
  });

  test('whose status nobody can tell fails: its job is not ended for that', async () => {
    const { machine, sent } = mocked();
    sent.on(StartExecutionCommand).rejects(new ExecutionAlreadyExists(meta));
    sent.on(DescribeExecutionCommand).rejects(new Error('throttled'));

    await expect(ensureStarted(machine, input)).rejects.toThrow('throttled');
  });

  // API Reference, StartExecution, "name": at most 80 characters, without spaces, brackets and such.
  test('has a name that Step Functions takes, for any job', () => {
    fc.assert(
      fc.property(fc.nat({ max: 999_999_999_999 }), (job) => {
        expect(executionName({ job, token: newToken() })).toMatch(/^[0-9A-Za-z_-]{1,80}$/);
      }),
    );
  });

  test('is given ids only, and the same bytes whatever the order of its fields', () => {
    const { correlation, runner, token, type, job } = input;

    expect(renderInput({ correlation, runner, token, type, job })).toBe(renderInput(input));
    expect(JSON.parse(renderInput(input))).toEqual({
      ...input,
      last: { Error: 'JobContinue', Cause: '{"errorMessage":"1"}' },
    });
  });
});

test('tokens are never the same', () => {
  expect(new Set(Array.from({ length: 1_000 }, newToken)).size).toBe(1_000);
});

describe('the doorbell', () => {
  function belled(lanes: number) {
    const client = new SQSClient({ region: 'us-east-1' });
    const sent = mockClient(client);
    sent.on(SendMessageCommand).resolves({});
    const messages = () => sent.commandCalls(SendMessageCommand).map(({ args }) => args[0].input);
    return { doorbell: { client, queueUrl: 'https://sqs/jobs.fifo', lanes }, messages };
  }

  // SQS Developer Guide, "Exactly-once processing in Amazon SQS": a message with a deduplication id that was sent within
  // the last five minutes is accepted, and not delivered.
  test('never repeats a deduplication id: SQS would drop the message silently', async () => {
    const { doorbell, messages } = belled(2);
    for (let i = 0; i < 200; i++) await ring(doorbell);

    expect(new Set(messages().map((message) => message.MessageDeduplicationId)).size).toBe(200);
  });

  test.each([
    [2, ['0', '1']],
    [1, ['0']],
    [0, ['0']],
  ])('with %i lanes rings in the lanes %j', async (lanes, groups) => {
    const { doorbell, messages } = belled(lanes);
    for (let i = 0; i < 64; i++) await ring(doorbell);

    expect([...new Set(messages().map((message) => message.MessageGroupId))].toSorted()).toEqual(groups);
  });
});
