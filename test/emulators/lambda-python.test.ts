// Expectations: https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html, …/python-context.html,
// …/python-exceptions.html, and the wording of https://github.com/aws/aws-lambda-python-runtime-interface-client.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { describe, expect, test, vi } from 'vitest';
import { findPython, pythonMissing } from '../../local/lambda/python.ts';
import { startSandbox } from '../../local/lambda/sandbox.ts';
import { waitFor } from '../helpers/wait.ts';
import { clientFor, isGone, runAssembly, runSeparately, scratchDir, writeAssembly } from './assembly.ts';

const python = await findPython();
if (!python) console.warn(`Skipped: ${pythonMissing}`);

const inPython = (source: string, properties: object = {}) => ({
  source,
  file: 'index.py',
  properties: { Runtime: 'python3.13', ...properties },
});

async function start(sources: Readonly<Record<string, string>>, properties: object = {}) {
  const functions = Object.fromEntries(
    Object.entries(sources).map(([id, source]) => [id, inPython(source, properties)]),
  );
  const stack = await runAssembly({ functions });
  const client = new LambdaClient(clientFor(stack, 'lambda'));
  const invoke = async (name: string, event: unknown = {}) => {
    const answer = await client.send(new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event) }));
    return JSON.parse(answer.Payload?.transformToString() ?? 'null');
  };
  return { stack, invoke };
}

describe.skipIf(!python)('a function in Python', () => {
  test('gets its event, environment and context', async () => {
    const { stack, invoke } = await start(
      {
        Fn: `
import os
def handler(event, context):
    print("Größe", event["a"])
    return {
        "event": event, "left": context.get_remaining_time_in_millis(), "id": context.aws_request_id,
        "name": context.function_name, "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb,
        "own": os.environ["OWN"], "home": os.environ.get("HOME"), "region": os.environ["AWS_REGION"],
        "cwd": os.getcwd() == os.environ["LAMBDA_TASK_ROOT"],
    }`,
      },
      { Environment: { Variables: { OWN: 'mine' } } },
    );

    const answer = await invoke('Fn', { a: 'ü' });

    expect(answer).toMatchObject({
      event: { a: 'ü' },
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'Fn',
      arn: 'arn:aws:lambda:us-east-1:000000000000:function:Fn',
      memory: '256',
      own: 'mine',
      home: null,
      region: 'us-east-1',
      cwd: true,
    });
    expect(answer.left).toBeGreaterThan(9_000);
    expect(answer.left).toBeLessThanOrEqual(10_000);
    await waitFor(() => expect(stack.lines).toContain('Fn: Größe ü'));
  });

  test('fails with the class, message and stack of what it raises, and runs on', async () => {
    const { invoke } = await start({
      Fn: `
class Odd(Exception):
    pass
def handler(event, context):
    if event.get("fail"):
        raise Odd("no | never")
    return event.get("give", {1})`,
    });

    const thrown = await invoke('Fn', { fail: true });

    expect(Object.keys(thrown)).toEqual(['errorMessage', 'errorType', 'stackTrace', 'requestId']);
    expect(thrown).toMatchObject({ errorMessage: 'no | never', errorType: 'Odd' });
    expect(thrown.stackTrace.at(-1)).toContain('raise Odd("no | never")');
    expect(await invoke('Fn', { give: 3 })).toBe(3);
    expect(await invoke('Fn')).toMatchObject({ errorType: 'Runtime.MarshalError' });
  });

  test('that does not load says why', async () => {
    const { invoke } = await start({
      Missing: 'import no_such_package',
      Syntax: 'def handler(:',
      Unnamed: 'other = 1',
      Raises: 'raise ValueError("at load")',
    });

    expect(await invoke('Missing')).toMatchObject({
      errorType: 'Runtime.ImportModuleError',
      errorMessage: "Unable to import module 'index': No module named 'no_such_package'",
    });
    expect((await invoke('Syntax')).errorType).toBe('Runtime.UserCodeSyntaxError');
    expect((await invoke('Unnamed')).errorType).toBe('Runtime.HandlerNotFound');
    expect(await invoke('Raises')).toMatchObject({ errorType: 'ValueError', errorMessage: 'at load' });
  });

  test('that is too slow, exits or kills itself is gone, and the next event gets a new process', async () => {
    const source = `
import os, signal, sys
def handler(event, context):
    if event.get("how") == "slow":
        while True: pass
    if event.get("how") == "exit": sys.exit(3)
    if event.get("how") == "kill": os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()`;
    const { invoke } = await start({ Fn: source }, { Timeout: 1 });

    const pid = await invoke('Fn');

    const message = (words: string) => ({ errorMessage: expect.stringMatching(words) });
    expect(await invoke('Fn', { how: 'slow' })).toMatchObject({
      errorType: 'Sandbox.Timedout',
      ...message('Task timed out after 1.00 seconds'),
    });
    expect(isGone(pid)).toBe(true);
    expect(await invoke('Fn', { how: 'exit' })).toMatchObject({
      errorType: 'Runtime.ExitError',
      ...message('exit status 3'),
    });
    expect(await invoke('Fn', { how: 'kill' })).toMatchObject({
      errorType: 'Runtime.ExitError',
      ...message('signal: killed'),
    });
    expect(await invoke('Fn')).not.toBe(pid);
  });

  test('leaves nothing in the folder of its code', async () => {
    const dir = scratchDir();
    const assemblyDir = writeAssembly({ functions: { Fn: inPython('def handler(event, context): return 1') } }, dir);
    const stack = await runAssembly({}, { assemblyDir });
    const client = new LambdaClient(clientFor(stack, 'lambda'));

    await client.send(new InvokeCommand({ FunctionName: 'Fn' }));

    expect(existsSync(join(dir, 'asset.Fn', '__pycache__'))).toBe(false);
  });

  test('ends with the stack, however that goes, and all it spawned with it', async () => {
    const source = `
import subprocess
def handler(event, context):
    child = subprocess.Popen(["sleep", "600"])
    return [__import__("os").getpid(), child.pid]`;
    const dir = scratchDir();
    const { process: main, stack } = await runSeparately(
      writeAssembly({ functions: { Fn: inPython(source) } }, dir),
      join(dir, 'state'),
    );
    const client = new LambdaClient(clientFor(stack, 'lambda'));
    const answer = await client.send(new InvokeCommand({ FunctionName: 'Fn' }));
    const pids = JSON.parse(answer.Payload?.transformToString() ?? '[]') as number[];

    main.kill('SIGKILL');

    await waitFor(() => expect(pids.map(isGone)).toEqual([true, true]));
  });
});

test('without a Python of use, every invocation says so', async () => {
  const log = vi.fn();
  const sandbox = startSandbox(
    {
      name: 'Fn',
      arn: 'arn',
      dir: '.',
      handler: 'index.handler',
      environment: {},
      memoryMb: 128,
      timeoutMs: 1_000,
      isolation: 'process',
      python: { path: undefined },
    },
    log,
    () => undefined,
  );

  expect(await sandbox.invoke('1', '{}')).toEqual({
    kind: 'error',
    error: { errorType: 'Runtime.ImportModuleError', errorMessage: pythonMissing },
  });
  expect(sandbox.isAlive()).toBe(false);
});
