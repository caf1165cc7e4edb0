import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { internal, log, metrics, openService, stopBefore } from './bundle.ts';
import { dispatcherEnv, readEnv } from './env.ts';
import { dispatchPass } from './pass.ts';

/** The function has 10 s in all. */
const patienceMs = 6_000;
const service = openService(readEnv(dispatcherEnv), patienceMs);

/**
 * The doorbell rang: start what may start. One pass for the whole batch, whatever its messages say: they have no
 * content. A pass that fails gives the whole batch back, in order, and it rings again after the visibility timeout.
 */
export const handler = internal(async (event: SQSEvent, context): Promise<SQSBatchResponse> => {
  try {
    await dispatchPass(service, stopBefore(context));
    return { batchItemFailures: [] };
  } catch (error) {
    log.error('A dispatch pass failed. Its doorbells will ring again.', { error });
    metrics.addMetric('DispatchPassFailed', MetricUnit.Count, 1);
    return { batchItemFailures: event.Records.map(({ messageId }) => ({ itemIdentifier: messageId })) };
  }
});
