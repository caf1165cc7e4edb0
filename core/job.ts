import type { Item } from './writes.ts';

/** Statuses as ArchivesSpace spells them (common/schemas/job.rb). */
export type JobStatus = 'queued' | 'running' | 'completed' | 'failed' | 'canceled';
export type Outcome = 'completed' | 'failed' | 'canceled';

/** Why a job failed: closed, so that page and documentation can have a sentence for each. */
export type FailureKind =
  | 'runner_error' // the runner threw
  | 'crashed' // its process ended by itself or was killed
  | 'out_of_memory'
  | 'timed_out' // one invocation took longer than its Lambda may
  | 'time_limit' // the job took longer than its type allows
  | 'not_started' // its Lambda could not be invoked: throttled, not found, not permitted
  | 'protocol' // the runner ended without saying how, or went on too often
  | 'unregistered_type'
  | 'stopped' // someone stopped its execution
  | 'platform'; // AWS lost sight of the run

export interface Failure {
  readonly kind: FailureKind;
  /** One sentence for staff. */
  readonly reason: string;
}

/** Up to where a run's writes count. What lies beyond is not shown. */
export interface Ends {
  /** Bytes of log. */
  readonly log: number;
  /** Output files. */
  readonly files: number;
  /** Chunks of records. */
  readonly records: number;
}

export interface JobFacts {
  readonly id: number;
  readonly repo: number;
  readonly type: string;
  readonly owner: string;
  /** Milliseconds since 1970, as all times below. */
  readonly submitted: number;
  readonly mtime: number;
  readonly lockVersion: number;
  readonly correlation: string;
  /** The parameters as JSON text; absent when they have an item of their own. */
  readonly params?: string;
  readonly jobParams?: string;
  /** How many files were uploaded with the job. */
  readonly inputs: number;
  readonly attempt: number;
  /** The version of the schema that the parameters were checked with. */
  readonly typeVersion: string;
  /** The job that this one was made from. */
  readonly rerunOf?: number;
  readonly canceledBy?: string;
  readonly cancelRequested?: number;
}

interface Started {
  readonly started: number;
  readonly token: string;
  readonly slot: number;
  readonly runner: string;
}

export type QueuedJob = JobFacts & { readonly status: 'queued' };
export type RunningJob = JobFacts & Started & { readonly status: 'running' };
/** A job that was canceled, or failed, while it was queued has never started. */
export type EndedJob = JobFacts &
  Partial<Started> & {
    readonly status: Outcome;
    readonly finished: number;
    readonly ends?: Ends;
    readonly failure?: Failure;
  };
export type Job = QueuedJob | RunningJob | EndedJob;

/** A row of a type's queue: what a dispatcher needs to start the job without reading the job. */
export interface QueueRow {
  readonly id: number;
  readonly type: string;
  readonly repo: number;
  readonly owner: string;
  readonly submitted: number;
  readonly correlation: string;
  readonly params?: string;
  readonly inputs: number;
  readonly attempt: number;
}

/** What the service and the harness know of a run. */
export interface Run {
  readonly id: number;
  readonly type: string;
  readonly token: string;
  /** The last segment that was claimed; 0 before the first. */
  readonly segment: number;
  /** A segment was claimed and has not said that it ended. */
  readonly open: boolean;
  /** When the open segment's invocation ends at the latest. */
  readonly deadline?: number;
  /** Which invocation claimed the segment: tells a repeated write from a second claimer. */
  readonly claim?: string;
  readonly cancelAt?: number;
  /** Between two segments: a cancel waits for the next one, which passes it on. */
  readonly heedsCancel?: boolean;
  readonly graceSeconds: number;
  readonly limitAt?: number;
  readonly repo: number;
  readonly owner: string;
  readonly correlation: string;
  readonly params?: string;
  readonly inputs: number;
  readonly attempt: number;
  /** What the last checkpoint saved, as JSON text, and the runner's own version of what it saves; absent = 1. */
  readonly state?: string;
  readonly stateVersion?: number;
  /** How often a state was saved within a segment: what comes late of a save replaces no later one. Absent = 0. */
  readonly saves?: number;
  /** Its type may go on from its last checkpoint when a segment broke off. */
  readonly resumable?: boolean;
  /** How often a runner that fails is tried again. */
  readonly retries?: number;
  /** How many segments broke off since the last checkpoint that was new. */
  readonly interruptions?: number;
  /** The last segment that broke off, and why. */
  readonly interruption?: { readonly segment: number; readonly reason: string };
  /** At the end of a segment, and at each checkpoint. */
  readonly ends: Ends;
  readonly end?: { readonly outcome: Outcome; readonly failure?: Failure };
  readonly progress?: { readonly done: number; readonly total: number; readonly message?: string };
}

/** What an execution is given: ids only, and for the same run always the same bytes (design 3.3). */
export interface ExecutionInput {
  readonly job: number;
  readonly type: string;
  readonly token: string;
  readonly runner: string;
  readonly correlation: string;
}

/** A slot or lock: who holds it. Owners, never a count. */
export interface Hold {
  readonly job: number;
  readonly type: string;
  /** Its job's repository; absent in holds that were written before they said so. */
  readonly repo?: number;
  readonly token: string;
  readonly since: number;
}
export interface Slot extends Hold {
  readonly n: number;
}

/** What dispatching needs to know of a type. Types that were retired stay until their queue is certainly empty. */
export interface DispatchType {
  readonly runner: string;
  readonly concurrent: boolean;
  readonly graceSeconds: number;
  readonly timeLimitSeconds?: number;
  readonly version: string;
  /** A run that broke off goes on from its last checkpoint; a body that fails is tried so often again. Absent = no, 0. */
  readonly resumable?: boolean;
  readonly retries?: number;
  readonly retired?: number;
}

export interface Settings {
  readonly limit: number;
  readonly paused: boolean;
  readonly types: Readonly<Record<string, DispatchType>>;
}

/** A type of the settings by name; a name such as `constructor` is one like any other. */
export const typeIn = ({ types }: Settings, name: string): DispatchType | undefined =>
  Object.hasOwn(types, name) ? types[name] : undefined;

export interface Board {
  readonly settings: Settings;
  readonly slots: readonly Slot[];
  readonly locks: readonly Hold[];
}

export const isEnded = (job: Job): job is EndedJob => job.status !== 'queued' && job.status !== 'running';

/** The token that stands in a run whose token was taken away. No token is ever this. */
export const revoked = 'revoked';

export const noEnds: Ends = { log: 0, files: 0, records: 0 };

/** Items are stored as they are typed; the cast is here and nowhere else. */
export function fromItem<T>(item: Item): T {
  return item as unknown as T;
}
