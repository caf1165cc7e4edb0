import { firstSettings, keys, type RegisteredType, registerType, retireType, setLimit } from '../../core/table.ts';
import type { World } from './world.ts';

/** How long an API function may go by the types it read before (functions/api/types.ts). */
const knownForMs = 15_000;
const minuteMs = 60_000;
const owner = 'simulation';
const schema = JSON.stringify({ type: 'object' });

/** What deployments do to a running service: they change the limit, pause it, take types away and bring them back. */
export class Deploys {
  readonly #world: World;
  /** When a type was taken away; not there while it is registered. */
  readonly #retiredMs = new Map<string, number>();
  #registered = new Set<string>();

  constructor(world: World, limit: number) {
    this.#world = world;
    world.write([firstSettings(limit)]);
    for (const type of Object.keys(world.types)) this.#register(type);
  }

  /** Whether the API knows a type, which may be what it knew a moment ago. */
  isKnown(type: string): boolean {
    const retiredMs = this.#retiredMs.get(type);
    return retiredMs === undefined || this.#world.scheduler.nowMs < retiredMs + knownForMs;
  }

  /** The last one: everything is as it was, but for types that are gone. */
  finish(limit: number): void {
    this.#world.write([setLimit(limit)]);
    this.#pause(false);
  }

  /** Deploys now and then, until faults stop. */
  come(): void {
    const { scheduler, faults, invariants } = this.#world;
    const { random } = scheduler;
    const deploy = () => {
      if (!faults.on) return;
      scheduler.after(random.between(5_000, 30_000), deploy);
      // A type that goes while its jobs are queued is what matters; one that has none is forgotten quietly.
      const queued = [...invariants.rows.values()];
      if (queued.length > 1 && random.chance(0.2)) this.#retire(random.pick(queued));
      if (!random.chance(0.05)) return;
      const what = random.pick(['limit', 'pause', 'type'] as const);
      if (what === 'limit') this.#world.write([setLimit(random.integer(1, 4))]);
      if (what === 'type') this.#change(random.pick(Object.keys(this.#world.types)));
      if (what !== 'pause') return;
      this.#pause(true);
      scheduler.after(random.between(minuteMs, 3 * minuteMs), () => this.#pause(false));
    };
    scheduler.after(random.between(5_000, 30_000), deploy);
  }

  get registered(): readonly string[] {
    return [...this.#registered];
  }

  #register(type: string): void {
    const { dispatch } = this.#world.types[type] ?? {};
    if (!dispatch) return;
    const before = this.#world.database.item(keys.type(type).pk, type);
    this.#world.write(registerType({ ...knownType(type), dispatch }, before && { owner }));
    this.#registered.add(type);
    this.#retiredMs.delete(type);
  }

  #change(type: string): void {
    if (this.#registered.has(type)) this.#retire(type);
    else this.#register(type);
  }

  #retire(type: string): void {
    if (!this.#registered.has(type) || this.#registered.size < 2) return;
    this.#world.write(retireType(type, owner, this.#world.scheduler.nowMs));
    this.#registered.delete(type);
    this.#retiredMs.set(type, this.#world.scheduler.nowMs);
  }

  #pause(paused: boolean): void {
    this.#world.write([{ op: 'update', key: keys.settings, set: { paused }, when: [] }]);
  }
}

const knownType = (type: string): Omit<RegisteredType, 'dispatch'> => ({
  type,
  schema,
  version: '1',
  hidden: false,
  createPermissions: [],
  cancelPermissions: [],
  owner,
});
