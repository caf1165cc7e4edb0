/** A file that was uploaded with the job. */
export interface InputFile {
  /** The name it had where it came from, such as `ferris.xml`. */
  readonly name: string;
  readonly contentType: string;
  /** In bytes. */
  readonly size: number;
  /**
   * Opens the file; may be called more than once. `from` is the first byte to read, 0 to `size`: a segment goes on where
   * the one before it stopped, without reading what that had read. Throws when the stored file is gone or was replaced.
   */
  open(options?: { from?: number }): Promise<AsyncIterable<Uint8Array>>;
}

/** ArchivesSpace, as the job's owner. */
export interface ArchivesSpaceSession {
  /**
   * Sends one request to the backend with a session of the job's owner, renewed when it is gone (412).
   * `path` begins with `/`, without host, inside the job's repository or a prefix that the manifest lists;
   * anything else throws before it is sent. Redirects are refused. Any HTTP status is returned, not thrown.
   */
  request(
    path: string,
    init?: {
      method?: string;
      body?: string | Uint8Array<ArrayBuffer>;
      /** Of the body. @default application/json */
      contentType?: string;
      signal?: AbortSignal;
    },
  ): Promise<Response>;
}

/** What a runner's `run` is given. */
export interface JobContext<Params = Readonly<Record<string, unknown>>> {
  readonly job: {
    readonly id: number;
    readonly type: string;
    /** URI of the repository the job was created in, such as `/repositories/2`. */
    readonly repository: string;
    /** Username of who created the job. */
    readonly owner: string;
    readonly attempt: number;
    /** Which invocation of the runner this is, from 1. */
    readonly segment: number;
  };
  /** The job's parameters, already checked against the schema of its type. */
  readonly params: Params;
  /** The free text that the client sent beside the parameters (`job_params`), which nothing checks; most jobs have none. */
  jobParams(): Promise<string | undefined>;
  readonly files: readonly InputFile[];
  /**
   * Fires when the job is canceled, reaches its time limit, or the invocation is about to end.
   * `signal.reason` is a `StopReason`. After a cancel or the limit the runner has its grace time to return;
   * then its process is killed.
   */
  readonly signal: AbortSignal;
  /**
   * True from when the job was canceled or reached its time limit: tidy up and return. Never true for the end of an
   * invocation, for which `signal` fires as well: there `checkpoint` is what is to be done.
   */
  readonly stopping: boolean;
  /** The state the last segment gave to `checkpoint` or `wait`; undefined in the first. */
  readonly resumed: unknown;
  /** Appends one line to the job's log. Lines are sent together, and show within 2 seconds. */
  log(line: string): void;
  /** How far the job is: `done` of `total`, in whatever the runner counts, with an optional few words. */
  progress(done: number, total: number, message?: string): void;
  /**
   * Saves `state` (JSON, at most 64 KB). Near the end of the invocation it also ends the segment: it then never
   * returns, and the next segment starts from the beginning of `run` with `resumed` set to `state`. Nothing else of
   * the run may be under way when it is called: what is, is frozen with the invocation.
   */
  checkpoint(state: unknown): Promise<void>;
  /**
   * Ends the segment, as `checkpoint` does near the end; the next one starts after `seconds` (1 to 3600) with
   * `resumed` = `state`. No Lambda is held meanwhile.
   *
   * A job that is canceled meanwhile ends at once, without its runner. With `onCancel: 'resume'` the next segment starts
   * as planned instead, with its signal fired already, to pass the cancel on; the type's `grace_seconds` must be longer
   * than the wait.
   */
  wait(seconds: number, state: unknown, options?: { onCancel?: 'end' | 'resume' }): Promise<never>;
  /** Adds an output file. It becomes visible when the job has ended. */
  addFile(name: string, body: Uint8Array | string, options?: { contentType?: string }): Promise<void>;
  /** Notes a record of ArchivesSpace that this job created, by its URI, such as `/repositories/2/resources/1`. */
  recordCreated(uri: string): void;
  /** Notes a record that this job changed. */
  recordModified(uri: string): void;
  /** Throws when the manifest does not say `archivesspace`, or the service has none. */
  readonly archivesspace: ArchivesSpaceSession;
}

/** The work of a job. Returning means it is done; throwing means it failed, and the error's message is what staff read. */
export type Run<Params = Readonly<Record<string, unknown>>> = (ctx: JobContext<Params>) => Promise<void>;

/** Throw this for a failure that another attempt cannot mend: the job fails at once, whatever `retries` its type has. */
export class FinalFailure extends Error {
  override readonly name = 'FinalFailure';
}

/** Why `ctx.signal` fired. */
export class StopReason extends Error {
  readonly why: 'canceled' | 'time_limit' | 'deadline';
  constructor(why: 'canceled' | 'time_limit' | 'deadline', message: string) {
    super(message);
    this.name = 'StopReason';
    this.why = why;
  }
}
