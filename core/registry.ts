import type { RunnerManifest, TypeOptions } from '../schemas/runner-manifest.ts';
import { defaultGraceSeconds, maxGraceSeconds } from './limits.ts';
import { asList } from './permissions.ts';

/** A runner as it lies in a folder: read, but not run. */
export interface RunnerSource {
  /** Where it was found, such as `plugins/jobs_example`: messages name it, and it owns its types. */
  readonly folder: string;
  readonly manifest: RunnerManifest;
  /** The schema files beside it, by file name without `.json`. */
  readonly schemas: Readonly<Record<string, unknown>>;
  /** What its runner.ts exports. */
  readonly exports: readonly string[];
}

export interface JobType {
  readonly type: string;
  readonly folder: string;
  readonly schema: Readonly<Record<string, unknown>>;
  readonly hidden: boolean;
  readonly runConcurrently: boolean;
  readonly createPermissions: readonly string[];
  readonly cancelPermissions: readonly string[];
  readonly graceSeconds: number;
  readonly timeLimitSeconds?: number;
}

export type Collected =
  | { readonly ok: true; readonly types: readonly JobType[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/** ArchivesSpace: "Invalid schema name" unless it matches this (common/jsonmodel.rb). */
const typeName = /^[0-9A-Za-z_-]{1,64}$/;

type Check = (value: unknown) => string | undefined;
const isBoolean: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');
const isPermissions: Check = (value) =>
  (Array.isArray(value) ? value : [value]).every((entry) => typeof entry === 'string' && /^[a-z_]+$/.test(entry))
    ? undefined
    : 'must be a permission such as "import_records", or a list of them';
const isSeconds =
  (least: number, most: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : `must be a whole number of seconds from ${least} to ${most}`;

const typeChecks: { readonly [option in keyof Required<TypeOptions>]: Check } = {
  hidden: isBoolean,
  run_concurrently: isBoolean,
  create_permissions: isPermissions,
  cancel_permissions: isPermissions,
  grace_seconds: isSeconds(0, maxGraceSeconds),
  time_limit_seconds: isSeconds(1, 30 * 86_400),
};
const isPaths: Check = (value) =>
  typeof value === 'boolean' ||
  (Array.isArray(value) && value.every((path) => typeof path === 'string' && /^\/[a-z_]+(\/[a-z_]+)*$/.test(path)))
    ? undefined
    : 'must be true, false, or a list of paths such as "/subjects"';
const runnerChecks: { readonly [option in keyof Required<Omit<RunnerManifest, 'types'>>]: Check } = {
  archivesspace: isPaths,
  memory_mb: (value) =>
    Number.isInteger(value) && (value as number) >= 128 && (value as number) <= 10_240
      ? undefined
      : 'must be a whole number of MB from 128 to 10240',
  timeout_seconds: isSeconds(3, 900),
};

/**
 * Makes the registry from all runners and what a site changes of their types, or says everything that is wrong.
 * Each problem names where it is and what to do about it, and for a type registered twice both parties.
 *
 * @param overrides a site's `type_options`: by type, options that replace those of the manifest
 */
export function collect(
  sources: readonly RunnerSource[],
  overrides: Readonly<Record<string, TypeOptions>> = {},
): Collected {
  const problems: string[] = [];
  const types = new Map<string, JobType>();
  for (const source of sources) {
    const { folder, manifest } = source;
    problems.push(...unknownOptions(`${folder}/manifest.ts`, manifest, { ...runnerChecks, types: () => undefined }));
    if (!source.exports.includes('run')) {
      problems.push(`${folder}/runner.ts exports no \`run\`: export an async function run(ctx) that does the work.`);
    }
    if (!source.exports.includes('handler')) {
      problems.push(`${folder}/runner.ts exports no \`handler\`: add \`export const handler = runner(run)\`.`);
    }
    const registered = Object.entries(manifest.types ?? {});
    if (registered.length === 0)
      problems.push(`${folder}/manifest.ts registers no job type: name at least one in \`types\`.`);
    for (const [type, own] of registered) {
      const where = `${folder}/manifest.ts, type ${type}`;
      if (!typeName.test(type))
        problems.push(`${where}: a type's name has letters, digits, _ and -, at most 64 of them.`);
      const options = { ...own, ...overrides[type] };
      problems.push(...unknownOptions(where, options, typeChecks));
      const other = types.get(type);
      if (other) {
        problems.push(`Job type ${type} is registered twice: by ${other.folder} and by ${folder}. Rename one of them.`);
        continue;
      }
      const schema = source.schemas[type];
      if (!isObject(schema)) {
        problems.push(
          `${where}: there is no schema for it. Add ${schemaPath(folder, type)}, a JSON Schema (2020-12) of its parameters.`,
        );
        continue;
      }
      if (schema['$id'] !== undefined && schema['$id'] !== type) {
        problems.push(
          `${schemaPath(folder, type)}: its $id is ${JSON.stringify(schema['$id'])}, but a schema has the name of its type: ${type}.`,
        );
      }
      types.set(type, {
        type,
        folder,
        schema,
        hidden: options.hidden ?? false,
        runConcurrently: options.run_concurrently ?? false,
        createPermissions: asList(options.create_permissions),
        cancelPermissions: asList(options.cancel_permissions),
        graceSeconds: options.grace_seconds ?? defaultGraceSeconds,
        ...(options.time_limit_seconds !== undefined && { timeLimitSeconds: options.time_limit_seconds }),
      });
    }
    for (const name of Object.keys(source.schemas)) {
      if (!registered.some(([type]) => type === name)) {
        problems.push(
          `${schemaPath(folder, name)}: no type of ${folder}/manifest.ts is called ${name}. The schema must have the name of its type.`,
        );
      }
    }
  }
  for (const type of Object.keys(overrides)) {
    if (!types.has(type)) problems.push(`type_options names ${type}, but no runner registers that type.`);
  }
  return problems.length ? { ok: false, problems } : { ok: true, types: [...types.values()] };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Built-in types have their schemas in one folder, a plugin has its own. */
const schemaPath = (folder: string, type: string) =>
  folder.startsWith('runners/') ? `schemas/${type}.json` : `${folder}/schemas/${type}.json`;

function unknownOptions(where: string, options: object, checks: Readonly<Record<string, Check>>): readonly string[] {
  return Object.entries(options).flatMap(([option, value]) => {
    const check = Object.hasOwn(checks, option) ? checks[option] : undefined;
    if (!check) return [`${where}: unknown option ${option}. Known are ${Object.keys(checks).join(', ')}.`];
    const problem = check(value);
    return problem ? [`${where}: ${option} ${problem}, not ${JSON.stringify(value)}.`] : [];
  });
}
