// Runners in Python, each in a process as Lambda has it: the sample of examples/, and one that does what it is told.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { findPython, pythonMissing } from '../../local/lambda/python.ts';
import { board, items, person, physical, useService } from '../helpers/stack.ts';
import { waitFor } from '../helpers/wait.ts';

const python = await findPython();
if (!python) console.warn(`Skipped: ${pythonMissing}`);

const scratch = mkdtempSync(join(tmpdir(), 'python-plugins-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const source = 'test/plugins/python_test';

/** A plugin's folder with the runner that does what it is told, and the client beside it. */
function makePlugin(name: string): string {
  const folder = join(scratch, name);
  cpSync(source, folder, { recursive: true });
  cpSync('examples/python_lines/background_jobs.py', join(folder, 'background_jobs.py'));
  return folder;
}

/** The same, for jobs that go on in other invocations: each lasts 3 seconds. */
function makeShortPlugin(): string {
  const folder = makePlugin('python_short');
  const type = 'python_short_job';
  const schema = JSON.parse(readFileSync(join(source, 'schemas/python_job.json'), 'utf8')) as { properties: object };
  rmSync(join(folder, 'schemas'), { recursive: true });
  mkdirSync(join(folder, 'schemas'));
  const properties = { ...schema.properties, jsonmodel_type: { const: type } };
  writeFileSync(join(folder, `schemas/${type}.json`), JSON.stringify({ ...schema, $id: type, properties }));
  const options = { run_concurrently: true, resumable: true };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ types: { [type]: options }, timeout_seconds: 3 }));
  return folder;
}

describe.skipIf(!python)('a job whose runner is in Python', () => {
  const stack = useService({ plugins: [makePlugin('python_test'), makeShortPlugin(), 'examples/python_lines'] });

  const runOf = async (uri: string) => {
    const id = Number(uri.split('/').at(-1));
    const run = (await items(stack.service)).find((item) => item['sk'] === 'RUN' && item['id'] === id);
    if (!run) throw new Error(`${uri} has no run.`);
    return run;
  };
  const begun = (uri: string) =>
    waitFor(async () => {
      const run = await runOf(uri);
      if (!run['open']) throw new Error('no segment yet');
      return run;
    });

  test('completes, with its log, progress, records and files', async () => {
    const archivist = await stack.as('archivist');
    const { body, text } = await archivist.upload({ jsonmodel_type: 'python_lines_job' }, [
      { field: 'files[]', name: 'příklad.txt', content: 'one\ntwo\nthree' },
      { field: 'files[]', name: 'empty.txt', content: '' },
    ]);
    expect(body.uri, text).toBeDefined();

    await archivist.until(body.uri, 'completed');

    expect((await runOf(body.uri))['progress']).toEqual({ done: 13, total: 13, message: 'bytes' });
    expect(await archivist.log(body.uri)).toBe('příklad.txt: 3 lines\nempty.txt: 0 lines\n');
    const table = await archivist.get<string>(`${body.uri}/output_files/3`);
    expect(table.text).toBe('file,lines\npříklad.txt,3\nempty.txt,0\n');
    expect(table.headers.get('content-disposition')).toContain('lines.csv');
  });

  test('asks ArchivesSpace as its owner', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('python_job', { do: ['ask', 'record'] });

    await archivist.until(uri, 'completed');

    expect(await archivist.log(uri)).toMatch(/^ask in segment 1\n\d{3}\n/);
    const { body } = await archivist.get<{ results: { record: { ref: string } }[] }>(`${uri}/records?page=1`);
    expect(body.results.map(({ record }) => record.ref).sort()).toEqual(['/repositories/2/resources/1', '/subjects/7']);
  });

  test('sees that it is canceled', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('python_job', { do: ['pause 30', 'log 1'] });
    await expect.poll(() => archivist.log(uri)).toContain('pause 30');

    const from = Date.now();
    await archivist.cancel(uri);
    await archivist.until(uri, 'canceled');

    expect(Date.now() - from).toBeLessThan(4_000);
    expect(await archivist.log(uri)).toBe('pause 30 in segment 1\nstopped early\n');
    await expect.poll(() => board(stack.service)).toEqual([]);
  });

  test('is killed after its grace time when it is deaf, and only then frees its slot', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('python_job', { do: ['loop'] });
    await begun(uri);
    const pids = () => stack.service.stack.pids(physical(stack.service, /^RunnerPythonTest[0-9A-F]{8}$/));
    const before = pids();

    const from = Date.now();
    await archivist.cancel(uri);
    expect(await board(stack.service)).toHaveLength(1);
    await archivist.until(uri, 'canceled');

    expect(Date.now() - from).toBeGreaterThan(2_000);
    expect(Date.now() - from).toBeLessThan(7_000);
    expect(before.some((pid) => !pids().includes(pid))).toBe(true);
    expect(stack.printed.some((line) => line.includes('Ending the process: its grace time is over.'))).toBe(true);
    await expect.poll(() => board(stack.service)).toEqual([]);
  });

  test.each([
    ['fail', 'runner_error', /^The cupboard is bare\.$/],
    ['exit', 'crashed', /process ended unexpectedly \(Runtime\.ExitError: .*exit status 3\)/],
    ['kill 1', 'crashed', /process ended unexpectedly \(Runtime\.ExitError: .*signal: killed\)/],
  ])('fails with a reason that staff can read: %s', async (step, kind, reason) => {
    const archivist = await stack.as('archivist');

    const uri = await archivist.create('python_job', { do: [step] });

    const { failure } = await archivist.until(uri, 'failed');
    expect(failure).toEqual({ kind, reason: expect.stringMatching(reason) });
    await expect.poll(() => board(stack.service)).toEqual([]);
  });

  test('runs its body once, however often its segment is invoked', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('python_job', { do: ['pause 3'] });
    const { id: job, type, token } = await begun(uri);
    const { endpoints, region } = stack.service.stack;
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    const lambda = new LambdaClient({ endpoint: endpoints.lambda, region, credentials });
    const last = { Error: 'JobContinue', Cause: '{"errorMessage":"1"}' };

    const again = await lambda.send(
      new InvokeCommand({
        FunctionName: physical(stack.service, /^RunnerPythonTest[0-9A-F]{8}$/),
        Payload: JSON.stringify({ job, type, token, runner: 'arn', correlation: 'c', last }),
      }),
    );
    lambda.destroy();

    expect(again.FunctionError).toBe('Unhandled');
    expect(JSON.parse(again.Payload?.transformToString() ?? '')).toMatchObject({ errorType: 'RunRefused' });
    await archivist.until(uri, 'completed');
    expect(await archivist.log(uri)).toBe('pause 3 in segment 1\n');
  });

  test('goes on over several invocations, with one log and its files', async () => {
    const archivist = await stack.as('archivist');
    const steps = ['file a', 'tarry', 'checkpoint', 'wait 1', 'file b', 'tarry', 'checkpoint', 'log 1'];
    const uri = await archivist.create('python_short_job', { do: steps });

    await archivist.until(uri, 'completed', 30_000);

    expect(await archivist.log(uri)).toBe(
      `${[
        'file a in segment 1',
        'tarry in segment 1',
        'checkpoint in segment 1',
        'wait 1 in segment 2',
        'file b in segment 3',
        'tarry in segment 3',
        'checkpoint in segment 3',
        'log 1 in segment 4',
        'line 0: čaj 茶',
      ].join('\n')}\n`,
    );
    const { body } = await archivist.get<string[]>(`${uri}/output_files`);
    expect(body).toHaveLength(2);
  });

  test('goes on from its last checkpoint when its process was killed, if it may', async () => {
    const archivist = await stack.as('archivist');
    const steps = ['file a', 'checkpoint', 'file b', 'kill 1', 'file c'];
    const uri = await archivist.create('python_short_job', { do: steps });

    await archivist.until(uri, 'completed', 30_000);

    const log = await archivist.log(uri);
    expect(log).toMatch(/The job was interrupted\. .*\nIt goes on from its last checkpoint\.\nfile b in segment 2\n/);
    const { body } = await archivist.get<string[]>(`${uri}/output_files`);
    expect(body).toHaveLength(3);
    expect((await archivist.get(`${uri}/output_files/2`)).text).toBe('of segment 2');
  });
});

test('on a machine without Python the stack starts all the same, and such a job says what is missing', async () => {
  // All that is on its PATH is Node.
  const bin = join(scratch, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  const options = { stateDir: join(scratch, 'state'), jobThreadCount: 2, plugins: [makePlugin('python_alone')] };
  const serving = spawn(process.execPath, ['test/helpers/serve.ts', JSON.stringify(options)], {
    env: { ...process.env, PATH: bin },
  });
  const ended = new Promise((resolve) => serving.once('exit', resolve));
  onTestFinished(async () => {
    serving.kill('SIGTERM');
    await ended;
  });
  const printed: string[] = [];
  createInterface({ input: serving.stderr }).on('line', (line) => printed.push(line));
  const { apiUrl } = await new Promise<{ apiUrl: string }>((resolve) => {
    createInterface({ input: serving.stdout }).once('line', (line) => resolve(JSON.parse(line)));
  });
  const archivist = await person(apiUrl, 'archivist');

  const { failure } = await archivist.until(await archivist.create('python_job', { do: [] }), 'failed');

  expect(failure).toMatchObject({ kind: 'crashed', reason: expect.stringContaining('python3 (3.11 or newer)') });
  expect(printed.some((line) => line.includes(`"level":"WARN","message":"${pythonMissing}"`))).toBe(true);
});
