// The Lambda handler of a runner, from end to end over the emulated table and bucket: claim, watch, body, end.
import { createHash } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { Context } from 'aws-lambda';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { readFiles, readLog, readRecords } from '../../aws/reads.ts';
import { noEnds, type RunningJob } from '../../core/job.ts';
import { maxSegments } from '../../core/limits.ts';
import {
  claimSegment,
  closeSegment,
  create,
  inputKey,
  interrupt,
  keys,
  requestCancel,
  revoke,
  settle,
} from '../../core/table.ts';
import type { Run } from '../../runners/sdk/context.ts';
import { type Invocation, runner } from '../../runners/sdk/run.ts';
import {
  claimNow,
  concurrent,
  makeWorld,
  newJob,
  openTestBucket,
  queue,
  type World,
  write,
} from './service-helpers.ts';

const type = 'free_job';
const run = { id: 1, type, token: 't1' };
const invocation = (last: string, token = 't1'): Invocation => ({
  job: 1,
  type,
  token,
  runner: 'arn',
  correlation: 'c1',
  last: { Error: 'JobContinue', Cause: JSON.stringify({ errorMessage: last }) },
});
const context = (remainingMs = 60_000) => ({ getRemainingTimeInMillis: () => remainingMs }) as Context;

type Started = World & { invoke(body: Run, last?: string, remainingMs?: number): Promise<void> };

/** Job 1, claimed, and a runner whose environment points at this world. */
async function claimed(more: Parameters<typeof newJob>[2] = {}, options = {}): Promise<Started> {
  const world = await makeWorld();
  const bucket = await openTestBucket();
  vi.stubEnv('AWS_ENDPOINT_URL_DYNAMODB', world.table.endpoint);
  vi.stubEnv('AWS_ENDPOINT_URL_S3', bucket.endpoint);
  vi.stubEnv('AWS_REGION', 'us-east-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'local');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'local');
  vi.stubEnv('TABLE', 'jobs');
  vi.stubEnv('BUCKET', 'files');
  for (const [n, { name }] of (more.inputs ?? []).entries())
    await bucket.client.send(
      new PutObjectCommand({ Bucket: 'files', Key: inputKey(type, 1, n), Body: `content of ${name}` }),
    );
  await write(world.table, create(newJob(1, type, more)));
  await claimNow(world, 1, type, options);
  const invoke = (body: Run, last = '1', remainingMs = 60_000) => runner(body)(invocation(last), context(remainingMs));
  return Object.assign(world, { invoke });
}

describe('an invocation', () => {
  test('runs the body with its job, and says how it ended', async () => {
    const world = await claimed({ params: '{"times":"3"}' });
    const seen: unknown[] = [];

    await world.invoke(async (ctx) => {
      seen.push(ctx.job, ctx.params, ctx.files, ctx.resumed);
      ctx.log('Größe');
      ctx.progress(1, 2, 'half');
      ctx.recordCreated('/repositories/2/resources/1');
      await ctx.addFile('a.csv', 'a;b', { contentType: 'text/csv' });
    });

    expect(seen).toEqual([
      { id: 1, type, repository: '/repositories/2', owner: 'archivist', attempt: 1, segment: 1 },
      { times: '3' },
      [],
      undefined,
    ]);
    expect(await world.run(type, 1)).toMatchObject({
      segment: 1,
      open: false,
      end: { outcome: 'completed' },
      ends: { log: 8, files: 1, records: 1 },
      progress: { done: 1, total: 2, message: 'half' },
    });
    // What counts for staff once the job has ended so.
    await write(world.table, settle(run, { outcome: 'completed', ends: { log: 8, files: 1, records: 1 } }, world.now));
    const job = await world.job(1);
    expect(Buffer.from(await readLog(world.table, job, 0, 100)).toString()).toBe('Größe\n');
    expect(await readRecords(world.table, job)).toEqual(['/repositories/2/resources/1']);
    expect(await readFiles(world.table, job)).toEqual([
      { name: 'a.csv', size: 3, contentType: 'text/csv', key: 'runs/free_job/1/t1/1/0', output: true },
    ]);
  });

  test('records when it ends at the latest, before its body runs', async () => {
    const world = await claimed();
    const before = Date.now();
    let deadline: number | undefined;

    await world.invoke(async () => {
      deadline = (await world.run(type, 1))?.deadline;
    });

    expect(deadline).toBeGreaterThanOrEqual(before + 60_000);
    expect(deadline).toBeLessThanOrEqual(Date.now() + 60_000);
  });

  test('reads long parameters from their own item', async () => {
    const world = await claimed({ params: JSON.stringify({ text: 'x'.repeat(1_000) }), apart: true });
    let length = 0;

    await world.invoke(async (ctx) => {
      length = String(ctx.params['text']).length;
    });

    expect(length).toBe(1_000);
  });

  test('opens the uploaded files, and refuses one that was replaced since', async () => {
    const etag = `"${createHash('md5').update('content of a.xml').digest('hex')}"`;
    const file = { name: 'a.xml', size: 16, contentType: 'text/xml' };
    const world = await claimed({
      inputs: [
        { ...file, etag },
        { ...file, name: 'b.xml', etag },
      ],
    });
    const texts: string[] = [];
    const errors: unknown[] = [];

    await world.invoke(async (ctx) => {
      for (const input of ctx.files) {
        try {
          texts.push(Buffer.concat(await Array.fromAsync(await input.open())).toString());
        } catch (error) {
          errors.push(error);
        }
      }
    });

    expect(texts).toEqual(['content of a.xml']);
    expect(errors).toEqual([expect.objectContaining({ name: 'PreconditionFailed' })]);
  });

  test('opens an uploaded file in its middle and at its end, and refuses a replaced one there too', async () => {
    const etag = `"${createHash('md5').update('content of a.xml').digest('hex')}"`;
    const file = { name: 'a.xml', size: 16, contentType: 'text/xml' };
    const world = await claimed({
      inputs: [
        { ...file, etag },
        { ...file, name: 'b.xml', etag },
      ],
    });
    const texts: string[] = [];
    let refused: unknown;

    await world.invoke(async ({ files: [a, b] }) => {
      for (const from of [11, 0, 16])
        texts.push(Buffer.concat(await Array.fromAsync((await a?.open({ from })) ?? [])).toString());
      refused = await b?.open({ from: 11 }).catch((error: unknown) => error);
    });

    expect(texts).toEqual(['a.xml', 'content of a.xml', '']);
    expect(refused).toMatchObject({ name: 'PreconditionFailed' });
  });

  test('of a failing body returns, with the reason in the run', async () => {
    const world = await claimed();

    await world.invoke(async () => {
      throw new Error('No title.');
    });

    expect(await world.run(type, 1)).toMatchObject({
      end: { outcome: 'failed', failure: { kind: 'runner_error', reason: 'No title.' } },
    });
  });
});

describe('a segment', () => {
  const refused = { name: 'RunRefused' };
  const neverRuns: Run = async () => {
    throw new Error('The body ran.');
  };

  test('is refused when it was claimed before: a body never runs twice', async () => {
    const world = await claimed();
    await write(world.table, claimSegment(run, 1, 'another', Date.now() + 60_000));

    await expect(world.invoke(neverRuns)).rejects.toMatchObject(refused);
    expect((await world.run(type, 1))?.end).toBeUndefined();
  });

  test('is refused when it has ended', async () => {
    const world = await claimed();
    await world.invoke(async () => {});

    await expect(world.invoke(neverRuns)).rejects.toMatchObject(refused);
    await expect(world.invoke(neverRuns, '2')).rejects.toMatchObject(refused);
  });

  test('is refused when the token was taken away', async () => {
    const world = await claimed();
    await write(world.table, revoke(run));

    await expect(world.invoke(neverRuns)).rejects.toMatchObject(refused);
  });

  test.each(['2', '3'])('%s is refused before its turn', async (last) => {
    const world = await claimed();

    await expect(world.invoke(neverRuns, last)).rejects.toMatchObject(refused);
  });

  test.each(['', 'x', '0', '-1'])('numbered %j is a fault', async (last) => {
    const world = await claimed();

    await expect(world.invoke(neverRuns, last)).rejects.toMatchObject({
      name: 'Fault',
      message: 'The invocation does not say which segment to run.',
    });
  });

  // Amazon DynamoDB Developer Guide, "Error handling with DynamoDB": a time-out says nothing of the write.
  test('whose claim’s answer was lost runs all the same', async () => {
    const world = await claimed();
    const send = DynamoDBClient.prototype.send;
    let lost = false;
    const sending = vi.spyOn(DynamoDBClient.prototype, 'send');
    onTestFinished(() => sending.mockRestore());
    sending.mockImplementation(async function (this: unknown, ...args: unknown[]) {
      const answer: unknown = await Reflect.apply(send, this, args);
      if (!lost && (args[0] as object).constructor.name === 'UpdateItemCommand') {
        lost = true;
        throw Object.assign(new Error('Connection timed out'), { name: 'TimeoutError' });
      }
      return answer;
    } as typeof send);
    let ran = 0;

    await world.invoke(async () => {
      ran++;
    });

    expect(lost).toBe(true);
    expect(ran).toBe(1);
    expect(await world.run(type, 1)).toMatchObject({ end: { outcome: 'completed' } });
  });

  test('that goes on throws JobContinue with the number of the next one', async () => {
    const world = await claimed();
    const body: Run = async (ctx) => {
      ctx.log(`segment ${ctx.job.segment} from ${JSON.stringify(ctx.resumed)}`);
      await ctx.checkpoint({ after: ctx.job.segment });
    };

    await expect(world.invoke(body, '1', 0)).rejects.toMatchObject({ name: 'JobContinue', message: '2' });
    await expect(world.invoke(body, '2', 0)).rejects.toMatchObject({ name: 'JobContinue', message: '3' });
    await world.invoke(body, '3');

    const job = await world.job(1);
    expect(Buffer.from(await readLog(world.table, job, 0, 1_000)).toString()).toBe(
      'segment 1 from undefined\nsegment 2 from {"after":1}\nsegment 3 from {"after":2}\n',
    );
    expect(await world.run(type, 1)).toMatchObject({ segment: 3, end: { outcome: 'completed' } });
  });

  test('that waits throws JobWait with the number of the next one and the seconds', async () => {
    const world = await claimed();

    await expect(world.invoke((ctx) => ctx.wait(90, { n: 1 }))).rejects.toMatchObject({
      name: 'JobWait',
      message: '2|90',
    });
    expect(await world.run(type, 1)).toMatchObject({ open: false, state: '{"n":1}' });
    // The seconds come back with the number.
    await world.invoke(async () => {}, '2|90');
  });

  test('after many others ends the job: it went on for ever', async () => {
    const world = await claimed();
    await write(world.table, {
      op: 'update',
      key: keys.run(type, 1),
      set: { segment: maxSegments, open: false },
      when: [],
    });

    await world.invoke(neverRuns, String(maxSegments + 1));

    expect(await world.run(type, 1)).toMatchObject({
      end: { failure: { kind: 'protocol', reason: `The runner went on more than ${maxSegments} times.` } },
    });
  });

  test('writes its log behind what a late write of the segment before left', async () => {
    const world = await claimed();
    await write(world.table, claimSegment(run, 1, 'c', Date.now()));
    await write(world.table, closeSegment(run, 1, { state: '1', ends: { log: 0, files: 0, records: 0 } }));
    const late = { v: 1, token: 't1', segment: 1, bytes: new TextEncoder().encode('late\n'), size: 5 };
    await write(world.table, { op: 'put', key: keys.log(type, 1, 0), item: late, when: [] });

    await world.invoke(async (ctx) => ctx.log('next'), '2');

    expect(Buffer.from(await readLog(world.table, await world.job(1), 0, 100)).toString()).toBe('late\nnext\n');
  });
});

describe('a segment after one that broke off', () => {
  const resumable = { type: { ...concurrent, resumable: true, retries: 1 } };
  /** The first segment adds a file, saves a checkpoint, adds another file and dies. */
  async function broken(name: string): Promise<Started> {
    const world = await claimed({}, resumable);
    const dies: Run = async (ctx) => {
      await ctx.addFile('first.txt', 'first');
      await ctx.checkpoint({ half: true });
      await ctx.addFile(name, 'longer than the next one');
      await new Promise(() => {});
    };
    void world.invoke(dies);
    await expect.poll(() => world.item(keys.file(type, 1, 1))).toBeDefined();
    const stood = await world.run(type, 1);
    await write(world.table, interrupt({ ...run, segment: 1, open: true, ...stood }, 'It was killed.', 1));
    return world;
  }

  test.each(['second.txt', 'other.txt'])(
    'has the last checkpoint and one log, and writes over the file %s that came after it',
    async (name) => {
      const world = await broken(name);
      let resumed: unknown;

      await world.invoke(async (ctx) => {
        resumed = ctx.resumed;
        await ctx.addFile('second.txt', 'short');
      }, '2|1');

      expect(resumed).toEqual({ half: true });
      const ended = await world.run(type, 1);
      expect(ended).toMatchObject({ end: { outcome: 'completed' }, ends: { files: 2 } });
      await write(world.table, settle(run, { outcome: 'completed', ends: ended?.ends ?? noEnds }, world.now));
      const job = await world.job(1);
      expect(Buffer.from(await readLog(world.table, job, 0, 1_000)).toString()).toBe(
        'The job was interrupted. It was killed.\nIt goes on from its last checkpoint.\n',
      );
      // Each in its segment's place: what the killed one has still on its way to the bucket goes elsewhere.
      expect((await readFiles(world.table, job)).map((file) => [file.name, file.size, file.key])).toEqual([
        ['first.txt', 5, 'runs/free_job/1/t1/1/0'],
        ['second.txt', 5, 'runs/free_job/1/t1/2/1'],
      ]);
    },
  );

  test('forgets the interruption with a checkpoint that is new, and not with one that repeats', async () => {
    const world = await broken('second.txt');

    void world.invoke(async (ctx) => {
      await ctx.checkpoint({ half: true });
      ctx.progress(1, 3);
      await ctx.addFile('again.txt', '');
      await new Promise(() => {});
    }, '2|1');
    await expect.poll(() => world.item(keys.file(type, 1, 1))).toMatchObject({ name: 'again.txt' });
    const stood = await world.run(type, 1);
    expect(stood).toMatchObject({ segment: 2, interruptions: 1 });
    await write(world.table, interrupt({ ...run, segment: 2, open: true, ...stood }, 'It was killed.', 2));
    await world.invoke(async (ctx) => ctx.checkpoint({ half: false }), '3|10');

    expect(await world.run(type, 1)).not.toHaveProperty('interruptions');
  });

  test('that throws waits for another attempt, with the state as it was saved', async () => {
    const world = await broken('second.txt');

    await expect(
      world.invoke(async () => {
        throw new Error('busy');
      }, '2|1'),
    ).rejects.toMatchObject({ name: 'JobWait', message: '3|10' });

    expect(await world.run(type, 1)).toMatchObject({ open: false, attempt: 2, state: '{"half":true}' });
    await world.invoke(async () => {
      throw new Error('busy');
    }, '3|10');
    expect(await world.run(type, 1)).toMatchObject({ end: { outcome: 'failed', failure: { reason: 'busy' } } });
  });

  test('that gives up for the end of its invocation goes on in the next', async () => {
    const world = await broken('second.txt');

    await expect(
      world.invoke(
        async (ctx) => {
          await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
          ctx.signal.throwIfAborted();
        },
        '2|1',
        50,
      ),
    ).rejects.toMatchObject({ name: 'JobContinue', message: '3' });
    expect(await world.run(type, 1)).toMatchObject({ open: false, interruptions: 2, state: '{"half":true}' });
  });
});

describe('a checkpoint', () => {
  const saved = (version?: number) =>
    runner(async (ctx) => ctx.checkpoint({ n: 1 }), version ? { checkpointVersion: version } : {});

  test('of another version than the runner reads fails the job, and says both', async () => {
    const world = await claimed();
    await expect(saved()(invocation('1'), context(0))).rejects.toMatchObject({ name: 'JobContinue' });

    await saved(2)(invocation('2'), context());

    expect(await world.run(type, 1)).toMatchObject({
      end: {
        outcome: 'failed',
        failure: {
          kind: 'protocol',
          reason: "The job's last checkpoint has version 1, and the runner that is to go on reads version 2.",
        },
      },
    });
  });

  test('of the same version is gone on from', async () => {
    const world = await claimed();
    await expect(saved(2)(invocation('1'), context(0))).rejects.toMatchObject({ name: 'JobContinue' });

    await saved(2)(invocation('2'), context());

    expect(await world.run(type, 1)).toMatchObject({ end: { outcome: 'completed' }, stateVersion: 2 });
  });
});

describe('a cancel', () => {
  async function cancel(world: World): Promise<void> {
    await write(world.table, requestCancel((await world.job(1)) as RunningJob, 'manager', Date.now()));
  }

  test('before the body began ends the job without it', async () => {
    const world = await claimed();
    await cancel(world);
    let ran = false;

    await world.invoke(async () => {
      ran = true;
    });

    expect(ran).toBe(false);
    expect(await world.run(type, 1)).toMatchObject({ end: { outcome: 'canceled' } });
  });

  test('is seen by a running body within two seconds, by its signal', async () => {
    const world = await claimed();
    const asked = Promise.withResolvers<number>();

    await world.invoke(async (ctx) => {
      await cancel(world);
      asked.resolve(Date.now());
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
    });

    expect(Date.now() - (await asked.promise)).toBeLessThan(2_500);
    expect(await world.run(type, 1)).toMatchObject({ end: { outcome: 'canceled' } });
  });
});

test('a time limit that has passed stops the body', async () => {
  const world = await claimed({}, { type: { ...concurrent, timeLimitSeconds: 1 } });

  await world.invoke(async (ctx) => {
    await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
  });

  expect(await world.run(type, 1)).toMatchObject({ end: { outcome: 'failed', failure: { kind: 'time_limit' } } });
});

test('the watch is gone when the handler returns: nothing of this run thaws in the next', async () => {
  const world = await claimed();
  const watches: Worker[] = [];
  const see = (message: unknown) => watches.push((message as { worker: Worker }).worker);
  subscribe('worker_threads', see);
  onTestFinished(() => void unsubscribe('worker_threads', see));
  let during: number | undefined;

  await world.invoke(async () => {
    during = watches[0]?.threadId;
  });

  expect(during).toBeGreaterThan(0);
  expect(watches.map(({ threadId }) => threadId)).toEqual([-1]);
});

test('a runner without its environment says what is missing', async () => {
  vi.stubEnv('TABLE', '');

  await expect(runner(async () => {})(invocation('1'), context())).rejects.toThrow(
    "The runner's environment has no TABLE.",
  );
});

test('jobs of one runner that follow each other do not meet', async () => {
  const world = await claimed();
  await queue(world, [2, type]);
  await claimNow(world, 2, type, { slot: 1 });
  const handle = runner(async (ctx) => ctx.log(`job ${ctx.job.id}`));

  await handle(invocation('1'), context());
  await handle({ ...invocation('1', 't2'), job: 2 }, context());

  for (const id of [1, 2]) {
    const log = await readLog(world.table, await world.job(id), 0, 100);
    expect(Buffer.from(log).toString()).toBe(`job ${id}\n`);
  }
});
