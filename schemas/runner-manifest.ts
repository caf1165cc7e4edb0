/** A permission or a list of them; all of a list are required (seed: "A permission or list of permissions required"). */
export type Permissions = string | readonly string[];

/** What a runner may say about a job type when it registers for it. Wire names are those of ArchivesSpace's job_runner.rb. */
export interface TypeOptions {
  /** Leave the type out of the list of job types; it can still be created, run and canceled. @default false */
  readonly hidden?: boolean;
  /** More than one job of this type may run at the same time. @default false */
  readonly run_concurrently?: boolean;
  /** Required in addition to `create_job`. @default [] */
  readonly create_permissions?: Permissions;
  /** Required in addition to `cancel_job`. @default [] */
  readonly cancel_permissions?: Permissions;
  /** Seconds a runner has to stop after a cancel before its process is killed, 0 to 600. @default 30 */
  readonly grace_seconds?: number;
  /** Seconds a job may take in all, from its start; a job that takes longer fails. @default none */
  readonly time_limit_seconds?: number;
}

/** A runner: the types it registers for, and what its Lambda needs. Plain data: it is read without running any code of the runner. */
export interface RunnerManifest {
  readonly types: Readonly<Record<string, TypeOptions>>;
  /**
   * The runner calls ArchivesSpace as the job's owner. A list names path prefixes outside the job's own
   * repository that it may use as well, such as `/subjects`.
   * @default false
   */
  readonly archivesspace?: boolean | readonly string[];
  /** Memory of its Lambda in MB, 128 to 10240. @default 512 */
  readonly memory_mb?: number;
  /** Seconds one invocation (segment) may take, 3 to 900. @default 900 */
  readonly timeout_seconds?: number;
}
