/**
 * Liveness: from each state that can be reached, when every process of the service dies at once and no fault follows,
 * two sweeps later nothing is stuck: all jobs have ended, and nothing is held.
 *
 * What happens in between is one way of several, but each process ends by itself, so that what is left of the others
 * when they die here is what healing has to do with.
 */
import { isEnded } from '../../core/job.ts';
import type { Explorer } from './engine.ts';
import type { ProcessKind } from './model.ts';
import { Vectors } from './vectors.ts';
import type { Torn, World } from './world.ts';

const mostSteps = 2_000;

export class Healer {
  readonly #world: World;
  readonly #explorer: Explorer;
  readonly #kinds: readonly ProcessKind[];
  readonly #seen: Vectors;
  readonly #settled: Vectors;
  readonly #dead: Uint16Array;
  /** Parts, each followed by its value when its process is dead. */
  readonly #calm: Uint16Array;
  /** How many different states were healed. */
  get count(): number {
    return this.#settled.count;
  }

  constructor(world: World, explorer: Explorer, kinds: readonly ProcessKind[]) {
    this.#world = world;
    this.#explorer = explorer;
    this.#kinds = kinds;
    this.#seen = new Vectors(world.parts.length);
    this.#settled = new Vectors(world.parts.length);
    this.#dead = new Uint16Array(world.parts.length);
    const memories = [
      ...world.pass,
      ...world.finisher,
      ...world.late,
      world.event,
      world.sweep,
      world.cancel,
      world.torn,
    ];
    const calm = new Map<number, unknown>(memories.map((part) => [part, undefined]));
    calm.set(world.faults, 0);
    const ids = explorer.withParts(this.#dead, calm);
    this.#calm = Uint16Array.from([...calm.keys()].flatMap((part) => [part, ids[part] as number]));
  }

  /** What is stuck after two sweeps; undefined: nothing. */
  check(state: Uint16Array): string | undefined {
    const dead = this.#dead;
    dead.set(state);
    const torn = this.#explorer.valueOf(state, this.#world.torn) as Torn | undefined;
    if (torn) dead.set(this.#explorer.withParts(state, new Map(torn.rest)));
    for (let i = 0; i < this.#calm.length; i += 2) dead[this.#calm[i] as number] = this.#calm[i + 1] as number;
    if (!this.#seen.add(dead)) return undefined;
    const first = this.#goOn(dead.slice());
    if (!this.#settled.add(first)) return undefined;
    let now = first;
    for (let sweeps = 0; sweeps < this.#world.p.ways.sweeps; sweeps++)
      now = this.#goOn(this.#dispatch(this.#sweep(this.#pass(now))));
    return this.#stuck(now);
  }

  #stuck(state: Uint16Array): string | undefined {
    const world = this.#world;
    const read = (part: number) => this.#explorer.valueOf(state, part);
    for (const id of world.ids) {
      const job = world.readJob(read, id);
      if (job && !isEnded(job)) return `a job stays ${job.status} for ever`;
    }
    const { slots, locks } = world.readBoard(read);
    if (slots.length > 0) return 'a slot stays held for ever';
    if (locks.length > 0) return 'a lock stays held for ever';
    return undefined;
  }

  /** What the platform and the bodies do by themselves. */
  #goOn(state: Uint16Array): Uint16Array {
    const world = this.#world;
    return this.#run(state, (now, process) => {
      const kind = this.#kinds[process];
      if (kind?.name === 'pass') return this.#explorer.valueOf(now, world.pass[kind.n] as number) !== undefined;
      return kind?.name === 'execution' || kind?.name === 'runner' || kind?.name === 'finisher';
    });
  }

  /** Each time that can pass does. */
  #pass(state: Uint16Array): Uint16Array {
    return this.#run(state, (_, process) => this.#kinds[process]?.name === 'clock');
  }

  #dispatch(state: Uint16Array): Uint16Array {
    const first = this.#kinds.findIndex(({ name }) => name === 'pass');
    const [begun] = this.#next(state, first);
    const pass = this.#world.pass[0] as number;
    return begun
      ? this.#run(begun.state, (now, process) => process === first && this.#explorer.valueOf(now, pass) !== undefined)
      : state;
  }

  /** Cares for each hold, and repairs each job. */
  #sweep(state: Uint16Array): Uint16Array {
    const sweep = this.#kinds.findIndex(({ name }) => name === 'sweep');
    const todo = this.#next(state, sweep).map(({ label }) => label);
    let now = state;
    for (const label of todo) {
      const begun = this.#next(now, sweep).find((next) => next.label === label);
      if (!begun) continue;
      now = this.#run(
        begun.state,
        (at, process) => process === sweep && this.#explorer.valueOf(at, this.#world.sweep) !== undefined,
      );
    }
    return now;
  }

  #next(state: Uint16Array, process: number) {
    return this.#explorer.next(state, process).filter(({ label }) => !label.startsWith('!'));
  }

  /** Takes one step after the other of those who may, until there is none that changes anything. */
  #run(state: Uint16Array, may: (state: Uint16Array, process: number) => boolean): Uint16Array {
    let now = state;
    for (let steps = 0; steps < mostSteps; steps++) {
      const before = now;
      for (let process = 0; process < this.#kinds.length && now === before; process++) {
        if (!may(now, process)) continue;
        const next = this.#next(now, process).find(({ state }) => state.some((id, part) => id !== now[part]));
        if (next) now = next.state;
      }
      if (now === before) return now;
    }
    return now;
  }
}
