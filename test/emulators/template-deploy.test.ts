// Expectations: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks.html,
// …/using-cfn-updating-stacks-update-behaviors.html, …/stack-failure-options.html (rollback) and
// …/using-cfn-stack-exports.html.
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../helpers/wait.ts';
import {
  type AssemblyParts,
  clientFor,
  isGone,
  runAssembly,
  scratchDir,
  type TestStack,
  writeAssembly,
} from './assembly.ts';

const code = (word: string) => `export const handler = async ({ ms = 0 }) => {
  if (ms) console.log('waits');
  await new Promise((done) => setTimeout(done, ms)); return { word: '${word}', pid: process.pid }; };`;

/** Prints the request, and fails where a property asks for it. */
const provider = `export const handler = async (event) => {
  console.log(JSON.stringify(event));
  const { RequestId, StackId, LogicalResourceId, ResourceProperties: { Word } } = event;
  const PhysicalResourceId = event.PhysicalResourceId ?? 'made-' + LogicalResourceId;
  const Status = Word === 'bad' && event.RequestType !== 'Delete' ? 'FAILED' : 'SUCCESS';
  await fetch(event.ResponseURL, { method: 'PUT', body: JSON.stringify(
    { Status, Reason: 'the word is bad', RequestId, StackId, LogicalResourceId, PhysicalResourceId, Data: { Word } }) });
};`;

const custom = (properties: object) => ({
  Type: 'Custom::Own',
  Properties: { ServiceToken: { 'Fn::GetAtt': ['Provider', 'Arn'] }, ...properties },
});

const process = (word: string) => ({ source: code(word), isolation: 'process' as const });

const requests = (stack: TestStack) =>
  stack.lines
    .filter((line) => line.startsWith('Provider: {'))
    .map((line) => JSON.parse(line.slice('Provider: '.length)) as Record<string, unknown>);

function invokerOf(stack: TestStack) {
  const client = new LambdaClient(clientFor(stack, 'lambda'));
  return async (FunctionName: string, event: object = {}) => {
    const { Payload } = await client.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(event) }));
    return JSON.parse(Payload?.transformToString() ?? '') as { readonly word: string; readonly pid: number };
  };
}

describe('a deploy into a running stack', () => {
  test('changes what has changed: what runs ends undisturbed, and other functions keep their processes', async () => {
    const assemblyDir = writeAssembly({ functions: { A: process('old'), B: process('same') } });
    const stack = await runAssembly({}, { assemblyDir });
    const invoke = invokerOf(stack);
    const [a, b] = [await invoke('A'), await invoke('B')];
    const running = invoke('A', { ms: 1_500 });
    await waitFor(() => expect(stack.lines).toContain('A: waits'));

    writeAssembly({ functions: { A: process('new'), B: process('same') } }, assemblyDir);

    expect(await stack.deploy()).toEqual(['A']);
    expect((await invoke('A')).word).toBe('new');
    expect((await invoke('B')).pid).toBe(b.pid);
    expect(await running).toEqual(a);
    await waitFor(() => expect(isGone(a.pid)).toBe(true));
  });

  test('of the same template changes nothing', async () => {
    const assemblyDir = writeAssembly({
      functions: { A: process('same'), Provider: provider },
      resources: { Own: custom({ Word: 'a' }), V: { Type: 'AWS::Lambda::Version', Properties: { FunctionName: 'A' } } },
    });
    const stack = await runAssembly({}, { assemblyDir });
    const { pid } = await invokerOf(stack)('A');

    expect(await stack.deploy()).toEqual([]);
    expect((await invokerOf(stack)('A')).pid).toBe(pid);
    expect(requests(stack)).toHaveLength(1);
  });

  test('makes and deletes functions, and gives what is read afterwards', async () => {
    const stack = await runAssembly({ functions: { A: process('a') }, outputs: { Name: { Ref: 'A' } } });
    const invoke = invokerOf(stack);
    const { pid } = await invoke('A');

    await stack.deploy(writeAssembly({ functions: { B: process('b') }, outputs: { Name: { Ref: 'B' } } }));

    expect((await invoke('B')).word).toBe('b');
    await expect(invoke('A')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    await waitFor(() => expect(isGone(pid)).toBe(true));
    expect(stack.current()).toEqual({ outputs: { Name: 'B' }, resources: { B: 'B' } });
  });

  test('updates custom resources after what they refer to, and deletes those that are gone at the end', async () => {
    const parts = (word: string, resources: object): AssemblyParts => ({
      functions: { A: code(word), Provider: provider },
      resources: { ...resources },
    });
    const version = { Type: 'AWS::Lambda::Version', Properties: { FunctionName: { Ref: 'A' } } };
    const stack = await runAssembly(
      parts('old', { V: version, Own: custom({ Word: { Ref: 'V' } }), Gone: custom({ Word: 'g' }) }),
    );

    await stack.deploy(writeAssembly(parts('new', { W: version, Own: custom({ Word: { Ref: 'W' } }) })));

    const arn = 'arn:aws:lambda:us-east-1:000000000000:function:A';
    expect(requests(stack).slice(2)).toMatchObject([
      {
        RequestType: 'Update',
        LogicalResourceId: 'Own',
        ResourceProperties: { Word: `${arn}:2` },
        OldResourceProperties: { Word: `${arn}:1` },
      },
      { RequestType: 'Delete', LogicalResourceId: 'Gone', PhysicalResourceId: 'made-Gone' },
    ]);
    await expect(invokerOf(stack)('A:1')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });

  test('that fails says why and goes back to what was there', async () => {
    const parts = (word: string, first: string, second: string, more: object = {}): AssemblyParts => ({
      functions: { A: process(word), Provider: provider, ...(word === 'new' && { B: process('b') }) },
      resources: {
        First: custom({ Word: first }),
        Second: { ...custom({ Word: second }), DependsOn: ['First', ...Object.keys(more)] },
        ...more,
      },
    });
    const stack = await runAssembly(parts('old', 'a', 'a'));
    const { pid } = await invokerOf(stack)('A');
    const more = {
      V: { Type: 'AWS::Lambda::Version', Properties: { FunctionName: { Ref: 'A' } } },
      Third: custom({ Word: 'c' }),
    };

    await expect(stack.deploy(writeAssembly(parts('new', 'b', 'bad', more)))).rejects.toThrow(
      'Second (Custom::Own) failed: the word is bad',
    );

    expect(requests(stack).slice(2)).toMatchObject([
      { RequestType: 'Update', LogicalResourceId: 'First', ResourceProperties: { Word: 'b' } },
      { RequestType: 'Create', LogicalResourceId: 'Third' },
      { RequestType: 'Update', LogicalResourceId: 'Second', ResourceProperties: { Word: 'bad' } },
      { RequestType: 'Update', LogicalResourceId: 'First', ResourceProperties: { Word: 'a' } },
      { RequestType: 'Update', LogicalResourceId: 'Second', ResourceProperties: { Word: 'a' } },
      { RequestType: 'Delete', LogicalResourceId: 'Third' },
    ]);
    const after = await invokerOf(stack)('A');
    expect(after.word).toBe('old');
    expect(after.pid).not.toBe(pid);
    for (const name of ['A:1', 'B'])
      await expect(invokerOf(stack)(name)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    expect(await stack.deploy(writeAssembly(parts('newer', 'a', 'a')))).toEqual(['A']);
    expect((await invokerOf(stack)('A')).word).toBe('newer');
  });

  test('of anything else needs a restart, and touches nothing', async () => {
    const queue = { Type: 'AWS::SQS::Queue', Properties: { VisibilityTimeout: 30 } };
    const parts = (word: string, resources: object): AssemblyParts => ({
      functions: { A: process(word) },
      resources: { ...resources },
    });
    const stack = await runAssembly(parts('old', { Queue: queue, Logs: { Type: 'AWS::Logs::LogGroup' } }));
    const deploy = (resources: object) => stack.deploy(writeAssembly(parts('new', resources)));

    await expect(deploy({ Queue: { ...queue, Properties: { VisibilityTimeout: 31 } } })).rejects.toThrow(
      'Test has to be started again for what has changed: Queue (AWS::SQS::Queue).',
    );
    await expect(deploy({ Queue: queue, Bucket: { Type: 'AWS::S3::Bucket' } })).rejects.toThrow('Bucket (AWS::S3');
    await expect(deploy({})).rejects.toThrow('Queue (AWS::SQS::Queue)');
    expect((await invokerOf(stack)('A')).word).toBe('old');
    expect(await deploy({ Queue: queue, Role: { Type: 'AWS::IAM::Role' } })).toEqual(
      expect.arrayContaining(['A', 'Role', 'Logs']),
    );
  });
});

describe('several stacks', () => {
  /** A stack whose custom resource is made by the main stack's function. */
  const further = (stackName: string, word: string): AssemblyParts => ({
    stackName,
    functions: { Runner: { source: code(word), properties: { FunctionName: `${stackName}-Runner` } } },
    resources: {
      Own: {
        Type: 'Custom::Own',
        Properties: { ServiceToken: { 'Fn::ImportValue': 'main:provider' }, Word: { 'Fn::GetAtt': ['Runner', 'Arn'] } },
      },
    },
  });
  const main: AssemblyParts = {
    functions: { Provider: provider },
    resources: { Own: custom({ Word: 'main' }) },
    exports: { 'main:provider': { 'Fn::GetAtt': ['Provider', 'Arn'] } },
  };

  test('import from each other, with names and custom resources of their own', async () => {
    const stack = await runAssembly(main, { furtherAssemblyDirs: [writeAssembly(further('Other', 'x'))] });

    expect(await invokerOf(stack)('Other-Runner')).toMatchObject({ word: 'x' });
    expect(requests(stack)).toMatchObject([
      { RequestType: 'Create', LogicalResourceId: 'Own', StackId: expect.stringContaining(':stack/Test/') },
      {
        RequestType: 'Create',
        LogicalResourceId: 'Own',
        StackId: expect.stringContaining(':stack/Other/'),
        ResourceProperties: { Word: 'arn:aws:lambda:us-east-1:000000000000:function:Other-Runner' },
      },
    ]);
  });

  test('are deployed anew together, and a restart asks for nothing again', async () => {
    const stateDir = scratchDir();
    const dir = writeAssembly(further('Other', 'x'));
    const first = await runAssembly(main, { stateDir, furtherAssemblyDirs: [dir] });
    writeAssembly(further('Other', 'y'), dir);
    expect(await first.deploy()).toEqual(['Runner']);
    expect(await invokerOf(first)('Other-Runner')).toMatchObject({ word: 'y' });
    await first.stop();

    const second = await runAssembly(main, { stateDir, furtherAssemblyDirs: [dir] });
    expect(requests(second)).toEqual([]);
    await second.stop();
  });

  test('that are no longer given are deleted, with what the main one made kept', async () => {
    const stateDir = scratchDir();
    const dirs = [writeAssembly(further('Other', 'x'))];
    await (await runAssembly(main, { stateDir, furtherAssemblyDirs: dirs })).stop();

    const stack = await runAssembly(main, { stateDir });

    expect(requests(stack)).toMatchObject([
      { RequestType: 'Delete', LogicalResourceId: 'Own', StackId: expect.stringContaining(':stack/Other/') },
    ]);
    await stack.stop();
    expect(requests(await runAssembly(main, { stateDir }))).toEqual([]);
  });

  test('are refused where they import what nobody exports, export the same, or have the same name', async () => {
    const start = (...others: AssemblyParts[]) =>
      runAssembly(main, { furtherAssemblyDirs: others.map((parts) => writeAssembly(parts)) });

    const importing = { stackName: 'Other', outputs: { X: { 'Fn::ImportValue': 'main:queue' } } };
    await expect(start(importing)).rejects.toThrow(
      'no stack that was started before this one exports main:queue. Exported is main:provider.',
    );
    await expect(start({ stackName: 'Other', exports: { 'main:provider': 'x' } })).rejects.toThrow(
      'Test and Other both export main:provider',
    );
    await expect(start({})).rejects.toThrow('Two stacks are called Test');
  });
});
