// A run's item as a runner that keeps to no protocol may leave it, and what the service makes of it.
import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judge, resumption } from '../../core/ending.ts';
import type { RunningJob } from '../../core/job.ts';
import { defaultGraceSeconds, maxGraceSeconds } from '../../core/limits.ts';
import { readRunItem } from '../../core/run-item.ts';
import { inspect } from '../../core/sweep.ts';
import { claimSegment, keys } from '../../core/table.ts';
import type { Item } from '../../core/writes.ts';
import { endRun } from '../../functions/end.ts';
import { claimNow, makeWorld, queue, write } from './service-helpers.ts';

const item: Item = {
  id: 7,
  type: 'a_job',
  token: 't',
  segment: 2,
  open: true,
  claim: 'c',
  deadline: 5_000,
  graceSeconds: 10,
  limitAt: 9_000,
  repo: 2,
  owner: 'archivist',
  correlation: 'x',
  params: '{}',
  inputs: 1,
  attempt: 2,
  state: '{"n":1}',
  stateVersion: 3,
  resumable: true,
  retries: 1,
  interruptions: 1,
  interruption: { segment: 1, reason: 'It was killed.' },
  cancelAt: 4_000,
  heedsCancel: true,
  ends: { log: 1, files: 2, records: 3 },
  end: { outcome: 'failed', failure: { kind: 'runner_error', reason: 'No title.' } },
  progress: { done: 1, total: 2, message: 'half' },
};

const junk = fc.oneof(
  fc.constantFrom('', 'x', '1', -1, 0.5, 1e100, true, false, Uint8Array.of(1)),
  fc.array(fc.constantFrom<string | number>('x', 1), { maxLength: 3 }),
  fc.dictionary(
    fc.constantFrom('log', 'files', 'records', 'outcome', 'failure', 'kind', 'reason', 'done', 'total', 'message'),
    fc.constantFrom<Item[string]>('x', 1, -1, 1e100, true, {}, 'completed'),
    { maxKeys: 4 },
  ),
);
/** The item with some of what its runner may write replaced by anything. */
const spoilt = fc
  .dictionary(fc.constantFrom(...Object.keys(item)), junk, { minKeys: 1, maxKeys: 5 })
  .map((changes) => ({ ...item, ...changes }) as Item);

describe('a run’s item', () => {
  test('that keeps to the protocol is read as it is', () => {
    expect(readRunItem(item)).toEqual(item);
  });

  test.each<[what: string, written: Item[string]]>([
    ['an unknown outcome', { outcome: 'exploded' }],
    ['a word', 'completed'],
    ['a number', 1],
    ['nothing', {}],
  ])('whose end is %s has failed, and says so', (_, end) => {
    expect(readRunItem({ ...item, end }).end).toEqual({
      outcome: 'failed',
      failure: { kind: 'protocol', reason: 'The runner did not say in a readable way how the job ended.' },
    });
  });

  test('that failed for an unknown kind of reason, at length, has failed for one that is known, in short', () => {
    const end = { outcome: 'failed', failure: { kind: 'bad luck', reason: 'x'.repeat(10_000) } };

    expect(readRunItem({ ...item, end }).end?.failure).toEqual({ kind: 'runner_error', reason: 'x'.repeat(500) });
  });

  test.each([-1, maxGraceSeconds + 1, 'long'])(
    'with a grace of %s has that of a type that says none',
    (graceSeconds) => {
      expect(readRunItem({ ...item, graceSeconds }).graceSeconds).toBe(defaultGraceSeconds);
    },
  );

  test('that does not say where it stands is taken to be in a segment', () => {
    expect(readRunItem({ ...item, segment: 'two', open: false })).toMatchObject({ segment: 0, open: true });
    expect(readRunItem({ ...item, segment: 'two' })).not.toHaveProperty('resumable');
  });

  test('with anything in it can be judged', () => {
    const job = { id: 7, status: 'running', token: 't' } as RunningJob;
    fc.assert(
      fc.property(spoilt, (given) => {
        const run = readRunItem(given);
        const witness = { error: 'Runtime.ExitError', segment: 2 };
        expect(['completed', 'failed', 'canceled']).toContain(judge(run, witness, 6_000).outcome);
        resumption(run, witness, 6_000);
        inspect({ hold: { job: 7, type: 'a_job', token: 't', since: 1 }, job, run }, 6_000);
        for (const end of Object.values(run.ends)) expect(Number.isSafeInteger(end) && end >= 0).toBe(true);
        if (run.progress) expect(Number.isFinite(run.progress.done / 1)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  test('with anything in it can be ended, and frees slot and lock', async () => {
    const world = await makeWorld();
    const type = 'serial_job';
    let id = 0;
    await fc.assert(
      fc.asyncProperty(spoilt, async (given) => {
        id++;
        const ref = { job: id, type, token: `t${id}` };
        // Whatever the one before left: only so does the smallest example that fails say what is wrong.
        for (const sk of ['SLOT#0', 'LOCK#serial_job'])
          await write(world.table, { op: 'delete', key: { pk: 'BOARD', sk }, when: [] });
        await queue(world, [id, type]);
        await claimNow(world, id, type);
        await write(world.table, claimSegment({ id, type, token: ref.token }, 1, 'c', world.now + 1_000));
        const { id: _id, type: _type, token: _token, ...changes } = given;
        // Numbers, too, that our own writes never have.
        const whole = { ...(await world.item(keys.run(type, id))), ...changes };
        const marshalled = marshall(whole, { allowImpreciseNumbers: true, removeUndefinedValues: true });
        await world.table.client.send(new PutItemCommand({ TableName: world.table.name, Item: marshalled }));

        await endRun(world.service, ref, { error: 'Error', segment: 2 });

        expect((await world.job(id)).status).toMatch(/^(completed|failed|canceled)$/);
        expect(await world.board()).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});
