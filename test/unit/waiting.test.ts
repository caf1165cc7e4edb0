import { expect, test } from 'vitest';
import { next } from '../../core/dispatch.ts';
import type { Board, DispatchType, Hold, QueueRow, Slot } from '../../core/job.ts';
import { whyWaiting } from '../../core/waiting.ts';

const free: DispatchType = { runner: 'arn', concurrent: true, graceSeconds: 30, version: '1' };
const serial: DispatchType = { ...free, concurrent: false };
const types = { free_job: free, serial_job: serial, other_serial_job: serial, gone_job: { ...free, retired: 5 } };

const slot = (n: number, job: number, type: string): Slot => ({ n, job, type, repo: 2, token: `t${job}`, since: job });
const lock = (job: number, type: string): Hold => ({ job, type, repo: 2, token: `t${job}`, since: job });

function board({
  limit = 2,
  paused = false,
  slots = [],
  locks = [],
}: Partial<Board> & Partial<Board['settings']>): Board {
  return { settings: { limit, paused, types }, slots, locks };
}

const busy = [slot(0, 1, 'free_job'), slot(1, 2, 'free_job')];
const serialRuns = { slots: [slot(0, 1, 'serial_job')], locks: [lock(1, 'serial_job')] };

test.each<[string, Board, Record<string, number>, string, string[]]>([
  ['an empty board and no older job', board({}), {}, 'free_job', []],
  ['one older job and two free slots', board({}), { free_job: 1 }, 'free_job', []],
  ['two older jobs and two free slots', board({}), { free_job: 2 }, 'free_job', ['older_jobs_first']],
  ['one older job of another type that runs one at a time', board({}), { serial_job: 5 }, 'free_job', []],
  [
    'older jobs of two types that run one at a time',
    board({}),
    { serial_job: 5, other_serial_job: 1 },
    'free_job',
    ['older_jobs_first'],
  ],
  ['older jobs of types that are running', board(serialRuns), { serial_job: 5 }, 'free_job', []],
  ['an older job of its own type, one at a time', board({}), { serial_job: 1 }, 'serial_job', ['older_jobs_first']],
  ['its type is running', board(serialRuns), {}, 'serial_job', ['type_is_running']],
  [
    'its type is running, with older jobs of it',
    board(serialRuns),
    { serial_job: 2 },
    'serial_job',
    ['type_is_running', 'older_jobs_first'],
  ],
  [
    'its type was concurrent when a running job of it began',
    board({ slots: [slot(0, 1, 'serial_job')] }),
    {},
    'serial_job',
    ['type_is_running'],
  ],
  [
    'its type is still locked, and holds no slot',
    board({ locks: [lock(1, 'serial_job')] }),
    {},
    'serial_job',
    ['type_is_running'],
  ],
  ['all slots are taken', board({ slots: busy }), {}, 'free_job', ['no_free_slot']],
  [
    'all slots are taken, with older jobs',
    board({ slots: busy }),
    { free_job: 1 },
    'free_job',
    ['no_free_slot', 'older_jobs_first'],
  ],
  [
    'all slots are taken, older jobs are blocked',
    board({ limit: 1, ...serialRuns }),
    { serial_job: 1 },
    'free_job',
    ['no_free_slot'],
  ],
  [
    'all slots are taken and its type is running',
    board({ limit: 1, ...serialRuns }),
    {},
    'serial_job',
    ['type_is_running', 'no_free_slot'],
  ],
  ['the limit was lowered while more jobs run', board({ limit: 1, slots: busy }), {}, 'free_job', ['no_free_slot']],
  ['the queue is paused', board({ paused: true }), {}, 'free_job', ['paused']],
  [
    'the queue is paused, and all slots are taken',
    board({ paused: true, slots: busy }),
    {},
    'free_job',
    ['paused', 'no_free_slot'],
  ],
  ['nothing may run', board({ limit: 0 }), {}, 'free_job', ['limit_is_zero']],
  [
    'nothing may run, with an older job',
    board({ limit: 0 }),
    { free_job: 1 },
    'free_job',
    ['limit_is_zero', 'older_jobs_first'],
  ],
  ['its type was retired', board({}), {}, 'gone_job', ['unregistered_type']],
  ['its type is not known', board({ slots: busy }), {}, 'constructor', ['unregistered_type']],
  ['older jobs of a retired type', board({ limit: 1 }), { gone_job: 3 }, 'free_job', []],
])('%s', (_, seen, older, type, reasons) => {
  expect(whyWaiting(seen, new Map(Object.entries(older)), type).map(({ reason }) => reason)).toEqual(reasons);
});

test('the holders of a type are named once each, by how long they hold it', () => {
  const seen = board({ ...serialRuns, slots: [slot(1, 9, 'serial_job'), ...serialRuns.slots] });

  expect(whyWaiting(seen, new Map(), 'serial_job')[0]).toMatchObject({ holders: [{ job: 1 }, { job: 9 }] });
});

test('the holders of all slots are named', () => {
  expect(whyWaiting(board({ slots: busy }), new Map(), 'free_job')).toEqual([
    { reason: 'no_free_slot', holders: [busy[0], busy[1]] },
  ]);
});

test('a job waits for nothing if and only if a dispatcher would start it now', () => {
  const row = (id: number, type: string): QueueRow => ({ id, type }) as QueueRow;
  const names = ['free_job', 'serial_job', 'other_serial_job'];
  const boards = [
    {},
    { slots: busy },
    serialRuns,
    { limit: 0 },
    { limit: 1 },
    { paused: true },
    { limit: 1, ...serialRuns },
  ];
  for (const seen of boards.map(board)) {
    // Every queue of up to three jobs; the last one asks.
    for (let code = 0; code < 4 ** 2 * 3; code++) {
      const older = [code % 4, Math.floor(code / 4) % 4].flatMap((n) => names[n] ?? []);
      const type = names[Math.floor(code / 16)] ?? '';
      const queued = [...older, type].map((name, i) => row(i + 1, name));
      const counted = new Map<string, number>();
      for (const name of older) counted.set(name, (counted.get(name) ?? 0) + 1);

      expect([seen, queued, whyWaiting(seen, counted, type).length === 0]).toEqual([
        seen,
        queued,
        starts(seen, queued),
      ]);
    }
  }
});

/** Dispatches until nothing more may start; whether the last row was among what started. */
function starts(seen: Board, queued: readonly QueueRow[]): boolean {
  let now = seen;
  let left = queued;
  for (;;) {
    const heads = new Map(Object.keys(types).map((type) => [type, left.filter((row) => row.type === type)]));
    const choice = next(now, heads);
    if (choice.kind !== 'start') return false;
    const { row } = choice;
    if (row === queued.at(-1)) return true;
    const locks = choice.type.concurrent ? now.locks : [...now.locks, lock(row.id, row.type)];
    now = { ...now, slots: [...now.slots, slot(choice.slot, row.id, row.type)], locks };
    left = left.filter((other) => other !== row);
  }
}
