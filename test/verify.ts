// `npm run verify [-- --long]`: attacks every promise of docs/guarantees.md, and prints one table: promise, attacked by,
// cases, result. The parts run as two processes beside each other.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { check, checkMutant } from './model/check.ts';
import { mutants as modelMutants } from './model/mutants.ts';
import { ciScenarios, longScenarios } from './model/scenarios.ts';
import { mutants as simulationMutants } from './simulation/mutants.ts';
import { simulate } from './simulation/simulate.ts';

/** A promise, and the words by which model and simulation say that it is broken. */
const promises = [
  {
    promise: 'never more running than job_thread_count',
    model: /than there are slots/,
    simulation: /^the limit$|owners/,
  },
  { promise: 'never two of a non-concurrent type', model: /two bodies of the type/, simulation: /^one of a type$/ },
  {
    promise: 'slot and lock held until the end is certain',
    model: /ran without/,
    simulation: /held until|holds its/,
  },
  { promise: 'the oldest job that may run goes first', model: /passed over|oldest it saw/, simulation: /^the oldest/ },
  {
    promise: 'every accepted job ends',
    model: /for ever|nothing had gone wrong/,
    simulation: /^every accepted|for a reason|forward only|queue row|doorbell/,
  },
  {
    promise: "a segment's body never runs twice",
    model: /began twice/,
    simulation: /never runs twice|keeps its token/,
  },
  {
    promise: 'a run goes on only after its body has ended',
    model: /led on|another one of its job|gone on/,
    simulation: /^a run goes on/,
  },
  {
    promise: 'no write of a run is visible after its end',
    model: /after the end/,
    simulation: /after its end|log is whole/,
  },
  { promise: 'a checkpoint is never lost', model: undefined, simulation: /^a checkpoint/ },
  { promise: 'outputs appear up to a checkpoint, or all', model: undefined, simulation: /^outputs/ },
  { promise: 'a finished job never changes', model: /final job/, simulation: /^a finished job/ },
  { promise: 'a watch kills nobody else', model: /process of another job/, simulation: undefined },
  { promise: 'all heals within two sweeps', model: /held for ever|stays/, simulation: /heals/ },
] as const;

interface Planted {
  readonly name: string;
  /** The promise it broke first, in the part's own words; absent: not caught. */
  readonly caughtBy?: string;
  readonly ms: number;
}

interface Part {
  readonly attacked: string;
  readonly cases: string;
  /** What was broken, in the part's own words. */
  readonly broken: readonly string[];
  readonly planted: readonly Planted[];
}

const { values } = parseArgs({ options: { long: { type: 'boolean', default: false }, part: { type: 'string' } } });
const long = values.long;

const parts: Readonly<Record<'model' | 'simulation', () => Promise<Part>>> = {
  async model() {
    const checked = [...ciScenarios, ...(long ? longScenarios : [])].map((scenario) => check(scenario));
    const sum = (of: (one: (typeof checked)[number]) => number) =>
      checked.reduce((all, one) => all + of(one), 0).toLocaleString('en');
    const planted: Planted[] = [];
    for (const mutant of modelMutants)
      planted.push(await plant(mutant.name, async () => checkMutant(mutant).violation?.property));
    return {
      attacked: `model check, ${checked.length} scenarios`,
      cases: `${sum(({ states }) => states)} states, ${sum(({ transitions }) => transitions)} transitions`,
      broken: checked.flatMap(({ scenario, violation }) => (violation ? [`${violation.property} (${scenario})`] : [])),
      planted,
    };
  },
  async simulation() {
    const seeds = long ? 2_000 : 200;
    const total = { jobs: 0, days: 0, checks: 0 };
    const broken: string[] = [];
    for (let seed = 1; seed <= seeds; seed++) {
      const { jobs, simulatedMs, checks, violation } = await simulate(seed);
      total.jobs += jobs;
      total.days += simulatedMs / 86_400_000;
      total.checks += checks;
      if (violation) broken.push(`${violation.invariant}: ${violation.message} (seed ${seed})`);
    }
    const planted: Planted[] = [];
    for (const mutant of simulationMutants) {
      planted.push(
        await plant(mutant.name, async () => {
          for (let seed = 1; seed <= 100; seed++) {
            const { violation } = await simulate(seed, { mutant });
            if (violation) return violation.invariant;
          }
          return undefined;
        }),
      );
    }
    return {
      attacked: `simulation, ${seeds} seeds`,
      cases: `${total.jobs.toLocaleString('en')} jobs, ${total.days.toFixed(0)} days, ${total.checks.toLocaleString('en')} checks`,
      broken,
      planted,
    };
  },
};

if (values.part === 'model' || values.part === 'simulation') {
  console.log(JSON.stringify(await parts[values.part]()));
} else {
  const started = performance.now();
  const [model, simulation] = await Promise.all([inProcess('model'), inProcess('simulation')]);
  const failures = table(model, simulation);
  // The service's own log lines are not part of the table; its logger reads this when it is imported.
  process.env['POWERTOOLS_LOG_LEVEL'] = 'SILENT';
  const { billOfOneJob, printed } = await import('./bill/bill.ts');
  console.log(
    printed(
      '\nOne no-op job of a serial type among 14 (list prices, test/bill/prices.ts)',
      await billOfOneJob(14, false),
    ),
  );
  console.log(
    `\n${failures === 0 ? 'Every promise holds' : `${failures} FAILED`} (${((performance.now() - started) / 1000).toFixed(0)} s)`,
  );
  process.exitCode = failures === 0 ? 0 : 1;
}

async function plant(name: string, hunt: () => Promise<string | undefined>): Promise<Planted> {
  const begun = performance.now();
  const caughtBy = await hunt();
  return { name, ...(caughtBy !== undefined && { caughtBy }), ms: Math.round(performance.now() - begun) };
}

function inProcess(part: 'model' | 'simulation'): Promise<Part> {
  const args = [
    '--max-old-space-size=8192',
    fileURLToPath(import.meta.url),
    '--part',
    part,
    ...(long ? ['--long'] : []),
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.once('close', (status) => {
      if (status !== 0) reject(new Error(`The ${part} ended with ${status}.`));
      else resolve(JSON.parse(said.trim().split('\n').at(-1) ?? '') as Part);
    });
  });
}

/** Prints the table; returns how many rows failed. */
function table(model: Part, simulation: Part): number {
  let failures = 0;
  console.log(`model:      ${model.attacked}: ${model.cases}`);
  console.log(`simulation: ${simulation.attacked}: ${simulation.cases}\n`);
  console.log(`${'promise'.padEnd(46)}${'attacked by'.padEnd(22)}${'planted bugs caught'.padEnd(22)}result`);
  const parts = { model, simulation };
  for (const { promise, ...words } of promises) {
    for (const name of ['model', 'simulation'] as const) {
      const pattern = words[name];
      if (!pattern) continue;
      const broken = parts[name].broken.filter((what) => pattern.test(what));
      const caught = parts[name].planted.filter(
        ({ caughtBy }) => caughtBy !== undefined && pattern.test(caughtBy),
      ).length;
      if (broken.length) failures++;
      console.log(
        `${promise.padEnd(46)}${name.padEnd(22)}${String(caught).padEnd(22)}${broken.length ? `BROKEN: ${broken[0]}` : 'holds'}`,
      );
    }
  }
  const others = [model, simulation].flatMap(({ broken }) =>
    broken.filter((what) => !promises.some((one) => one.model?.test(what) || one.simulation?.test(what))),
  );
  const planted = [model, simulation].flatMap((part) => part.planted);
  const missed = planted.filter(({ caughtBy }) => caughtBy === undefined).length;
  for (const what of others) console.log(`BROKEN: ${what}`);
  console.log('\nplanted bug, what caught it, and how fast');
  for (const { name, caughtBy = 'NOT CAUGHT', ms } of planted)
    console.log(`  ${name.padEnd(90)} ${caughtBy} (${ms} ms)`);
  console.log(`\n${planted.length - missed} of ${planted.length} planted bugs caught`);
  return failures + others.length + (missed > 0 ? 1 : 0);
}
