// What a sandbox and its parent say to each other, whether the sandbox is a process or a worker thread.

/**
 * An error as Lambda's runtimes report it. Node's has a `trace`, Python's a `stackTrace` and the request's id.
 * https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html, …/dg/python-exceptions.html
 */
export interface FunctionError {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly trace?: readonly string[];
  readonly stackTrace?: readonly string[];
  readonly requestId?: string;
}

export interface InvokeMessage {
  readonly requestId: string;
  /** The event, as JSON. */
  readonly payload: string;
  readonly functionArn: string;
  readonly deadlineMs: number;
}

export type SandboxMessage =
  | { readonly kind: 'ready' }
  /** The module could not be loaded: every invocation of this sandbox fails with the error. */
  | { readonly kind: 'broken'; readonly error: FunctionError }
  | { readonly kind: 'result'; readonly payload: string }
  | { readonly kind: 'error'; readonly error: FunctionError }
  /** An exception nobody caught: the invocation under way fails with the error and the sandbox ends. */
  | { readonly kind: 'uncaught'; readonly error: FunctionError };
