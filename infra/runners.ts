import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { build } from 'esbuild';
import { collect, type JobType, type Language, type RunnerSource } from '../core/registry.ts';
import { isObject } from '../core/type-options.ts';
import type { RunnerManifest, TypeOptions } from '../schemas/runner-manifest.ts';

export const projectRoot = fileURLToPath(new URL('..', import.meta.url));

/** The folder below runners/ whose types a site may leave out. */
const delegating = 'archivesspace';

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

/** Tells a changed schema from the one that a job's parameters were checked with. */
export const schemaVersion = (schema: unknown) =>
  createHash('sha256').update(JSON.stringify(schema)).digest('hex').slice(0, 16);

/**
 * Finds the built-in runners and the chosen plugins, and makes the registry of their types. Manifests are imported,
 * which are plain data; no other code of a runner runs. A runner whose types others take over (`replaces`) is left out.
 * Throws one error that lists everything that is wrong.
 *
 * @param plugins names of folders below plugins/, or paths of folders
 * @param typeOptions what the site changes of the types' options
 * @param delegatedTypes the types that `runners/archivesspace` is to have; undefined = all
 */
export async function findRunners(
  plugins: readonly string[],
  typeOptions: Readonly<Record<string, TypeOptions>>,
  delegatedTypes?: readonly string[],
): Promise<readonly Runner[]> {
  const problems: string[] = [];
  const builtIn = (await readdir(join(projectRoot, 'runners'), { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && entry.name !== 'sdk')
    .filter((entry) => entry.name !== delegating || delegatedTypes?.length !== 0)
    .map((entry) => join(projectRoot, 'runners', entry.name));
  const chosen = plugins.flatMap((plugin) => {
    const path = /[\\/]/.test(plugin) ? resolve(projectRoot, plugin) : join(projectRoot, 'plugins', plugin);
    if (existsSync(path)) return [path];
    problems.push(`plugins names ${plugin}, but there is no folder ${folderName(path)}. Correct the name or the path.`);
    return [];
  });
  const found: { readonly path: string; readonly source: RunnerSource }[] = [];
  for (const path of new Set([...builtIn, ...chosen])) {
    const only = path === join(projectRoot, 'runners', delegating) ? delegatedTypes : undefined;
    const source = await readRunner(path, problems, only);
    if (source) found.push({ path, source });
  }
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
 *
 * @param only the types to take of those in the manifest; undefined = all
 */
async function readRunner(
  path: string,
  problems: string[],
  only?: readonly string[],
): Promise<RunnerSource | undefined> {
  const folder = folderName(path);
  const tried = async <T>(standard: T, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      problems.push(`${folder}: ${error instanceof Error ? error.message : error}`);
      return standard;
    }
  };
  const entry = await tried(undefined, async () =>
    oneOf(path, [entries.node, entries.python], 'which does the work of its types'),
  );
  const exports = await tried(['run', 'handler'], async () => {
    if (entry === undefined) return ['run', 'handler'];
    return entry === entries.node ? exportsOf(join(path, entry)) : handlerOf(join(path, entry));
  });
  return tried(undefined, async () => {
    const manifestFile = oneOf(path, ['manifest.ts', 'manifest.json'], 'which names the job types of a runner');
    const whole = await readManifest(join(path, manifestFile));
    const manifest = only ? choose(whole as RunnerManifest, only) : whole;
    const schemas = folder.startsWith('runners/')
      ? await readSchemas(join(projectRoot, 'schemas'), tried, (name) => Object.hasOwn(typesIn(manifest), name))
      : await readSchemas(join(path, 'schemas'), tried, () => true);
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

async function readManifest(path: string): Promise<unknown> {
  if (!path.endsWith('.json')) {
    const module = (await import(pathToFileURL(path).href)) as object;
    if (!('manifest' in module)) throw new Error('manifest.ts exports no `manifest`.');
    return module.manifest;
  }
  return readJson(path, 'manifest.json');
}

async function readJson(path: string, what: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Error(`${what} is not JSON: ${(error as Error).message}`);
  }
}

function choose({ types, ...rest }: RunnerManifest, only: readonly string[]): RunnerManifest {
  const unknown = only.filter((type) => !Object.hasOwn(types, type));
  if (unknown.length)
    throw new Error(
      `delegated_types names ${unknown.join(', ')}, which it does not have. It has ${Object.keys(types).join(', ')}.`,
    );
  return { ...rest, types: Object.fromEntries(Object.entries(types).filter(([type]) => only.includes(type))) };
}

/** The folder as messages and owners name it: the same on every machine that deploys. */
function folderName(path: string): string {
  const within = relative(projectRoot, path);
  return within.startsWith('..') || isAbsolute(within) ? `plugins/${basename(path)}` : within.split(sep).join('/');
}

async function readSchemas(
  path: string,
  tried: (standard: unknown, work: () => Promise<unknown>) => Promise<unknown>,
  isWanted: (name: string) => boolean,
): Promise<Record<string, unknown>> {
  if (!existsSync(path)) return {};
  const schemas: Record<string, unknown> = {};
  for (const file of (await readdir(path)).filter((name) => name.endsWith('.json')).sort()) {
    const name = basename(file, '.json');
    if (isWanted(name)) schemas[name] = await tried({}, () => readJson(join(path, file), `the schema ${file}`));
  }
  return schemas;
}

/** What a module exports, by parsing it alone: nothing of it runs. */
async function exportsOf(path: string): Promise<readonly string[]> {
  const { metafile } = await build({
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
const handlerOf = async (path: string): Promise<readonly string[]> =>
  /^(def handler *\(|handler *(:[^=\n]+)?=(?!=))/m.test(await readFile(path, 'utf8')) ? ['handler'] : [];

/** As registration will check it (functions/registration.ts), but before anything is deployed. */
function schemaProblem({ $id: _id, ...schema }: Readonly<Record<string, unknown>>): string | undefined {
  try {
    addFormats.default(new Ajv2020({ strict: false, logger: false })).compile(schema);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
