// The runner protocol (docs/runner-protocol.md, schemas/protocol), held against what runners send over the wire: the
// SDK's, and the Python client's in a real process. Both run the same steps.
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Context } from 'aws-lambda';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { renderInput } from '../../aws/executions.ts';
import { readLog } from '../../aws/reads.ts';
import { claimSegment, closeSegment, create, inputKey, interrupt, revoke } from '../../core/table.ts';
import { findPython, pythonMissing } from '../../local/lambda/python.ts';
import { startSandbox } from '../../local/lambda/sandbox.ts';
import { FinalFailure, type JobContext } from '../../runners/sdk/context.ts';
import { type Invocation, runner } from '../../runners/sdk/run.ts';
import { plain, type Recording, recordRequests, serveJson, writeOf } from '../helpers/recorded.ts';
import { waitFor } from '../helpers/wait.ts';
import { claimNow, concurrent, makeWorld, newJob, openTestBucket, type World, write } from './service-helpers.ts';

const python = await findPython();
if (!python) console.warn(`Skipped: ${pythonMissing}`);

const folder = join(import.meta.dirname, '../../schemas/protocol');
const ajv = new Ajv2020({ strict: true, strictRequired: false, allErrors: false });
for (const file of readdirSync(folder)) ajv.addSchema(JSON.parse(readFileSync(join(folder, file), 'utf8')) as object);
const accepts = (schema: string, value: unknown) => {
  const validate = ajv.getSchema(`background-jobs:/protocol/${schema}.json`);
  if (!validate) throw new Error(`There is no schema ${schema}.`);
  return validate(value)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
};

const writes = ['claim', 'log', 'records', 'file', 'progress', 'state', 'close', 'end'];
/** The one schema that accepts a write. */
function kindOf(written: unknown): string {
  const kinds = writes.filter((schema) => accepts(schema, written).length === 0);
  if (kinds.length === 1 && kinds[0]) return kinds[0];
  const why = writes.map((schema) => `${schema}: ${accepts(schema, written)}`);
  throw new Error(`${kinds.length} schemas accept ${JSON.stringify(written)}.\n${why.join('\n')}`);
}

const type = 'free_job';
const run = { id: 1, type, token: 't1' };

interface Outcome {
  /** Undefined when the handler returned. */
  readonly error: { readonly errorType: string; readonly errorMessage: string } | undefined;
  readonly kinds: readonly string[];
  readonly writes: readonly Readonly<Record<string, unknown>>[];
}

interface Stage {
  readonly world: World;
  readonly bucket: Awaited<ReturnType<typeof openTestBucket>>;
  readonly recording: Recording;
  /** What the session function was asked. */
  readonly asked: unknown[];
  /** Invokes the runner; checks everything that went over the wire. */
  invoke(segment: string, options?: { readonly nearItsEnd?: boolean }): Promise<Outcome>;
}

interface Options {
  readonly resumable?: boolean;
  readonly retries?: number;
  readonly inputs?: readonly string[];
  readonly checkpointVersion?: number;
}

type Invoke = (event: Invocation, nearItsEnd: boolean) => Promise<Outcome['error']>;

async function stage(
  makeInvoke: (environment: Record<string, string>) => Promise<Invoke> | Invoke,
  steps: readonly string[],
  { resumable = false, retries = 0, inputs = [], checkpointVersion = 1 }: Options = {},
): Promise<Stage> {
  const world = await makeWorld();
  const bucket = await openTestBucket();
  const recording = await recordRequests(world.table.endpoint);
  const { endpoint, recorded } = recording;
  const asked: unknown[] = [];
  // Session 1 is gone already: a runner has to ask for another one.
  const service = await serveJson(async ({ url = '', headers }, body) => {
    if (url.includes('/functions/')) return { status: 200, body: `{"session":"s${asked.push(JSON.parse(body))}"}` };
    return { status: headers['x-archivesspace-session'] === 's1' ? 412 : 200, body: '{}' };
  });
  const files = inputs.map((content, n) => ({ name: `${n}.txt`, size: content.length, contentType: 'text/plain' }));
  const etags = await Promise.all(
    inputs.map(async (Body, n) => {
      const put = new PutObjectCommand({ Bucket: bucket.name, Key: inputKey(type, 1, n), Body });
      return (await bucket.client.send(put)).ETag ?? '';
    }),
  );
  const inputFiles = files.map((file, n) => ({ ...file, etag: etags[n] ?? '' }));
  await write(
    world.table,
    create(newJob(1, type, { params: JSON.stringify({ do: steps }), inputs: inputFiles, now: world.now })),
  );
  await claimNow(world, 1, type, { type: { ...concurrent, resumable, retries } });
  const call = await makeInvoke({
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_REGION: 'us-east-1',
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_ENDPOINT_URL_DYNAMODB: endpoint,
    AWS_ENDPOINT_URL_S3: bucket.endpoint,
    AWS_ENDPOINT_URL_LAMBDA: service,
    ARCHIVESSPACE_URL: service,
    SESSION_FUNCTION: 'sessions',
    TABLE: 'jobs',
    BUCKET: 'files',
    CHECKPOINT_VERSION: String(checkpointVersion),
  });
  return {
    world,
    bucket,
    recording,
    asked,
    async invoke(segment, { nearItsEnd = false } = {}) {
      const input = JSON.parse(renderInput({ job: 1, type, token: 't1', runner: 'arn', correlation: 'c1' }));
      const last = { Error: 'JobContinue', Cause: JSON.stringify({ errorMessage: segment }) };
      const event = { ...input, last } as Invocation;
      expect(accepts('invocation', input)).toEqual([]);
      expect(accepts('invocation', event)).toEqual([]);
      recorded.length = 0;
      const error = await call(event, nearItsEnd);
      if (error && /^(Job|RunRefused)/.test(error.errorType)) expect(accepts('error', error)).toEqual([]);
      for (const { operation, request, answer } of recorded) {
        const sk = operation === 'GetItem' && plain(request['Key'])['sk'];
        // The watch reads two attributes of the run.
        if (!answer['Item'] || request['ProjectionExpression'] !== undefined) continue;
        if (sk === 'RUN' || sk === 'INPUTS') expect(accepts(sk.toLowerCase(), plain(answer['Item']))).toEqual([]);
      }
      const written = recorded.map(writeOf).filter((one) => one !== undefined);
      return { error, writes: written, kinds: written.map(kindOf) };
    },
  };
}

/** The SDK, in this process. */
const sdk = (environment: Record<string, string>): Invoke => {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const handler = runner<{ do: readonly string[] }>(
    async (ctx) => {
      const { do: steps } = ctx.params;
      for (let n = (ctx.resumed as number | undefined) ?? 0; n < steps.length; n++) {
        ctx.log(`${steps[n]} in segment ${ctx.job.segment}`);
        await take(ctx, steps[n] ?? '', n);
      }
    },
    { checkpointVersion: Number(environment['CHECKPOINT_VERSION']) },
  );
  return async (event, nearItsEnd) => {
    const context = { getRemainingTimeInMillis: () => (nearItsEnd ? 0 : 60_000) } as Context;
    try {
      await handler(event, context);
      return undefined;
    } catch (error) {
      return { errorType: (error as Error).name, errorMessage: (error as Error).message };
    }
  };
};

async function take(ctx: JobContext<{ do: readonly string[] }>, step: string, n: number): Promise<void> {
  const [what, number = ''] = step.split(' ');
  if (what === 'log') for (let line = 0; line < Number(number); line++) ctx.log(`line ${line}: čaj 茶`);
  if (what === 'progress') ctx.progress(n, ctx.params.do.length, `step ${n}`);
  if (what === 'record') {
    ctx.recordCreated('/repositories/2/resources/1');
    ctx.recordModified('/subjects/7');
  }
  if (what === 'file')
    await ctx.addFile(`${number}.txt`, `of segment ${ctx.job.segment}`, { contentType: 'text/plain' });
  if (what === 'checkpoint') await ctx.checkpoint(n + 1);
  if (what === 'wait') await ctx.wait(Number(number), n + 1);
  if (what === 'heed') await ctx.wait(Number(number), n + 1, { onCancel: 'resume' });
  if (what === 'ask') ctx.log(`${(await ctx.archivesspace.request('/repositories/2/resources?page=1')).status}`);
  if (what === 'read')
    for (const file of ctx.files)
      ctx.log(Buffer.concat(await Array.fromAsync(await file.open({ from: 2 }))).toString());
  if (what === 'fail') throw new Error('The cupboard is bare.');
  if (what === 'give') throw new FinalFailure('It will never work.');
}

/** The Python client, in a process as the local stack starts it. */
const inPython = async (environment: Record<string, string>): Promise<Invoke> => {
  const dir = mkdtempSync(join(tmpdir(), 'python-runner-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  copyFileSync('examples/python_lines/background_jobs.py', join(dir, 'background_jobs.py'));
  copyFileSync('test/plugins/python_test/runner.py', join(dir, 'runner.py'));
  const printed: string[] = [];
  const start = (timeoutMs: number) => {
    const sandbox = startSandbox(
      {
        name: 'runner',
        arn: 'arn',
        dir,
        handler: 'runner.handler',
        environment: { ...environment, LAMBDA_TASK_ROOT: dir, _HANDLER: 'runner.handler' },
        memoryMb: 256,
        timeoutMs,
        isolation: 'process',
        python: { path: python },
      },
      (line) => printed.push(line),
      () => undefined,
    );
    onTestFinished(() => sandbox.kill());
    return sandbox;
  };
  const usual = start(60_000);
  return async (event, nearItsEnd) => {
    const sandbox = nearItsEnd ? start(4_000) : usual;
    const outcome = await sandbox.invoke('1', JSON.stringify(event));
    if (outcome.kind === 'error') return outcome.error;
    expect(outcome.payload).toBe('null');
    return undefined;
  };
};

describe.each([
  ['the SDK', sdk, true],
  ['the Python client', inPython, python !== undefined],
] as const)('what %s sends', (_, language, isHere) => {
  const start = (steps: readonly string[], options: Options = {}) => stage(language, steps, options);

  test.skipIf(!isHere)('from claim to end', async () => {
    const { invoke, world, bucket } = await start(
      ['log 900', 'progress', 'record', 'file a', 'checkpoint', 'read', 'file b'],
      { inputs: ['one', 'three'] },
    );

    const { error, kinds, writes: written } = await invoke('1');

    expect(error).toBeUndefined();
    expect(kinds[0]).toBe('claim');
    expect(kinds.at(-1)).toBe('end');
    expect(new Set(kinds)).toEqual(new Set(['claim', 'log', 'records', 'progress', 'file', 'state', 'end']));
    expect(await world.run(type, 1)).toMatchObject({
      open: false,
      end: { outcome: 'completed' },
      ends: { files: 2, records: 1 },
      state: '5',
      progress: { done: 1, total: 7, message: 'step 1' },
    });
    // Each chunk of log begins where the one before it ended.
    const chunks = written.flatMap(({ item }) => (item as { sk: string; size: number } | undefined) ?? []);
    let offset = 0;
    for (const { sk, size } of chunks.filter((chunk) => chunk.sk.startsWith('LOG#'))) {
      expect(Number(sk.slice(4))).toBe(offset);
      offset += size;
    }
    expect((await world.run(type, 1))?.ends.log).toBe(offset);
    expect(offset).toBeGreaterThan(9_000);
    const file = await bucket.client.send(new GetObjectCommand({ Bucket: 'files', Key: 'runs/free_job/1/t1/1/1' }));
    expect(await file.Body?.transformToString()).toBe('of segment 1');
    expect(file.ContentType).toBe('text/plain');
  });

  test.skipIf(!isHere)('when it goes on near the end of its invocation, and in the next segment', async () => {
    const { invoke, world } = await start(['record', 'file a', 'tarry', 'checkpoint', 'record', 'file b']);

    const first = await invoke('1', { nearItsEnd: true });
    const second = await invoke('2');

    expect(first.error).toMatchObject({ errorType: 'JobContinue', errorMessage: '2' });
    expect(first.kinds.at(-1)).toBe('close');
    expect(second.error).toBeUndefined();
    expect(second.kinds[0]).toBe('claim');
    expect(await world.run(type, 1)).toMatchObject({ segment: 2, ends: { files: 2, records: 2 } });
  });

  test.skipIf(!isHere)('when it waits, and asks to be told of a cancel', async () => {
    const { invoke, world } = await start(['wait 30', 'heed 20', 'wait 1']);

    const errors = [await invoke('1'), await invoke('2|30')].map(({ error }) => error);

    expect(errors).toMatchObject([
      { errorType: 'JobWait', errorMessage: '2|30' },
      { errorType: 'JobWait', errorMessage: '3|20' },
    ]);
    expect(await world.run(type, 1)).toMatchObject({ open: false, heedsCancel: true, state: '2' });
    await invoke('3|20');
    expect(await world.run(type, 1)).not.toHaveProperty('heedsCancel');
  });

  test.skipIf(!isHere)('when its body fails', async () => {
    const { invoke, world } = await start(['fail']);

    const { error, kinds } = await invoke('1');

    expect(error).toBeUndefined();
    expect(kinds).toEqual(['claim', 'log', 'end']);
    expect((await world.run(type, 1))?.end).toEqual({
      outcome: 'failed',
      failure: { kind: 'runner_error', reason: 'The cupboard is bare.' },
    });
  });

  test.skipIf(!isHere)('when a failed body is tried again', async () => {
    const { invoke, world } = await start(['file a', 'checkpoint', 'file b', 'fail'], { resumable: true, retries: 2 });

    const errors = [await invoke('1'), await invoke('2|10')].map(({ error }) => error);

    expect(errors).toMatchObject([
      { errorType: 'JobWait', errorMessage: '2|10' },
      { errorType: 'JobWait', errorMessage: '3|40' },
    ]);
    expect(await world.run(type, 1)).toMatchObject({ attempt: 3, state: '2', ends: { files: 1 } });
    const last = await invoke('3|40');
    expect(last.error).toBeUndefined();
    expect(last.kinds).toContain('file');
    expect(await world.run(type, 1)).toMatchObject({ end: { outcome: 'failed' }, ends: { files: 2 } });
  });

  test.skipIf(!isHere)('when a failure is final', async () => {
    const { invoke, world } = await start(['give'], { resumable: true, retries: 2 });

    await invoke('1');

    expect(await world.run(type, 1)).toMatchObject({ attempt: 1, end: { outcome: 'failed' } });
  });

  test.skipIf(!isHere)('after a segment that broke off', async () => {
    const { invoke, world } = await start(['file a', 'checkpoint', 'file b'], { resumable: true });
    const before = await world.run(type, 1);
    if (!before) throw new Error('There is no run.');
    await write(world.table, claimSegment(run, 1, 'another', Date.now()));
    await write(world.table, interrupt({ ...before, segment: 1, open: true }, 'Its process died.', 1));

    const { kinds } = await invoke('2|1');

    expect(kinds).toContain('state');
    expect(await world.run(type, 1)).toMatchObject({ segment: 2, end: { outcome: 'completed' } });
    expect(await world.run(type, 1)).not.toHaveProperty('interruptions');
  });

  test.skipIf(!isHere)('when its checkpoints have a version, and another one meets them', async () => {
    const { invoke, world } = await start(['checkpoint', 'wait 1'], { checkpointVersion: 2 });

    const { kinds } = await invoke('1');

    expect(kinds).toEqual(['claim', 'log', 'state', 'log', 'close']);
    expect(await world.run(type, 1)).toMatchObject({ stateVersion: 2 });
    const other = await start(['log 1']);
    await write(other.world.table, claimSegment(run, 1, 'another', Date.now()));
    await write(
      other.world.table,
      closeSegment(run, 1, { state: '1', stateVersion: 2, ends: { log: 0, files: 0, records: 0 } }),
    );
    expect((await other.invoke('2')).kinds).toEqual(['claim', 'end']);
    expect((await other.world.run(type, 1))?.end).toMatchObject({ outcome: 'failed', failure: { kind: 'protocol' } });
  });

  test.skipIf(!isHere)('when its segment was claimed before', async () => {
    const { invoke } = await start(['log 1']);
    await invoke('1');

    const { error, kinds } = await invoke('1');

    expect(error).toMatchObject({ errorType: 'RunRefused' });
    expect(kinds).toEqual(['claim']);
  });

  // Amazon DynamoDB Developer Guide, "Error handling with DynamoDB": a time-out says nothing of the write.
  test.skipIf(!isHere)('when the answer of each of its writes is lost', async () => {
    const { invoke, world, recording } = await start(['log 900', 'record', 'file a', 'checkpoint', 'wait 1', 'file b']);
    recording.losesAnswers = true;

    const first = await invoke('1');
    const second = await invoke('2|1');

    expect(first.error).toMatchObject({ errorType: 'JobWait', errorMessage: '2|1' });
    expect(second.error).toBeUndefined();
    const ended = await world.run(type, 1);
    expect(ended).toMatchObject({ segment: 2, end: { outcome: 'completed' }, ends: { files: 2, records: 1 } });
    const job = await world.job(1);
    const text = Buffer.from(await readLog(world.table, job, 0, 100_000)).toString();
    expect(Buffer.byteLength(text)).toBe(ended?.ends.log);
    expect(text.match(/line 899/g)).toHaveLength(1);
  });

  test.skipIf(!isHere)('to the session function, again when the session is gone', async () => {
    const { invoke, asked, world } = await start(['ask']);

    await invoke('1');

    expect(await world.run(type, 1)).toMatchObject({ end: { outcome: 'completed' } });
    expect(asked).toHaveLength(2);
    for (const request of asked) expect(accepts('session-request', request)).toEqual([]);
  });
});

describe('the Python client', () => {
  test.skipIf(!python)('kills its process when the token of its run is taken away', async () => {
    const { invoke, world } = await stage(inPython, ['loop']);
    const invoked = invoke('1');
    await waitFor(async () => expect((await world.run(type, 1))?.open).toBe(true));

    await write(world.table, revoke(run));

    expect((await invoked).error).toMatchObject({
      errorType: 'Runtime.ExitError',
      errorMessage: expect.stringContaining('signal: killed'),
    });
  });
});

describe('docs/runner-protocol.md', () => {
  const text = readFileSync('docs/runner-protocol.md', 'utf8');

  test('works its requests by the schemas', () => {
    const blocks = [...text.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, json = '']) => JSON.parse(json) as object);
    const [said, ...requests] = blocks;

    const kinds = requests.flatMap((block) =>
      Object.entries(block).flatMap(([operation, request]) => {
        const written = writeOf({ operation, request, answer: {} });
        return written ? kindOf(written) : [];
      }),
    );

    expect(kindOf(said)).toBe('progress');
    expect(kinds).toEqual(['claim', 'log', 'file', 'close', 'end']);
  });

  test('names every schema, and numbers its rules', () => {
    for (const file of readdirSync(folder)) expect(text).toContain(file.replace('.json', ''));
    const rules = [...text.matchAll(/^\*\*R(\d+)\.\*\*/gm)].map(([, n]) => Number(n));
    expect(rules).toEqual(rules.map((_, index) => index + 1));
  });
});

describe('a message that is not of the protocol', () => {
  const key = { pk: 'RUN#free_job#1', sk: 'RUN' };
  const mine = { token: 't', segment: 1, open: true };
  const ends = { log: 0, files: 0, records: 0 };
  const claim = {
    op: 'update',
    key,
    set: { segment: 2, open: true, claim: 'a random id of it', deadline: 5 },
    when: { token: 't', segment: 1, open: false, end: null },
  };
  const item = (sk: string, more: object) => ({ pk: key.pk, sk, v: 1, token: 't', segment: 1, ...more });
  const put = (sk: string, more: object, when: object = { pk: null }) => ({ op: 'put', item: item(sk, more), when });
  const log = put('LOG#000000000000', { bytes: 'YQo=', size: 2 });
  const file = { name: 'a.csv', size: 1, contentType: 'text/csv' };
  const end = { op: 'update', key, set: { open: false, end: { outcome: 'completed' }, ends }, when: mine };

  test('is not one of those that these are made of', () => {
    expect([claim, log, put('FILE#000000000000', file), end].map(kindOf)).toEqual(['claim', 'log', 'file', 'end']);
  });

  test.each([
    ['a claim that does not look whether a segment is open', { ...claim, when: { token: 't', segment: 1, end: null } }],
    ['a claim of a run that has ended', { ...claim, when: { ...claim.when, end: 'completed' } }],
    ['a claim without a deadline', { ...claim, set: { segment: 2, open: true, claim: 'a random id of it' } }],
    ['a claim of the queue', { ...claim, key: { pk: 'QUEUE#free_job', sk: 'RUN' } }],
    ['a log chunk that replaces one', { ...log, when: {} }],
    ['a log chunk at a place of 3 digits', put('LOG#000', { bytes: 'YQo=', size: 2 })],
    ['a log chunk of 33 KB', put('LOG#000000000000', { bytes: 'YQo=', size: 33 * 1024 })],
    ['a log chunk without its token', { ...log, item: { ...log.item, token: undefined } }],
    ['a file with a path', put('FILE#000000000000', { ...file, name: '../x' })],
    ['a file named ..', put('FILE#000000000000', { ...file, name: '..' })],
    ['a file of another token', put('FILE#000000000000', file, { segment: 1 })],
    ['records that are no URIs', put('RECORD#000000000000', { created: ['a'], modified: [] })],
    [
      'progress of a segment that is over',
      { op: 'update', key, set: { progress: { done: 1, total: 2 } }, when: { ...mine, open: false } },
    ],
    ['progress in words', { op: 'update', key, set: { progress: { done: 'half', total: 2 } }, when: mine }],
    ['a state without its ends', { op: 'update', key, set: { state: '1' }, when: mine }],
    ['a close that keeps the segment open', { op: 'update', key, set: { open: true, state: '1', ends }, when: mine }],
    ['an end in another word', { ...end, set: { ...end.set, end: { outcome: 'cancelled' } } }],
    [
      'a failure without a reason',
      { ...end, set: { ...end.set, end: { outcome: 'failed', failure: { kind: 'runner_error' } } } },
    ],
    ['an end that sets the token', { ...end, set: { ...end.set, token: 'mine' } }],
    ['an end whenever', { ...end, when: { token: 't' } }],
  ])('is refused: %s', (_, wrong) => {
    expect(() => kindOf(JSON.parse(JSON.stringify(wrong)))).toThrow('0 schemas accept');
  });

  test.each([
    [
      'invocation',
      { job: 1, type, token: 't', runner: 'arn', correlation: 'c', last: { Error: 'JobContinue', Cause: '{}' } },
    ],
    ['error', { errorType: 'JobContinue', errorMessage: '' }],
    ['error', { errorType: 'JobWait', errorMessage: '2' }],
    ['error', { errorType: 'JobWait', errorMessage: '2|0' }],
    ['error', { errorType: 'Error', errorMessage: '2' }],
    ['session-request', { job: 1, type }],
    ['session-answer', {}],
    ['session-answer', { session: 's', refused: 'no' }],
    ['run', { ...mine, id: 1 }],
    ['inputs', { files: [{ name: 'a' }] }],
  ])('is refused: %s %j', (schema, wrong) => {
    expect(accepts(schema, wrong)).not.toEqual([]);
  });
});
