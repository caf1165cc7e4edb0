// Expectations: https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html,
// …/api/API_ListVersionsByFunction.html, …/api/API_DeleteFunction.html, and
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-version.html.
import { rmSync } from 'node:fs';
import {
  DeleteFunctionCommand,
  InvokeCommand,
  LambdaClient,
  ListVersionsByFunctionCommand,
  paginateListVersionsByFunction,
} from '@aws-sdk/client-lambda';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../helpers/wait.ts';
import { type AssemblyParts, clientFor, isGone, runAssembly, scratchDir, writeAssembly } from './assembly.ts';

const arn = 'arn:aws:lambda:us-east-1:000000000000:function:Fn';

/** Answers with what it is, and waits for so long. */
const source = (code: string) => `export const handler = async ({ ms = 0 }, context) => {
  if (ms) console.log('waits');
  await new Promise((done) => setTimeout(done, ms));
  return { code: '${code}', own: process.env.OWN, version: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    context: context.functionVersion, arn: context.invokedFunctionArn, pid: process.pid }; };`;

const retained = { DeletionPolicy: 'RetainExceptOnCreate', UpdateReplacePolicy: 'Retain' };

/** A function of this code, with a version for each logical id. */
function parts(code: string, versions: Readonly<Record<string, object>>): AssemblyParts {
  const resources = Object.entries(versions).map(([id, policy]) => [
    id,
    { Type: 'AWS::Lambda::Version', Properties: { FunctionName: { Ref: 'Fn' } }, ...policy },
  ]);
  const outputs = Object.keys(versions).flatMap((id) => [
    [id, { Ref: id }] as const,
    [`${id}Number`, { 'Fn::GetAtt': [id, 'Version'] }] as const,
  ]);
  return {
    functions: {
      Fn: { source: source(code), isolation: 'process', properties: { Environment: { Variables: { OWN: code } } } },
    },
    resources: Object.fromEntries(resources),
    outputs: Object.fromEntries(outputs),
  };
}

const clientOf = (stack: Parameters<typeof clientFor>[0]) => new LambdaClient(clientFor(stack, 'lambda'));

async function invoke(client: LambdaClient, FunctionName: string, event: object = {}, Qualifier?: string) {
  const answer = await client.send(
    new InvokeCommand({ FunctionName, Payload: JSON.stringify(event), ...(Qualifier && { Qualifier }) }),
  );
  const answered = JSON.parse(answer.Payload?.transformToString() ?? '') as Record<string, unknown> & { pid: number };
  return { executed: answer.ExecutedVersion, ...answered };
}

/** Their numbers. */
async function list(client: LambdaClient, pageSize?: number) {
  const numbers: (string | undefined)[] = [];
  const config = { client, ...(pageSize !== undefined && { pageSize }) };
  for await (const { Versions = [] } of paginateListVersionsByFunction(config, { FunctionName: 'Fn' }))
    numbers.push(...Versions.map(({ Version }) => Version));
  return numbers;
}

describe('a version', () => {
  test('is an ARN with a number, and runs as itself', async () => {
    const stack = await runAssembly(parts('a', { V: retained }));
    const client = clientOf(stack);

    expect(stack.outputs).toEqual({ V: `${arn}:1`, VNumber: '1' });
    for (const name of ['Fn:1', `${arn}:1`])
      expect(await invoke(client, name)).toMatchObject({
        executed: '1',
        code: 'a',
        version: '1',
        context: '1',
        arn: `${arn}:1`,
      });
    expect(await invoke(client, 'Fn', {}, '1')).toMatchObject({ executed: '1' });
    expect(await invoke(client, 'Fn')).toMatchObject({ executed: '$LATEST', version: '$LATEST', arn });
    await expect(invoke(client, 'Fn:2')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });

  test('keeps its code, environment and processes when the function changes', async () => {
    const stack = await runAssembly(parts('a', { V: retained }));
    const client = clientOf(stack);
    const before = await invoke(client, `${arn}:1`);

    await stack.deploy(writeAssembly(parts('b', { W: retained })));

    expect(await invoke(client, `${arn}:1`)).toEqual(before);
    expect(await invoke(client, `${arn}:2`)).toMatchObject({ code: 'b', own: 'b', version: '2' });
    expect(await invoke(client, 'Fn')).toMatchObject({ code: 'b', version: '$LATEST' });
    expect(stack.pids('Fn')).toContain(before.pid);
  });

  test('is the same for the same resource, and its number is never given again', async () => {
    const stateDir = scratchDir();
    const first = await runAssembly(parts('a', { V: {} }), { stateDir });
    await first.stop();
    const same = await runAssembly(parts('a', { V: {} }), { stateDir });
    expect(same.outputs).toEqual({ V: `${arn}:1`, VNumber: '1' });
    await same.stop();

    const other = await runAssembly(parts('b', { W: {} }), { stateDir });
    expect(other.outputs).toEqual({ W: `${arn}:2`, WNumber: '2' });
    expect(await list(clientOf(other))).toEqual(['$LATEST', '2']);
    await other.stop();

    const again = await runAssembly(parts('a', { V: {} }), { stateDir });
    expect(again.outputs).toEqual({ V: `${arn}:3`, VNumber: '3' });
  });

  test('stays when its resource is gone and was to be retained, also over a restart', async () => {
    const stateDir = scratchDir();
    const assemblyDir = writeAssembly(parts('a', { V: retained }));
    await (await runAssembly({}, { stateDir, assemblyDir })).stop();
    writeAssembly(parts('b', { W: retained }), assemblyDir);

    const stack = await runAssembly({}, { stateDir, assemblyDir });
    const client = clientOf(stack);

    expect(await list(client)).toEqual(['$LATEST', '1', '2']);
    expect(await invoke(client, `${arn}:1`)).toMatchObject({ code: 'a', own: 'a', version: '1' });
    expect(await invoke(client, `${arn}:2`)).toMatchObject({ code: 'b', own: 'b', version: '2' });
  });

  test('that has lost its code is told and forgotten', async () => {
    const stateDir = scratchDir();
    const assemblyDir = writeAssembly(parts('a', { V: retained }));
    await (await runAssembly({}, { stateDir, assemblyDir })).stop();
    rmSync(assemblyDir, { recursive: true });

    const stack = await runAssembly(parts('b', { W: retained }), { stateDir });

    expect(stack.lines.join('\n')).toMatch(/Version 1 of Fn is forgotten: its code, .*, is gone\./);
    expect(await list(clientOf(stack))).toEqual(['$LATEST', '2']);
  });

  test('goes with its function', async () => {
    const stateDir = scratchDir();
    await (await runAssembly(parts('a', { V: retained }), { stateDir })).stop();
    await (await runAssembly({}, { stateDir })).stop();

    const stack = await runAssembly(parts('a', { V: retained }), { stateDir });

    expect(await list(clientOf(stack))).toEqual(['$LATEST', '1']);
  });

  test('of no function is refused', async () => {
    const resources = { V: { Type: 'AWS::Lambda::Version', Properties: { FunctionName: 'Gone' } } };

    await expect(runAssembly({ resources })).rejects.toThrow('published of Gone, which is no function here');
  });
});

describe('the API of versions', () => {
  test('lists them by number, $LATEST first, page by page', async () => {
    const stack = await runAssembly(parts('a', { V: {}, W: {}, X: {} }));
    const client = clientOf(stack);

    expect(await list(client)).toEqual(['$LATEST', '1', '2', '3']);
    expect(await list(client, 3)).toEqual(['$LATEST', '1', '2', '3']);
    const { Versions, NextMarker } = await client.send(
      new ListVersionsByFunctionCommand({ FunctionName: arn, MaxItems: 2 }),
    );
    expect(NextMarker).toEqual(expect.any(String));
    expect(Versions).toMatchObject([
      { FunctionName: 'Fn', FunctionArn: `${arn}:$LATEST`, Version: '$LATEST', Timeout: 10, MemorySize: 256 },
      { FunctionArn: `${arn}:1`, Handler: 'index.handler', LastModified: expect.stringMatching(/^\d{4}-.*\+0000$/) },
    ]);
    await expect(client.send(new ListVersionsByFunctionCommand({ FunctionName: 'Other' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });

  test('deletes one: its idle processes end, what runs of it does not', async () => {
    const stack = await runAssembly(parts('a', { V: {}, W: {} }));
    const client = clientOf(stack);
    const { pid } = await invoke(client, `${arn}:1`);
    await invoke(client, `${arn}:2`);
    const running = invoke(client, `${arn}:2`, { ms: 1_500 });
    await waitFor(() => expect(stack.lines).toContain('Fn: waits'));

    await client.send(new DeleteFunctionCommand({ FunctionName: 'Fn', Qualifier: '1' }));
    await client.send(new DeleteFunctionCommand({ FunctionName: `${arn}:2` }));

    await waitFor(() => expect(isGone(pid)).toBe(true));
    await expect(invoke(client, `${arn}:1`)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    expect(await running).toMatchObject({ version: '2' });
    expect(await list(client)).toEqual(['$LATEST']);
  });

  test('deletes no function, and nothing that is not there', async () => {
    const stack = await runAssembly(parts('a', { V: {} }));
    const client = clientOf(stack);
    const remove = (FunctionName: string, Qualifier?: string) =>
      client.send(new DeleteFunctionCommand({ FunctionName, ...(Qualifier && { Qualifier }) }));

    await expect(remove('Fn')).rejects.toMatchObject({ name: 'InvalidParameterValueException' });
    await expect(remove('Fn', '$LATEST')).rejects.toMatchObject({ name: 'InvalidParameterValueException' });
    await expect(remove('Fn', '7')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });
});

test('the limit of an invocation is shortened for functions that run in processes, and for no others', async () => {
  const left = 'export const handler = async (_, context) => context.getRemainingTimeInMillis();';
  const stack = await runAssembly(
    {
      functions: { Short: { source: left, isolation: 'process' }, Long: left },
      resources: { V: { Type: 'AWS::Lambda::Version', Properties: { FunctionName: { Ref: 'Short' } } } },
    },
    { invocationSeconds: 2 },
  );
  const client = clientOf(stack);
  const seconds = async (FunctionName: string) => {
    const { Payload } = await client.send(new InvokeCommand({ FunctionName }));
    return Math.ceil(Number(Payload?.transformToString()) / 1000);
  };

  expect([await seconds('Short'), await seconds('Short:1'), await seconds('Long')]).toEqual([2, 2, 10]);
});
