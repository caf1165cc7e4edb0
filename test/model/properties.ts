/** What must hold in every state. What must hold of a step is checked where the step is taken. */
import { isEnded } from '../../core/job.ts';
import type { Property } from './engine.ts';
import type { World } from './world.ts';

export function properties(world: World): readonly Property[] {
  const { scenario, ids } = world;
  const bodies = (read: (part: number) => unknown, wanted: (type: string) => boolean) =>
    ids
      .filter((id) => wanted(world.spec(id).type))
      .reduce((n, id) => n + world.invoked(read, id).filter(({ pc }) => pc === 'body').length, 0);
  const serial = Object.keys(scenario.types).filter((type) => !scenario.types[type]?.concurrent);
  return [
    (read) => (bodies(read, () => true) > scenario.slots ? 'more bodies ran than there are slots' : undefined),
    ...serial.map(
      (type): Property =>
        (read) =>
          bodies(read, (other) => other === type) > 1 ? `two bodies of the type ${type} ran at once` : undefined,
    ),
    ...ids.map(
      (id): Property =>
        (seen) => {
          const read = world.committed(seen);
          for (const { pc, token } of world.invoked(read, id)) {
            if (pc !== 'body') continue;
            const holds = (hold: { readonly job: number; readonly token: string }) =>
              hold.job === id && hold.token === token;
            const { slots, locks } = world.readBoard(read);
            if (!slots.some(holds)) return 'a body ran without a slot';
            if (world.p.ways.locks && !scenario.types[world.spec(id).type]?.concurrent && !locks.some(holds))
              return 'a body ran without its lock';
          }
          return undefined;
        },
    ),
    ...ids
      .filter((id) => scenario.jobs[id - 1]?.logs)
      .map(
        (id): Property =>
          (seen) => {
            const read = world.committed(seen);
            const job = world.readJob(read, id);
            if (!job || !isEnded(job) || !job.ends) return undefined;
            return job.ends.log > 0 && read(world.log[id - 1] as number) === undefined
              ? 'what is written after the end will be visible'
              : undefined;
          },
      ),
  ];
}
