import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { internal, metrics, openService, stopBefore } from './bundle.ts';
import { readEnv, sweepEnv } from './env.ts';
import { health } from './health.ts';
import { removeLeftovers } from './leftovers.ts';
import { sweepPass } from './sweep-pass.ts';

const env = readEnv(sweepEnv);
const service = openService(env);
/** For what is left of deleted jobs: nobody waits for it. */
const removalMs = 15_000;

/** Each minute, and once with `{"all": true}` after a restore (docs/runbook.md). */
export const handler = internal(async (event: { readonly all?: boolean }, context): Promise<void> => {
  await sweepPass(service, stopBefore(context), event.all === true);
  await removeLeftovers(service, { bucket: env.BUCKET }, Math.min(stopBefore(context), Date.now() + removalMs));
  const { violations, oldestRunnableMs } = await health(service);
  metrics.addMetric('InvariantViolations', MetricUnit.Count, violations.length);
  metrics.addMetric('OldestRunnableJob', MetricUnit.Milliseconds, oldestRunnableMs);
});
