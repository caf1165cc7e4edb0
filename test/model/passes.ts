/** The dispatch pass (functions/pass.ts) as a step machine: each read and each conditional write is one step. */
import { type Board, isEnded, type QueueRow } from '../../core/job.ts';
import { claimParts } from '../../core/table.ts';
import type { Hands, Process } from './engine.ts';
import { blocked, type Execution, type Ghost, type Torn, type View, type World } from './world.ts';

/** What a pass has in memory. An idle one has nothing: a doorbell, however often it rang or got lost, may start it. */
export interface Pass {
  readonly at: 'board' | 'heads' | 'dead' | 'drop' | 'pending';
  readonly board?: View;
  /** Job ids by type. */
  readonly heads?: Readonly<Record<string, readonly number[]>>;
  /** Types whose heads are still to be read. */
  readonly todo?: readonly string[];
  readonly row?: number;
  readonly status?: string;
  /** Claimed, StartExecution still to be called: by job. */
  readonly pending: readonly { readonly job: number; readonly token: string }[];
  /** For the property of order: jobs that could run when the board was read. */
  readonly since?: readonly number[];
}

/** Whose type is concurrent blocks nobody, so that its type is of no interest. */
export const viewOf = (world: World, board: Board): View => ({
  slots: board.slots.map(({ n, type }) => ({ n, type: world.scenario.types[type]?.concurrent ? '' : type })),
  locks: board.locks.map(({ type }) => type),
});

export const boardOf = (world: World, view: View): Board => {
  const nobody = { job: 0, token: '', since: 0 };
  return {
    settings: world.settings,
    slots: view.slots.map((slot) => ({ ...slot, ...nobody })),
    locks: view.locks.map((type) => ({ type, ...nobody })),
  };
};

export type May = Parameters<Process>[1];

/** As `may`, but with the fault of a transaction that becomes visible bit by bit. */
export function mayCommit(
  world: World,
  read: Hands['read'],
  may: May,
  by: number,
  label: string,
  step: (hands: Hands, commit: (transaction: Parameters<World['commit']>[1]) => ReturnType<World['commit']>) => void,
) {
  may(label, (hands) => step(hands, (transaction) => world.commit(hands, transaction)));
  if (!world.left(read, 'torn') || read(world.torn) !== undefined) return;
  for (let mask = 1; mask < 31; mask++) {
    may(`! ${label}; of its transaction only ${mask.toString(2)} can be seen so far`, (hands) => {
      world.spend(hands);
      step(hands, (transaction) => world.commit(hands, transaction, { by, mask }));
    });
  }
}

/** Whether a process waits for the answer to a transaction that is not through. */
export const waits = (world: World, read: Hands['read'], by: number) =>
  world.may('torn') && (read(world.torn) as Torn | undefined)?.by === by;

/** A pass that has this board: reads the heads it needs. */
export function begin(
  world: World,
  board: View,
  since: readonly number[],
  pending: Pass['pending'] = [],
): Pass | undefined {
  const todo = world.p.typesToRead(boardOf(world, board));
  return proceed(world, { at: 'heads', board, heads: {}, todo, pending, since });
}

/** Nothing is left to be read: does it find something to do? What it will not need it forgets. */
function proceed(world: World, pass: Pass): Pass | undefined {
  const { board = { slots: [], locks: [] }, heads = {}, todo = [], since = [] } = pass;
  const wanted = world.p.typesToRead(boardOf(world, board));
  // Of a type that is not wanted by now nothing is wanted before the board is read again.
  const kept = Object.fromEntries(Object.entries(heads).filter(([type]) => wanted.includes(type)));
  // What a pass has seen it is held to by what it saw.
  const unseen = since.filter((id) => !kept[world.spec(id).type]?.includes(id) && id < world.ids.length);
  const less = { ...pass, heads: kept, since: unseen };
  if (todo.length || choose(world, less).kind !== 'none') return less;
  return pass.pending.length ? { at: 'pending', pending: pass.pending } : undefined;
}

function choose(world: World, pass: Pass) {
  const rows = new Map(
    Object.entries(pass.heads ?? {}).map(([type, ids]) => [type, ids.map((id) => rowOf(world, id))] as const),
  );
  return world.p.next(boardOf(world, pass.board as View), rows);
}

/** A queue row never changes, so that its id says all of it. */
function rowOf(world: World, id: number): QueueRow {
  const write = world.creation(id)[1];
  if (write?.op !== 'put') throw new Error('A create puts the queue row second.');
  return write.item as unknown as QueueRow;
}

function forget(world: World, pass: Pass, row: number): Pass {
  const { type } = world.spec(row);
  const { [type]: ids = [], ...others } = pass.heads ?? {};
  const rest = ids.filter((id) => id !== row);
  if (rest.length) return { ...pass, at: 'heads', heads: sorted({ ...others, [type]: rest }) };
  const again = world.p.typesToRead(boardOf(world, pass.board as View)).includes(type);
  return { ...pass, at: 'heads', heads: others, todo: again ? [type] : [] };
}

const sorted = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));

/** StartExecution as `ensureStarted` (aws/executions.ts) uses it; returns the execution as it stands then. */
export function ensureStarted(world: World, hands: Hands, id: number, token: string): Execution {
  const part = world.execution[id - 1] as number;
  const all = world.executions(hands.read, id);
  const open = all.find((execution) => execution.token === token);
  if (open) return open;
  const started: Execution = { token, at: 'run', seg: 1 };
  hands.write(part, [...all, started]);
  world.invoke(hands, id, token, 1, 'a');
  return started;
}

export function passProcess(world: World, n: number): Process {
  const me = world.pass[n] as number;
  const name = `pass ${n + 1}`;
  return (read, may) => {
    if (waits(world, read, me)) return;
    const pass = read(me) as Pass | undefined;
    const keep = (hands: Hands, next: Pass | undefined) => hands.write(me, next);
    if (pass === undefined || pass.at === 'board') {
      may(`${name} reads the board`, (hands) => {
        const board = world.readBoard(hands.read);
        const pending = pass?.pending ?? [];
        keep(hands, begin(world, viewOf(world, board), world.runnable(hands.read, board), pending));
      });
    }
    if (world.p.ways.boardLags && pass === undefined) lags();
    if (!pass) return;
    for (const { job, token } of pass.pending) {
      const pending = pass.pending.filter((other) => other.job !== job);
      const less = pass.at === 'pending' && pending.length === 0 ? undefined : { ...pass, pending };
      const rest = less?.at === 'board' && pending.length === 0 ? undefined : less;
      may(`${name} starts the execution of job ${job}`, (hands) => {
        ensureStarted(world, hands, job, token);
        keep(hands, rest);
      });
      if (world.left(read, 'start'))
        may(`! ${name} cannot start the execution of job ${job}`, (hands) => {
          world.spend(hands);
          keep(hands, rest);
        });
    }
    if (pass.pending.length > 0 && world.left(read, 'crash'))
      may(`! ${name} crashes`, (hands) => {
        world.spend(hands);
        keep(hands, undefined);
      });
    if (pass.at === 'heads') {
      const todo = pass.todo ?? [];
      for (const type of world.scenario.apart ? todo : todo.slice(0, 1)) {
        may(`${name} reads the queue of ${type}`, (hands) => {
          const ids = world.ids.filter((id) => world.spec(id).type === type && world.readRow(hands.read, id));
          const heads = ids.length ? sorted({ ...pass.heads, [type]: ids }) : (pass.heads ?? {});
          keep(hands, proceed(world, { ...pass, heads, todo: pass.todo?.filter((other) => other !== type) ?? [] }));
        });
      }
      if (!pass.todo?.length) act(pass);
    }
    const { row } = pass;
    if (pass.at === 'dead' && row !== undefined)
      may(`${name} reads job ${row}, whose claim was refused`, (hands) => {
        const job = world.readJob(hands.read, row);
        if (world.p.inspectRow(job) === 'drop')
          keep(hands, { ...pass, at: 'drop', ...(job && { status: job.status }) });
        else keep(hands, proceed(world, without(forget(world, pass, row))));
      });
    if (pass.at === 'drop' && row !== undefined)
      mayCommit(world, read, may, me, `${name} drops the dead row of job ${row}`, (hands, commit) => {
        const job = pass.status ? ({ status: pass.status } as NonNullable<ReturnType<World['readJob']>>) : undefined;
        commit(world.p.dropRow(rowOf(world, row), job));
        keep(hands, proceed(world, without(forget(world, pass, row))));
      });

    function act(pass: Pass) {
      const choice = choose(world, pass);
      if (choice.kind === 'none') return;
      const { row } = choice;
      if (choice.kind === 'fail') {
        mayCommit(world, read, may, me, `${name} fails job ${row.id} of an unregistered type`, (hands, commit) => {
          const failure = { kind: 'unregistered_type', reason: '' } as const;
          if (commit(world.p.failQueued(row, failure, world.now(hands.read, row.id))).done)
            keep(hands, proceed(world, forget(world, pass, row.id)));
          else keep(hands, { ...pass, at: 'dead', row: row.id });
        });
        return;
      }
      for (const slot of world.p.freeSlots(boardOf(world, pass.board as View))) {
        mayCommit(world, read, may, me, `${name} claims job ${row.id} on slot ${slot}`, (hands, commit) => {
          const ghost = hands.read(world.ghost[row.id - 1] as number) as Ghost;
          const token = `t${row.id}.${ghost.claims + 1}`;
          const now = world.now(hands.read, row.id);
          const over = world
            .runnable(world.committed(hands.read))
            .find((id) => id < row.id && pass.since?.includes(id));
          const written = commit(world.p.claim({ row, slot, token, type: choice.type, now }));
          if (written.done) {
            hands.write(world.ghost[row.id - 1] as number, { ...ghost, claims: ghost.claims + 1 } satisfies Ghost);
            if (over !== undefined) hands.violate('an older job that might run was passed over');
            if (oldest(pass) !== row.id) hands.violate('a claim took another job than the oldest it saw');
            const board = pass.board as View;
            const held: View = {
              slots: [...board.slots, { n: slot, type: choice.type.concurrent ? '' : row.type }].sort(
                (a, b) => a.n - b.n,
              ),
              locks: choice.type.concurrent ? board.locks : [...board.locks, row.type],
            };
            const pending = [...pass.pending, { job: row.id, token }];
            // What this pass itself blocks is not passed over.
            const since = pass.since?.filter(
              (id) => !blocked(boardOf(world, held), world.spec(id).type, world.scenario),
            );
            keep(
              hands,
              proceed(world, forget(world, { ...pass, board: held, pending, ...(since && { since }) }, row.id)),
            );
            return;
          }
          const { refused } = written;
          if (refused[claimParts.job] !== undefined || refused[claimParts.queue] !== undefined)
            keep(hands, { ...pass, at: 'dead', row: row.id });
          // An idle pass is one that is about to read the board.
          else keep(hands, pass.pending.length ? { at: 'board', pending: pass.pending } : undefined);
        });
      }
    }

    function lags() {
      for (const type of world.lock.keys()) {
        const gone = world.ids.find((id) => {
          const job = world.readJob(read, id);
          return job && isEnded(job) && world.spec(id).type === type;
        });
        if (gone === undefined) continue;
        may(`${name} reads a board where job ${gone} still holds its lock`, (hands) => {
          const board = world.readBoard(hands.read);
          const since = world.runnable(hands.read, board);
          const locks = [...new Set([...board.locks.map((lock) => lock.type), type])];
          keep(hands, begin(world, { slots: viewOf(world, board).slots, locks }, since));
        });
      }
    }

    function oldest({ board, heads }: Pass): number | undefined {
      const seen = boardOf(world, board as View);
      const ids = Object.entries(heads ?? {}).flatMap(([type, ids]) =>
        blocked(seen, type, world.scenario) || world.scenario.types[type]?.retired ? [] : ids,
      );
      return ids.sort((a, b) => a - b)[0];
    }
  };
}

function without({ row: _row, status: _status, ...pass }: Pass): Pass {
  return pass;
}
