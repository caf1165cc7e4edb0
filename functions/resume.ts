import { commit } from '../aws/dynamo.ts';
import { readRun } from '../aws/reads.ts';
import { type Resumption, resumption, type Witness } from '../core/ending.ts';
import { interrupt } from '../core/table.ts';
import type { Ender, RunRef } from './end.ts';

/** How often it is tried against a run that changes while it is read: a cancel is the usual reason. */
const mostTries = 5;

/**
 * Lets a resumable run go on whose segment broke off, if it may (core/ending.ts). Repeated, it says the same again.
 *
 * @param witness what the state that waited for the runner saw
 * @returns which segment comes next and when; undefined when the run is to be ended
 */
export async function resumeRun(service: Ender, ref: RunRef, witness: Witness): Promise<Resumption | undefined> {
  if (witness.error === undefined) return undefined;
  for (let tries = 0; tries < mostTries; tries++) {
    const run = await readRun(service.table, { type: ref.type, id: ref.job });
    if (run?.token !== ref.token) return undefined;
    const next = resumption(run, witness, service.now());
    if (!next) return undefined;
    const written = await commit(service.table, interrupt(run, next.reason, next.interruptions, next.segment - 1));
    if (!written.done) continue;
    service.log.warn('A run broke off and goes on from its last checkpoint.', {
      ...ref,
      ...next,
      error: witness.error,
      correlation: run.correlation,
    });
    return next;
  }
  return undefined;
}
