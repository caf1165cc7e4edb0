import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { compileFunction } from 'node:vm';
import { buildSync } from 'esbuild';
import { collect, type JobType, type Language, type RunnerSource } from '../core/registry.ts';
import { isObject } from '../core/type-options.ts';
import { schemaProblem } from '../schemas/compile.ts';
import type { RunnerManifest, TypeOptions } from '../schemas/runner-manifest.ts';

/** A runner that a deployment carries, checked. */
export interface Runner {
  /** Such as `plugins/jobs_example`: names the owner of its types. */
  readonly folder: string;
  /** The absolute path of runner.ts or runner.py. */
  readonly entry: string;
  readonly language: Language;
  readonly manifest: RunnerManifest;
  readonly types: readonly JobType[];
}

/** Where a runner lies. */
export interface RunnerFolder {
  /** Absolute. */
  readonly path: string;
  /** As messages name it. */
  readonly folder: string;
  /** Where its schemas are, among others. @default its own folder `schemas`, where all are its own */
  readonly schemasIn?: string;
  /** Takes some types of a manifest. Throws when it cannot. */
  readonly choose?: (manifest: RunnerManifest) => RunnerManifest;
}

/** Tells a changed schema from the one that a job's parameters were checked with. */
export const schemaVersion = (schema: unknown) =>
  createHash('sha256').update(JSON.stringify(schema)).digest('hex').slice(0, 16);

/**
 * Reads runners and makes the registry of their types. Manifests are evaluated, which are plain data; no other code of a
 * runner runs. A runner whose types others take over (`replaces`) is left out. Throws one error that lists everything
 * that is wrong. It waits for nothing, as a CDK construct cannot either.
 *
 * @param typeOptions what the site changes of the types' options
 * @param problems what is wrong already
 */
export function readRunners(
  folders: readonly RunnerFolder[],
  typeOptions: Readonly<Record<string, TypeOptions>>,
  problems: string[] = [],
): readonly Runner[] {
  const found = folders.flatMap((folder) => {
    const source = readRunner(folder, problems);
    return source ? [{ path: folder.path, source }] : [];
  });
  // By name, so that the template is the same on every machine.
  found.sort((a, b) => (a.source.folder < b.source.folder ? -1 : 1));
  const collected = collect(
    found.map(({ source }) => source),
    typeOptions,
  );
  if (!collected.ok) problems.push(...collected.problems);
  const types = collected.ok ? collected.types : [];
  for (const { folder, schemas } of found.map(({ source }) => source))
    for (const [type, schema] of Object.entries(schemas)) {
      // As registration will check it (functions/registration.ts), but before anything is deployed.
      const problem = isObject(schema) ? schemaProblem(schema) : undefined;
      if (problem) problems.push(`${folder}, type ${type}: its schema is not a JSON Schema (2020-12): ${problem}.`);
    }
  if (problems.length) throw new Error(`Runners that cannot be deployed:\n- ${problems.join('\n- ')}`);
  return found
    .map(({ path, source: { folder, manifest, language } }) => ({
      folder,
      entry: join(path, entries[language]),
      language,
      // `collect` has looked at all of it.
      manifest: manifest as RunnerManifest,
      types: types.filter((type) => type.folder === folder),
    }))
    .filter((runner) => runner.types.length > 0);
}

/**
 * Reads a runner's folder, and says all that is missing, is there twice or cannot be read. What cannot be read and was
 * said to be wrong is taken to be right, so that the rest can be looked at; undefined without a manifest.
 */
function readRunner({ path, folder, schemasIn, choose }: RunnerFolder, problems: string[]): RunnerSource | undefined {
  const tried = <T>(standard: T, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      problems.push(`${folder}: ${error instanceof Error ? error.message : error}`);
      return standard;
    }
  };
  const entry = tried(undefined, () => oneOf(path, [entries.node, entries.python], 'which does the work of its types'));
  const exports = tried(['run', 'handler'] as readonly string[], () => {
    if (entry === undefined) return ['run', 'handler'];
    return entry === entries.node ? exportsOf(join(path, entry)) : handlerOf(join(path, entry));
  });
  return tried(undefined, () => {
    const manifestFile = oneOf(path, ['manifest.ts', 'manifest.json'], 'which names the job types of a runner');
    const whole = readManifest(join(path, manifestFile));
    const manifest = choose ? choose(whole as RunnerManifest) : whole;
    const schemas =
      schemasIn === undefined
        ? readSchemas(join(path, 'schemas'), tried, () => true)
        : readSchemas(schemasIn, tried, (name) => Object.hasOwn(typesIn(manifest), name));
    return { folder, manifest, manifestFile, language: entry === entries.python ? 'python' : 'node', schemas, exports };
  });
}

const typesIn = (manifest: unknown): object => Object(Object(manifest).types) as object;

const entries = { node: 'runner.ts', python: 'runner.py' } as const;

function oneOf<File extends string>(path: string, files: readonly [File, File], what: string): File {
  const there = files.filter((file) => existsSync(join(path, file)));
  if (there.length === 2) throw new Error(`there are ${files.join(' and ')}. Keep one of them.`);
  if (there[0] === undefined) throw new Error(`there is no ${files[0]}, and no ${files[1]}, ${what}. Add one of them.`);
  return there[0];
}

/** A manifest in TypeScript is plain data: what it exports, whatever Node synthesizes. */
function readManifest(path: string): unknown {
  if (path.endsWith('.json')) return readJson(path, 'manifest.json');
  const { outputFiles } = buildSync({
    entryPoints: [path],
    bundle: true,
    format: 'cjs',
    platform: 'node',
    logLevel: 'silent',
    write: false,
  });
  const module = { exports: {} as object };
  compileFunction(outputFiles[0]?.text ?? '', ['module', 'exports', 'require'], { filename: path })(
    module,
    module.exports,
    createRequire(path),
  );
  if (!('manifest' in module.exports)) throw new Error('manifest.ts exports no `manifest`.');
  return module.exports.manifest;
}

function readJson(path: string, what: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${what} is not JSON: ${(error as Error).message}`);
  }
}

function readSchemas(
  path: string,
  tried: (standard: unknown, work: () => unknown) => unknown,
  isWanted: (name: string) => boolean,
): Record<string, unknown> {
  if (!existsSync(path)) return {};
  const schemas: Record<string, unknown> = {};
  for (const file of readdirSync(path)
    .filter((name) => name.endsWith('.json'))
    .sort()) {
    const name = basename(file, '.json');
    if (isWanted(name)) schemas[name] = tried({}, () => readJson(join(path, file), `the schema ${file}`));
  }
  return schemas;
}

/** What a module exports, by parsing it alone: nothing of it runs. */
function exportsOf(path: string): readonly string[] {
  const { metafile } = buildSync({
    entryPoints: [path],
    bundle: false,
    format: 'esm',
    logLevel: 'silent',
    metafile: true,
    outdir: 'unused',
    write: false,
  });
  return Object.values(metafile.outputs).flatMap((output) => output.exports);
}

/** Whether a Python file has what Lambda calls, by its text: a line of its own at the top level. */
const handlerOf = (path: string): readonly string[] =>
  /^(def handler *\(|handler *(:[^=\n]+)?=(?!=))/m.test(readFileSync(path, 'utf8')) ? ['handler'] : [];
