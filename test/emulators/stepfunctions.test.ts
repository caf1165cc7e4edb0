// Expectations: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html and
// …/API_StopExecution.html, https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html,
// …/dg/concepts-error-handling.html, …/dg/service-quotas.html, …/dg/eventbridge-integration.html.
import { existsSync, readFileSync } from 'node:fs';
import {
  DescribeExecutionCommand,
  ListExecutionsCommand,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { expect, test } from 'vitest';
import { compileMachine } from '../../local/stepfunctions/machine.ts';
import { waitFor } from '../helpers/wait.ts';
import {
  clientFor,
  isGone,
  runAssembly,
  runSeparately,
  type SeparateStack,
  scratchDir,
  writeAssembly,
} from './assembly.ts';

const machineArn = 'arn:aws:states:us-east-1:000000000000:stateMachine:Machine';
const invokeResource = 'arn:aws:states:::lambda:invoke';

function machine(states: Record<string, object>, more: object = {}) {
  return {
    Type: 'AWS::StepFunctions::StateMachine',
    Properties: {
      StateMachineName: 'Machine',
      DefinitionString: JSON.stringify({ StartAt: Object.keys(states)[0], States: states, ...more }),
    },
  };
}

/** A task that hands its input to a function. */
function task(functionName: string, more: object = { End: true }) {
  const Parameters = { FunctionName: functionName, 'Payload.$': '$' };
  return { Type: 'Task', Resource: invokeResource, Parameters, ...more };
}

function sfn(stack: SeparateStack['stack']) {
  const client = new SFNClient(clientFor(stack, 'sfn'));
  const start = (name: string, input: unknown = {}) =>
    client.send(new StartExecutionCommand({ stateMachineArn: machineArn, name, input: JSON.stringify(input) }));
  const describe = (name: string) =>
    client.send(
      new DescribeExecutionCommand({ executionArn: `${machineArn.replace(':stateMachine:', ':execution:')}:${name}` }),
    );
  const end = (name: string, timeout = 5_000) =>
    waitFor(
      async () => {
        const found = await describe(name);
        expect(found.status).not.toBe('RUNNING');
        return found;
      },
      { timeout, interval: 20 },
    );
  return { client, start, describe, end };
}

const hang = `export const handler = async ({ ms = 60_000 }) => { console.log('runs'); await new Promise((done) => setTimeout(done, ms)); return 'done'; };`;

test('an execution runs its states and is described with input and output', async () => {
  const stack = await runAssembly({
    functions: { Add: 'export const handler = async ({ n }) => ({ sum: n + 1 });' },
    resources: {
      Machine: machine({
        First: task('Add', { ResultSelector: { 'n.$': '$.Payload.sum' }, ResultPath: '$.first', Next: 'Choose' }),
        Choose: {
          Type: 'Choice',
          Choices: [{ Variable: '$.first.n', NumericGreaterThan: 1, Next: 'Second' }],
          Default: 'Bad',
        },
        Second: task('Add', { InputPath: '$.first', OutputPath: '$.Payload', Next: 'End' }),
        Bad: { Type: 'Fail', Error: 'Bad', Cause: 'too small' },
        End: { Type: 'Succeed' },
      }),
    },
  });
  const { start, end } = sfn(stack);

  await start('good', { n: 1 });
  await start('bad', { n: 0 });

  expect(await end('good')).toMatchObject({
    status: 'SUCCEEDED',
    name: 'good',
    stateMachineArn: machineArn,
    input: '{"n":1}',
    output: '{"sum":3}',
    startDate: expect.any(Date),
    stopDate: expect.any(Date),
  });
  expect(await end('bad')).toMatchObject({ status: 'FAILED', error: 'Bad', cause: 'too small' });
});

test('a function error goes through Catch, round the loop, with its cause as JSON', async () => {
  // The shape a long task takes: it leaves by an error that carries where to go on, and comes back in.
  const source = `class More extends Error { name = 'More' }
    export const handler = async ({ part, last }) => {
      if (part === 3) return { seen: last };
      throw new More(JSON.stringify({ part: part + 1 })); };`;
  const Catch = [
    { ErrorEquals: ['More'], ResultPath: '$.last', Next: 'Again' },
    { ErrorEquals: ['States.ALL'], ResultPath: '$.last', Next: 'Other' },
  ];
  const stack = await runAssembly({
    functions: { Fn: source },
    resources: {
      Machine: machine({
        Run: task('Fn', { Catch, OutputPath: '$.Payload', End: true }),
        Again: {
          Type: 'Pass',
          Parameters: { 'cause.$': 'States.StringToJson($.last.Cause)', 'error.$': '$.last.Error' },
          Next: 'Unpack',
        },
        Unpack: {
          Type: 'Pass',
          Parameters: { 'part.$': 'States.StringToJson($.cause.errorMessage)', 'last.$': '$' },
          Next: 'Flat',
        },
        Flat: { Type: 'Pass', Parameters: { 'part.$': '$.part.part', 'last.$': '$.last' }, Next: 'Run' },
        Other: { Type: 'Fail', Error: 'Other' },
      }),
    },
  });
  const { start, end } = sfn(stack);

  await start('loop', { part: 1 });

  const { status, output } = await end('loop');
  expect(status).toBe('SUCCEEDED');
  expect(JSON.parse(output ?? '')).toMatchObject({
    seen: { error: 'More', cause: { errorType: 'More', errorMessage: '{"part":3}', trace: expect.any(Array) } },
  });
});

test('a state may be caught back into itself', async () => {
  const source = `export const handler = async (event) => { if (event.last) return 'second'; throw new Error('first'); };`;
  const Catch = [{ ErrorEquals: ['States.ALL'], ResultPath: '$.last', Next: 'Run' }];
  const stack = await runAssembly({
    functions: { Fn: source },
    resources: { Machine: machine({ Run: task('Fn', { Catch, OutputPath: '$.Payload', End: true }) }) },
  });
  const { start, end } = sfn(stack);

  await start('self');

  expect(await end('self')).toMatchObject({ status: 'SUCCEEDED', output: '"second"' });
});

test('a throttled and an unknown function have the names that AWS gives; only what Retry names is retried', async () => {
  const Catch = [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: 'Caught' }];
  const stack = await runAssembly({
    functions: { Busy: { source: hang, properties: { ReservedConcurrentExecutions: 1 } } },
    resources: {
      Machine: machine({
        Choose: {
          Type: 'Choice',
          Choices: [{ Variable: '$.to', StringEquals: 'Busy', Next: 'Run' }],
          Default: 'Unknown',
        },
        Run: task('Busy', {
          Retry: [{ ErrorEquals: ['Lambda.TooManyRequestsException'], IntervalSeconds: 1, MaxAttempts: 1 }],
          Catch,
          End: true,
        }),
        Unknown: task('Nobody', { Catch, End: true }),
        Caught: { Type: 'Pass', OutputPath: '$.error', End: true },
      }),
    },
  });
  const { start, end } = sfn(stack);

  await start('holder', { to: 'Busy', ms: 300 });
  await start('waiter', { to: 'Busy', ms: 900 });
  await start('refused', { to: 'Busy', ms: 900 });
  await start('unknown', { to: 'Nobody' });

  expect(await end('unknown')).toMatchObject({
    output: expect.stringMatching(/"Error":"Lambda.ResourceNotFoundException"/),
  });
  expect(await end('holder')).toMatchObject({ output: expect.stringContaining('"Payload":"done"') });
  const later = await Promise.all([end('waiter'), end('refused')]);
  // One of the two got the function on its second attempt, the other had no attempt left.
  expect(later.filter(({ output }) => output?.includes('Lambda.TooManyRequestsException'))).toHaveLength(1);
  expect(later.filter(({ output }) => output?.includes('"Payload":"done"'))).toHaveLength(1);
});

test('starting twice gives the same execution while it runs, and is refused afterwards or with another input', async () => {
  const stack = await runAssembly({ functions: { Fn: hang }, resources: { Machine: machine({ Run: task('Fn') }) } });
  const { start, end } = sfn(stack);

  const first = await start('same', { ms: 500 });
  const second = await start('same', { ms: 500 });
  expect(second.executionArn).toBe(first.executionArn);
  expect(second.startDate).toEqual(first.startDate);
  await expect(start('same', { ms: 501 })).rejects.toMatchObject({ name: 'ExecutionAlreadyExists' });
  await end('same');
  await expect(start('same', { ms: 500 })).rejects.toMatchObject({ name: 'ExecutionAlreadyExists' });
  await waitFor(() => expect(stack.lines.filter((line) => line === 'Fn: runs')).toHaveLength(1));
});

test('names, inputs and machines that do not exist are refused', async () => {
  const stack = await runAssembly({ resources: { Machine: machine({ End: { Type: 'Succeed' } }) } });
  const { client, start, describe } = sfn(stack);

  for (const name of ['with space', 'a/b', 'a:b', 'x'.repeat(81), 'a#b']) {
    await expect(start(name)).rejects.toMatchObject({ name: 'InvalidName' });
  }
  await expect(start('large', 'x'.repeat(262_144))).rejects.toMatchObject({ name: 'ValidationException' });
  await expect(
    client.send(new StartExecutionCommand({ stateMachineArn: machineArn, input: '{' })),
  ).rejects.toMatchObject({ name: 'InvalidExecutionInput' });
  await expect(client.send(new StartExecutionCommand({ stateMachineArn: `${machineArn}X` }))).rejects.toMatchObject({
    name: 'StateMachineDoesNotExist',
  });
  await expect(describe('nobody')).rejects.toMatchObject({ name: 'ExecutionDoesNotExist' });
  expect((await client.send(new StartExecutionCommand({ stateMachineArn: machineArn }))).executionArn).toMatch(
    /:execution:Machine:[0-9a-f-]{36}$/,
  );
});

test('a stopped execution is ABORTED while its function runs on', async () => {
  const source = `export const handler = async () => { await new Promise((done) => setTimeout(done, 400)); console.log('ran on'); };`;
  const stack = await runAssembly({
    functions: { Fn: source, Next: `export const handler = async () => console.log('next');` },
    resources: { Machine: machine({ Run: task('Fn', { Next: 'After' }), After: task('Next') }) },
  });
  const { client, start, describe, end } = sfn(stack);
  const { executionArn } = await start('stopped');

  await client.send(new StopExecutionCommand({ executionArn, error: 'Operator', cause: 'wanted' }));

  expect(await describe('stopped')).toMatchObject({ status: 'ABORTED', error: 'Operator', cause: 'wanted' });
  await waitFor(() => expect(stack.lines).toContain('Fn: ran on'));
  expect((await end('stopped')).status).toBe('ABORTED');
  expect(stack.lines).not.toContain('Next: next');
});

test('a task and an execution that take too long time out; the task can be caught', async () => {
  const Catch = [{ ErrorEquals: ['States.Timeout'], ResultPath: '$.error', Next: 'Caught' }];
  const stack = await runAssembly({
    functions: { Fn: hang },
    resources: {
      Machine: machine({
        Run: task('Fn', { TimeoutSeconds: 1, Catch, End: true }),
        Caught: { Type: 'Pass', End: true },
      }),
      Short: {
        Type: 'AWS::StepFunctions::StateMachine',
        Properties: {
          StateMachineName: 'Short',
          DefinitionString: JSON.stringify({ StartAt: 'Run', States: { Run: task('Fn') }, TimeoutSeconds: 1 }),
        },
      },
    },
  });
  const { client, start, end } = sfn(stack);
  const shortArn = machineArn.replace(/Machine$/, 'Short');

  await start('task');
  const { executionArn } = await client.send(new StartExecutionCommand({ stateMachineArn: shortArn }));

  expect(await end('task')).toMatchObject({ status: 'SUCCEEDED', output: expect.stringContaining('States.Timeout') });
  await waitFor(async () => {
    const found = await client.send(new DescribeExecutionCommand({ executionArn }));
    expect(found).toMatchObject({ status: 'TIMED_OUT', error: 'States.Timeout' });
  });
});

test('more than 256 KiB ends the execution, whatever is caught', async () => {
  const Catch = [{ ErrorEquals: ['States.ALL'], Next: 'Caught' }];
  const stack = await runAssembly({
    functions: { Fn: `export const handler = async ({ size }) => 'x'.repeat(size);` },
    resources: {
      Machine: machine({
        Run: task('Fn', { ResultPath: null, Catch, End: true }),
        Caught: { Type: 'Pass', Result: 'caught', End: true },
      }),
    },
  });
  const { start, end } = sfn(stack);

  await start('large', { size: 262_144 });
  await start('small', { size: 262_000 });

  expect(await end('large')).toMatchObject({ status: 'FAILED', error: 'States.DataLimitExceeded' });
  expect(await end('small')).toMatchObject({ status: 'SUCCEEDED', output: '{"size":262000}' });
});

test('a killed process reaches Catch as Runtime.ExitError', async () => {
  const Catch = [{ ErrorEquals: ['States.ALL'], Next: 'Caught' }];
  const stack = await runAssembly({
    functions: {
      Fn: { source: `export const handler = async () => process.kill(process.pid, 'SIGKILL');`, isolation: 'process' },
    },
    resources: { Machine: machine({ Run: task('Fn', { Catch, End: true }), Caught: { Type: 'Pass', End: true } }) },
  });
  const { start, end } = sfn(stack);

  await start('killed');

  const output = JSON.parse((await end('killed')).output ?? '');
  expect(output.Error).toBe('Runtime.ExitError');
  expect(JSON.parse(output.Cause)).toEqual({
    errorType: 'Runtime.ExitError',
    errorMessage: expect.stringMatching(/Runtime exited with error: signal: killed$/),
  });
});

test('rules hear of the changes of status that they ask for', async () => {
  const pattern = (statuses: string[]) => ({
    source: ['aws.states'],
    'detail-type': ['Step Functions Execution Status Change'],
    detail: { status: statuses, stateMachineArn: [{ Ref: 'Machine' }] },
  });
  const stack = await runAssembly({
    functions: {
      Heard: `export const handler = async (event) => console.log(JSON.stringify(event));`,
    },
    resources: {
      Machine: machine({ Bad: { Type: 'Fail', Error: 'Bad', Cause: 'why' } }),
      Other: {
        Type: 'AWS::StepFunctions::StateMachine',
        Properties: {
          StateMachineName: 'Other',
          Definition: { StartAt: 'Bad', States: { Bad: { Type: 'Fail', Error: 'Other' } } },
        },
      },
      Rule: {
        Type: 'AWS::Events::Rule',
        Properties: {
          EventPattern: pattern(['FAILED', 'TIMED_OUT', 'ABORTED']),
          Targets: [{ Id: 'T', Arn: { 'Fn::GetAtt': ['Heard', 'Arn'] } }],
        },
      },
    },
  });
  const { client, start } = sfn(stack);

  await client.send(new StartExecutionCommand({ stateMachineArn: machineArn.replace(/Machine$/, 'Other') }));
  await start('bad', { a: 1 });

  const events = await waitFor(() => {
    const lines = stack.lines.filter((line) => line.startsWith('Heard: {'));
    expect(lines.length).toBeGreaterThan(0);
    return lines.map((line) => JSON.parse(line.slice('Heard: '.length)));
  });
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({
    source: 'aws.states',
    account: '000000000000',
    resources: [`${machineArn.replace(':stateMachine:', ':execution:')}:bad`],
    detail: {
      stateMachineArn: machineArn,
      name: 'bad',
      status: 'FAILED',
      input: '{"a":1}',
      error: 'Bad',
      cause: 'why',
      startDate: expect.any(Number),
      stopDate: expect.any(Number),
    },
  });
});

test('executions are listed by status, newest first, page by page', async () => {
  const stack = await runAssembly({ functions: { Fn: hang }, resources: { Machine: machine({ Run: task('Fn') }) } });
  const { client, start, end } = sfn(stack);
  for (const name of ['a', 'b', 'c']) await start(name, { ms: 0 });
  for (const name of ['a', 'b', 'c']) await end(name);
  await start('open', { ms: 60_000 });

  const list = (more: object) => client.send(new ListExecutionsCommand({ stateMachineArn: machineArn, ...more }));

  expect((await list({ statusFilter: 'RUNNING' })).executions?.map(({ name }) => name)).toEqual(['open']);
  const first = await list({ maxResults: 3 });
  const second = await list({ maxResults: 3, nextToken: first.nextToken });
  const names = [...(first.executions ?? []), ...(second.executions ?? [])].map(({ name }) => name);
  expect(names.toSorted()).toEqual(['a', 'b', 'c', 'open']);
});

test('definitions that the interpreter would get wrong are refused', () => {
  const compile = (state: object, more: object = {}) =>
    compileMachine(JSON.stringify({ StartAt: 'A', States: { A: state }, ...more }));

  expect(() => compile({ Type: 'Succeed' }, { QueryLanguage: 'JSONata' })).toThrow(/JSONata/);
  expect(() => compile({ Type: 'Pass', Assign: { 'a.$': '$.b' }, End: true })).toThrow(/Assign/);
  expect(() => compile({ Type: 'Pass', Parameters: { 'a.$': '$$.State.Name' }, End: true })).toThrow(/context object/);
  expect(() => compile({ Type: 'Parallel', Branches: [], End: true })).toThrow(/Parallel/);
  expect(() => compile({ Type: 'Task', Resource: 'arn:aws:states:::sqs:sendMessage', End: true })).toThrow(/sqs/);
  expect(() => compile({ Type: 'Pass', Next: 'Nowhere' })).toThrow(/invalid/);
});

test('executions survive a kill of the whole stack: a running task fails with Runtime.ExitError, a wait goes on', async () => {
  const stateDir = scratchDir();
  const dir = scratchDir();
  const Catch = [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: 'Caught' }];
  const parts = {
    functions: {
      // It blocks its event loop: only the watch of the sandbox can end it.
      Fn: {
        source: `import { writeFileSync } from 'node:fs';
          export const handler = async ({ file }) => { writeFileSync(file, String(process.pid)); while (true); };`,
        isolation: 'process' as const,
        properties: { Timeout: 600 },
      },
    },
    resources: {
      Machine: machine({
        Choose: { Type: 'Choice', Choices: [{ Variable: '$.file', IsPresent: true, Next: 'Run' }], Default: 'Wait' },
        Run: task('Fn', { Catch, End: true }),
        Caught: { Type: 'Pass', OutputPath: '$.error', End: true },
        Wait: { Type: 'Wait', SecondsPath: '$.wait.seconds', Next: 'Waited' },
        Waited: { Type: 'Pass', Result: 'waited', End: true },
      }),
    },
  };
  const assemblyDir = writeAssembly(parts, dir);
  const { process: main, stack: started, ended } = await runSeparately(assemblyDir, stateDir);
  const before = sfn(started);
  const file = `${stateDir}/pid`;
  const startMs = Date.now();
  await before.start('running', { file });
  await before.start('waiting', { wait: { seconds: 2 } });
  const pid = await waitFor(() => {
    expect(existsSync(file)).toBe(true);
    return Number(readFileSync(file, 'utf8') || expect.unreachable());
  });

  main.kill('SIGKILL');
  await ended;
  await waitFor(() => expect(isGone(pid)).toBe(true), { timeout: 3_000 });
  const restartedMs = Date.now() - startMs;

  const { start, end, describe } = sfn(await runAssembly(parts, { assemblyDir, stateDir }));
  const running = JSON.parse((await end('running')).output ?? '');
  expect(running.Error).toBe('Runtime.ExitError');
  expect(JSON.parse(running.Cause).errorMessage).toMatch(/Runtime exited with error: signal: killed$/);
  const waited = await end('waiting');
  expect(waited.output).toBe('"waited"');
  const waitedMs = Number(waited.stopDate) - Number(waited.startDate);
  // The wait began before the restart and is not begun again after it.
  expect(waitedMs).toBeGreaterThanOrEqual(2_000);
  expect(waitedMs).toBeLessThan(restartedMs + 2_000);
  expect((await describe('running')).status).toBe('SUCCEEDED');
  await expect(start('running', { file })).rejects.toMatchObject({ name: 'ExecutionAlreadyExists' });
}, 15_000);

test('short executions come through at 25 a second and more', async () => {
  const stack = await runAssembly({
    functions: { Fn: 'export const handler = async () => null;' },
    resources: { Machine: machine({ Run: task('Fn', { ResultPath: null, Next: 'Finish' }), Finish: task('Fn') }) },
  });
  const { start, end } = sfn(stack);
  await start('warm');
  await end('warm');

  const startMs = performance.now();
  const names = Array.from({ length: 50 }, (_, index) => `n${index}`);
  for (const name of names) await start(name);
  const all = await Promise.all(names.map((name) => end(name)));

  expect(new Set(all.map(({ status }) => status))).toEqual(new Set(['SUCCEEDED']));
  expect(performance.now() - startMs).toBeLessThan(2_000);
});
