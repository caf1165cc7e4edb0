import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** Seeded random numbers (mulberry32): the same seed gives the same run on every machine. */
export class Random {
  #state: number;
  constructor(seed: number) {
    // Neighbouring seeds must not give similar runs.
    this.#state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  }
  /** From 0 up to, but not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }
  chance(probability: number): boolean {
    return this.next() < probability;
  }
  integer(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }
  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }
  pick<T>(from: readonly T[]): T {
    return from[this.integer(0, from.length - 1)] as T;
  }
}

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly work: () => void;
  readonly process: Process | undefined;
  canceled: boolean;
}

/** One invocation of a function: it can be killed, or frozen as Lambda freezes a sandbox, between any two awaits. */
export interface Process {
  readonly name: string;
  readonly id: number;
  /** How far its clock is off. */
  readonly skewMs: number;
  readonly startedMs: number;
  readonly timeoutMs: number;
  state: 'running' | 'frozen' | 'dead';
  /** The run it works for, if it is a runner's. */
  token?: string;
  /** What became due while it was frozen. */
  readonly parked: (() => void)[];
  /** Kills it. `why` is what the platform says of it. */
  kill(why: string): void;
}

export type ProcessEnd =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'threw'; readonly error: unknown }
  | { readonly kind: 'killed'; readonly why: string };

/** 2026-01-01: every simulated run begins here. */
const startMs = 1_767_225_600_000;

/**
 * Virtual time: a heap of what is due. Nothing runs but what `step` takes from the heap, and a step is over when no
 * microtask is left; so a run is a function of its seed.
 */
export class Scheduler {
  readonly random: Random;
  nowMs = startMs;
  steps = 0;
  /** Whose code is running: between two steps only one process can go on. */
  current: Process | undefined;
  readonly #heap: Due[] = [];
  #order = 0;
  #processes = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  get elapsedMs(): number {
    return this.nowMs - startMs;
  }

  /** Calls back after so long; a process that died meanwhile is not called. Returns what takes it back. */
  after(delayMs: number, work: () => void, process?: Process): () => void {
    const due: Due = {
      atMs: this.nowMs + Math.max(0, delayMs),
      order: this.#order++,
      work,
      process,
      canceled: false,
    };
    this.#push(due);
    return () => {
      due.canceled = true;
    };
  }

  /** Does what is due next; false when nothing is. */
  async step(): Promise<boolean> {
    const due = this.#pop();
    if (!due) return false;
    this.nowMs = due.atMs;
    if (due.canceled || due.process?.state === 'dead') return true;
    if (due.process?.state === 'frozen') {
      due.process.parked.push(due.work);
      return true;
    }
    this.steps++;
    this.current = due.process;
    due.work();
    await drained();
    this.current = undefined;
    return true;
  }

  /** Starts an invocation. `ended` is called once, outside of the process, however it ends. */
  spawn(
    name: string,
    options: { readonly timeoutMs: number; readonly skewMs: number; readonly delayMs?: number },
    work: (process: Process) => Promise<unknown>,
    ended: (end: ProcessEnd) => void,
  ): Process {
    let told = false;
    const tell = (end: ProcessEnd) => {
      if (told) return;
      told = true;
      takeBack();
      this.after(0, () => ended(end));
    };
    // Once it has answered Lambda freezes it, with whatever it left behind.
    const answer = (end: ProcessEnd) => {
      if (process.state !== 'running') return;
      process.state = 'frozen';
      tell(end);
    };
    const process: Process = {
      name,
      id: ++this.#processes,
      skewMs: options.skewMs,
      startedMs: this.nowMs + (options.delayMs ?? 0),
      timeoutMs: options.timeoutMs,
      state: 'running',
      parked: [],
      kill: (why) => {
        if (process.state === 'dead') return;
        process.state = 'dead';
        tell({ kind: 'killed', why });
      },
    };
    const takeBack = this.after((options.delayMs ?? 0) + options.timeoutMs, () => process.kill('timeout'));
    this.after(
      options.delayMs ?? 0,
      () => {
        work(process).then(
          (value) => answer({ kind: 'returned', value }),
          (error: unknown) => answer({ kind: 'threw', error }),
        );
      },
      process,
    );
    return process;
  }

  /** Lets a frozen process go on. */
  thaw(process: Process): void {
    if (process.state !== 'frozen') return;
    process.state = 'running';
    for (const work of process.parked.splice(0)) this.after(this.random.between(0, 5), work, process);
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!before(due, heap[up] as Due)) break;
      heap[at] = heap[up] as Due;
      at = up;
    }
    heap[at] = due;
  }

  #pop(): Due | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && before(heap[down + 1] as Due, heap[down] as Due)) down++;
      if (!before(heap[down] as Due, last)) break;
      heap[at] = heap[down] as Due;
      at = down;
    }
    heap[at] = last;
    return first;
  }
}

const before = (a: Due, b: Due) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** Resolves when no microtask is left: a tick that is asked for by a microtask runs after all of them. */
const drained = () => new Promise<void>((resolve) => queueMicrotask(() => process.nextTick(resolve)));

/**
 * Puts the scheduler's time and random numbers in the place of the real ones for as long as a simulation runs. Modules
 * that import from `node:crypto` see it, too. Returns what puts the real ones back.
 */
export function install(scheduler: Scheduler): () => void {
  const { random } = scheduler;
  const real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    now: Date.now,
    random: Math.random,
    randomUUID: crypto.randomUUID,
    randomInt: crypto.randomInt,
    randomBytes: crypto.randomBytes,
  };
  const clock = () => Math.round(scheduler.nowMs + (scheduler.current?.skewMs ?? 0));
  const hex = (digits: number) =>
    Array.from({ length: digits }, () => Math.floor(random.next() * 16).toString(16)).join('');

  const timers = (work: (...given: unknown[]) => void, delayMs = 0, ...given: unknown[]) => {
    const takeBack = scheduler.after(delayMs, () => work(...given), scheduler.current);
    const timer = { takeBack, unref: () => timer, ref: () => timer, hasRef: () => false };
    return timer;
  };
  globalThis.setTimeout = timers as unknown as typeof setTimeout;
  globalThis.clearTimeout = ((timer?: { takeBack?: () => void }) => timer?.takeBack?.()) as typeof clearTimeout;
  Date.now = clock;
  Math.random = () => random.next();
  crypto.randomUUID = () => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
  crypto.randomInt = ((a: number, b?: number) =>
    b === undefined ? random.integer(0, a - 1) : random.integer(a, b - 1)) as typeof crypto.randomInt;
  crypto.randomBytes = ((size: number) => Buffer.from(hex(size * 2), 'hex')) as typeof crypto.randomBytes;
  syncBuiltinESMExports();
  return () => {
    globalThis.setTimeout = real.setTimeout;
    globalThis.clearTimeout = real.clearTimeout;
    Date.now = real.now;
    Math.random = real.random;
    crypto.randomUUID = real.randomUUID;
    crypto.randomInt = real.randomInt;
    crypto.randomBytes = real.randomBytes;
    syncBuiltinESMExports();
  };
}
