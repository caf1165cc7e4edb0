import type { FieldHints, FileRules, RunnerManifest, Translation, TypeOptions } from '../schemas/runner-manifest.ts';
import { defaultGraceSeconds } from './limits.ts';
import { suggestion } from './nearest.ts';
import { asList } from './permissions.ts';
import { type Check, checkAll, isObject, must, optionProblems, shown, wholeNumber } from './type-options.ts';
import type { FormSchema } from './widgets.ts';

export type Language = 'node' | 'python';

/** A runner as it lies in a folder: read, but not run. */
export interface RunnerSource {
  /** Where it was found, such as `plugins/jobs_example`: messages name it, and it owns its types. */
  readonly folder: string;
  /** Its manifest as it was read: nothing is known of it yet. */
  readonly manifest: unknown;
  readonly manifestFile: 'manifest.ts' | 'manifest.json';
  /** `node` for runner.ts, `python` for runner.py. */
  readonly language: Language;
  /** The schema files beside it, by file name without `.json`. */
  readonly schemas: Readonly<Record<string, unknown>>;
  /** What its runner.ts exports, or its runner.py has at its top level. */
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
  readonly resumable: boolean;
  readonly retries: number;
  /** In place of those of the schema. */
  readonly title?: string;
  readonly description?: string;
  readonly form?: Readonly<Record<string, FieldHints>>;
  readonly translations?: Readonly<Record<string, Translation>>;
  readonly files?: FileRules;
}

export type Collected =
  | { readonly ok: true; readonly types: readonly JobType[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/** ArchivesSpace: "Invalid schema name" unless it matches this (common/jsonmodel.rb). */
export const typeName = /^[0-9A-Za-z_-]{1,64}$/;

const runnerChecks: { readonly [option in keyof Required<RunnerManifest>]: Check } = {
  types: () => [],
  archivesspace: must(
    (value) =>
      typeof value === 'boolean' ||
      (Array.isArray(value) && value.every((path) => typeof path === 'string' && /^\/[a-z_]+(\/[a-z_]+)*$/.test(path))),
    'true, false, or a list of paths such as "/subjects"',
  ),
  memory_mb: wholeNumber(128, 10_240, ' of MB'),
  timeout_seconds: wholeNumber(3, 900, ' of seconds'),
};

/** What a runner says of one type. */
interface Claim {
  readonly type: string;
  readonly folder: string;
  /** Where its options stand, for messages. */
  readonly where: string;
  readonly own: Readonly<Record<string, unknown>>;
  /** Undefined when there is none, which is a problem of its own. */
  readonly schema: FormSchema | undefined;
  readonly replaces: string | undefined;
}

/**
 * Makes the registry from all runners and what a site changes of their types, or says everything that is wrong.
 * Each problem names where it is and what to do about it, and for a type registered twice both parties. A runner whose
 * types were all taken over (`replaces`) has none among the result. It never throws, whatever stands in a manifest.
 *
 * @param overrides a site's `type_options`: by type, options that replace those of the manifest
 */
export function collect(
  sources: readonly RunnerSource[],
  overrides: Readonly<Record<string, TypeOptions>> = {},
): Collected {
  const problems: string[] = [];
  const claims = sources.flatMap((source) => claimsOf(source, problems));
  const kept = [...new Set(claims.map(({ type }) => type))].flatMap((type) =>
    keptOf(
      claims.filter((claim) => claim.type === type),
      problems,
    ),
  );
  for (const [type, options] of Object.entries(overrides as Readonly<Record<string, unknown>>)) {
    const where = `type_options, type ${type}`;
    const claim = kept.find((one) => one.type === type);
    if (!claim) {
      const known = claims.map((one) => one.type);
      if (!known.includes(type))
        problems.push(`type_options names ${type}, but no runner registers that type.${suggestion(type, known)}`);
    } else if (!isObject(options)) problems.push(`${where}: its options must be an object, not ${shown(options)}.`);
    else {
      problems.push(...optionProblems(where, options, claim.schema));
      if (options['replaces'] !== undefined)
        problems.push(`${where}: a site cannot set replaces. The manifest of the runner that takes over says it.`);
    }
  }
  const merged = kept.map(({ own, ...claim }) => {
    const site = Object.hasOwn(overrides, claim.type) ? (overrides[claim.type] as unknown) : {};
    return { ...claim, options: { ...own, ...(isObject(site) ? site : {}) } };
  });
  for (const { where, options } of merged)
    if (isAbove(options['retries'], 0) && options['resumable'] !== true)
      problems.push(
        `${where}: retries needs \`resumable: true\`, since a job is tried again from its last checkpoint.`,
      );
  if (problems.length) return { ok: false, problems };
  return { ok: true, types: merged.map(typeOf) };
}

/** What a source says of its types, and what is wrong with it. Nothing is known yet of what was read. */
function claimsOf(source: RunnerSource, problems: string[]): readonly Claim[] {
  const { folder, manifest, manifestFile, language, exports, schemas } = source;
  const file = `${folder}/${manifestFile}`;
  if (language === 'node' && !exports.includes('run'))
    problems.push(`${folder}/runner.ts exports no \`run\`: export an async function run(ctx) that does the work.`);
  if (!exports.includes('handler'))
    problems.push(
      language === 'node'
        ? `${folder}/runner.ts exports no \`handler\`: add \`export const handler = runner(run)\`.`
        : `${folder}/runner.py has no \`handler\` at its top level: add \`def handler(event, context):\`, or \`handler = …\`.`,
    );
  if (!isObject(manifest)) {
    problems.push(`${file} must be an object such as {"types": {"a_job": {}}}, not ${shown(manifest)}.`);
    return [];
  }
  problems.push(...checkAll(file, manifest, runnerChecks));
  const { types = {} } = manifest;
  if (!isObject(types)) {
    problems.push(
      `${file}: types must be an object of options by job type, such as {"a_job": {}}, not ${shown(types)}.`,
    );
    return [];
  }
  const registered = Object.entries(types);
  if (registered.length === 0) problems.push(`${file} registers no job type: name at least one in \`types\`.`);
  for (const name of Object.keys(schemas)) {
    if (Object.hasOwn(types, name)) continue;
    problems.push(
      `${schemaPath(folder, name)}: no type of ${file} is called ${name}. The schema must have the name of its type.`,
    );
  }
  return registered.map(([type, options]) => {
    const where = `${file}, type ${type}`;
    if (!typeName.test(type))
      problems.push(`${where}: a type's name has letters, digits, _ and -, at most 64 of them.`);
    const schema = Object.hasOwn(schemas, type) ? schemas[type] : undefined;
    if (!isObject(schema)) {
      problems.push(
        `${where}: there is no schema for it. Add ${schemaPath(folder, type)}, a JSON Schema (2020-12) of its parameters.`,
      );
    } else if (schema['$id'] !== undefined && schema['$id'] !== type) {
      problems.push(
        `${schemaPath(folder, type)}: its $id is ${shown(schema['$id'])}, but a schema has the name of its type: ${type}.`,
      );
    }
    const claim = { type, folder, where, schema: isObject(schema) ? (schema as FormSchema) : undefined };
    if (!isObject(options)) {
      problems.push(`${where}: its options must be an object, {} for none, not ${shown(options)}.`);
      return { ...claim, own: {}, replaces: undefined };
    }
    problems.push(...optionProblems(where, options, claim.schema));
    const { replaces } = options;
    return { ...claim, own: options, replaces: typeof replaces === 'string' ? replaces : undefined };
  });
}

/** Of all who claim one type, the one who has it: the only one, or who takes it over from the only other one. */
function keptOf(claims: readonly Claim[], problems: string[]): readonly Claim[] {
  const replacing = claims.filter(({ replaces }) => replaces !== undefined);
  const [first, second] = replacing;
  if (first && second) {
    problems.push(
      `Job type ${first.type} is taken over twice: by ${first.folder}, which replaces ${first.replaces}, and by ` +
        `${second.folder}, which replaces ${second.replaces}. Remove \`replaces\` and the type from one of them.`,
    );
    return [];
  }
  if (first) {
    const others = claims.filter(({ folder }) => folder !== first.folder).map(({ folder }) => folder);
    if (!others.includes(first.replaces ?? '')) {
      const who = others.length > 0 ? `${others.join(' and ')} does` : 'nobody else here does, so leave it out';
      problems.push(`${first.where}: replaces names ${first.replaces}, which does not register this type; ${who}.`);
      return [];
    }
  }
  const left = claims.filter(({ folder }) => folder !== first?.replaces);
  const [one, other] = left;
  if (one && other) {
    problems.push(
      `Job type ${one.type} is registered twice: by ${one.folder} and by ${other.folder}. Rename one of them, or let ` +
        `the one that is to have it say so: \`replaces: '${one.folder}'\` among its options of the type.`,
    );
    return [];
  }
  return left;
}

/** A type whose options were all found to be right. */
function typeOf({ type, folder, schema, ...claim }: Omit<Claim, 'own'> & { readonly options: object }): JobType {
  const options: TypeOptions = claim.options;
  const { title, description, form, translations, files } = options;
  return {
    type,
    folder,
    schema: { ...schema },
    hidden: options.hidden ?? false,
    runConcurrently: options.run_concurrently ?? false,
    createPermissions: asList(options.create_permissions),
    cancelPermissions: asList(options.cancel_permissions),
    graceSeconds: options.grace_seconds ?? defaultGraceSeconds,
    ...(options.time_limit_seconds !== undefined && { timeLimitSeconds: options.time_limit_seconds }),
    resumable: options.resumable ?? false,
    retries: options.retries ?? 0,
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    ...(form && { form }),
    ...(translations && { translations }),
    ...(files && { files }),
  };
}

const isAbove = (value: unknown, least: number) => typeof value === 'number' && value > least;

/** Built-in types have their schemas in one folder, a plugin has its own. */
const schemaPath = (folder: string, type: string) =>
  folder.startsWith('runners/') ? `schemas/${type}.json` : `${folder}/schemas/${type}.json`;
