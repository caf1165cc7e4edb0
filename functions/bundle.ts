import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics } from '@aws-lambda-powertools/metrics';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { openTable } from '../aws/clients.ts';
import { openMachine } from '../aws/executions.ts';
import { type Log, newToken, type Service } from './service.ts';

export const metrics = new Metrics({ namespace: 'BackgroundJobs', serviceName: 'background-jobs' });

const logger = new Logger({ serviceName: 'background-jobs' });

/** Structured lines with the invocation's id; errors keep their cause and stack, for ops only. */
export const log: Log = {
  info: (message, fields) => logger.info(message, { ...fields }),
  warn: (message, fields) => logger.warn(message, { ...fields }),
  error: (message, fields) => logger.error(message, { ...fields }),
};

/** Time kept back from a function's own end, to answer in. */
const answerMs = 1_500;

/** When work must stop so that the invocation can still answer, in milliseconds since 1970. */
export const stopBefore = (context: Context) => Date.now() + context.getRemainingTimeInMillis() - answerMs;

/**
 * What dispatching and ending work with in Lambda.
 *
 * @param patienceMs how long a write goes on trying: less than the function's timeout
 */
export const openService = (
  env: { readonly TABLE: string; readonly STATE_MACHINE_ARN: string },
  patienceMs?: number,
): Service => ({
  table: openTable(env.TABLE, patienceMs),
  machine: openMachine(env.STATE_MACHINE_ARN),
  log,
  now: () => Date.now(),
  newToken,
});

/** Returns nothing: middy takes what a hook returns for the response. */
function publish(): void {
  if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
}

/** The middleware of every function that is not an HTTP operation: log context in, metrics out. */
export function internal<Event, Result>(handle: (event: Event, context: Context) => Promise<Result>) {
  return middy<Event, Result>()
    .use(injectLambdaContext(logger, { resetKeys: true }))
    .use({
      after: publish,
      onError: ({ error }) => {
        // The state machine's word for going on is thrown like an error, and is none.
        if (error?.name !== 'JobWait') log.error('The function failed.', { error });
        publish();
      },
    })
    .handler((event, context) => handle(event, context));
}
