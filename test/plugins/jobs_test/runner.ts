import { setTimeout as pause } from 'node:timers/promises';
import type { Run } from '../../../runners/sdk/context.ts';
import { runner } from '../../../runners/sdk/run.ts';

interface Params {
  readonly seconds?: number;
  readonly fault?: 'throw' | 'exit' | 'memory' | 'overtime' | 'flood' | 'path';
  readonly steps?: number;
  readonly wait?: number;
  readonly say?: string;
  readonly lines?: number;
}

export const run: Run<Params> = async (ctx) => {
  const { seconds = 0, fault, steps = 0, wait, say, lines = 0 } = ctx.params;
  ctx.log(`begin ${Date.now()}`);
  if (say) {
    ctx.log(say);
    await ctx.addFile('what was said.txt', say, { contentType: 'text/plain' });
    ctx.recordCreated('/repositories/2/resources/1');
    ctx.recordModified('/subjects/7');
  }
  for (let line = 1; line <= lines; line++) ctx.log(`line ${line} of ${lines}: čaj 茶`);
  if (fault === 'throw') throw new Error('The cupboard is bare.');
  if (fault === 'exit') process.exit(3);
  if (fault === 'memory') fillMemory();
  if (fault === 'flood') for (let mb = 0; mb < 1_024; mb++) ctx.log('x'.repeat(1_048_576));
  if (fault === 'path') await ctx.addFile('../../x', 'out of here');
  if (fault === 'overtime' || ctx.job.type === 'deaf_job') {
    // Deaf: nothing else of this process's main thread gets a turn.
    for (;;) if (Date.now() < 0) break;
  }
  await pause(seconds * 1000, undefined, { signal: ctx.signal }).catch(() => {});
  if (steps > 0) {
    const done = (ctx.resumed as number | undefined) ?? 0;
    for (let step = done + 1; step <= steps; step++) {
      ctx.log(`step ${step} in segment ${ctx.job.segment}`);
      ctx.progress(step, steps, `step ${step}`);
      await pause(500, undefined, { signal: ctx.signal }).catch(() => {});
      if (wait !== undefined && step < steps) await ctx.wait(wait, step);
      await ctx.checkpoint(step);
    }
  }
  if (ctx.signal.aborted) ctx.log('stopped early');
  ctx.log(`end ${Date.now()}`);
};

export const handler = runner(run);

function fillMemory(): never {
  const kept: number[][] = [];
  for (;;) kept.push(new Array<number>(1_000_000).fill(kept.length + 0.5));
}
