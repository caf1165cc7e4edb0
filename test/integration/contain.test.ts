// Runners that keep to no protocol, and what staff and other jobs notice of them: one job that failed, with a reason.
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { describe, expect, test } from 'vitest';
import { board, physical, useService } from '../helpers/stack.ts';

const stack = useService({ jobThreadCount: 3, plugins: ['test/plugins/jobs_test', 'test/plugins/rogue_test'] });

/** The sweep, now: locally it comes each minute, too. */
async function sweep(): Promise<void> {
  const { stack: local } = stack.service;
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const client = new LambdaClient({ endpoint: local.endpoints.lambda, region: local.region, credentials });
  await client.send(new InvokeCommand({ FunctionName: physical(stack.service, /^Sweep[0-9A-F]{8}$/), Payload: '{}' }));
  client.destroy();
}

async function freed(): Promise<void> {
  await expect.poll(() => board(stack.service)).toEqual([]);
}

describe('a runner', () => {
  test.each<[does: string, kind: string, reason: RegExp]>([
    ['return nonsense', 'protocol', /^The runner returned without saying how the job ended\.$/],
    ['throw nonsense', 'runner_error', /^The runner failed: /],
    ['throw a wall of text', 'runner_error', /^The runner failed: Error: .{1,200}\.$/],
    // Step Functions quotas: 256 KiB for what a state hands on.
    ['throw more than the state machine takes', 'stopped', /stopped from outside, or broke down/],
    ['go on without a number', 'stopped', /stopped from outside, or broke down/],
    ['say an unknown end', 'protocol', /did not say in a readable way/],
    ['say numbers that are none', 'protocol', /without saying how the job ended/],
  ])('that would %s fails its job readably, whose views all answer', async (does, kind, reason) => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('rogue_job', { does });

    const { failure } = await archivist.until(uri, 'failed');

    expect(failure).toEqual({ kind, reason: expect.stringMatching(reason) });
    for (const view of ['', '/log', '/records?page=1', '/files', '/output_files', '/status', '/events']) {
      const { status, text } = await archivist.get(`${uri}${view}`);
      expect(status, `${view}: ${text}`).toBe(200);
    }
    await freed();
    await archivist.until(await archivist.create('quick_job'), 'completed');
  });

  test('that would take another token loses its job, which the sweep ends', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('rogue_job', { does: 'take another token' });
    await archivist.until(uri, 'running');
    await freed();

    await sweep();

    expect((await archivist.until(uri, 'failed')).failure).toMatchObject({ kind: 'stopped' });
  });

  test('that would write after its end has written that for nobody', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('rogue_job', { does: 'write after the end' });

    await archivist.until(uri, 'completed');

    expect(await archivist.log(uri)).toBe('before');
    expect((await archivist.get<unknown[]>(`${uri}/records?page=1`)).text).not.toContain('resources/1');
    const { files } = (await archivist.get<{ files: { name: string }[] }>(`${uri}/files`)).body;
    expect(files.map(({ name }) => name)).toEqual(['before.txt']);
  });

  test('that would name its files as paths has them called by a name, as plain bytes', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('rogue_job', { does: 'name files as paths' });
    await archivist.until(uri, 'completed');

    const { files } = (await archivist.get<{ files: { name: string; content_type: string }[] }>(`${uri}/files`)).body;

    expect(files.map(({ name }) => name)).toEqual(['x', 'a"; filename="b.exe', 'file', 'x.dll', 'x'.repeat(255)]);
    for (const [n] of files.entries()) {
      const { status, headers, text } = await archivist.get(`${uri}/output_files/${n + 1}`);
      expect([status, text]).toEqual([200, 'bytes']);
      expect(headers.get('content-type')).toBe('application/octet-stream');
      expect(headers.get('content-disposition')).toMatch(
        /^attachment; filename="[^"/\\]*"; filename\*=UTF-8''[^/\\]*$/,
      );
      expect(headers.get('set-cookie')).toBeNull();
    }
  });

  test('that would never look at a cancel is settled by the sweep, and holds its slot until its process has ended', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('rogue_job', { does: 'never look at a cancel' });
    await expect.poll(async () => (await board(stack.service)).length).toBe(1);
    await archivist.until(uri, 'running');

    await archivist.cancel(uri);

    await expect
      .poll(
        async () => {
          await sweep();
          return (await archivist.show(uri)).status;
        },
        { timeout: 20_000, interval: 500 },
      )
      .toBe('canceled');
    expect(await board(stack.service)).toHaveLength(1);
    await archivist.until(await archivist.create('quick_job'), 'completed');
    await freed();
  });
});

describe('a runner with the SDK that', () => {
  test('names an output ../../x fails with that name', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('faulty_job', { fault: 'path' });

    const { failure } = await archivist.until(uri, 'failed');

    expect(failure?.reason).toMatch(/^"\.\.\/\.\.\/x" is not a file's name/);
  });

  test('logs a gigabyte fills its own log and nobody else’s time', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('faulty_job', { fault: 'flood' });
    await archivist.until(uri, 'running');

    const others = await Promise.all([archivist.create('quick_job'), archivist.create('quick_job')]);
    for (const other of others) await archivist.until(other, 'completed');

    // On a slow machine its Lambda's time ends before 64 MB are written; that ends the job, and readably too.
    await expect.poll(async () => (await archivist.show(uri)).status, { timeout: 30_000 }).toMatch(/completed|failed/);
    const { status, failure } = await archivist.show(uri);
    expect(failure?.kind).toBe(status === 'completed' ? undefined : 'timed_out');
    const end = Number((await archivist.get(`${uri}/log?offset=0`)).headers.get('x-job-log-end'));
    expect(end).toBeGreaterThan(1_048_576);
    expect(end).toBeLessThan(65 * 1_048_576);
    if (status === 'completed')
      expect(await archivist.log(uri, end - 60)).toMatch(/at 67108864 bytes; further lines are dropped\.\n$/);
  });
});
