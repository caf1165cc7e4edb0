import { planOf } from './bodies.ts';
import type { FaultKind } from './faults.ts';
import { Healing } from './healing.ts';
import type { Violation } from './invariants.ts';
import { healthy, type Mutant } from './planting.ts';
import { Readers } from './readers.ts';
import { install, type Random, Scheduler } from './scheduler.ts';
import { type SimulatedType, World } from './world.ts';

export interface Report {
  readonly seed: number;
  readonly jobs: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly simulatedMs: number;
  readonly steps: number;
  readonly checks: number;
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly violation: Violation | undefined;
}

/** No simulated job takes longer, once nothing goes wrong any more. */
const longestQuietMs = 8 * 3_600_000;
const minuteMs = 60_000;

/**
 * Runs the service through some trouble and then through a quiet time, with every promise checked at every write and
 * after every step. The same seed gives the same run.
 */
export async function simulate(
  seed: number,
  { mutant = healthy, trace }: { readonly mutant?: Mutant; readonly trace?: (line: string) => void } = {},
): Promise<Report> {
  const scheduler = new Scheduler(seed);
  const uninstall = install(scheduler);
  try {
    return await run(seed, scheduler, mutant, trace);
  } finally {
    uninstall();
  }
}

async function run(
  seed: number,
  scheduler: Scheduler,
  mutant: Mutant,
  trace: ((line: string) => void) | undefined,
): Promise<Report> {
  const { random } = scheduler;
  const limit = random.pick([1, 2, 2, 2, 3, 4]);
  const world = new World(scheduler, {
    limit,
    intensity: random.pick([0.1, 0.5, 1, 1, 1.5]),
    types: someTypes(random),
    mutant,
    trace: trace && ((line) => trace(`${(scheduler.elapsedMs / 1000).toFixed(3)} ${line}`)),
  });
  const { invariants, faults } = world;
  const readers = new Readers(world.outside, invariants, world.objects);
  const healing = new Healing(world);
  // Many short runs find more than few long ones; long ones find what only piles up.
  const size = random.pick([1, 1, 2, 4, 10]);
  const troubleMs = size * random.between(10, 45) * minuteMs;
  peopleCome(world, troubleMs, size);
  troubleComes(world, troubleMs);
  if (random.chance(0.4)) world.deploys.come();
  world.startSweeps();
  scheduler.after(troubleMs, () => {
    world.trace?.('faults stop');
    faults.on = false;
    world.deploys.finish(limit);
    healing.start();
  });

  while (!invariants.violation && !healing.isDone) {
    await scheduler.step();
    invariants.afterStep();
    if (invariants.violation) break;
    for (const id of invariants.ended) await readers.ended(id, world.said.get(id));
    invariants.ended.clear();
    for (const id of invariants.touched) await readers.compare(id);
    invariants.touched.clear();
    if (scheduler.elapsedMs > troubleMs + longestQuietMs) {
      const left = [...invariants.jobs.values()].filter(({ status }) => status === 'queued' || status === 'running');
      invariants.violate('every accepted job ends', `${left.map(({ id, status }) => `${id} ${status}`).join(', ')}`);
    }
  }
  if (!invariants.violation) await readers.compareAll();

  const outcomes: Record<string, number> = {};
  for (const { status } of invariants.jobs.values()) outcomes[status] = (outcomes[status] ?? 0) + 1;
  return {
    seed,
    jobs: invariants.jobs.size,
    outcomes,
    simulatedMs: scheduler.elapsedMs,
    steps: scheduler.steps,
    checks: invariants.checks + readers.checks + healing.checks,
    faults: faults.counts,
    violation: invariants.violation,
  };
}

function someTypes(random: Random): Record<string, SimulatedType> {
  return Object.fromEntries(
    ['import_job', 'report_job', 'print_job', 'batch_job', 'other_job'].slice(0, random.integer(2, 5)).map((name) => [
      name,
      {
        dispatch: {
          runner: name,
          concurrent: random.chance(0.4),
          graceSeconds: random.pick([1, 5, 30]),
          version: '1',
          ...(random.chance(0.2) && { timeLimitSeconds: random.pick([30, 120, 600]) }),
          ...(random.chance(0.5) && { resumable: true, retries: random.pick([0, 1, 3]) }),
        },
        timeoutMs: random.pick([30_000, 60_000, 120_000, 300_000]),
        watched: random.chance(0.85),
      },
    ]),
  );
}

/** Jobs come in bursts; some are canceled, some twice. */
function peopleCome(world: World, troubleMs: number, size: number): void {
  const { scheduler, invariants } = world;
  const { random } = scheduler;
  const names = Object.keys(world.types);
  // A busy service has many short jobs of few types: its dispatchers and finishers meet all the time.
  const busy = random.chance(0.4);
  for (let bursts = size * random.integer(2, 6); bursts > 0; bursts--) {
    const atMs = random.between(0, troubleMs * 0.9);
    // All at once, or about as fast as they are done: a slot is often free then, and often about to be.
    const spanMs = busy ? random.pick([2_000, 15_000]) : 8_000;
    for (let jobs = busy ? random.integer(4, 12) : random.integer(1, 5); jobs > 0; jobs--) {
      const type = random.pick(busy ? names.slice(0, 2) : names);
      const comesMs = atMs + random.between(0, spanMs);
      for (let alike = random.integer(1, 2); alike > 0; alike--) {
        const plan = planOf(random, world.types[type]?.timeoutMs ?? 0);
        const quick = { ...plan, kind: 'quick', unitMs: random.integer(1, 300), units: 1 } as const;
        const given = busy && random.chance(0.9) ? quick : plan;
        scheduler.after(comesMs + random.between(0, 60), () => world.create(type, given));
      }
      // Canceled just when it is about to start.
      if (random.chance(0.1)) scheduler.after(comesMs + random.between(0, 500), () => cancelOldest(world));
    }
  }
  for (let cancels = size * random.integer(2, 10); cancels > 0; cancels--) {
    scheduler.after(random.between(0, troubleMs), () => {
      const live = [...invariants.jobs.values()].filter(({ status }) => status === 'queued' || status === 'running');
      if (live.length === 0) return;
      const { id } = random.pick(live);
      world.cancel(id);
      if (random.chance(0.3)) scheduler.after(random.between(0, 2_000), () => world.cancel(id));
    });
  }
}

function cancelOldest(world: World): void {
  const oldest = Math.min(...world.invariants.rows.keys());
  if (world.invariants.jobs.get(oldest)?.status === 'queued') world.cancel(oldest);
}

/** What happens to the service from outside, besides what its requests meet. */
function troubleComes(world: World, troubleMs: number): void {
  const { scheduler, invariants, faults, database, machine } = world;
  const { random } = scheduler;
  const tick = () => {
    if (!faults.on) return;
    scheduler.after(random.between(1_000, 30_000), tick);
    const open = [...machine.executions.values()].filter(({ status }) => status === 'RUNNING');
    if (open.length > 0 && faults.hit('stopped by operator', 0.02)) world.stopExecution(random.pick(open), 'ABORTED');
    else if (open.length > 0 && faults.hit('execution failed', 0.02)) world.stopExecution(random.pick(open), 'FAILED');
    // A restore brings back some writes of a transaction and not others.
    const [queued] = invariants.rows;
    if (queued && faults.hit('queue row lost', 0.03)) {
      const [id, type] = queued;
      database.apply({ kind: 'DeleteItem', input: { TableName: 'jobs', Key: rowKey(type, id) } });
    }
    const ended = [...invariants.jobs.values()].find(({ status }) => status === 'completed' || status === 'canceled');
    if (ended && faults.hit('queue row back', 0.01)) {
      const { id, type, repo, owner, submitted, correlation, inputs, attempt } = ended;
      const row = { id, repo, submitted, inputs, attempt };
      const Item = {
        ...rowKey(type, id),
        ...Object.fromEntries(Object.entries(row).map(([name, value]) => [name, { N: String(value) }])),
        type: { S: type },
        owner: { S: owner },
        correlation: { S: correlation },
      };
      database.apply({ kind: 'PutItem', input: { TableName: 'jobs', Item } });
    }
  };
  scheduler.after(random.between(0, troubleMs / 4), tick);
}

const rowKey = (type: string, id: number) => ({ pk: { S: `QUEUE#${type}` }, sk: { S: String(id).padStart(12, '0') } });
