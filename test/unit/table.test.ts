// The job's state machine: which command is accepted in which state of job and run. Every command is its conditions.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Heads, next } from '../../core/dispatch.ts';
import {
  type Board,
  type DispatchType,
  fromItem,
  type Hold,
  type Job,
  noEnds,
  type QueueRow,
  type Run,
  type RunningJob,
  type Settings,
  type Slot,
} from '../../core/job.ts';
import * as commands from '../../core/table.ts';
import { keys } from '../../core/table.ts';
import type { Item, Transaction, Write } from '../../core/writes.ts';
import { applyTransaction, type Items, nameOf } from '../model/store.ts';
import { newJob } from './service-helpers.ts';

const free: DispatchType = { runner: 'arn', concurrent: true, graceSeconds: 30, version: '1' };
const serial: DispatchType = { ...free, concurrent: false };

const id = 7;
const type = 'serial_job';
const token = 't';
const run = { id, type, token };

function done(items: Items, transaction: Transaction | Write): void {
  expect(applyTransaction(items, transaction)).toEqual({ done: true });
}
const itemAt = (items: Items, key: { pk: string; sk: string }) => items.get(nameOf(key));
const setJob = (items: Items, change: Item) =>
  items.set(nameOf(keys.job(id)), { ...itemAt(items, keys.job(id)), ...change });
const jobIn = (items: Items) => fromItem<Job>(itemAt(items, keys.job(id)) ?? {});
const runIn = (items: Items) => fromItem<Run>(itemAt(items, keys.run(type, id)) ?? {});
const rowIn = (items: Items) => fromItem<QueueRow>(itemAt(items, keys.queue(type, id)) ?? { id, type });

/** The ways a job goes, each step by the command that the service uses. */
function stateOf(name: State): Items {
  const items: Items = new Map();
  const queued = () => done(items, commands.create(newJob(id, type)));
  const claimed = () => {
    queued();
    done(items, commands.claim({ row: rowIn(items), slot: 0, token, type: serial, now: 10 }));
  };
  const open = () => {
    claimed();
    done(items, commands.claimSegment(run, 1, 'c1', 100));
  };
  const settled = (outcome: 'completed' | 'failed' | 'canceled') =>
    done(items, commands.settle(run, { outcome, ends: noEnds }, 50));
  switch (name) {
    case 'no job':
      break;
    case 'queued':
      queued();
      break;
    case 'canceled while queued':
      queued();
      done(items, commands.cancelQueued(jobIn(items), 'manager', 9));
      break;
    case 'claimed':
      claimed();
      break;
    case 'in segment 1':
      open();
      break;
    case 'between segments':
      open();
      done(items, commands.closeSegment(run, 1, { state: '{}', ends: noEnds }));
      break;
    case 'asked to stop':
      open();
      done(items, commands.requestCancel(jobIn(items) as RunningJob, 'manager', 20));
      break;
    case 'said its end':
      open();
      done(items, commands.endRun(run, 1, { outcome: 'completed' }, noEnds));
      break;
    case 'completed':
      open();
      done(items, commands.endRun(run, 1, { outcome: 'completed' }, noEnds));
      settled('completed');
      break;
    case 'failed, revoked':
      open();
      settled('failed');
      done(items, commands.revoke(run));
      break;
    default:
      name satisfies never;
  }
  return items;
}

const states = [
  'no job',
  'queued',
  'canceled while queued',
  'claimed',
  'in segment 1',
  'between segments',
  'asked to stop',
  'said its end',
  'completed',
  'failed, revoked',
] as const;
type State = (typeof states)[number];

/** How often the job itself has changed by then: clients that saw an older one are told. */
const changesOf: Readonly<Record<State, number>> = {
  'no job': 0,
  queued: 0,
  'canceled while queued': 1,
  claimed: 1,
  'in segment 1': 1,
  'between segments': 1,
  'asked to stop': 2,
  'said its end': 1,
  completed: 2,
  'failed, revoked': 2,
};

/** Every command a job's life is made of, as it is sent in any state. */
const events: Readonly<Record<string, (items: Items) => Transaction | Write>> = {
  create: () => commands.create(newJob(id, type)),
  'cancel, seen queued': () => commands.cancelQueued({ id, type } as Job, 'manager', 60),
  'cancel, seen running': () => commands.requestCancel({ id, type, token } as RunningJob, 'manager', 60),
  claim: (items) => commands.claim({ row: rowIn(items), slot: 1, token: 'new', type: free, now: 60 }),
  'fail unstarted': (items) => commands.failQueued(rowIn(items), { kind: 'unregistered_type', reason: 'Gone.' }, 60),
  'claim segment 1': () => commands.claimSegment(run, 1, 'c9', 200),
  'claim segment 2': () => commands.claimSegment(run, 2, 'c9', 200),
  'claim segment 1, old token': () => commands.claimSegment({ ...run, token: 'old' }, 1, 'c9', 200),
  'progress in segment 1': () => commands.saveProgress(run, 1, { done: 1, total: 2 }),
  'progress in segment 2': () => commands.saveProgress(run, 2, { done: 1, total: 2 }),
  'progress, old token': () => commands.saveProgress({ ...run, token: 'old' }, 1, { done: 1, total: 2 }),
  'checkpoint in segment 1': () => commands.saveState(run, 1, { state: '{}', ends: noEnds }),
  'close segment 1': () => commands.closeSegment(run, 1, { state: '{}', ends: noEnds }),
  'interrupt segment 1': () => commands.interrupt({ ...run, segment: 1, open: true }, 'Killed.', 1),
  'interrupt between segments': () => commands.interrupt({ ...run, segment: 1, open: false }, 'Killed.', 1),
  'say the end in segment 1': () => commands.endRun(run, 1, { outcome: 'completed' }, noEnds),
  settle: () => commands.settle(run, { outcome: 'completed', ends: noEnds }, 60),
  'settle, old token': () => commands.settle({ id, token: 'old' }, { outcome: 'completed', ends: noEnds }, 60),
  revoke: () => commands.revoke(run),
  'revoke, seen before segment 1': () => commands.revoke(run, { segment: 0, open: false }),
  'revoke, seen in segment 1': () => commands.revoke(run, { segment: 1, open: true }),
  'release slot': () => commands.releaseSlot(0, { job: id, token }),
  'release slot, old token': () => commands.releaseSlot(0, { job: id, token: 'old' }),
  'release lock': () => commands.releaseLock(type, { job: id, token }),
  requeue: () => commands.requeue({ id, type } as Job),
  'settle as lost': () =>
    commands.settleLost({ id, type, token, slot: 0 } as RunningJob, undefined, { outcome: 'failed', ends: noEnds }, 60),
};

const yes = true;
const no_ = false;
describe('a command is accepted in these states:', () => {
  // In the order of `states`: no job, queued, canceled while queued, claimed, in segment 1, between segments, asked to
  // stop, said its end, completed, failed and revoked.
  test.each<[event: string, ...accepted: boolean[]]>([
    //                                no    queued canq  claimd seg1   betw   stop   said   compl  failed
    ['create', /*                  */ yes, no_, no_, no_, no_, no_, no_, no_, no_, no_],
    ['cancel, seen queued', /*     */ no_, yes, no_, no_, no_, no_, no_, no_, no_, no_],
    ['cancel, seen running', /*    */ no_, no_, no_, yes, yes, yes, no_, yes, no_, no_],
    ['claim', /*                   */ no_, yes, no_, no_, no_, no_, no_, no_, no_, no_],
    ['fail unstarted', /*          */ no_, yes, no_, no_, no_, no_, no_, no_, no_, no_],
    ['claim segment 1', /*         */ no_, no_, no_, yes, no_, no_, no_, no_, no_, no_],
    ['claim segment 2', /*         */ no_, no_, no_, no_, no_, yes, no_, no_, no_, no_],
    ['claim segment 1, old token', no_, no_, no_, no_, no_, no_, no_, no_, no_, no_],
    ['progress in segment 1', /*   */ no_, no_, no_, no_, yes, no_, yes, no_, no_, no_],
    ['progress in segment 2', /*   */ no_, no_, no_, no_, no_, no_, no_, no_, no_, no_],
    ['progress, old token', /*     */ no_, no_, no_, no_, no_, no_, no_, no_, no_, no_],
    ['checkpoint in segment 1', /* */ no_, no_, no_, no_, yes, no_, yes, no_, no_, no_],
    ['close segment 1', /*         */ no_, no_, no_, no_, yes, no_, yes, no_, no_, no_],
    ['interrupt segment 1', /*     */ no_, no_, no_, no_, yes, no_, no_, no_, no_, no_],
    ['interrupt between segments', no_, no_, no_, no_, no_, yes, no_, no_, no_, no_],
    ['say the end in segment 1', /**/ no_, no_, no_, no_, yes, no_, yes, no_, no_, no_],
    ['settle', /*                  */ no_, no_, no_, yes, yes, yes, yes, yes, no_, no_],
    ['settle, old token', /*       */ no_, no_, no_, no_, no_, no_, no_, no_, no_, no_],
    ['revoke', /*                  */ no_, no_, no_, yes, yes, yes, yes, yes, yes, no_],
    ['revoke, seen before segment 1', no_, no_, no_, yes, no_, no_, no_, no_, no_, no_],
    ['revoke, seen in segment 1', /**/ no_, no_, no_, no_, yes, no_, yes, no_, no_, no_],
    // Only the holder may free; whether it may is for who decides (certain ends), not for the table.
    ['release slot', /*            */ no_, no_, no_, yes, yes, yes, yes, yes, yes, yes],
    ['release slot, old token', /* */ no_, no_, no_, no_, no_, no_, no_, no_, no_, no_],
    ['release lock', /*            */ no_, no_, no_, yes, yes, yes, yes, yes, yes, yes],
    // Its row is there while it is queued: nothing to put back.
    ['requeue', /*                 */ no_, no_, no_, no_, no_, no_, no_, no_, no_, no_],
    // It holds its slot while it runs: it is not lost.
    ['settle as lost', /*          */ no_, no_, no_, no_, no_, no_, no_, no_, no_, no_],
  ])('%s', (event, ...accepted) => {
    const command = events[event];
    const found = states.filter((state) => {
      const items = stateOf(state);
      const before = new Map(items);
      const written = command ? applyTransaction(items, command(items)) : undefined;
      if (!written?.done) expect(items).toEqual(before);
      return written?.done;
    });
    expect(found).toEqual(states.filter((_, i) => accepted[i]));
  });

  test('each command has a row', () => {
    expect(Object.keys(events)).toHaveLength(26);
  });
});

describe('what a command leaves behind:', () => {
  test('create makes a queued job and its queue row', () => {
    const items = stateOf('queued');

    expect(jobIn(items)).toMatchObject({ status: 'queued', lockVersion: 0, gsk: 'queued#000000000007', gpk: 'REPO#2' });
    expect(rowIn(items)).toMatchObject({ id, type, owner: 'archivist', params: '{"times":"1"}' });
    expect(items.size).toBe(2);
  });

  test('create puts long parameters apart, and the names of files in one item', () => {
    const items: Items = new Map();
    const file = { name: 'a.xml', size: 3, contentType: 'text/xml', etag: '"e"' };
    done(items, commands.create(newJob(id, type, { apart: true, inputs: [file] })));

    expect(jobIn(items)).toMatchObject({ inputs: 1 });
    expect(jobIn(items)).not.toHaveProperty('params');
    expect(rowIn(items)).not.toHaveProperty('params');
    expect(itemAt(items, keys.run(type, id, 'PARAMS'))).toMatchObject({ params: '{"times":"1"}' });
    expect(itemAt(items, keys.run(type, id, 'INPUTS'))).toMatchObject({ files: [file] });
  });

  test('create keeps a client’s free text for people and, apart, for the runner', () => {
    const items: Items = new Map();
    done(items, commands.create(newJob(id, type, { jobParams: '{"note":"x"}' })));

    expect(jobIn(items)).toMatchObject({ jobParams: '{"note":"x"}' });
    expect(itemAt(items, keys.run(type, id, 'JOB_PARAMS'))).toMatchObject({ v: 1, jobParams: '{"note":"x"}' });
  });

  test.each(states.filter((state) => state !== 'no job'))('a job that is %s is listed under its status', (state) => {
    const items = stateOf(state);
    const { status, lockVersion } = jobIn(items);

    expect(jobIn(items)).toMatchObject({ gpk: 'REPO#2', gsk: `${status}#000000000007` });
    expect(lockVersion).toBe(changesOf[state]);
  });

  test('cancel of a queued job takes its row away, so that it never starts', () => {
    const items = stateOf('canceled while queued');

    expect(jobIn(items)).toMatchObject({ status: 'canceled', canceledBy: 'manager', finished: 9, lockVersion: 1 });
    expect(itemAt(items, keys.queue(type, id))).toBeUndefined();
  });

  test('a cancel of a running job tells its run, and only the run that it has', () => {
    const items = stateOf('asked to stop');
    expect(runIn(items)).toMatchObject({ cancelAt: 20 });
    expect(jobIn(items)).toMatchObject({ cancelRequested: 20, canceledBy: 'manager', status: 'running' });

    const other = stateOf('in segment 1');
    done(other, commands.revoke(run));
    const late = commands.requestCancel(jobIn(other) as RunningJob, 'manager', 20);
    expect(applyTransaction(other, late).done).toBe(false);
    expect(jobIn(other)).not.toHaveProperty('cancelRequested');
  });

  test('a job that can never run has failed, and its row is gone', () => {
    const items = stateOf('queued');
    const failure = { kind: 'unregistered_type', reason: 'Gone.' } as const;
    done(items, commands.failQueued(rowIn(items), failure, 60));

    expect(jobIn(items)).toMatchObject({ status: 'failed', failure, finished: 60, mtime: 60, lockVersion: 1 });
    expect(jobIn(items)).toMatchObject({ gsk: 'failed#000000000007' });
    expect(itemAt(items, keys.queue(type, id))).toBeUndefined();
  });

  test('what people did is noted beside the job, each by itself', () => {
    const items = stateOf('queued');
    done(items, commands.event(id, 30, 'n1', { what: 'cancel', by: 'manager' }));
    done(items, commands.event(id, 30, 'n2', { what: 'cancel', by: 'archivist' }));

    expect(itemAt(items, keys.event(id, 30, 'n1'))).toMatchObject({ v: 1, at: 30, what: 'cancel', by: 'manager' });
    expect(itemAt(items, keys.event(id, 30, 'n2'))).toMatchObject({ by: 'archivist' });
  });

  test('a claim takes slot and lock, and the row away, under one token', () => {
    const items = stateOf('claimed');

    expect(jobIn(items)).toMatchObject({ status: 'running', token, slot: 0, runner: 'arn', started: 10 });
    expect(itemAt(items, keys.slot(0))).toMatchObject({ job: id, type, token, n: 0 });
    expect(itemAt(items, keys.lock(type))).toMatchObject({ job: id, type, token });
    expect(runIn(items)).toMatchObject({ token, segment: 0, open: false, params: '{"times":"1"}' });
    expect(runIn(items).ends).toEqual({ log: 0, files: 0, records: 0 });
    expect(itemAt(items, keys.queue(type, id))).toBeUndefined();
  });

  test('a claim of a concurrent type takes no lock', () => {
    const items = stateOf('queued');
    done(items, commands.claim({ row: rowIn(items), slot: 0, token, type: free, now: 10 }));

    expect(itemAt(items, keys.lock(type))).toBeUndefined();
  });

  test('a claim sets the time limit of its type from its start', () => {
    const items = stateOf('queued');
    const limited = { ...free, timeLimitSeconds: 60 };
    done(items, commands.claim({ row: rowIn(items), slot: 0, token, type: limited, now: 10 }));

    expect(runIn(items).limitAt).toBe(60_010);
  });

  test.each([
    ['slot', keys.slot(1), commands.claimParts.slot],
    ['lock', keys.lock(type), commands.claimParts.lock],
    ['queue row', undefined, commands.claimParts.queue],
  ])('a claim is refused for its %s, and changes nothing', (_, taken, part) => {
    const items = stateOf('queued');
    const row = rowIn(items);
    if (taken) items.set(nameOf(taken), { ...taken, job: 1, token: 'other' });
    else items.delete(nameOf(keys.queue(type, id)));
    const before = new Map(items);

    const written = applyTransaction(items, commands.claim({ row, slot: 1, token, type: serial, now: 10 }));

    const refused = written.done ? [] : written.refused;
    expect(refused.flatMap((one, i) => (one === undefined ? [] : [i]))).toEqual([part]);
    expect(items).toEqual(before);
  });

  test('progress and state are kept, and the run goes on', () => {
    const items = stateOf('in segment 1');
    const before = runIn(items);
    const progress = { done: 1, total: 2, message: 'half' };
    done(items, commands.saveProgress(run, 1, progress));
    done(items, commands.saveState(run, 1, { state: '{"at":1}', ends: noEnds }));

    expect(runIn(items)).toEqual({ ...before, progress, state: '{"at":1}', saves: 1 });
  });

  test('a segment that is over leaves its state and ends to the next', () => {
    const items = stateOf('in segment 1');
    const ends = { log: 100, files: 2, records: 3 };
    done(items, commands.closeSegment(run, 1, { state: '{"at":2}', ends }));

    expect(runIn(items)).toMatchObject({ open: false, segment: 1, state: '{"at":2}', ends });
    expect(runIn(items)).not.toHaveProperty('heedsCancel');
  });

  test('a run says between two segments that the next one will heed a cancel, and no longer than that', () => {
    const items = stateOf('in segment 1');
    done(items, commands.closeSegment(run, 1, { state: '{}', ends: noEnds, heedsCancel: true }));
    expect(runIn(items)).toMatchObject({ heedsCancel: true });

    done(items, commands.claimSegment(run, 2, 'c2', 200));
    done(items, commands.closeSegment(run, 2, { state: '{}', ends: noEnds }));
    expect(runIn(items)).not.toHaveProperty('heedsCancel');
  });

  test('each save goes over the one before it, and a late one over none', () => {
    const items = stateOf('in segment 1');
    const save = (saves: number | undefined, state: string) =>
      commands.saveState({ ...run, ...(saves !== undefined && { saves }) }, 1, {
        state,
        stateVersion: 2,
        ends: noEnds,
      });
    done(items, save(undefined, '1'));
    done(items, save(1, '2'));

    for (const late of [undefined, 0, 1, 3]) expect(applyTransaction(items, save(late, 'late')).done).toBe(false);
    expect(runIn(items)).toMatchObject({ state: '2', stateVersion: 2, saves: 2 });
  });

  test('a segment that is over without a new state leaves the one that was saved, and may count an attempt', () => {
    const items = stateOf('in segment 1');
    const ends = { log: 100, files: 1, records: 0 };
    done(items, commands.saveState(run, 1, { state: '1', stateVersion: 2, ends: noEnds, interruptions: 1 }));
    expect(runIn(items)).toMatchObject({ attempt: 1, interruptions: 1 });
    done(items, commands.closeSegment(run, 1, { ends, attempt: 2 }));

    expect(runIn(items)).toMatchObject({ open: false, state: '1', stateVersion: 2, ends, attempt: 2 });
    expect(runIn(items)).not.toHaveProperty('interruptions');
    done(items, commands.claimSegment(run, 2, 'c2', 200));
    done(items, commands.closeSegment(run, 2, { state: '2', ends }));
    expect(runIn(items)).toMatchObject({ state: '2', attempt: 2 });
    expect(runIn(items)).not.toHaveProperty('stateVersion');
  });

  test('a segment that broke off is closed with its number, the reason, and how often', () => {
    const items = stateOf('in segment 1');
    const seen = { ...run, segment: 1, open: true };
    done(items, commands.interrupt(seen, 'It was killed.', 1));

    expect(runIn(items)).toMatchObject({ segment: 1, open: false, interruptions: 1 });
    expect(runIn(items).interruption).toEqual({ segment: 1, reason: 'It was killed.' });
    // Seen before it was closed, or with another count: somebody else was first.
    const closed = { ...seen, open: false };
    for (const old of [seen, closed, { ...closed, interruptions: 2 }])
      expect(applyTransaction(items, commands.interrupt(old, 'Again.', 2)).done).toBe(false);
    done(items, commands.interrupt({ ...closed, interruptions: 1 }, 'It died before it began.', 2, 2));
    expect(runIn(items)).toMatchObject({ segment: 2, interruptions: 2, interruption: { segment: 2 } });
  });

  test('a claim hands the run what its type says of going on, and nothing where it says nothing', () => {
    const claimedAs = (type_: typeof free) => {
      const items = stateOf('queued');
      done(items, commands.claim({ row: rowIn(items), slot: 0, token, type: type_, now: 20 }));
      return runIn(items);
    };

    expect(claimedAs({ ...free, resumable: true, retries: 2 })).toMatchObject({ resumable: true, retries: 2 });
    for (const silent of [free, { ...free, resumable: false, retries: 0 }]) {
      expect(claimedAs(silent)).not.toHaveProperty('resumable');
      expect(claimedAs(silent)).not.toHaveProperty('retries');
    }
  });

  test('an output file goes over that of the earlier segment that it was seen to be of', () => {
    const items = stateOf('in segment 1');
    const key = commands.keys.file(type, id, 0);
    done(items, commands.append(key, token, 1, { name: 'a.txt' }));

    for (const [as, earlier] of [
      ['other', 1],
      [token, 2],
    ] as const)
      expect(applyTransaction(items, commands.writeOver(key, as, 3, earlier, { name: 'b.txt' })).done).toBe(false);
    done(items, commands.writeOver(key, token, 3, 1, { name: 'b.txt' }));
    expect(items.get(nameOf(key))).toEqual({ ...key, v: 1, token, segment: 3, name: 'b.txt' });
  });

  test('a run that says its end leaves outcome, reason, ends and its last progress', () => {
    const items = stateOf('in segment 1');
    const ends = { log: 100, files: 2, records: 3 };
    const failure = { kind: 'runner_error', reason: 'No such record.' } as const;
    const progress = { done: 2, total: 2 };
    done(items, commands.endRun(run, 1, { outcome: 'failed', failure }, ends, progress));

    expect(runIn(items)).toMatchObject({ open: false, ends, progress });
    expect(runIn(items).end).toEqual({ outcome: 'failed', failure });
  });

  test('a run that says its end, and nothing more of its progress, leaves it as it was', () => {
    const items = stateOf('in segment 1');
    done(items, commands.saveProgress(run, 1, { done: 1, total: 2 }));
    done(items, commands.endRun(run, 1, { outcome: 'completed' }, noEnds));

    expect(runIn(items)).toMatchObject({ end: { outcome: 'completed' }, progress: { done: 1, total: 2 } });
    expect(runIn(items).end).toEqual({ outcome: 'completed' });
  });

  test('a run whose token was taken away is as it was otherwise', () => {
    const items = stateOf('in segment 1');
    const before = runIn(items);
    done(items, commands.revoke(run));

    expect(runIn(items)).toEqual({ ...before, token: 'revoked' });
  });

  test('a job that completed has no reason', () => {
    expect(jobIn(stateOf('completed'))).not.toHaveProperty('failure');
  });

  test('a claim is refused for a row whose job is not queued, as a restore may leave it', () => {
    const items = stateOf('queued');
    setJob(items, { status: 'canceled' });
    const before = new Map(items);

    const written = applyTransaction(
      items,
      commands.claim({ row: rowIn(items), slot: 1, token, type: serial, now: 10 }),
    );

    expect(written.done || written.refused[commands.claimParts.job]).toMatchObject({ status: 'canceled' });
    expect(items).toEqual(before);
  });

  test('a settled job keeps the ends of what counts', () => {
    const items = stateOf('in segment 1');
    const ends = { log: 100, files: 2, records: 3 };
    const failure = { kind: 'crashed', reason: 'Gone.' } as const;
    done(items, commands.settle(run, { outcome: 'failed', failure, ends }, 50));

    expect(jobIn(items)).toMatchObject({ status: 'failed', ends, failure, finished: 50, gsk: 'failed#000000000007' });
    expect(itemAt(items, keys.slot(0))).toBeDefined();
  });

  test.each<[name: string, command: Transaction | Write]>([
    ['settle', commands.settle(run, { outcome: 'completed', ends: noEnds }, 60)],
    ['release of the slot', commands.releaseSlot(0, { job: id, token })],
    ['release of the lock', commands.releaseLock(type, { job: id, token })],
    [
      'settle with release',
      [
        commands.settle(run, { outcome: 'completed', ends: noEnds }, 60),
        commands.releaseSlot(0, { job: id, token }),
        commands.releaseLock(type, { job: id, token }),
      ],
    ],
  ])('%s, sent again, changes nothing', (_, command) => {
    const items = stateOf('in segment 1');
    done(items, command);
    const after = new Map(items);

    expect(applyTransaction(items, command).done).toBe(false);
    expect(items).toEqual(after);
  });

  test('a late release does not free the slot of the next job', () => {
    const items = stateOf('completed');
    done(items, commands.releaseSlot(0, { job: id, token }));
    done(items, commands.releaseLock(type, { job: id, token }));
    done(items, commands.create(newJob(8, type)));
    const row = fromItem<QueueRow>(itemAt(items, keys.queue(type, 8)) ?? {});
    done(items, commands.claim({ row, slot: 0, token: 't8', type: serial, now: 70 }));

    expect(applyTransaction(items, commands.releaseSlot(0, { job: id, token })).done).toBe(false);
    expect(applyTransaction(items, commands.releaseLock(type, { job: id, token })).done).toBe(false);
    expect(itemAt(items, keys.lock(type))).toMatchObject({ job: 8 });
  });

  test('log chunks are put once, whoever comes second', () => {
    const items: Items = new Map();
    const chunk = (text: string) => commands.append(keys.log(type, id, 0), token, 1, { size: text.length, text });
    done(items, chunk('first'));

    expect(applyTransaction(items, chunk('second')).done).toBe(false);
    expect(itemAt(items, keys.log(type, id, 0))).toMatchObject({ text: 'first', token, segment: 1 });
  });
});

describe('repair:', () => {
  test('a queued job without a row gets it back, as create wrote it', () => {
    const items = stateOf('queued');
    const before = new Map(items);
    items.delete(nameOf(keys.queue(type, id)));

    done(items, commands.requeue(jobIn(items)));

    expect(items).toEqual(before);
  });

  test('a job that is running on a slot that somebody else holds is ended', () => {
    const items = stateOf('claimed');
    items.set(nameOf(keys.slot(0)), { ...keys.slot(0), job: 1, token: 'other' });

    done(items, commands.settleLost(jobIn(items) as RunningJob, runIn(items), { outcome: 'failed', ends: noEnds }, 60));

    expect(jobIn(items).status).toBe('failed');
    expect(itemAt(items, keys.slot(0))).toMatchObject({ job: 1, token: 'other' });
  });

  test('a job whose run is gone is ended without it', () => {
    const items = stateOf('claimed');
    items.delete(nameOf(keys.slot(0)));
    items.delete(nameOf(keys.run(type, id)));

    done(items, commands.settleLost(jobIn(items) as RunningJob, undefined, { outcome: 'failed', ends: noEnds }, 60));

    expect(jobIn(items).status).toBe('failed');
    expect(itemAt(items, keys.run(type, id))).toBeUndefined();
  });

  test.each<[name: string, seen: Job | undefined, is: Job['status'] | undefined, dropped: boolean]>([
    ['whose job is not there is dropped', undefined, undefined, true],
    ['whose job was seen ended is dropped', { status: 'failed' } as Job, 'failed', true],
    ['is kept when its job was not there, but is now', undefined, 'queued', false],
    ['is kept when its job was seen running, but is queued', { status: 'running' } as Job, 'queued', false],
  ])('a row %s', (_, seen, is, dropped) => {
    const items = stateOf('queued');
    const job = itemAt(items, keys.job(id));
    if (is) items.set(nameOf(keys.job(id)), { ...job, status: is });
    else items.delete(nameOf(keys.job(id)));

    const before = itemAt(items, keys.job(id));

    expect(applyTransaction(items, commands.dropRow(rowIn(items), seen)).done).toBe(dropped);
    expect(items.has(nameOf(keys.queue(type, id)))).toBe(!dropped);
    expect(itemAt(items, keys.job(id))).toEqual(before);
  });

  describe('slot and lock of a job', () => {
    const hold = { job: id, token };
    const freed = (items: Items, seen: Job | undefined) =>
      applyTransaction(items, commands.releaseLeft(hold, seen, [0], [type])).done;
    const boardIn = (items: Items) => [keys.slot(0), keys.lock(type)].map((key) => items.has(nameOf(key)));

    test.each<[name: string, change: (items: Items) => void]>([
      ['that has ended', () => undefined],
      ['that runs under another token', (items) => setJob(items, { status: 'running', token: 'new' })],
      ['that is not there', (items) => items.delete(nameOf(keys.job(id)))],
    ])('%s are freed, and the job stays as it is', (_, change) => {
      const items = stateOf('completed');
      change(items);
      const job = itemAt(items, keys.job(id));

      expect(freed(items, job && fromItem<Job>(job))).toBe(true);
      expect(boardIn(items)).toEqual([false, false]);
      expect(itemAt(items, keys.job(id))).toEqual(job);
    });

    test.each<[name: string, seen: Job | undefined, is: Item | undefined]>([
      ['was not there, but is now', undefined, { status: 'queued' }],
      ['was there, but is gone', { status: 'completed' } as Job, undefined],
      ['was seen queued, but a claim came through', { status: 'queued' } as Job, { status: 'running', token }],
      [
        'was seen running under another token, but has this one',
        { status: 'running' } as Job,
        { status: 'running', token },
      ],
    ])('are kept when it %s', (_, seen, is) => {
      const items = stateOf('completed');
      if (is) setJob(items, is);
      else items.delete(nameOf(keys.job(id)));

      expect(freed(items, seen)).toBe(false);
      expect(boardIn(items)).toEqual([true, true]);
    });
  });

  test('a late write of a run that was revoked cannot begin another segment', () => {
    const items = stateOf('between segments');
    done(items, commands.revoke(run, { segment: 1, open: false }));

    expect(applyTransaction(items, commands.claimSegment(run, 2, 'c2', 300)).done).toBe(false);
  });

  test('a job that was ended for having no slot can begin no further segment', () => {
    const items = stateOf('between segments');
    items.delete(nameOf(keys.slot(0)));
    done(items, commands.settleLost(jobIn(items) as RunningJob, runIn(items), { outcome: 'failed', ends: noEnds }, 60));

    expect(applyTransaction(items, commands.claimSegment(run, 2, 'c2', 300)).done).toBe(false);
  });
});

// ---------------------------------------------------------------- dispatchers that race

const types = { a: { ...free }, s: { ...serial }, z: { ...serial } };

function viewOf(items: Items): { board: Board; heads: Heads } {
  const of = (pk: string) => [...items.values()].filter((item) => item['pk'] === pk);
  const board = of('BOARD');
  const at = (prefix: string) => board.filter((item) => String(item['sk']).startsWith(prefix));
  const rows = [...items.values()]
    .filter((item) => String(item['pk']).startsWith('QUEUE#'))
    .map((item) => fromItem<QueueRow>(item))
    .sort((x, y) => x.id - y.id);
  return {
    board: {
      settings: fromItem<Settings>(board.find((item) => item['sk'] === 'SETTINGS') as Item),
      slots: at('SLOT#').map((item) => fromItem<Slot>(item)),
      locks: at('LOCK#').map((item) => fromItem<Hold>(item)),
    },
    heads: Map.groupBy(rows, (row) => row.type),
  };
}

type Step =
  | { readonly do: 'create'; readonly type: 'a' | 's' | 'z' }
  | { readonly do: 'look' | 'claim'; readonly who: number }
  | { readonly do: 'end'; readonly which: number }
  | { readonly do: 'limit'; readonly limit: number };
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('create' as const), type: fc.constantFrom('a', 's', 'z') }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('look', 'claim'), who: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('claim' as const), who: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('limit' as const), limit: fc.nat(3) }) },
);

test('dispatchers that claim from old views never run more jobs than the highest limit they saw, nor two of a serial type, nor one twice', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { minLength: 10, maxLength: 60 }), (steps) => {
      const items: Items = new Map();
      const limits = [2];
      done(items, { op: 'put', key: keys.settings, item: { limit: 2, paused: false, types }, when: [] });
      const views = new Map<number, ReturnType<typeof viewOf>>();
      const started: number[] = [];
      let last = 0;
      for (const [i, step] of steps.entries()) {
        if (step.do === 'create') done(items, commands.create(newJob(++last, step.type)));
        if (step.do === 'limit') {
          limits.push(step.limit);
          done(items, commands.setLimit(step.limit));
        }
        if (step.do === 'look') views.set(step.who, viewOf(items));
        if (step.do === 'claim') {
          const view = views.get(step.who) ?? viewOf(items);
          const choice = next(view.board, view.heads);
          if (choice.kind !== 'start') continue;
          const { row, slot } = choice;
          const claim = commands.claim({ row, slot, token: `t${i}`, type: choice.type, now: i });
          if (applyTransaction(items, claim).done) started.push(row.id);
        }
        if (step.do === 'end') {
          const { board } = viewOf(items);
          const held = board.slots[step.which % Math.max(1, board.slots.length)];
          if (!held) continue;
          const lock = board.locks.filter(({ token: its }) => its === held.token);
          done(items, [
            commands.settle({ id: held.job, token: held.token }, { outcome: 'completed', ends: noEnds }, i),
            commands.releaseSlot(held.n, held),
            ...lock.map((one) => commands.releaseLock(one.type, one)),
          ]);
        }

        const running = [...items.values()].filter((item) => item['status'] === 'running');
        expect(running.length).toBeLessThanOrEqual(Math.max(...limits));
        for (const name of ['s', 'z'])
          expect(running.filter((job) => job['type'] === name).length).toBeLessThanOrEqual(1);
        expect(
          viewOf(items)
            .board.slots.map(({ job }) => job)
            .sort(),
        ).toEqual(running.map((job) => job['id']).sort());
      }
      expect(new Set(started).size).toBe(started.length);
    }),
    { numRuns: 300 },
  );
});
