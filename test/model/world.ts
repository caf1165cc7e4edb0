/**
 * What the model knows of the world: which parts a state has, how the table's items lie in them, and the clock.
 * The parts are the items of the table, the platform (executions, invocations) and the memory of each process.
 */
import {
  type Board,
  fromItem,
  type Hold,
  isEnded,
  type Job,
  type QueueRow,
  type Run,
  revoked,
  type Slot,
} from '../../core/job.ts';
import * as table from '../../core/table.ts';
import type { Item, Transaction, Value, Write, Written } from '../../core/writes.ts';
import type { Hands } from './engine.ts';
import { type Changed, type Protocol, protocol } from './protocol.ts';
import { applyTransaction, type Items, nameOf } from './store.ts';

export interface Scenario {
  readonly name: string;
  readonly slots: number;
  readonly types: Readonly<
    Record<string, { readonly concurrent: boolean; readonly retired?: boolean; readonly resumable?: boolean }>
  >;
  readonly jobs: readonly {
    readonly type: string;
    /** After so many invocations its body is done. */
    readonly segments: 1 | 2;
    /** People may cancel it. */
    readonly cancel?: boolean;
    /** Between its segments it wants to be told of a cancel. */
    readonly heeds?: boolean;
    /** Its body writes one byte of log. */
    readonly logs?: boolean;
    /** It is there from the beginning; else it may be created at any time, in any order. */
    readonly created?: boolean;
  }[];
  /** Dispatch passes at a time. */
  readonly passes: number;
  /** How many faults may happen at most; see `Faults`. */
  readonly faults: number;
  /** How many segments of a resumable run may break off; fewer than the project's, so that it is met. @default 1 */
  readonly tries?: number;
  /** Reads that are sent together may be answered in any order; else in one order, and two of one end at once. */
  readonly apart?: boolean;
  /** Is not explored beyond so many states. */
  readonly mostStates?: number;
  /** Only these; all but `torn` when absent. */
  readonly only?: readonly Fault[];
}

export type Fault =
  /** A process dies where that loses something. */
  | 'crash'
  /** StartExecution fails without having started. */
  | 'start'
  /** An invocation is refused. */
  | 'refused'
  /** The platform reports an error of an invocation that goes on. */
  | 'lost sight'
  /** The platform invokes the same segment once more. */
  | 'repeat'
  /** An operator stops the execution, or the state machine gives up; its invocations go on. */
  | 'stop'
  /** A write of a dead process arrives late. */
  | 'late write'
  /** The state machine invokes the finisher of a resumable run twice; what only one of them answers counts. */
  | 'late finisher'
  /** A transaction's writes become visible one after the other (DynamoDB: read-committed against Query). */
  | 'torn';

export interface Execution {
  readonly token: string;
  readonly at: 'run' | 'finish' | 'closed';
  /** The segment invoked last. */
  readonly seg: number;
  readonly error?: string;
  readonly status?: 'SUCCEEDED' | 'FAILED' | 'ABORTED';
}

export interface Invocation {
  readonly token: string;
  readonly seg: number;
  readonly claim: string;
  /** `ghost`: dead, but a write of it is still on its way. */
  readonly pc: 'invoked' | 'early' | 'body' | 'ghost';
  readonly logged: boolean;
}

export interface Ghost {
  readonly claims: number;
  readonly started: readonly number[];
  /** How often a resumable run's process died; absent = 0. */
  readonly broken?: number;
}

/** A board as far as a pass looks at it. */
export interface View {
  readonly slots: readonly { readonly n: number; readonly type: string }[];
  readonly locks: readonly string[];
}

/** What alone fails no resumable job. */
const gotOver: ReadonlySet<Fault> = new Set(['crash', 'start', 'late finisher', 'late write', 'torn']);

const t0 = 1_000_000;
/** A job's clock: 0, its grace is over, the deadline of its open segment has passed, and after that a grace. */
export const instants = [0, 100_000, 2_000_000, 2_100_000].map((ms) => t0 + ms);
export const invocationMs = 900_000;

export class World {
  readonly scenario: Scenario;
  readonly p: Protocol;
  readonly ids: readonly number[];
  readonly parts: string[] = [];
  readonly settings: Board['settings'];
  /** Where each item of the table lies, by `nameOf`. */
  readonly #places = new Map<string, number>();
  readonly job: readonly number[];
  readonly row: readonly number[];
  readonly run: readonly number[];
  readonly log: readonly number[];
  readonly execution: readonly number[];
  readonly invocations: readonly number[];
  readonly clock: readonly number[];
  readonly ghost: readonly number[];
  readonly finisher: readonly number[];
  readonly late: readonly number[];
  readonly slot: readonly number[];
  readonly lock: ReadonlyMap<string, number>;
  readonly pass: readonly number[];
  readonly event: number;
  readonly sweep: number;
  readonly cancel: number;
  readonly faults: number;
  readonly torn: number;
  readonly tries: number;

  constructor(scenario: Scenario, { ways, ...changed }: Changed = {}) {
    this.scenario = scenario;
    this.p = { ...protocol, ...changed, ways: { ...protocol.ways, ...ways } };
    this.ids = scenario.jobs.map((_, i) => i + 1);
    const part = (name: string) => this.parts.push(name) - 1;
    const place = (key: table.NewJob | { readonly pk: string; readonly sk: string }, name: string) => {
      const at = part(name);
      this.#places.set(nameOf(key as { pk: string; sk: string }), at);
      return at;
    };
    const { keys } = table;
    const each = (make: (id: number, type: string) => number) => scenario.jobs.map(({ type }, i) => make(i + 1, type));
    // What processes look at first and what changes least stands first: canonical forms are found sooner.
    this.slot = Array.from({ length: scenario.slots }, (_, n) => place(keys.slot(n), `slot ${n}`));
    this.pass = Array.from({ length: scenario.passes }, (_, n) => part(`pass ${n}`));
    this.lock = new Map(Object.keys(scenario.types).map((type) => [type, place(keys.lock(type), `lock ${type}`)]));
    this.job = each((id) => place(keys.job(id), `job ${id}`));
    this.row = each((id, type) => place(keys.queue(type, id), `row ${id}`));
    this.run = each((id, type) => place(keys.run(type, id), `run ${id}`));
    this.log = each((id, type) => place(keys.log(type, id, 0), `log ${id}`));
    this.execution = each((id) => part(`execution ${id}`));
    this.invocations = each((id) => part(`invocations ${id}`));
    this.clock = each((id) => part(`clock ${id}`));
    this.ghost = each((id) => part(`ghost ${id}`));
    this.finisher = each((id) => part(`finisher ${id}`));
    this.late = each((id) => part(`late finisher ${id}`));
    this.event = part('event');
    this.sweep = part('sweep');
    this.cancel = part('cancel');
    this.faults = part('faults');
    this.torn = part('torn');
    this.tries = scenario.tries ?? 1;
    this.settings = {
      limit: scenario.slots,
      paused: false,
      types: Object.fromEntries(
        Object.entries(scenario.types).map(([type, { concurrent, retired, resumable }]) => [
          type,
          {
            runner: type,
            concurrent,
            graceSeconds: 30,
            version: '1',
            ...(retired && { retired: t0 }),
            ...(resumable && { resumable }),
          },
        ]),
      ),
    };
  }

  initial(): readonly unknown[] {
    const values: unknown[] = this.parts.map(() => undefined);
    const items: Items = new Map();
    for (const id of this.ids) {
      if (this.spec(id).created) applyTransaction(items, this.creation(id));
      values[this.clock[id - 1] as number] = 0;
      values[this.ghost[id - 1] as number] = { claims: 0, started: [] } satisfies Ghost;
      values[this.execution[id - 1] as number] = [];
      values[this.invocations[id - 1] as number] = [];
    }
    for (const [name, item] of items) values[this.#place(name)] = stripped(item);
    values[this.faults] = this.scenario.faults;
    return values;
  }

  creation(id: number): Transaction {
    return this.p.create({
      id,
      type: this.spec(id).type,
      repo: 2,
      owner: 'archivist',
      now: t0,
      correlation: 'c',
      params: '{}',
      apart: false,
      typeVersion: '1',
      inputs: [],
    });
  }

  spec(id: number): Scenario['jobs'][number] {
    return this.scenario.jobs[id - 1] as Scenario['jobs'][number];
  }

  /** Reads what is committed, though it may not be seen yet. */
  committed(read: Hands['read']): Hands['read'] {
    if (!this.may('torn')) return read;
    const torn = read(this.torn) as Torn | undefined;
    return (part) => {
      const hidden = torn?.rest.find(([other]) => other === part);
      return hidden ? hidden[1] : read(part);
    };
  }

  now(read: Hands['read'], id: number): number {
    return instants[read(this.clock[id - 1] as number) as number] as number;
  }

  /**
   * A run that goes on after a deadline has passed has a new one to come. All its times move back together, so that each
   * deadline looks alike.
   */
  shiftTime(hands: Hands, id: number): void {
    const clock = hands.read(this.clock[id - 1] as number) as number;
    const part = this.job[id - 1] as number;
    const item = hands.read(part) as Item | undefined;
    if (clock < 2 || !item) return;
    const { cancelRequested } = item;
    const isOver = cancelRequested !== undefined && cancelRequested !== instants[clock];
    if (cancelRequested !== undefined) hands.write(part, { ...item, cancelRequested: t0 });
    hands.write(this.clock[id - 1] as number, isOver ? 1 : 0);
  }

  /** A job of which only this is remembered. */
  jobOf(id: number, known: Partial<Job>): Job {
    const write = this.creation(id)[0];
    if (write?.op !== 'put') throw new Error('A create puts the job first.');
    return { ...fromItem<Job>(write.item), ...known } as Job;
  }

  readJob(read: Hands['read'], id: number): Job | undefined {
    const item = read(this.job[id - 1] as number) as Item | undefined;
    return item && fromItem<Job>(item);
  }

  readRun(read: Hands['read'], id: number): Run | undefined {
    const item = read(this.run[id - 1] as number) as Item | undefined;
    return item && fromItem<Run>(item);
  }

  readRow(read: Hands['read'], id: number): QueueRow | undefined {
    const item = read(this.row[id - 1] as number) as Item | undefined;
    return item && fromItem<QueueRow>(item);
  }

  readBoard(read: Hands['read']): Board {
    const there = <T>(part: number) => {
      const item = read(part) as Item | undefined;
      return item ? [fromItem<T>(item)] : [];
    };
    return {
      settings: this.settings,
      slots: this.slot.flatMap((part) => there<Slot>(part)),
      locks: [...this.lock.values()].flatMap((part) => there<Hold>(part)),
    };
  }

  executions(read: Hands['read'], id: number): readonly Execution[] {
    return read(this.execution[id - 1] as number) as readonly Execution[];
  }

  invoked(read: Hands['read'], id: number): readonly Invocation[] {
    return read(this.invocations[id - 1] as number) as readonly Invocation[];
  }

  /** Lambda has a new invocation, which has done nothing yet. */
  invoke(hands: Hands, id: number, token: string, seg: number, claim: string): void {
    const invocation: Invocation = { token, seg, claim, pc: 'invoked', logged: false };
    hands.write(this.invocations[id - 1] as number, [...this.invoked(hands.read, id), invocation]);
  }

  /** Jobs that may run as the table stands now: queued, with a row, and not blocked by what is truly on the board. */
  runnable(read: Hands['read'], board = this.readBoard(read)): readonly number[] {
    return this.ids.filter(
      (id) =>
        this.readJob(read, id)?.status === 'queued' &&
        this.readRow(read, id) !== undefined &&
        !this.scenario.types[this.spec(id).type]?.retired &&
        !blocked(board, this.spec(id).type, this.scenario),
    );
  }

  /** Applies a command of the table, and watches over what must never change. */
  commit(hands: Hands, transaction: Transaction | Write, tear?: Tear): Written {
    const writes: Transaction = Array.isArray(transaction) ? transaction : [transaction as Write];
    const places = writes.map(({ key }) => this.#place(nameOf(key)));
    const torn = this.#torn(hands);
    // A conflict with a transaction under way: `commit` tries again until that one is through (design 3.8).
    if (torn?.rest.some(([part]) => places.includes(part))) hands.giveUp();
    const items: Items = new Map();
    for (const [i, { key }] of writes.entries()) {
      const item = hands.read(places[i] as number) as Item | undefined;
      if (item) items.set(nameOf(key), item);
    }
    const written = applyTransaction(items, writes);
    if (!written.done) {
      if (tear) hands.giveUp();
      return written;
    }
    const rest: [number, unknown][] = [];
    for (const [i, { key, op }] of writes.entries()) {
      const part = places[i] as number;
      const before = hands.read(part) as Item | undefined;
      const item = items.get(nameOf(key));
      const after = item && stripped(item);
      if (op === 'check' || (before === undefined && after === undefined)) continue;
      if (
        key.sk === 'JOB' &&
        before &&
        isEnded(fromItem<Job>(before)) &&
        JSON.stringify(before) !== JSON.stringify(after)
      )
        hands.violate('a final job changed');
      if (after?.['status'] === 'failed' && this.#isUntroubled(hands, after['type'] as string))
        hands.violate('a job failed though nothing had gone wrong');
      if (after?.['status'] === 'failed' && this.#mayGoOn(hands, after['id'] as number))
        hands.violate('a resumable job failed though it might have gone on');
      if (tear && (tear.mask & (1 << i)) === 0) rest.push([part, after]);
      else hands.write(part, after);
    }
    this.#rest(hands, places);
    if (tear) {
      if (rest.length === 0 || rest.length === writes.length || tear.mask >= 1 << writes.length) hands.giveUp();
      rest.sort(([a], [b]) => a - b);
      hands.write(this.torn, { by: tear.by, rest } satisfies Torn);
    }
    return written;
  }

  #isUntroubled(hands: Hands, type: string): boolean {
    return !this.scenario.types[type]?.retired && hands.read(this.faults) === this.scenario.faults;
  }

  /** Its process died, and nothing worse happened than what every run has to get over. */
  #mayGoOn(hands: Hands, id: number): boolean {
    const { only, types } = this.scenario;
    if (!types[this.spec(id).type]?.resumable || !only?.every((fault) => gotOver.has(fault))) return false;
    return ((hands.read(this.ghost[id - 1] as number) as Ghost).broken ?? 0) <= this.tries;
  }

  /** Of a job that has ended and holds nothing the time does not matter any more. */
  #rest(hands: Hands, places: readonly number[]): void {
    const board = [...this.slot, ...this.lock.values()];
    for (const id of this.ids) {
      const clock = this.clock[id - 1] as number;
      if (!places.includes(this.job[id - 1] as number) && !places.some((part) => board.includes(part))) continue;
      if (hands.read(clock) === 0) continue;
      const job = this.readJob(hands.read, id);
      if (!job || !isEnded(job)) continue;
      const { slots, locks } = this.readBoard(hands.read);
      if (![...slots, ...locks].some((hold) => hold.job === id)) hands.write(clock, 0);
    }
  }

  #torn(hands: Hands): Torn | undefined {
    return this.may('torn') ? (hands.read(this.torn) as Torn | undefined) : undefined;
  }

  may(fault: Fault): boolean {
    return this.scenario.only ? this.scenario.only.includes(fault) : fault !== 'torn';
  }

  /** Whether one more fault may happen. */
  left(read: Hands['read'], fault: Fault): boolean {
    return this.may(fault) && (read(this.faults) as number) > 0;
  }

  spend(hands: Hands): void {
    hands.write(this.faults, (hands.read(this.faults) as number) - 1);
  }

  #place(name: string): number {
    const part = this.#places.get(name);
    if (part === undefined) throw new Error(`The model has no place for the item ${name}.`);
    return part;
  }
}

export interface Tear {
  readonly by: number;
  readonly mask: number;
}
/** A transaction that is committed, but of which only a part can be seen; whoever sent it has no answer yet. */
export interface Torn {
  readonly by: number;
  readonly rest: readonly (readonly [number, unknown])[];
}

/** What the properties mean by blocked: said here once more, so that a mutant of `isBlocked` does not change them. */
export function blocked(board: Board, type: string, scenario: Scenario): boolean {
  if (scenario.types[type]?.concurrent) return false;
  return board.locks.some((lock) => lock.type === type) || board.slots.some((slot) => slot.type === type);
}

/** Attributes that nothing decides by: without them more states are one. */
const idle = new Set([
  'claim',
  'failure',
  'gpk',
  'gsk',
  'lockVersion',
  'mtime',
  'progress',
  'since',
  'started',
  'submitted',
  'v',
]);
/** What is left to be decided by an ended job, and by a run whose token was taken away. */
const ofEnded = new Set(['pk', 'sk', 'id', 'type', 'status', 'token', 'slot', 'ends', 'finished']);
const ofRevoked = new Set(['pk', 'sk', 'id', 'type', 'token', 'segment', 'open', 'deadline', 'end']);

/**
 * An item as far as anything decides by it. That a run was asked to stop counts, and not when. Deadlines are honest
 * here: each passes when the clock says so, and bounds more tightly than the time of the settlement.
 */
function stripped(item: Item): Item {
  const { status, token, sk } = item;
  const ended = sk === 'JOB' && status !== 'queued' && status !== 'running';
  const gone = sk === 'RUN' && token === revoked;
  const same = { cancelAt: t0, finished: t0, deadline: t0 + invocationMs } as const;
  return Object.fromEntries(
    Object.entries(item)
      .filter(([name]) => !idle.has(name) && (!ended || ofEnded.has(name)) && (!gone || ofRevoked.has(name)))
      .map(([name, value]) => [name, name in same ? same[name as keyof typeof same] : withoutReason(value)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** Why a segment broke off is for staff. */
const withoutReason = (value: Value | undefined): Value | undefined => {
  if (typeof value !== 'object' || !('reason' in value)) return value;
  const { reason: _reason, ...rest } = value as Item;
  return rest;
};
