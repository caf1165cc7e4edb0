/** An error that SQS answers with; `code` is the name under the old query protocol, by which the SDK calls it. */
export class SqsError extends Error {
  readonly code: string;
  readonly type: string;

  constructor(code: string, message: string, type: string = code) {
    super(message);
    this.code = code;
    this.type = type;
  }
}

export const noSuchQueue = () =>
  new SqsError('AWS.SimpleQueueService.NonExistentQueue', 'The specified queue does not exist.', 'QueueDoesNotExist');

export const invalidValue = (message: string) => new SqsError('InvalidParameterValue', message);

export const missingParameter = (name: string) =>
  new SqsError('MissingParameter', `The request must contain the parameter ${name}.`);

export const invalidHandle = () =>
  new SqsError('ReceiptHandleIsInvalid', 'The input receipt handle is invalid.', 'ReceiptHandleIsInvalid');

export const expiredHandle = (handle: string) =>
  invalidValue(`Value ${handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.`);
