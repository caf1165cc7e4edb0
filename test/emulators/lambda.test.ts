// Expectations: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html,
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html, …/dg/nodejs-context.html,
// …/dg/lambda-concurrency.html, …/dg/configuration-timeout.html, and the wording of errors in
// https://github.com/aws/aws-lambda-runtime-interface-emulator.
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { expect, test } from 'vitest';
import { waitFor } from '../helpers/wait.ts';
import {
  type AssemblyParts,
  clientFor,
  isGone,
  runAssembly,
  runSeparately,
  scratchDir,
  type TestStack,
  writeAssembly,
} from './assembly.ts';

const echo = 'export const handler = async (event) => event;';

async function start(functions: NonNullable<AssemblyParts['functions']>) {
  const stack = await runAssembly({ functions });
  return { stack, client: new LambdaClient(clientFor(stack, 'lambda')) };
}

async function invoke(client: LambdaClient, name: string, event: unknown = {}) {
  const answer = await client.send(new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event) }));
  return { ...answer, payload: JSON.parse(answer.Payload?.transformToString() ?? 'null') };
}

async function pidOf(stack: TestStack, name: string): Promise<number> {
  return waitFor(() => {
    const [pid] = stack.pids(name);
    if (pid === undefined) throw new Error('no process yet');
    return pid;
  });
}

test.each(['process', 'worker'] as const)('a %s gets its event, environment and context', async (isolation) => {
  const source = `export const handler = async (event, context) => ({
    event, context, left: context.getRemainingTimeInMillis(), memory: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    own: process.env.OWN, region: process.env.AWS_REGION, home: process.env.HOME ?? null,
    dynamodb: process.env.AWS_ENDPOINT_URL_DYNAMODB });`;
  const properties = { Environment: { Variables: { OWN: 'mine' } } };
  const { stack, client } = await start({
    Fn: { source, properties, ...(isolation === 'process' ? { isolation } : {}) },
  });

  const { payload, StatusCode, FunctionError, ExecutedVersion } = await invoke(client, 'Fn', { a: 'ü' });

  expect({ StatusCode, FunctionError, ExecutedVersion }).toEqual({ StatusCode: 200, ExecutedVersion: '$LATEST' });
  expect(payload).toMatchObject({
    event: { a: 'ü' },
    context: {
      functionName: 'Fn',
      functionVersion: '$LATEST',
      invokedFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:Fn',
      memoryLimitInMB: '256',
      awsRequestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    },
    memory: '256',
    own: 'mine',
    region: 'us-east-1',
    home: null,
    dynamodb: stack.endpoints.dynamodb,
  });
  expect(payload.left).toBeGreaterThan(9_000);
  expect(payload.left).toBeLessThanOrEqual(10_000);
});

test('a function is found by name, ARN and $LATEST, and unknown ones are refused', async () => {
  const { client } = await start({ Fn: echo });
  const arn = 'arn:aws:lambda:us-east-1:000000000000:function:Fn';

  for (const name of ['Fn', 'Fn:$LATEST', arn, `${arn}:$LATEST`, '000000000000:function:Fn']) {
    expect((await invoke(client, name, { name })).payload).toEqual({ name });
  }
  for (const name of ['Other', 'Fn:1', `${arn}:1`])
    await expect(invoke(client, name)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});

test('what a handler throws is the function error, with its name', async () => {
  const { client } = await start({
    Fn: `class Odd extends Error { name = 'Odd' }
      export const handler = async ({ how }) => { if (how === 'error') throw new Odd('no'); throw 'text'; };`,
  });

  const thrown = await invoke(client, 'Fn', { how: 'error' });
  expect(thrown.FunctionError).toBe('Unhandled');
  expect(thrown.payload).toMatchObject({ errorType: 'Odd', errorMessage: 'no', trace: expect.arrayContaining([]) });
  expect(thrown.payload.trace[0]).toBe('Odd: no');
  expect((await invoke(client, 'Fn', {})).payload).toMatchObject({ errorType: 'string', errorMessage: 'text' });
});

test('a function that does not load says why', async () => {
  const { client } = await start({
    Missing: `import 'no-such-package'; ${echo}`,
    Syntax: 'export const handler = async (event => {;',
    Unnamed: 'export const other = 1;',
    Throws: `throw new RangeError('at load'); ${echo}`,
  });

  expect((await invoke(client, 'Missing')).payload.errorType).toBe('Runtime.ImportModuleError');
  expect((await invoke(client, 'Syntax')).payload.errorType).toBe('Runtime.UserCodeSyntaxError');
  expect((await invoke(client, 'Unnamed')).payload).toMatchObject({
    errorType: 'Runtime.HandlerNotFound',
    errorMessage: 'index.handler is undefined or not exported',
  });
  expect((await invoke(client, 'Throws')).payload).toMatchObject({ errorType: 'RangeError', errorMessage: 'at load' });
});

test('a warm sandbox is used again, and invocations at the same time get one each', async () => {
  const source = `let count = 0; export const handler = async ({ ms }) => {
    count += 1; await new Promise((done) => setTimeout(done, ms)); return { count, pid: process.pid }; };`;
  const { client } = await start({ Fn: { source, isolation: 'process' } });

  const first = await invoke(client, 'Fn', { ms: 0 });
  const second = await invoke(client, 'Fn', { ms: 0 });
  expect(second.payload).toEqual({ count: 2, pid: first.payload.pid });
  const both = await Promise.all([invoke(client, 'Fn', { ms: 300 }), invoke(client, 'Fn', { ms: 300 })]);
  expect(new Set(both.map(({ payload }) => payload.pid)).size).toBe(2);
});

test('reserved concurrency is the limit, beyond it the invocation is throttled', async () => {
  const source = `export const handler = async ({ ms }) => { await new Promise((done) => setTimeout(done, ms)); return 1; };`;
  const { client } = await start({ Fn: { source, properties: { ReservedConcurrentExecutions: 1 } } });
  await invoke(client, 'Fn', { ms: 0 });

  const [first, second] = await Promise.allSettled([
    invoke(client, 'Fn', { ms: 300 }),
    invoke(client, 'Fn', { ms: 0 }),
  ]);

  expect(first).toMatchObject({ status: 'fulfilled', value: { payload: 1 } });
  expect(second).toMatchObject({
    reason: { name: 'TooManyRequestsException', Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded' },
  });
});

test('a process that is killed from outside ends its invocation as Runtime.ExitError, and the next one works', async () => {
  const source = `export const handler = async ({ ms }) => { await new Promise((done) => setTimeout(done, ms)); return process.pid; };`;
  const { stack, client } = await start({ Fn: { source, isolation: 'process' } });
  const { payload: pid } = await invoke(client, 'Fn', { ms: 0 });

  const running = invoke(client, 'Fn', { ms: 60_000 });
  await waitFor(() => expect(stack.pids('Fn')).toEqual([pid]));
  process.kill(pid, 'SIGKILL');

  const { payload, FunctionError } = await running;
  expect(FunctionError).toBe('Unhandled');
  expect(payload.errorType).toBe('Runtime.ExitError');
  expect(payload.errorMessage).toMatch(/^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: signal: killed$/);
  expect((await invoke(client, 'Fn', { ms: 0 })).payload).not.toBe(pid);
});

test.each(['process', 'worker'] as const)('a %s that leaves says with which status', async (isolation) => {
  const source = 'export const handler = async ({ code }) => process.exit(code);';
  const { client } = await start({ Fn: { source, ...(isolation === 'process' ? { isolation } : {}) } });

  expect((await invoke(client, 'Fn', { code: 3 })).payload).toMatchObject({
    errorType: 'Runtime.ExitError',
    errorMessage: expect.stringMatching(/Error: Runtime exited with error: exit status 3$/),
  });
  expect((await invoke(client, 'Fn', { code: 0 })).payload).toMatchObject({
    errorMessage: expect.stringMatching(/Error: Runtime exited without providing a reason$/),
  });
});

test.each(['process', 'worker'] as const)(
  'a %s that blocks its event loop is killed at its timeout',
  async (isolation) => {
    const source = 'export const handler = async ({ block }) => { while (block); return process.pid; };';
    const properties = { Timeout: 1 };
    const { client } = await start({ Fn: { source, properties, ...(isolation === 'process' ? { isolation } : {}) } });
    const { payload: pid } = await invoke(client, 'Fn');

    const { payload, FunctionError } = await invoke(client, 'Fn', { block: true });

    expect(FunctionError).toBe('Unhandled');
    expect(payload.errorType).toBe('Sandbox.Timedout');
    expect(payload.errorMessage).toMatch(/^RequestId: [0-9a-f-]{36} Error: Task timed out after 1\.00 seconds$/);
    if (isolation === 'process') expect(isGone(pid)).toBe(true);
    expect((await invoke(client, 'Fn')).FunctionError).toBeUndefined();
  },
);

test.each(['process', 'worker'] as const)('a %s that takes more memory than it has ends', async (isolation) => {
  const source = `export const handler = async ({ grow }) => {
    const kept = []; while (grow) kept.push(new Array(100_000).fill({})); return 'alive'; };`;
  const properties = { MemorySize: 128, Timeout: 30 };
  const { client } = await start({ Fn: { source, properties, ...(isolation === 'process' ? { isolation } : {}) } });

  const { payload, FunctionError } = await invoke(client, 'Fn', { grow: true });

  expect(FunctionError).toBe('Unhandled');
  expect(payload.errorType).toBe('Runtime.ExitError');
  expect(payload.errorMessage).toMatch(/Runtime exited with error: signal: (killed|aborted)/);
  expect((await invoke(client, 'Fn')).payload).toBe('alive');
});

test('what a function spawned is killed with it', async () => {
  const source = `import { spawn } from 'node:child_process';
    export const handler = async () => { const child = spawn('sleep', ['600']); console.log('child ' + child.pid); while (true); };`;
  const { stack, client } = await start({ Fn: { source, isolation: 'process', properties: { Timeout: 1 } } });

  // The loop blocks before the line is flushed by the stream, so it is written when the pipe takes it: at once.
  await invoke(client, 'Fn');

  const pid = Number(/child (\d+)/.exec(stack.lines.join('\n'))?.[1]);
  expect(pid).toBeGreaterThan(0);
  await waitFor(() => expect(isGone(pid)).toBe(true));
});

test.each(['process', 'worker'] as const)(
  'an exception nobody catches in a %s ends the invocation',
  async (isolation) => {
    const source = `export const handler = async ({ how }) => {
    if (how === 'throw') setTimeout(() => { throw new TypeError('later'); });
    else Promise.reject(new Error('dropped'));
    await new Promise((done) => setTimeout(done, 5_000)); };`;
    const { client } = await start({ Fn: { source, ...(isolation === 'process' ? { isolation } : {}) } });

    expect((await invoke(client, 'Fn', { how: 'throw' })).payload).toMatchObject({ errorType: 'TypeError' });
    expect((await invoke(client, 'Fn', { how: 'reject' })).payload).toMatchObject({
      errorType: 'Runtime.UnhandledPromiseRejection',
      errorMessage: 'dropped',
    });
  },
);

test('payloads have the limits of Lambda', async () => {
  const { client } = await start({ Fn: `export const handler = async ({ size }) => 'x'.repeat(size ?? 0);` });

  await expect(invoke(client, 'Fn', { pad: 'x'.repeat(6 * 1024 * 1024) })).rejects.toMatchObject({
    name: 'RequestTooLargeException',
  });
  expect((await invoke(client, 'Fn', { size: 6 * 1024 * 1024 })).payload.errorType).toBe(
    'Function.ResponseSizeTooLarge',
  );
  expect((await invoke(client, 'Fn', { size: 5 * 1024 * 1024 })).payload).toHaveLength(5 * 1024 * 1024);
});

test('an asynchronous invocation is accepted at once and runs', async () => {
  const { stack, client } = await start({ Fn: `export const handler = async ({ word }) => console.log(word);` });

  const { StatusCode } = await client.send(
    new InvokeCommand({ FunctionName: 'Fn', InvocationType: 'Event', Payload: JSON.stringify({ word: 'hello' }) }),
  );

  expect(StatusCode).toBe(202);
  await waitFor(() => expect(stack.lines).toContain('Fn: hello'));
});

test('an asynchronous invocation that is throttled runs later', async () => {
  const source = `export const handler = async ({ word, ms = 0 }) => { await new Promise((done) => setTimeout(done, ms)); console.log(word); };`;
  const { stack, client } = await start({ Fn: { source, properties: { ReservedConcurrentExecutions: 1 } } });
  const invokeLater = (event: object) =>
    client.send(new InvokeCommand({ FunctionName: 'Fn', InvocationType: 'Event', Payload: JSON.stringify(event) }));

  await invokeLater({ word: 'first', ms: 200 });
  await invokeLater({ word: 'second' });

  await waitFor(() => expect(stack.lines).toEqual(['Fn: first', 'Fn: second']), { timeout: 3_000 });
});

test('what functions print goes to the log line by line', async () => {
  const source = `import { writeSync } from 'node:fs';
    export const handler = async () => { console.log('one\\ntwo'); console.error('three'); writeSync(1, 'four\\n'); };`;
  const { stack, client } = await start({ Fn: { source, isolation: 'process' } });

  await invoke(client, 'Fn');

  await waitFor(() =>
    expect(stack.lines).toEqual(expect.arrayContaining(['Fn: one', 'Fn: two', 'Fn: three', 'Fn: four'])),
  );
});

test('stop leaves no process behind and ends quickly, whatever runs', async () => {
  const source = 'export const handler = async () => { while (true); };';
  const { stack, client } = await start({ Fn: { source, isolation: 'process', properties: { Timeout: 60 } } });
  const running = invoke(client, 'Fn').catch(() => 'cut off');
  const pid = await pidOf(stack, 'Fn');

  const startMs = performance.now();
  await stack.stop();

  expect(performance.now() - startMs).toBeLessThan(3_000);
  expect(isGone(pid)).toBe(true);
  expect(await running).toBe('cut off');
});

test('after a stop nothing is left that keeps the process from ending', async () => {
  const functions = { Fn: { source: echo, isolation: 'process' as const }, Other: echo };
  const { process: main, stack, ended } = await runSeparately(writeAssembly({ functions }), scratchDir());
  const client = new LambdaClient(clientFor(stack, 'lambda'));
  await invoke(client, 'Fn');
  await invoke(client, 'Other');

  const startMs = performance.now();
  main.kill('SIGTERM');

  expect(await ended).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(3_000);
});
