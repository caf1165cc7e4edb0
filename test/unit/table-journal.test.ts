// What a run writes, over the emulated table and bucket: put once, under its token, told from what others wrote.
import { PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { Fault } from '../../core/errors.ts';
import { noEnds } from '../../core/job.ts';
import { append, claimSegment, interrupt, keys, outputKey, revoke, saveState } from '../../core/table.ts';
import { findLogEnd, tableJournal } from '../../runners/sdk/table-journal.ts';
import { claimNow, makeWorld, openTestBucket, queue, type World, write } from './service-helpers.ts';

const run = { id: 1, type: 'free_job', token: 't1' };
const bytes = (text: string) => new TextEncoder().encode(text);

async function inSegment(n = 1) {
  const world = await makeWorld();
  const bucket = await openTestBucket();
  await queue(world, [1, 'free_job']);
  await claimNow(world, 1, 'free_job');
  await write(world.table, claimSegment(run, 1, 'c1', world.now + 60_000));
  return { world, bucket, journal: tableJournal(world.table, bucket, run, n) };
}

/** The next write of this kind happens, and its answer is lost on the way: the SDK reports a time-out. */
function loseAnswer(world: World, command: string): void {
  let lost = false;
  world.table.client.middlewareStack.add(
    (next, context) => async (args) => {
      const answer = await next(args);
      if (context.commandName !== command || lost) return answer;
      lost = true;
      throw Object.assign(new Error('Connection timed out'), { name: 'TimeoutError' });
    },
    { step: 'initialize' },
  );
}

describe('log and records', () => {
  test('lie at their byte and number, with token and segment', async () => {
    const { world, journal } = await inSegment();

    expect(await journal.log(0, bytes('hello\n'))).toBe(6);
    expect(await journal.log(6, bytes('x'))).toBe(7);
    expect(await journal.records(0, ['/subjects/1'], ['/subjects/2'])).toBe(1);

    expect(await world.item(keys.log('free_job', 1, 6))).toMatchObject({
      bytes: bytes('x'),
      size: 1,
      token: 't1',
      segment: 1,
    });
    expect(await world.item(keys.record('free_job', 1, 0))).toMatchObject({
      created: ['/subjects/1'],
      modified: ['/subjects/2'],
    });
    expect(await findLogEnd(world.table, run)).toEqual({ log: 7, records: 1 });
  });

  test('go to the next free place when theirs was taken by a late write of the segment before', async () => {
    const { world } = await inSegment();
    await write(world.table, append(keys.log('free_job', 1, 0), 't1', 1, { bytes: bytes('late\n'), size: 5 }));
    await write(
      world.table,
      append(keys.record('free_job', 1, 0), 't1', 1, { created: ['/subjects/1'], modified: [] }),
    );
    const second = tableJournal(world.table, await openTestBucket(), run, 2);

    expect(await second.log(0, bytes('mine\n'))).toBe(10);
    expect(await second.records(0, ['/subjects/1'], [])).toBe(2);

    expect(await world.item(keys.log('free_job', 1, 0))).toMatchObject({ bytes: bytes('late\n') });
    expect(await world.item(keys.log('free_job', 1, 5))).toMatchObject({ bytes: bytes('mine\n'), segment: 2 });
  });

  test('that somebody else goes on taking the places of are a fault', async () => {
    const { world, journal } = await inSegment();
    let taken = 0;
    world.table.client.middlewareStack.add(
      (next, context) => async (args) => {
        const { Item } = args.input as { Item?: { segment?: { N?: string } } };
        if (context.commandName === PutItemCommand.name && Item?.segment?.N === '1' && taken < 10) {
          const place = taken++;
          await write(world.table, append(keys.log('free_job', 1, place), 't1', 9, { bytes: bytes('x'), size: 1 }));
        }
        return next(args);
      },
      { step: 'initialize' },
    );

    await expect(journal.log(0, bytes('mine'))).rejects.toThrow(
      'The log of a run is written by somebody else as well.',
    );
    expect(taken).toBe(3);
  });

  // Amazon DynamoDB Developer Guide, "Error handling with DynamoDB": after an HTTP 5xx or a time-out the write may have
  // happened.
  test('whose answer was lost are found written, and not written twice', async () => {
    const { world, journal } = await inSegment();
    loseAnswer(world, PutItemCommand.name);

    expect(await journal.log(0, bytes('once\n'))).toBe(5);
    expect(await findLogEnd(world.table, run)).toEqual({ log: 5, records: 0 });
  });

  test('of records whose answer was lost are found written as well', async () => {
    const { world, journal } = await inSegment();
    loseAnswer(world, PutItemCommand.name);

    expect(await journal.records(0, ['/subjects/1'], [])).toBe(1);
    expect(await findLogEnd(world.table, run)).toEqual({ log: 0, records: 1 });
  });
});

describe('a file', () => {
  test('lies in the bucket under the run’s token, and its name in the table', async () => {
    const { world, bucket, journal } = await inSegment();
    await journal.file(0, { name: 'a.csv', contentType: 'text/csv', bytes: bytes('a;b') });

    const object = await bucket.client.send(
      new GetObjectCommand({ Bucket: 'files', Key: outputKey('free_job', 1, 't1', 1, 0) }),
    );
    expect(await object.Body?.transformToString()).toBe('a;b');
    expect(object.ContentType).toBe('text/csv');
    expect(await world.item(keys.file('free_job', 1, 0))).toMatchObject({ name: 'a.csv', size: 3, token: 't1' });
  });

  test('whose answer was lost is found written', async () => {
    const { world, journal } = await inSegment();
    loseAnswer(world, PutItemCommand.name);

    await journal.file(0, { name: 'a.csv', contentType: 'text/csv', bytes: bytes('a') });
  });

  test('in place of one of a segment that broke off is found written when its answer was lost', async () => {
    const { world, bucket, journal } = await inSegment();
    await journal.file(0, { name: 'a.csv', contentType: 'text/csv', bytes: bytes('a') });
    const second = tableJournal(world.table, bucket, run, 2);
    loseAnswer(world, PutItemCommand.name);

    await second.file(0, { name: 'b.csv', contentType: 'text/csv', bytes: bytes('b') });

    expect(await world.item(keys.file('free_job', 1, 0))).toMatchObject({ name: 'b.csv', segment: 2 });
  });

  test('of a number that another one has is a fault', async () => {
    const { journal } = await inSegment();
    await journal.file(0, { name: 'a.csv', contentType: 'text/csv', bytes: bytes('a') });

    await expect(journal.file(0, { name: 'b.csv', contentType: 'text/csv', bytes: bytes('b') })).rejects.toThrow(
      'An output file of that number is there already.',
    );
  });
});

describe('a checkpoint', () => {
  const saved = (n: number) => ({ state: `{"n":${n}}`, ends: noEnds });

  // A request that the client gave up may still arrive, after others that were sent later.
  test('that arrives late replaces no later one', async () => {
    const { world, journal } = await inSegment();
    await journal.state(saved(1));
    await journal.state(saved(2));

    await expect(write(world.table, saveState(run, 1, saved(1)))).rejects.toThrow('Refused');
    await expect(write(world.table, saveState({ ...run, saves: 1 }, 1, saved(2)))).rejects.toThrow('Refused');

    expect(await world.run('free_job', 1)).toMatchObject({ state: '{"n":2}', saves: 2 });
  });

  test('whose answer was lost is found written', async () => {
    const { world, journal } = await inSegment();
    await journal.state(saved(1));
    loseAnswer(world, UpdateItemCommand.name);

    await journal.state(saved(2));
    await journal.state(saved(3));

    expect(await world.run('free_job', 1)).toMatchObject({ state: '{"n":3}', saves: 3 });
  });

  test('of a segment goes on counting where the one before ended', async () => {
    const { world, bucket, journal } = await inSegment();
    await journal.state(saved(1));
    await write(world.table, interrupt({ ...run, segment: 1, open: true }, 'It was killed.', 1));
    await write(world.table, claimSegment(run, 2, 'c2', world.now + 60_000));

    await tableJournal(world.table, bucket, { ...run, saves: 1 }, 2).state(saved(2));

    await expect(journal.state(saved(2))).rejects.toThrow('A run that is no longer current cannot write.');
  });
});

type Journal = ReturnType<typeof tableJournal>;
const writes: readonly [name: string, write: (journal: Journal) => Promise<void>][] = [
  ['progress', (journal) => journal.progress({ done: 1, total: 2 })],
  ['a checkpoint', (journal) => journal.state({ state: '{"n":1}', ends: noEnds })],
  ['the end of a segment', (journal) => journal.close({ state: '{"n":1}', ends: noEnds })],
  ['the end', (journal) => journal.end({ outcome: 'completed' }, noEnds, { done: 2, total: 2 })],
];

describe.each(writes)('%s', (_, writeIt) => {
  test('is taken from the current segment', async () => {
    const { world, journal } = await inSegment();
    const before = await world.run('free_job', 1);

    await writeIt(journal);

    expect(await world.run('free_job', 1)).not.toEqual(before);
  });

  test('of a run whose token was taken away is a fault, and changes nothing', async () => {
    const { world, journal } = await inSegment();
    await write(world.table, revoke(run));
    const before = await world.run('free_job', 1);

    await expect(writeIt(journal)).rejects.toThrow(
      new Fault('A run that is no longer current cannot write.', undefined),
    );

    expect(await world.run('free_job', 1)).toEqual(before);
  });

  test('of another segment is a fault', async () => {
    const { journal } = await inSegment(2);

    await expect(writeIt(journal)).rejects.toThrow('A run that is no longer current cannot write.');
  });

  // Amazon DynamoDB Developer Guide, "Error handling with DynamoDB": after an HTTP 5xx or a time-out the write may have
  // happened, and then it may be refused by its own success.
  test('whose answer was lost is known for written', async () => {
    const { world, journal } = await inSegment();
    loseAnswer(world, UpdateItemCommand.name);

    await writeIt(journal);
  });
});
