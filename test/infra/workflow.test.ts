import { ExecutionError, StateMachine, type StateMachineDefinition } from 'aws-local-stepfunctions';
import { expect, test } from 'vitest';
import { renderInput } from '../../aws/executions.ts';
import { finisherTimeoutSeconds, workflow } from '../../infra/workflow.ts';

const definition = workflow('aws', 'arn:aws:lambda:eu-west-1:123456789012:function:finisher');
const { Run, Wait, Finish } = definition.States;
const input = JSON.parse(
  renderInput({
    job: 7,
    type: 'slow_nothing_job',
    token: 'abc',
    runner: 'arn:aws:lambda:eu-west-1:123456789012:function:runner',
    correlation: 'c-1',
  }),
);

/** A function's error as Step Functions gives it to a state: its type, and the whole of it as JSON text. */
function functionError(errorType: string, errorMessage: string): Error {
  const trace = [`${errorType}: ${errorMessage}`, '    at Runtime.handler (file:///var/task/index.mjs:1:1)'];
  return Object.assign(new Error(JSON.stringify({ errorType, errorMessage, trace })), { name: errorType });
}

/**
 * Runs an execution with a runner and a finisher of the test.
 *
 * @param runs what each invocation of the runner throws; undefined where it returns
 * @param finishes the same for the finisher
 */
async function execute(runs: readonly (Error | undefined)[], finishes: readonly (Error | undefined)[] = [undefined]) {
  const runInputs: { FunctionName: string; Payload: { last: { Error: string; Cause: string } } }[] = [];
  const finishInputs: { FunctionName: string; Payload: Record<string, unknown> }[] = [];
  const machine = new StateMachine(definition as unknown as StateMachineDefinition, {
    validationOptions: { checkArn: false },
  });
  const execution = machine.run(input, {
    overrides: {
      taskResourceLocalHandlers: {
        Run: (task) => {
          const error = runs[runInputs.push(task as never) - 1];
          if (error) throw error;
          return { Payload: null };
        },
        Finish: (task) => {
          const error = finishes[finishInputs.push(task as never) - 1];
          if (error) throw error;
          return { Payload: null };
        },
      },
      waitTimeOverrides: { Wait: 1 },
      retryIntervalOverrides: { Run: 1, Finish: 1 },
    },
  });
  const entered: string[] = [];
  let waitInput: unknown;
  const events = (async () => {
    for await (const event of execution.eventLogs) {
      if (event.type !== 'StateEntered') continue;
      entered.push(event.state.name);
      if (event.state.name === 'Wait') waitInput = event.state.input;
    }
  })();
  const outcome = await execution.result.then(
    () => 'SUCCEEDED',
    (error: unknown) => (error instanceof ExecutionError ? 'FAILED' : Promise.reject(error)),
  );
  await events;
  return { outcome, entered, runInputs, finishInputs, waitInput: waitInput as { wait?: { seconds: unknown } } };
}

test('a job of one segment is two state entries', async () => {
  const { outcome, entered, runInputs, finishInputs } = await execute([undefined]);

  expect(outcome).toBe('SUCCEEDED');
  expect(entered).toEqual(['Run', 'Finish']);
  expect(runInputs).toEqual([{ FunctionName: input.runner, Payload: input }]);
  expect(finishInputs).toEqual([{ FunctionName: Finish.Parameters.FunctionName, Payload: input }]);
});

test('a runner that goes on is invoked again, one state entry for each segment, with the next number', async () => {
  const { entered, runInputs } = await execute([
    functionError('JobContinue', '2'),
    functionError('JobContinue', '3'),
    undefined,
  ]);

  expect(entered).toEqual(['Run', 'Run', 'Run', 'Finish']);
  expect(runInputs.map(({ Payload }) => JSON.parse(Payload.last.Cause).errorMessage)).toEqual(['1', '2', '3']);
  expect(runInputs[2]?.Payload).toMatchObject({ job: 7, type: 'slow_nothing_job', token: 'abc' });
});

test('a runner that asks to wait is waited for, and goes on with the next number', async () => {
  const { entered, runInputs, waitInput } = await execute([functionError('JobWait', '2|3600'), undefined]);

  expect(entered).toEqual(['Run', 'Read wait', 'Wait', 'Run', 'Finish']);
  expect(waitInput.wait).toEqual({ seconds: 3600 });
  expect(JSON.parse(runInputs[1]?.Payload.last.Cause ?? '{}').errorMessage).toBe('2|3600');
});

test('only an invocation that was refused for throttling is tried again', async () => {
  const throttled = () => Object.assign(new Error('Rate Exceeded.'), { name: 'Lambda.TooManyRequestsException' });

  const { entered, runInputs } = await execute([throttled(), throttled(), undefined]);

  expect(runInputs).toHaveLength(3);
  expect(entered).toEqual(['Run', 'Finish']);
  expect(Run.Retry.flatMap(({ ErrorEquals }) => ErrorEquals)).toEqual(['Lambda.TooManyRequestsException']);
});

test.each(['RunRefused', 'Runtime.ExitError', 'Lambda.Unknown', 'Lambda.ServiceException', 'States.Timeout', 'Error'])(
  'after %s the body is not run again, and the finisher hears of it',
  async (name) => {
    const { outcome, runInputs, finishInputs } = await execute([functionError(name, 'It went wrong.')]);

    expect(outcome).toBe('SUCCEEDED');
    expect(runInputs).toHaveLength(1);
    expect(finishInputs[0]?.Payload['error']).toMatchObject({
      Error: name,
      Cause: expect.stringContaining('It went wrong.'),
    });
  },
);

test('a finisher that fails is tried again, and when it never succeeds the execution fails', async () => {
  const down = new Error('The table did not take a write.');

  const recovered = await execute([undefined], [down, down, undefined]);
  const lost = await execute([undefined], Array(11).fill(down));

  expect(recovered).toMatchObject({ outcome: 'SUCCEEDED', entered: ['Run', 'Finish'] });
  expect(lost.outcome).toBe('FAILED');
  expect(lost.finishInputs).toHaveLength(11);
});

test('a finisher that says that the run goes on leads back to the runner, which forgets what broke it', async () => {
  const killed = functionError('Runtime.ExitError', 'Runtime exited with error: signal: killed');

  const { outcome, entered, runInputs, finishInputs } = await execute(
    [killed, undefined],
    [functionError('JobWait', '2|10'), undefined],
  );

  expect(outcome).toBe('SUCCEEDED');
  expect(entered).toEqual(['Run', 'Finish', 'Read wait', 'Wait', 'Run', 'Finish']);
  expect(JSON.parse(runInputs[1]?.Payload.last.Cause ?? '{}').errorMessage).toBe('2|10');
  expect(runInputs[1]?.Payload).toMatchObject({ ...input, last: { Error: 'JobWait' } });
  expect(finishInputs[0]?.Payload).toHaveProperty('error');
  expect(finishInputs[1]?.Payload).not.toHaveProperty('error');
});

test('every task has a timeout, longer than its function may take', () => {
  expect(Run.TimeoutSeconds).toBeGreaterThan(900);
  expect(Finish.TimeoutSeconds).toBeGreaterThan(finisherTimeoutSeconds);
  expect(Wait.SecondsPath).toBe('$.wait.seconds');
});

test('the definition is JSONPath without the context object', () => {
  expect(JSON.stringify(definition)).not.toMatch(/\$\$|JSONata|"Assign"/);
});
