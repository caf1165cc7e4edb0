import type { FieldHints, FileRules, Translation } from './runner-manifest.ts';

/**
 * What the routes beyond ArchivesSpace's answer, and what they take. Errors have the same body as on all other routes.
 * Times are written as ArchivesSpace writes those of jobs: `2026-08-20 13:45:55 UTC`. Fields that do not apply are
 * left out, never null. `uri` is `/repositories/:repo_id/jobs/:id`.
 */

export type ExtensionStatus = 'queued' | 'running' | 'completed' | 'failed' | 'canceled';

export interface Progress {
  readonly done: number;
  /** 0: not known. */
  readonly total: number;
  readonly message?: string;
}

export interface FailureNote {
  /** One of a closed list: `runner_error`, `crashed`, `out_of_memory`, `timed_out`, `time_limit`, `not_started`, … */
  readonly kind: string;
  /** One sentence for staff. */
  readonly reason: string;
}

/** Who asked for the job to stop. It is stopping as long as its status is `running`. */
export interface CancelRequest {
  readonly by: string;
  readonly time: string;
}

/** What every short view of a job has. */
export interface JobBrief {
  readonly id: number;
  readonly uri: string;
  readonly job_type: string;
  readonly status: ExtensionStatus;
  readonly owner: string;
  readonly time_submitted: string;
  readonly time_started?: string;
  readonly time_finished?: string;
  /** Only while it runs, and only when its runner has reported any. */
  readonly progress?: Progress;
  /** There when somebody canceled it; with status `running` it is stopping. */
  readonly cancel_requested?: CancelRequest;
  /** Only when it failed. */
  readonly failure?: FailureNote;
  /** The uri of the job that this one was made from. */
  readonly rerun_of?: string;
}

// ---------------------------------------------------------------- GET …/jobs/:id/status

/**
 * `GET /repositories/:repo_id/jobs/:id/status`, permission `view_repository`. Has an `ETag`; with `If-None-Match` an
 * unchanged status is 304 without a body. Cheap enough to ask each second or two.
 */
export interface StatusReply extends JobBrief {
  /** Grows by one with each change of the job itself (not with progress). */
  readonly lock_version: number;
  /** Only while it is queued. */
  readonly queue?: QueuePlace;
}

export interface QueuePlace {
  /** How many queued jobs of all types and repositories are older, from 0. Exact to 1,000. */
  readonly position: number;
  /** There are more than `position` (which is 1000 then). */
  readonly more: boolean;
  readonly slots: Slots;
  /** Why it has not started, the most decisive first. Empty: it is about to start. */
  readonly waiting_for: readonly WaitingFor[];
}

export interface Slots {
  /** How many jobs run at once at most (`job_thread_count`). */
  readonly limit: number;
  readonly free: number;
  /** An operator has paused the queue: nothing starts. */
  readonly paused: boolean;
}

export type WaitingFor =
  /** An operator has paused the queue. */
  | { readonly reason: 'paused' }
  /** The service is set to run nothing (`job_thread_count` 0). */
  | { readonly reason: 'limit_is_zero' }
  /** Its type is no longer registered: it will fail soon. */
  | { readonly reason: 'unregistered_type' }
  /** Its type runs one job at a time, and one is running. */
  | { readonly reason: 'type_is_running'; readonly holders: readonly Holder[] }
  /** All slots are taken. */
  | { readonly reason: 'no_free_slot'; readonly holders: readonly Holder[] }
  /** Something could start, and an older job does so first. */
  | { readonly reason: 'older_jobs_first' };

/** Who holds a slot or the type: a job that the reader may see, or one of another repository of which only this is told. */
export type Holder =
  | {
      readonly visible: true;
      readonly id: number;
      readonly uri: string;
      readonly job_type: string;
      readonly since: string;
    }
  | { readonly visible: false; readonly job_type: string; readonly since: string };

// ---------------------------------------------------------------- GET …/jobs/queue

/**
 * `GET /repositories/:repo_id/jobs/queue`, permission `view_repository`: what a job that is submitted now would find.
 * With `?type=…` also why it would wait. Has an `ETag`.
 */
export interface QueueReply {
  readonly slots: Slots;
  /** Queued jobs of all types and repositories, exact to 1,000. */
  readonly queued: number;
  /** There are more than `queued` (which is 1000 then); `by_type` counts the oldest 1,000. */
  readonly more: boolean;
  /** Queued jobs by type; types without any are left out. */
  readonly by_type: Readonly<Record<string, number>>;
  /** What is running. */
  readonly running: readonly Holder[];
  /** Only with `type`: why a job of it would not start at once. */
  readonly waiting_for?: readonly WaitingFor[];
}

// ---------------------------------------------------------------- GET …/jobs/browse

/**
 * `GET /repositories/:repo_id/jobs/browse`, permission `view_repository`: newest first. Query: `status` (several by
 * comma or repeated), `type`, `owner`, `from` and `to` (when it was submitted: epoch seconds or an ISO time, both
 * included), `page_size` (default 20, at most 100), `cursor`.
 *
 * A page may be shorter than `page_size`, even empty, when filters pass over much; go on while there is `next`.
 */
export interface BrowseReply {
  readonly results: readonly JobBrief[];
  /** The cursor of the next page. Good for the same filters only; any other is 400. Absent: this was the last page. */
  readonly next?: string;
}

// ---------------------------------------------------------------- GET …/jobs/:id/events

/** `GET /repositories/:repo_id/jobs/:id/events`, permission `view_repository`: what happened, in order. */
export interface EventsReply {
  readonly events: readonly JobEvent[];
}

export type JobEvent =
  | { readonly event: 'created'; readonly time: string; readonly by: string; readonly rerun_of?: string }
  | { readonly event: 'started'; readonly time: string }
  | { readonly event: 'cancel_requested'; readonly time: string; readonly by: string }
  | {
      readonly event: 'finished';
      readonly time: string;
      readonly status: 'completed' | 'failed' | 'canceled';
      readonly failure?: FailureNote;
    }
  | { readonly event: 'deleted'; readonly time: string; readonly by: string };

// ---------------------------------------------------------------- GET …/jobs/:id/files

/** `GET /repositories/:repo_id/jobs/:id/files`, permission `view_repository`: in the order of `output_files`. */
export interface FilesReply {
  readonly files: readonly FileEntry[];
}

export interface FileEntry {
  /** As in `output_files`. */
  readonly id: number;
  /** The original name. */
  readonly name: string;
  readonly size: number;
  readonly content_type: string;
  /** Uploaded with the job, or made by it. */
  readonly kind: 'input' | 'output';
  /** The path of the download in this API: needs the session header; above 4 MiB it answers 303. */
  readonly url: string;
}

/**
 * `GET /repositories/:repo_id/jobs/:id/files/:file_id`, permission `view_repository`: a link that a browser can follow
 * without any header. It answers with the file as an attachment under its own name.
 */
export interface FileLink extends FileEntry {
  /** Absolute, and good for anybody who has it, for a minute. */
  readonly link: string;
  readonly expires: string;
}

// ---------------------------------------------------------------- POST …/jobs/uploads

/** `POST /repositories/:repo_id/jobs/uploads`, permission `create_job`: asks for a place for one file of a job to be created. */
export interface UploadRequest {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Of the content, as base64 or as 64 hex digits. */
  readonly sha256: string;
  /** @default 'application/octet-stream' */
  readonly content_type?: string;
}

/**
 * Send the content with `PUT url` and exactly these headers (a client sets `Content-Length` by itself; it is checked
 * as well). The file is there once, under this id, for this user and this repository: name it at create in
 * `{"job": …, "uploads": ["<upload_id>", …]}` within a day.
 */
export interface UploadReply {
  readonly upload_id: string;
  readonly method: 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Until when the content may be sent. */
  readonly expires: string;
}

// ---------------------------------------------------------------- GET /page

/**
 * `GET /page`, open: what a page needs to begin. Without a session (or with none that holds: 412 or 401 then, as
 * everywhere) only how one signs in.
 */
export interface PageReply {
  readonly sign_in:
    | { readonly kind: 'password' }
    | { readonly kind: 'oidc'; readonly issuer: string; readonly client_id: string };
  /** Where staff see records: `<staff_url>/resolve/readonly?uri=…`. Absent: nowhere. */
  readonly staff_url?: string;
  readonly user?: {
    readonly username: string;
    /** By repository URI; those that hold everywhere are under `_archivesspace`. */
    readonly permissions: Readonly<Record<string, readonly string[]>>;
    /** Those that the user may view. Without an ArchivesSpace, those that the permissions name. */
    readonly repositories: readonly { readonly id: number; readonly name: string }[];
  };
}

// ---------------------------------------------------------------- GET …/jobs/types

/** `GET /repositories/:repo_id/jobs/types`, permission `view_repository`: what a form and a page about a job need. */
export interface TypesReply {
  /** By name of the type. Hidden ones are among them: their jobs can be looked at. */
  readonly types: readonly TypeEntry[];
}

export interface TypeEntry {
  readonly type: string;
  readonly hidden: boolean;
  /** Needed besides `create_job`. */
  readonly create_permissions: readonly string[];
  /** Needed besides `cancel_job`. */
  readonly cancel_permissions: readonly string[];
  /** What staff call it, and what it does; from the options of the type, else from its schema. */
  readonly title?: string;
  readonly description?: string;
  /** How the page shows fields, by property of the schema; one inside a group as `group/property`. */
  readonly form?: Readonly<Record<string, FieldHints>>;
  /** Its texts in other languages, by language tag (BCP 47). What is not there stays as it is. */
  readonly translations?: Readonly<Record<string, Translation>>;
  /** Which files its jobs take. Absent: any that the service takes. */
  readonly files?: FileRules;
  /** JSON Schema (2020-12) of the parameters. */
  readonly schema: Readonly<Record<string, unknown>>;
}

// ---------------------------------------------------------------- POST …/jobs, …/jobs_with_files, …/jobs/:id/rerun

/**
 * What create answers. With the request header `Idempotency-Key` (1 to 255 printable characters), the same key, user,
 * repository and content give the answer of the first request for 24 hours, then with `Idempotency-Replayed: true`;
 * other content under a used key is 409.
 */
export interface CreatedReply {
  readonly status: 'Created';
  readonly id: number;
  readonly lock_version: 0;
  readonly stale: null;
  readonly uri: string;
  readonly warnings: readonly string[];
}

/**
 * `POST /repositories/:repo_id/jobs/:id/rerun`, permissions `create_job`, `view_repository` and those of the type: a
 * new job of the asking user with the same parameters and input files. No body.
 */
export interface RerunReply extends CreatedReply {
  /** The uri of the job that it was made from. */
  readonly rerun_of: string;
}

// ---------------------------------------------------------------- GET …/jobs/:id/log

/** Headers of log answers, all numbers of bytes. */
export const logHeaders = {
  /** Where the returned bytes end: the `offset` to ask for next. */
  next: 'x-job-log-next',
  /** Where the log ends for now. */
  end: 'x-job-log-end',
  /** `true`: the job has ended and nothing will be added beyond `end`. Ask on while `next` < `end` or this is `false`. */
  complete: 'x-job-log-complete',
} as const;
