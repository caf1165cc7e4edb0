/**
 * An explicit-state model checker: breadth first, so that a counter-example is a shortest one; exact, no hash stands
 * in for a state.
 *
 * A state is a vector of small numbers, one per *part* (an item of the table, a process' memory); a part's values are
 * interned. What a process may do depends on the parts that it reads and on nothing else, and it reads in an order
 * that depends on nothing but what it has read. So what it may do is remembered in a tree, by the values read: the
 * project's own functions run once for each situation they can tell apart, and not once for each state.
 */

import { blockBits, blockMask, Vectors } from './vectors.ts';

/** What one step reads and writes. */
export interface Hands {
  read(part: number): unknown;
  write(part: number, value: unknown): void;
  /** A property does not hold from here on. */
  violate(property: string): void;
  /** This step cannot be taken now, after all. */
  giveUp(): void;
}

/** Everything a process may do next: `may` is called once per possible step, with its words for a trace. */
export type Process = (
  read: (part: number) => unknown,
  may: (label: string, step: (hands: Hands) => void) => void,
) => void;

/** Says what is wrong with a state, by the parts it reads. */
export type Property = (read: (part: number) => unknown) => string | undefined;

export interface Model {
  readonly parts: readonly string[];
  readonly initial: readonly unknown[];
  readonly processes: readonly Process[];
  readonly properties: readonly Property[];
  /**
   * States that differ only by such a renaming are the same: for each renaming, where each part moves, and what
   * becomes of its value.
   */
  readonly symmetries: readonly {
    readonly to: readonly number[];
    rename(part: number, value: unknown): unknown;
  }[];
}

export interface Trace {
  readonly property: string;
  readonly lines: readonly string[];
}

export interface Explored {
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  readonly seconds: number;
  /** False: it ended because of `mostStates`. */
  readonly whole: boolean;
  readonly violation: Trace | undefined;
}

interface Outcome {
  readonly label: string;
  readonly parts: readonly number[];
  readonly ids: readonly number[];
  readonly violation: string | undefined;
}

/** A node of what a process may do: either a part to look at, or the outcomes. */
interface Node {
  part: number;
  next: (Node | undefined)[];
  outcomes: readonly Outcome[] | undefined;
  wrong: string | undefined;
}

const newNode = (): Node => ({ part: -1, next: [], outcomes: undefined, wrong: undefined });

export class Explorer {
  readonly #model: Model;
  readonly #width: number;
  readonly #interned: Map<string, number>[];
  readonly #values: unknown[][];
  readonly #roots: Node[];
  readonly #checks: Node[];
  readonly #renamed: Int32Array[][];
  /** In the order of discovery, which is the queue of the breadth-first search. */
  readonly #states: Vectors;
  readonly #parents: Int32Array[] = [];

  constructor(model: Model) {
    this.#model = model;
    this.#width = model.parts.length;
    this.#states = new Vectors(this.#width);
    this.#interned = model.parts.map(() => new Map());
    this.#values = model.parts.map(() => []);
    this.#roots = model.processes.map(newNode);
    this.#checks = model.properties.map(newNode);
    this.#renamed = model.symmetries.map(() => model.parts.map(() => new Int32Array(0)));
  }

  /** How many values each part has. */
  spread(): readonly (readonly [string, number])[] {
    return this.#model.parts.map((name, part) => [name, this.#values[part]?.length ?? 0] as const);
  }

  /** The value of a part in a state. */
  valueOf(state: ArrayLike<number>, part: number): unknown {
    return this.#values[part]?.[state[part] as number];
  }

  /** @param mostStates gives up beyond so many */
  explore(mostStates = Number.POSITIVE_INFINITY, visit?: (state: Uint16Array) => string | undefined): Explored {
    const started = performance.now();
    const seconds = () => (performance.now() - started) / 1000;
    const width = this.#width;
    const base = new Uint16Array(width);
    for (let part = 0; part < width; part++) base[part] = this.#intern(part, this.#model.initial[part]);
    const scratch = new Uint16Array(width);
    const canonical = new Uint16Array(width);
    canonical.set(base);
    this.#canonize(base, canonical);
    this.#add(canonical, -1);
    let transitions = 0;
    let depth = 0;
    let levelEnd = 1;
    const done = (violation: Trace | undefined, whole = true): Explored => ({
      states: this.#states.count,
      transitions,
      depth,
      seconds: seconds(),
      whole,
      violation,
    });
    for (let index = 0; index < this.#states.count; index++) {
      if (index === levelEnd) {
        depth++;
        levelEnd = this.#states.count;
      }
      if (this.#states.count > mostStates) return done(undefined, false);
      this.#states.load(index, base);
      for (let check = 0; check < this.#checks.length; check++) {
        const wrong = this.#check(check, base);
        if (wrong !== undefined) return done(this.#trace(index, undefined, wrong));
      }
      const visited = visit?.(base);
      if (visited !== undefined) return done(this.#trace(index, undefined, visited));
      for (let process = 0; process < this.#roots.length; process++) {
        for (const outcome of this.#outcomes(process, base)) {
          transitions++;
          if (outcome.violation !== undefined) return done(this.#trace(index, outcome, outcome.violation));
          scratch.set(base);
          const { parts, ids } = outcome;
          for (let i = 0; i < parts.length; i++) scratch[parts[i] as number] = ids[i] as number;
          this.#canonize(scratch, canonical);
          this.#add(canonical, index);
        }
      }
    }
    return done(undefined);
  }

  /** What a process may do in a state, and what becomes of it: for walks outside the search. */
  next(state: Uint16Array, process: number): readonly { readonly label: string; readonly state: Uint16Array }[] {
    return this.#outcomes(process, state).map(({ label, parts, ids }) => {
      const after = state.slice();
      for (const [i, part] of parts.entries()) after[part] = ids[i] as number;
      return { label, state: after };
    });
  }

  /** A state with some parts replaced. */
  withParts(state: Uint16Array, values: ReadonlyMap<number, unknown>): Uint16Array {
    const after = state.slice();
    for (const [part, value] of values) after[part] = this.#intern(part, value);
    return after;
  }

  #intern(part: number, value: unknown): number {
    const text = value === undefined ? '' : JSON.stringify(value);
    const interned = this.#interned[part] as Map<string, number>;
    let id = interned.get(text);
    if (id === undefined) {
      id = interned.size;
      if (id > 0xffff) throw new Error(`Part ${this.#model.parts[part]} has too many values.`);
      interned.set(text, id);
      // What is handed out is what was stored: a process that changed a value it read would corrupt the search.
      (this.#values[part] as unknown[]).push(value);
    }
    return id;
  }

  #outcomes(process: number, state: Uint16Array): readonly Outcome[] {
    let node = this.#roots[process] as Node;
    while (node.outcomes === undefined) {
      const next: Node | undefined = node.part < 0 ? undefined : node.next[state[node.part] as number];
      if (next === undefined) return this.#learn(process, state);
      node = next;
    }
    return node.outcomes;
  }

  #learn(process: number, state: Uint16Array): readonly Outcome[] {
    const path: number[] = [];
    const read = (part: number) => {
      if (!path.includes(part)) path.push(part);
      return this.valueOf(state, part);
    };
    const outcomes: Outcome[] = [];
    const may = (label: string, step: (hands: Hands) => void) => {
      const written = new Map<number, unknown>();
      let violation: string | undefined;
      let possible = true;
      step({
        read: (part) => (written.has(part) ? written.get(part) : read(part)),
        write: (part, value) => written.set(part, value),
        violate: (property) => {
          violation ??= property;
        },
        giveUp: () => {
          possible = false;
        },
      });
      if (!possible) return;
      const changed = [...written].map(([part, value]) => [part, this.#intern(part, value)] as const);
      outcomes.push({
        label,
        parts: changed.map(([part]) => part),
        ids: changed.map(([, id]) => id),
        violation,
      });
    };
    (this.#model.processes[process] as Process)(read, may);
    const leaf = this.#grow(this.#roots[process] as Node, path, state);
    leaf.outcomes = outcomes;
    return outcomes;
  }

  #check(check: number, state: Uint16Array): string | undefined {
    let node = this.#checks[check] as Node;
    while (node.outcomes === undefined) {
      const next: Node | undefined = node.part < 0 ? undefined : node.next[state[node.part] as number];
      if (next === undefined) {
        const path: number[] = [];
        const wrong = (this.#model.properties[check] as Property)((part) => {
          if (!path.includes(part)) path.push(part);
          return this.valueOf(state, part);
        });
        const leaf = this.#grow(this.#checks[check] as Node, path, state);
        leaf.outcomes = [];
        leaf.wrong = wrong;
        return wrong;
      }
      node = next;
    }
    return node.wrong;
  }

  #grow(root: Node, path: readonly number[], state: Uint16Array): Node {
    let node = root;
    for (const part of path) {
      if (node.part < 0) node.part = part;
      if (node.part !== part) throw new Error('A process reads in an order that depends on more than what it read.');
      const id = state[part] as number;
      let next = node.next[id];
      if (!next) {
        next = newNode();
        node.next[id] = next;
      }
      node = next;
    }
    return node;
  }

  /** The least of all renamings of a state stands for all. */
  #canonize(state: Uint16Array, least: Uint16Array): void {
    least.set(state);
    const { symmetries } = this.#model;
    for (let s = 0; s < symmetries.length; s++) {
      const { to } = symmetries[s] as Model['symmetries'][number];
      const renamed = this.#renamed[s] as Int32Array[];
      // Compares while it renames, and copies only what is smaller.
      let smaller = false;
      for (let part = 0; part < this.#width; part++) {
        const from = to[part] as number;
        const id = state[from] as number;
        let map = renamed[from] as Int32Array;
        let other = id < map.length ? (map[id] as number) : -1;
        if (other < 0) {
          other = this.#rename(s, from, part, id);
          map = renamed[from] as Int32Array;
        }
        if (smaller) least[part] = other;
        else {
          const now = least[part] as number;
          if (other > now) break;
          if (other < now) {
            for (let before = 0; before < part; before++)
              least[before] = (renamed[to[before] as number] as Int32Array)[
                state[to[before] as number] as number
              ] as number;
            least[part] = other;
            smaller = true;
          }
        }
      }
    }
  }

  #rename(s: number, from: number, to: number, id: number): number {
    const value = this.#values[from]?.[id];
    const other = this.#intern(to, this.#model.symmetries[s]?.rename(from, value));
    const maps = this.#renamed[s] as Int32Array[];
    let map = maps[from] as Int32Array;
    if (id >= map.length) {
      const grown = new Int32Array(Math.max(64, 2 * id)).fill(-1);
      grown.set(map);
      map = grown;
      maps[from] = map;
    }
    map[id] = other;
    return other;
  }

  /** Adds a state unless it is known; its predecessor is the first one that led to it. */
  #add(state: Uint16Array, parent: number): void {
    const index = this.#states.count;
    if (!this.#states.add(state)) return;
    const block = index >>> blockBits;
    if (block === this.#parents.length) this.#parents.push(new Int32Array(1 << blockBits));
    (this.#parents[block] as Int32Array)[index & blockMask] = parent;
  }

  /** Walks the way to a state once more, this time without renaming, so that its names stay the same. */
  #trace(index: number, last: Outcome | undefined, property: string): Trace {
    const way: number[] = [];
    for (let i = index; i >= 0; i = this.#parents[i >>> blockBits]?.[i & blockMask] as number) way.unshift(i);
    const width = this.#width;
    let state: Uint16Array = new Uint16Array(width);
    for (let part = 0; part < width; part++) state[part] = this.#intern(part, this.#model.initial[part]);
    const lines: string[] = [];
    const wanted = new Uint16Array(width);
    const canonical = new Uint16Array(width);
    for (const i of way.slice(1)) {
      this.#states.load(i, wanted);
      const before = state;
      for (const next of this.#roots.flatMap((_, process) => this.next(before, process))) {
        this.#canonize(next.state, canonical);
        if (!canonical.every((id, part) => id === wanted[part])) continue;
        lines.push(next.label);
        state = next.state;
        break;
      }
      if (state === before) throw new Error(`A renaming is wrong: nothing leads on from "${lines.at(-1)}".`);
    }
    if (last) {
      // The step that violates, as it is called where the names stay the same.
      const here = this.#model.processes.flatMap((_, process) => this.#outcomes(process, state));
      lines.push((here.find(({ violation }) => violation === property) ?? last).label);
    }
    return { property, lines };
  }
}
