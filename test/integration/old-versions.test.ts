// Old code of a runner stays as long as a job runs on it, and no longer.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { LambdaClient, ListVersionsByFunctionCommand } from '@aws-sdk/client-lambda';
import { afterAll, expect, test } from 'vitest';
import { physical, useService } from '../helpers/stack.ts';

const folder = mkdtempSync(join(tmpdir(), 'old-versions-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const gate = join(folder, 'gate');
const plugin = join(folder, 'pinned');

/** Has a segment each second until the gate is open. */
const save = (word: string) =>
  writeFileSync(
    join(plugin, 'runner.ts'),
    `
import { existsSync } from 'node:fs';
import { runner } from ${JSON.stringify(resolve('runners/sdk/run.ts'))};
export const run = async (ctx) => {
  if (!existsSync(${JSON.stringify(gate)})) await ctx.wait(1, {});
  ctx.log('${word}');
};
export const handler = runner(run);
`,
  );

mkdirSync(join(plugin, 'schemas'), { recursive: true });
writeFileSync(join(plugin, 'manifest.json'), '{"types": {"pinned_job": {}}}');
writeFileSync(join(plugin, 'schemas', 'pinned_job.json'), '{"$id": "pinned_job", "type": "object"}');
save('first');
const stack = useService({ plugins: [plugin] });

async function deploy(word: string): Promise<void> {
  save(word);
  await stack.service.deploy();
}

async function versions(): Promise<readonly string[]> {
  const { endpoints, region } = stack.service.stack;
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const client = new LambdaClient({ region, endpoint: endpoints.lambda, credentials });
  try {
    const { Versions: found = [] } = await client.send(
      new ListVersionsByFunctionCommand({ FunctionName: physical(stack.service, /^RunnerPinned[0-9A-F]{8}$/) }),
    );
    return found.flatMap(({ Version: version }) => (version === undefined || version === '$LATEST' ? [] : [version]));
  } finally {
    client.destroy();
  }
}

test('a version goes at a deploy when no job runs on it and it is not the last but one', async () => {
  const archivist = await stack.as('archivist');
  const running = await archivist.create('pinned_job');
  await archivist.until(running, 'running');
  expect(await versions()).toEqual(['1']);

  await deploy('second');
  await deploy('third');
  await deploy('fourth');
  // The function tidies up after it has answered.
  await expect.poll(versions).toEqual(['1', '3', '4']);

  writeFileSync(gate, '');
  await archivist.until(running, 'completed');
  expect(await archivist.log(running)).toBe('first\n');
  await deploy('fifth');
  await expect.poll(versions).toEqual(['4', '5']);
});
