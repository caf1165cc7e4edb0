// Expectations: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html (requests, responses,
// 4096 bytes) and …/aws-resource-cfn-customresource.html (values reach the function as strings).
import { expect, test } from 'vitest';
import { runAssembly, scratchDir } from './assembly.ts';

/** Prints the request and answers with what the properties ask for. */
const provider = `export const handler = async (event) => {
  console.log(JSON.stringify(event));
  const { Status = 'SUCCESS', Reason, Pad } = event.ResourceProperties;
  const { RequestId, StackId, LogicalResourceId } = event;
  const Data = { Word: event.ResourceProperties.Word, Pad: 'x'.repeat(Number(Pad ?? 0)) };
  const body = JSON.stringify({ Status, Reason, RequestId, StackId, LogicalResourceId, Data,
    PhysicalResourceId: event.PhysicalResourceId ?? 'physical-1' });
  await fetch(event.ResponseURL, { method: 'PUT', body });
};`;

function parts(properties: object, source = provider) {
  return {
    functions: { Provider: source },
    resources: {
      Own: {
        Type: 'Custom::Own',
        Properties: { ServiceToken: { 'Fn::GetAtt': ['Provider', 'Arn'] }, ...properties },
      },
    },
    outputs: { Ref: { Ref: 'Own' }, Word: { 'Fn::GetAtt': ['Own', 'Word'] } },
  };
}

function requests(stack: { readonly lines: readonly string[] }) {
  return stack.lines.filter((line) => line.startsWith('Provider: {')).map((line) => JSON.parse(line.slice(10)));
}

test('a custom resource is created by its function, and its attributes are there for others', async () => {
  const stack = await runAssembly(parts({ Word: 'a', Count: 2, Flag: true, List: [{ n: 1 }] }));

  const [request] = requests(stack);
  expect(request).toMatchObject({
    RequestType: 'Create',
    ResponseURL: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\//),
    StackId: expect.stringMatching(/^arn:aws:cloudformation:us-east-1:000000000000:stack\/Test\//),
    RequestId: expect.any(String),
    ResourceType: 'Custom::Own',
    LogicalResourceId: 'Own',
    ResourceProperties: {
      ServiceToken: 'arn:aws:lambda:us-east-1:000000000000:function:Provider',
      Word: 'a',
      Count: '2',
      Flag: 'true',
      List: [{ n: '1' }],
    },
  });
  expect(request).not.toHaveProperty('PhysicalResourceId');
  expect(stack.outputs).toEqual({ Ref: 'physical-1', Word: 'a' });
});

test('after a restart only changed properties are an Update, with the old ones', async () => {
  const stateDir = scratchDir();
  const first = await runAssembly(parts({ Word: 'a' }), { stateDir });
  await first.stop();

  const same = await runAssembly(parts({ Word: 'a' }), { stateDir });
  expect(requests(same)).toEqual([]);
  expect(same.outputs).toEqual({ Ref: 'physical-1', Word: 'a' });
  await same.stop();

  const changed = await runAssembly(parts({ Word: 'b' }), { stateDir });
  expect(requests(changed)).toMatchObject([
    {
      RequestType: 'Update',
      PhysicalResourceId: 'physical-1',
      OldResourceProperties: { Word: 'a' },
      ResourceProperties: { Word: 'b' },
    },
  ]);
  expect(changed.outputs['Word']).toBe('b');
});

test('a resource that left the template is deleted by its function', async () => {
  const stateDir = scratchDir();
  const { functions, resources } = parts({ Word: 'a' });
  const first = await runAssembly({ functions, resources }, { stateDir });
  await first.stop();

  const without = await runAssembly({ functions }, { stateDir });
  expect(requests(without)).toMatchObject([
    { RequestType: 'Delete', PhysicalResourceId: 'physical-1', ResourceProperties: { Word: 'a' } },
  ]);
  await without.stop();

  expect(requests(await runAssembly({ functions }, { stateDir }))).toEqual([]);
});

test('FAILED ends the start with its reason, and is tried again at the next one', async () => {
  const stateDir = scratchDir();

  await expect(runAssembly(parts({ Status: 'FAILED', Reason: 'no such type' }), { stateDir })).rejects.toThrow(
    'Own (Custom::Own) failed: no such type',
  );

  const again = await runAssembly(parts({ Word: 'a' }), { stateDir });
  expect(requests(again)).toMatchObject([{ RequestType: 'Create' }]);
});

test('a function that fails, or answers with too much, ends the start', async () => {
  await expect(
    runAssembly(parts({}, `export const handler = async () => { throw new Error('broken'); };`)),
  ).rejects.toThrow(/Own: its function .* failed: Error: broken/);
  await expect(runAssembly(parts({ Pad: 5000 }))).rejects.toThrow('Response object is too long');
});
