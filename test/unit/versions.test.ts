// Which published versions of a runner stay, and which are deleted when the next one is registered.
import {
  DeleteFunctionCommand,
  LambdaClient,
  ListVersionsByFunctionCommand,
  ResourceConflictException,
} from '@aws-sdk/client-lambda';
import { mockClient } from 'aws-sdk-client-mock';
import { describe, expect, test } from 'vitest';
import { deleteVersions, versionOf } from '../../aws/versions.ts';
import { registeredRunners, tidyVersions } from '../../functions/versions.ts';
import { claimNow, concurrent, makeWorld, openTestTable, queue, serial } from './service-helpers.ts';

const functionName = 'arn:aws:lambda:eu-west-1:123456789012:function:reports';
const other = 'arn:aws:lambda:eu-west-1:123456789012:function:labels';

/** A Lambda that has these versions, two on a page. No emulator of a whole region's Lambda is at hand in a unit test. */
function withVersions(...versions: string[]) {
  const client = new LambdaClient({ region: 'eu-west-1', maxAttempts: 1 });
  const mock = mockClient(client);
  mock.on(ListVersionsByFunctionCommand).callsFake(({ Marker: marker = '0' }: { Marker?: string }) => {
    const from = Number(marker);
    return {
      Versions: versions.slice(from, from + 2).map((Version) => ({ Version })),
      ...(from + 2 < versions.length && { NextMarker: String(from + 2) }),
    };
  });
  mock.on(DeleteFunctionCommand).resolves({});
  const deleted = () => mock.commandCalls(DeleteFunctionCommand).map(({ args: [{ input }] }) => input);
  return { client, mock, deleted };
}

describe('the ARN of a runner', () => {
  test.each([
    [`${functionName}:12`, { functionName, version: '12' }],
    [functionName, undefined],
    [`${functionName}:$LATEST`, undefined],
    [`${functionName}:live`, undefined],
    ['reports:3', { functionName: 'reports', version: '3' }],
    ['', undefined],
  ])('%s names the version %j', (arn, named) => {
    expect(versionOf(arn)).toEqual(named);
  });
});

test('versions are looked for on all pages, and the function itself is never deleted', async () => {
  const { client, deleted } = withVersions('$LATEST', '1', '2', '3', '4');

  expect(await deleteVersions(client, functionName, new Set(['2', '4']))).toEqual(['1', '3']);
  expect(deleted()).toEqual([
    { FunctionName: functionName, Qualifier: '1' },
    { FunctionName: functionName, Qualifier: '3' },
  ]);
});

describe('after a registration', () => {
  test('the registered version, the one before it, and those of jobs that hold a slot stay', async () => {
    const world = await makeWorld({
      free_job: { ...concurrent, runner: `${functionName}:7` },
      serial_job: { ...serial, runner: `${other}:2` },
    });
    await queue(world, [1, 'free_job'], [2, 'free_job']);
    await claimNow(world, 1, 'free_job', { type: { ...concurrent, runner: `${functionName}:3` } });
    const { client, deleted } = withVersions('$LATEST', '1', '2', '3', '4', '5', '6', '7');

    const gone = await tidyVersions(world.table, client, `${functionName}:7`, [`${functionName}:6`, `${other}:5`]);

    expect(gone).toEqual(['1', '2', '4', '5']);
    expect(deleted().every(({ FunctionName }) => FunctionName === functionName)).toBe(true);
  });

  test('a function that is registered without a version is left alone', async () => {
    const world = await makeWorld();
    const { client, mock } = withVersions('$LATEST', '1');

    expect(await tidyVersions(world.table, client, functionName, [])).toEqual([]);
    expect(mock.calls()).toEqual([]);
  });

  test('a version that cannot be deleted is said, after those before it are gone', async () => {
    const world = await makeWorld();
    const { client, mock, deleted } = withVersions('1', '2', '3');
    // "You can't delete a version that an alias references" (Lambda API Reference, DeleteFunction).
    mock
      .on(DeleteFunctionCommand, { Qualifier: '2' })
      .rejects(new ResourceConflictException({ message: 'An alias refers to it.', $metadata: {} }));

    await expect(tidyVersions(world.table, client, `${functionName}:3`, [])).rejects.toThrow('An alias refers to it.');
    expect(deleted().map(({ Qualifier }) => Qualifier)).toEqual(['1', '2']);
  });
});

test('what is registered at a moment is all runners of the settings, and nothing before the first deploy', async () => {
  const world = await makeWorld({ free_job: { ...concurrent, runner: `${functionName}:7` } });

  expect(await registeredRunners(world.table)).toEqual([`${functionName}:7`]);
  expect(await registeredRunners(await openTestTable())).toEqual([]);
});
