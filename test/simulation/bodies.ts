import type { JobContext } from '../../runners/sdk/context.ts';
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
    | 'leaky';
  readonly units: number;
  readonly unitMs: number;
  readonly files: number;
  readonly records: number;
};

/** What the body said, to compare with what readers see. */
export interface Said {
  /** Lines by segment. */
  readonly lines: Map<number, number>;
  files: number;
  records: number;
}

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
  ] as const);
  const units = random.integer(1, kind === 'chatty' ? 12 : 5);
  const span = kind === 'long' ? invocationMs * random.between(0.2, 0.6) : random.between(50, 20_000);
  return {
    kind,
    units,
    unitMs: Math.round(kind === 'chatty' ? random.between(1, 3_000) : span),
    files: random.chance(0.4) ? random.integer(1, 3) : 0,
    records: random.chance(0.4) ? random.integer(1, 150) : 0,
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
  const record = (count: number) => {
    for (let n = 0; n < count; n++) ctx.recordCreated(`/repositories/2/resources/${++said.records}`);
  };
  const file = async () => {
    await ctx.addFile(`file-${said.files + 1}.txt`, 'text');
    said.files++;
  };
  const done = (ctx.resumed as { done: number } | undefined)?.done ?? 0;
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
        await ctx.checkpoint({ done: n + 1 });
        break;
      case 'waiting':
        await sleep(Math.min(plan.unitMs, 2_000));
        if (ctx.signal.aborted) throw ctx.signal.reason;
        if (n + 1 < plan.units)
          await ctx.wait(1 + (plan.unitMs % 300), { done: n + 1 }, { onCancel: plan.unitMs % 2 ? 'end' : 'resume' });
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
}

/** What a careless runner leaves behind: it wakes up in the next job of its sandbox. */
async function leftover(ctx: JobContext): Promise<void> {
  for (let n = 0; n < 30; n++) {
    await sleep(500);
    ctx.log('leftover');
    ctx.recordCreated('/repositories/2/resources/999999');
  }
}
