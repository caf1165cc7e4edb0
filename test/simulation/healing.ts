import type { Hold } from '../../core/job.ts';
import { scrubJobs } from '../../core/limits.ts';
import type { Invariants } from './invariants.ts';
import type { World } from './world.ts';

/** Two sweeps, and the time they take. */
const healMs = 150_000;
/** A doorbell's way, when nothing goes wrong: queue, cold start, reads, claim, and a start or two before it. */
const promptMs = 15_000;
const lookEveryMs = 2_000;
/** `deadlineMarginMs` of the service, and how far two clocks may be apart. */
const marginMs = 60_000 + 10_000;
const probes = 4;

/** After faults stop: everything heals within two sweeps, and then new jobs start by their doorbell. */
export class Healing {
  isDone = false;
  checks = 0;
  readonly #world: World;
  readonly #since = new Map<string, number>();
  readonly #probes = new Set<number>();
  #startedMs = 0;
  #left = probes;

  constructor(world: World) {
    this.#world = world;
  }

  start(): void {
    const { scheduler } = this.#world;
    this.#startedMs = scheduler.nowMs;
    const look = () => {
      this.#look();
      if (!this.isDone) scheduler.after(lookEveryMs, look);
    };
    look();
    const probe = () => {
      if (this.#left-- <= 0) return;
      scheduler.after(scheduler.random.between(20_000, 120_000), probe);
      const type = scheduler.random.pick(this.#world.deploys.registered);
      this.#world.create(type, { kind: 'quick', units: 1, unitMs: 2_000, files: 1, records: 1 });
    };
    scheduler.after(healMs + 60_000, probe);
  }

  #look(): void {
    const { invariants, machine, scheduler, types } = this.#world;
    const now = scheduler.nowMs;
    const seen = new Set<string>();
    this.checks++;
    const held = (what: string, message: string, forMs: number) => {
      const key = `${what} ${message}`;
      seen.add(key);
      const since = this.#since.get(key) ?? now;
      this.#since.set(key, since);
      if (now - since > forMs) invariants.violate(what, message);
    };

    for (const [id] of invariants.rows) {
      if (!mayRun(invariants, id)) continue;
      const job = invariants.jobs.get(id);
      if (job?.status !== 'queued') continue;
      if (job.submitted > this.#startedMs + healMs) this.#probes.add(id);
      const prompt = this.#probes.has(id);
      const what = prompt ? 'a doorbell starts what may start' : 'heals within two sweeps';
      held(what, `job ${id} may run, and does not`, prompt ? promptMs : healMs);
    }
    // The sweep compares a slice of the jobs each time.
    const roundMs = Math.ceil(invariants.jobs.size / scrubJobs) * 60_000;
    for (const hold of leftovers(invariants, now))
      held('heals within two sweeps', `job ${hold.job} has ended and holds its slot or lock`, healMs);
    for (const job of invariants.jobs.values()) {
      if (job.status === 'queued' && !invariants.rows.has(job.id))
        held('a restore heals', `job ${job.id} is queued without a queue row`, healMs + roundMs);
      if (job.status !== 'running') continue;
      const execution = machine.executions.get(`job-${job.id}-${job.token}`);
      if (execution?.status !== 'RUNNING')
        held('heals within two sweeps', `job ${job.id} runs, its execution is ${execution?.status}`, healMs);
      const graceMs = (types[job.type]?.dispatch.graceSeconds ?? 0) * 1000;
      if (job.cancelRequested !== undefined && now > job.cancelRequested + graceMs + 5_000)
        held('heals within two sweeps', `job ${job.id} was canceled, and runs on`, healMs);
    }
    for (const key of this.#since.keys()) if (!seen.has(key)) this.#since.delete(key);

    const open = [...machine.executions.values()].some(({ status }) => status === 'RUNNING');
    const live = [...invariants.jobs.values()].some(({ status }) => status === 'queued' || status === 'running');
    // A row that came back of a type that is gone is read by nobody, and starts nothing.
    const rows = [...invariants.rows.values()].some((type) => invariants.settings?.types[type]);
    this.isDone = this.#left < 0 && !live && !open && !rows && invariants.slots.size + invariants.locks.size === 0;
  }
}

/** Whether a queued job could be started now. Written apart from core/dispatch.ts. */
function mayRun(on: Invariants, id: number): boolean {
  const type = on.rows.get(id);
  const { settings } = on;
  if (type === undefined || !settings || settings.paused) return false;
  const options = settings.types[type];
  if (!options) return true;
  if (options.retired !== undefined) return true;
  if (on.slots.size >= settings.limit) return false;
  return options.concurrent || (!on.locks.has(type) && ![...on.slots.values()].some((hold) => hold.type === type));
}

/** Slots and locks of ended jobs whose body cannot be running any more. */
function leftovers(on: Invariants, nowMs: number): Hold[] {
  const holds = [...on.slots.values(), ...on.locks.values()];
  return holds.filter((hold) => {
    if (!on.isEnded(hold.job)) return false;
    const run = on.runs.get(hold.job);
    return !run?.open || nowMs > (run.deadline ?? 0) + marginMs;
  });
}
