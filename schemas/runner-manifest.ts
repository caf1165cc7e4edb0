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
  /**
   * When its process is gone in the middle (it died, ran out of memory or of time), a job goes on from its last
   * checkpoint. Say so only when what comes after a checkpoint may be done again. @default false
   */
  readonly resumable?: boolean;
  /** How often a job whose runner threw is tried again from its last checkpoint, 0 to 10. Needs `resumable`. @default 0 */
  readonly retries?: number;
  /** The folder whose registration of this type this one takes over, such as `runners/import_job`. @default none */
  readonly replaces?: string;
  /** What staff call it. @default the schema's `title` */
  readonly title?: string;
  /** What it does, in a sentence or two. @default the schema's `description` */
  readonly description?: string;
  /** How the page shows fields, by property of the schema; one inside a group as `group/property`. */
  readonly form?: Readonly<Record<string, FieldHints>>;
  /** Its texts in other languages, by language tag (BCP 47) such as `de` or `fr-CA`. What is left out stays as it is. */
  readonly translations?: Readonly<Record<string, Translation>>;
  /** Which files its jobs take. @default any that the service takes */
  readonly files?: FileRules;
}

/** What staff see of a type besides its schema. */
export type Presentation = Pick<TypeOptions, 'title' | 'description' | 'form' | 'translations'>;

/** How the page shows a field. */
export interface FieldHints {
  /** A text of several lines. @default true for a text of more than 200 characters */
  readonly multiline?: boolean;
  /** An example, shown as long as the field is empty. */
  readonly placeholder?: string;
  /** Folded away under "More options". @default false */
  readonly advanced?: boolean;
}

export interface Translation {
  readonly title?: string;
  readonly description?: string;
  /** By property of the schema; one inside a group as `group/property`. */
  readonly properties?: Readonly<Record<string, PropertyTranslation>>;
}

export interface PropertyTranslation {
  readonly title?: string;
  readonly description?: string;
  readonly placeholder?: string;
  /** Labels of a choice, by the value that the schema's `enum` has. */
  readonly values?: Readonly<Record<string, string>>;
}

export interface FileRules {
  /** How many files a job needs at least, up to 100. @default 0 */
  readonly min?: number;
  /** How many files a job takes, 0 to 100. */
  readonly max?: number;
  /** Bytes of all its files together, up to 4 GiB. */
  readonly max_bytes?: number;
  /** Which, each as HTML's `accept` has it: `.xml`, `text/csv` or `image/*`. Its name or its content type has to fit. */
  readonly types?: readonly string[];
}

/**
 * A runner: the types it registers for, and what its Lambda needs. Plain data, `manifest` of manifest.ts or the whole of
 * manifest.json: it is read without running any code of the runner.
 */
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
