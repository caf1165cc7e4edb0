/**
 * List prices in USD, us-east-1, as published on 2026-11-23: aws.amazon.com/<service>/pricing for Step Functions,
 * DynamoDB (on demand), SQS (FIFO), Lambda (arm64) and API Gateway (HTTP API). One place, so that a new price is one line.
 */
export const prices = {
  stateTransition: 25 / 1_000_000,
  writeUnit: 0.625 / 1_000_000,
  readUnit: 0.125 / 1_000_000,
  sqsRequest: 0.5 / 1_000_000,
  lambdaRequest: 0.2 / 1_000_000,
  lambdaGbSecond: 0.0000133334,
  httpRequest: 1 / 1_000_000,
} as const;

/**
 * How long the service's functions take, in milliseconds. Not measured: no account was at hand. They are what a review
 * of the design assumed for warm functions; REPORT lines of a deployment replace them.
 */
export const assumedMs = { create: 40, dispatcher: 60, finisher: 60 } as const;
/** As the template gives it. */
export const memoryGb = 0.5;
