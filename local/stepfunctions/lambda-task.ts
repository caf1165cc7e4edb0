// The Lambda task of Step Functions. https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html
import { randomUUID } from 'node:crypto';
import { type InvokeOutcome, parseFunctionName } from '../lambda/lambdas.ts';
import type { FunctionError } from '../lambda/protocol.ts';
import { type StateError, StepError } from './machine.ts';

/** https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html */
export const maxStateBytes = 262_144;

/**
 * Invokes the function that a Task state names and gives the state's result.
 * @throws StepError with the error name that Step Functions gives, for Retry and Catch to match.
 */
export async function runLambdaTask(
  resource: string,
  input: unknown,
  invoke: (functionName: string, payload: string) => Promise<InvokeOutcome>,
): Promise<unknown> {
  const optimized = resource.endsWith(':states:::lambda:invoke');
  const parameters = input as { FunctionName?: unknown; Payload?: unknown; InvocationType?: unknown };
  if (optimized && (parameters.InvocationType ?? 'RequestResponse') !== 'RequestResponse') {
    throw new StepError({ error: 'States.Runtime', cause: 'Only InvocationType RequestResponse runs locally.' }, true);
  }
  const functionName = optimized ? String(parameters.FunctionName) : resource;
  const payload = JSON.stringify((optimized ? parameters.Payload : input) ?? {});
  if (Buffer.byteLength(payload) > maxStateBytes) throw dataLimitExceeded('The input of the task');
  const outcome = await invoke(functionName, payload);
  switch (outcome.kind) {
    case 'result': {
      if (Buffer.byteLength(outcome.payload) > maxStateBytes) throw dataLimitExceeded('The result of the task');
      const result: unknown = JSON.parse(outcome.payload);
      if (!optimized) return result;
      const requestId = randomUUID();
      return {
        ExecutedVersion: parseFunctionName(functionName).version,
        Payload: result,
        SdkHttpMetadata: { HttpStatusCode: 200 },
        SdkResponseMetadata: { RequestId: requestId },
        StatusCode: 200,
      };
    }
    case 'error':
      throw new StepError(fromFunctionError(outcome.error));
    case 'throttled':
      throw new StepError(refusal('TooManyRequestsException', 429, 'Rate Exceeded.'));
    case 'unknown-function':
      throw new StepError(refusal('ResourceNotFoundException', 404, `Function not found: ${functionName}`));
    case 'too-large':
      throw new StepError(refusal('RequestTooLargeException', 413, 'Request must be smaller than 6 MB.'));
    default:
      return outcome satisfies never;
  }
}

/** A function's error as a state sees it: Error is its type, Cause the whole of it as a JSON string. */
export function fromFunctionError(error: FunctionError): StateError {
  return { error: error.errorType, cause: JSON.stringify(error) };
}

/** A payload above the quota ends the execution: neither Retry nor `States.ALL` sees it. */
export function dataLimitExceeded(what: string): StepError {
  const cause = `${what} exceeds the maximum number of bytes service limit (${maxStateBytes}).`;
  return new StepError({ error: 'States.DataLimitExceeded', cause }, true);
}

function refusal(code: string, status: number, message: string): StateError {
  const cause = `${message} (Service: Lambda, Status Code: ${status}, Request ID: ${randomUUID()})`;
  return { error: `Lambda.${code}`, cause };
}
