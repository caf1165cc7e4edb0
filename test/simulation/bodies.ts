import { FinalFailure, type JobContext } from '../../runners/sdk/context.ts';
import type { Process, Random } from './scheduler.ts';

/** What a simulated runner does, in the words of its job's parameters. */
export type Plan = {
  readonly kind:
    | 'quick'
    | 'chatty'
    | 'long'
    | 'waiting'
    | 'polite'
    | 'deaf'
    | 'throwing'
    | 'crashing'
    | 'out of memory'
    | 'stuck'
    | 'leaky'
    | 'steps';
  readonly units: number;
  readonly unitMs: number;
  readonly files: number;
  readonly records: number;
  /** Of `steps`: in how many of a hundred the body throws, and in how many its process dies. */
  readonly throws?: number;
  readonly dies?: number;
};

/** What bodies save at a checkpoint. */
export interface Saved {
  readonly done: number;
  /** The output files up to here, in order. */
  readonly files: readonly string[];
}

/** What the bodies of a job said, to compare with what readers see. */
export interface Said {
  /** Lines by segment, and those that a checkpoint was saved after. */
  readonly lines: Map<number, number>;
  readonly savedLines: Map<number, number>;
  /** The names of the output files: those of the checkpoint that the body goes on from, and its own. */
  files: string[];
  readonly records: Set<string>;
  /** Of `steps`: how many are behind a checkpoint that was saved, and which were begun. */
  done: number;
  readonly begun: Set<number>;
}

export const nothingSaid = (): Said => ({
  lines: new Map(),
  savedLines: new Map(),
  files: [],
  records: new Set(),
  done: 0,
  begun: new Set(),
});

export function planOf(random: Random, invocationMs: number): Plan {
  const kind = random.pick([
    'quick',
    'quick',
    'quick',
    'quick',
    'chatty',
    'long',
    'long',
    'waiting',
    'waiting',
    'polite',
    'deaf',
    'throwing',
    'crashing',
    'out of memory',
    'stuck',
    'leaky',
    'steps',
    'steps',
    'steps',
    'steps',
  ] as const);
  const units = random.integer(1, kind === 'chatty' || kind === 'steps' ? 12 : 5);
  const span = kind === 'long' ? invocationMs * random.between(0.2, 0.6) : random.between(50, 20_000);
  return {
    kind,
    units,
    unitMs: Math.round(kind === 'chatty' ? random.between(1, 3_000) : span),
    files: random.chance(0.4) ? random.integer(1, 3) : 0,
    records: random.chance(0.4) ? random.integer(1, 150) : 0,
    // Now and then one that never gets past its first steps.
    ...(kind === 'steps' && { throws: random.pick([0, 5, 20, 60]), dies: random.pick([0, 5, 20, 60]) }),
  };
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Sleeps, or throws the signal's reason when it fires. */
const sleepOrStop = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    setTimeout(resolve, ms);
  });

/**
 * Does what the plan says.
 *
 * @param mayFail is told why before the body does what must fail its job
 */
export async function body(
  ctx: JobContext,
  plan: Plan,
  said: Said,
  process: Process,
  mayFail: (why: string) => void,
): Promise<void> {
  const { segment } = ctx.job;
  const say = () => {
    const n = (said.lines.get(segment) ?? 0) + 1;
    said.lines.set(segment, n);
    ctx.log(`s${segment} n${n}`);
  };
  const record = (count: number, step = 0) => {
    for (let n = 1; n <= count; n++) {
      const uri = `/repositories/2/resources/${step * 1000 + n}`;
      said.records.add(uri);
      ctx.recordCreated(uri);
    }
  };
  // Its name says in which segment it was written, and so does what is in it.
  const file = async () => {
    const name = `file-${said.files.length + 1}-of-segment-${segment}.txt`;
    await ctx.addFile(name, name);
    said.files.push(name);
  };
  const { done, files }: Saved = (ctx.resumed as Saved | undefined) ?? { done: 0, files: [] };
  said.files = [...files];
  const saved = (count: number): Saved => ({ done: count, files: said.files });
  const checkpoint = async (count: number) => {
    const lines = said.lines.get(segment) ?? 0;
    await ctx.checkpoint(saved(count));
    said.done = count;
    said.savedLines.set(segment, lines);
  };
  said.lines.set(segment, 0);
  say();
  if (plan.kind === 'throwing') {
    await sleep(plan.unitMs);
    await file();
    mayFail('its body threw');
    throw new Error('as planned');
  }
  for (let n = done; n < plan.units; n++) {
    say();
    ctx.progress(n, plan.units);
    switch (plan.kind) {
      case 'polite':
        await sleepOrStop(plan.unitMs, ctx.signal).catch((reason: unknown) => {
          mayFail(`its body stopped: ${String(reason)}`);
          throw reason;
        });
        break;
      case 'long':
        await sleep(plan.unitMs);
        if (ctx.stopping) throw ctx.signal.reason;
        await checkpoint(n + 1);
        break;
      case 'steps':
        await step(n);
        break;
      case 'waiting':
        await sleep(Math.min(plan.unitMs, 2_000));
        if (ctx.signal.aborted) throw ctx.signal.reason;
        if (n + 1 < plan.units)
          await ctx.wait(1 + (plan.unitMs % 300), saved(n + 1), { onCancel: plan.unitMs % 2 ? 'end' : 'resume' });
        break;
      case 'crashing':
      case 'out of memory':
        await sleep(plan.unitMs / 4);
        if (n + 1 < plan.units) break;
        mayFail('its body crashed');
        process.kill(plan.kind === 'crashing' ? 'exit' : 'out of memory');
        return new Promise<never>(() => {});
      case 'deaf':
        await sleep(plan.unitMs * 4);
        break;
      case 'stuck':
        await sleep(plan.unitMs);
        if (n + 1 < plan.units) break;
        return new Promise<never>(() => {});
      default:
        await sleep(plan.unitMs / 5);
    }
  }
  for (let n = 0; n < plan.files; n++) await file();
  record(plan.records);
  say();
  if (plan.kind === 'leaky') void leftover(ctx);

  /** Does one step and saves that it is done. It fails, or its process dies, anywhere in it. */
  async function step(n: number): Promise<void> {
    const chance = (percent = 0) => Math.random() * 100 < percent;
    said.begun.add(n);
    if (chance(plan.dies)) {
      mayFail('its body crashed');
      // Sooner than the step is long, and sometimes while its checkpoint is on its way.
      const inMs = chance(50) ? Math.random() * plan.unitMs : plan.unitMs + Math.random() * 80;
      setTimeout(() => process.kill(chance(50) ? 'exit' : 'out of memory'), inMs);
    }
    if (plan.files > 0 && n % 2 === 0) await file();
    await sleep(plan.unitMs);
    record(plan.records % 4, n + 1);
    if (ctx.stopping) throw ctx.signal.reason;
    if (chance(plan.throws)) {
      mayFail('its body threw');
      throw chance(10) ? new FinalFailure('as planned, once and for all') : new Error('as planned');
    }
    await checkpoint(n + 1);
  }
}

/** What a careless runner leaves behind: it wakes up in the next job of its sandbox. */
async function leftover(ctx: JobContext): Promise<void> {
  for (let n = 0; n < 30; n++) {
    await sleep(500);
    ctx.log('leftover');
    ctx.recordCreated('/repositories/2/resources/999999');
  }
}
