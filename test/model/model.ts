/** Puts the processes together, and says which states are the same. */

import { cancelProcess, eventProcess, finisherProcess, lateFinisherProcess } from './enders.ts';
import type { Model, Process } from './engine.ts';
import { passProcess } from './passes.ts';
import { clockProcess, createProcess, executionProcess, runnerProcess, tornProcess } from './platform.ts';
import { properties } from './properties.ts';
import { sweepProcess } from './sweep.ts';
import type { Torn, World } from './world.ts';

/** The processes by what they are, so that the healing knows whom to let go on. */
export function processesOf(world: World): Readonly<Record<string, readonly Process[]>> {
  return {
    create: world.ids.map((id) => createProcess(world, id)),
    pass: world.pass.map((_, n) => passProcess(world, n)),
    execution: world.ids.map((id) => executionProcess(world, id)),
    runner: world.ids.map((id) => runnerProcess(world, id)),
    finisher: world.ids.map((id) => finisherProcess(world, id)),
    late: world.ids.map((id) => lateFinisherProcess(world, id)),
    event: [eventProcess(world)],
    sweep: [sweepProcess(world)],
    cancel: [cancelProcess(world)],
    clock: world.ids.map((id) => clockProcess(world, id)),
    torn: [tornProcess(world)],
  };
}

export interface ProcessKind {
  readonly name: string;
  readonly n: number;
}

/** What each of the model's processes is, in their order. */
export const kindsOf = (world: World): readonly ProcessKind[] =>
  Object.entries(processesOf(world)).flatMap(([name, all]) => all.map((_, n) => ({ name, n })));

export function modelOf(world: World): Model {
  return {
    parts: world.parts,
    initial: world.initial(),
    processes: Object.values(processesOf(world)).flat(),
    properties: properties(world),
    symmetries: symmetries(world),
  };
}

/** Slots are interchangeable, and so are passes. */
function symmetries(world: World): Model['symmetries'] {
  const all: Model['symmetries'][number][] = [];
  for (const slots of permutations(world.slot.length)) {
    for (const passes of permutations(world.pass.length)) {
      const to = world.parts.map((_, part) => part);
      // The slot that is called n from now on is the one that was called slots[n].
      for (const [n, was] of slots.entries()) to[world.slot[n] as number] = world.slot[was] as number;
      for (const [n, was] of passes.entries()) to[world.pass[n] as number] = world.pass[was] as number;
      if (to.every((from, part) => from === part)) continue;
      const called = slots.map((_, n) => slots.indexOf(n));
      const moves = called.some((n, was) => n !== was);
      const renameSlots = new Set([
        ...world.slot,
        ...world.pass,
        ...world.job,
        ...world.finisher,
        ...world.late,
        world.event,
        world.sweep,
        world.cancel,
      ]);
      const moved = (part: number) => to.indexOf(part);
      const renamedTorn = ({ by, rest }: Torn): Torn => ({
        by: moved(by),
        rest: rest
          .map(([part, value]) => [moved(part), moves ? renamed(value, called) : value] as const)
          .sort(([a], [b]) => a - b),
      });
      all.push({
        to,
        rename: (part, value) => {
          if (part === world.torn) return value && renamedTorn(value as Torn);
          return moves && renameSlots.has(part) ? renamed(value, called) : value;
        },
      });
    }
  }
  return all;
}

/** Slot numbers stand under `n`, `slot` and `slots`, in items as in memories. */
function renamed(value: unknown, called: readonly number[]): unknown {
  if (Array.isArray(value)) return value.map((inner) => renamed(inner, called));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      if ((name === 'n' || name === 'slot') && typeof inner === 'number') return [name, called[inner]];
      if (name === 'sk' && typeof inner === 'string' && inner.startsWith('SLOT#'))
        return [name, `SLOT#${called[Number(inner.slice(5))]}`];
      if (name === 'slots' && Array.isArray(inner)) {
        if (inner.every((n) => typeof n === 'number')) return [name, inner.map((n) => called[n]).sort()];
        return [name, (renamed(inner, called) as { n: number }[]).sort((a, b) => a.n - b.n)];
      }
      return [name, renamed(inner, called)];
    }),
  );
}

function permutations(length: number): readonly (readonly number[])[] {
  if (length === 0) return [[]];
  return permutations(length - 1).flatMap((rest) =>
    Array.from({ length }, (_, at) => rest.toSpliced(at, 0, length - 1)),
  );
}
