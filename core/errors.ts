/** Something that should have worked did not: for ops, never shown to a client. */
export class Fault extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'Fault';
  }
}

/** What a client is told. The body is ArchivesSpace's on every route (archivesspace: backend/app/lib/exceptions.rb). */
export type ClientError =
  | {
      readonly code: 'bad_request';
      readonly problems: Readonly<Record<string, readonly string[]>>;
      readonly invalid?: string;
    }
  | { readonly code: 'unreadable'; readonly message: string }
  | { readonly code: 'no_session'; readonly gone: 'SESSION_GONE' | 'SESSION_EXPIRED'; readonly message: string }
  | { readonly code: 'no_token'; readonly expired: boolean; readonly message: string }
  | { readonly code: 'login_failed' }
  | { readonly code: 'too_many'; readonly retryAfterSeconds: number; readonly message: string }
  | { readonly code: 'denied'; readonly missing: readonly string[] }
  | { readonly code: 'not_found'; readonly what: string }
  | { readonly code: 'conflict'; readonly message: string }
  | { readonly code: 'too_large'; readonly message: string }
  | { readonly code: 'unavailable'; readonly message: string };

export const httpStatus: { readonly [code in ClientError['code']]: number } = {
  bad_request: 400,
  unreadable: 400,
  no_session: 412,
  no_token: 401,
  login_failed: 403,
  too_many: 429,
  denied: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  unavailable: 503,
};

/** Thrown by handlers to answer with a client error; the API's bundle turns it into a response. */
export class Refusal extends Error {
  readonly error: ClientError;
  constructor(error: ClientError) {
    super(error.code);
    this.name = 'Refusal';
    this.error = error;
  }
}
