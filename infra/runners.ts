import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { build } from 'esbuild';
import { collect, type JobType, type RunnerSource } from '../core/registry.ts';
import type { RunnerManifest, TypeOptions } from '../schemas/runner-manifest.ts';

export const projectRoot = fileURLToPath(new URL('..', import.meta.url));

/** The folder below runners/ whose types a site may leave out. */
const delegating = 'archivesspace';

/** A runner that a deployment carries, checked. */
export interface Runner {
  /** Such as `plugins/jobs_example`: names the owner of its types. */
  readonly folder: string;
  /** The absolute path of runner.ts. */
  readonly entry: string;
  readonly manifest: RunnerManifest;
  readonly types: readonly JobType[];
}

/** Tells a changed schema from the one that a job's parameters were checked with. */
export const schemaVersion = (schema: unknown) =>
  createHash('sha256').update(JSON.stringify(schema)).digest('hex').slice(0, 16);

/**
 * Finds the built-in runners and the chosen plugins, and makes the registry of their types. Manifests are imported,
 * which are plain data; no other code of a runner runs. Throws one error that lists everything that is wrong.
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
    try {
      const only = path === join(projectRoot, 'runners', delegating) ? delegatedTypes : undefined;
      found.push({ path, source: await readRunner(path, only) });
    } catch (error) {
      problems.push(`${folderName(path)}: ${error instanceof Error ? error.message : error}`);
    }
  }
  // By name, so that the template is the same on every machine.
  found.sort((a, b) => (a.source.folder < b.source.folder ? -1 : 1));
  const collected = collect(
    found.map(({ source }) => source),
    typeOptions,
  );
  if (!collected.ok) problems.push(...collected.problems);
  const types = collected.ok ? collected.types : [];
  for (const { type, folder, schema } of types) {
    const problem = schemaProblem(schema);
    if (problem) problems.push(`${folder}, type ${type}: its schema is not a JSON Schema (2020-12): ${problem}.`);
  }
  if (problems.length) throw new Error(`Runners that cannot be deployed:\n- ${problems.join('\n- ')}`);
  return found.map(({ path, source: { folder, manifest } }) => ({
    folder,
    entry: join(path, 'runner.ts'),
    manifest,
    types: types.filter((type) => type.folder === folder),
  }));
}

/**
 * Reads a runner's folder. Throws when its manifest cannot be read or its runner.ts cannot be parsed.
 *
 * @param only the types to take of those in the manifest; undefined = all
 */
async function readRunner(path: string, only?: readonly string[]): Promise<RunnerSource> {
  const manifestPath = join(path, 'manifest.ts');
  if (!existsSync(manifestPath)) throw new Error('there is no manifest.ts, which names the job types of a runner.');
  const { manifest: whole } = (await import(pathToFileURL(manifestPath).href)) as { manifest?: RunnerManifest };
  if (typeof whole !== 'object' || whole === null) throw new Error('manifest.ts exports no `manifest`.');
  const manifest = only ? { ...whole, types: choose(whole.types, only) } : whole;
  const folder = folderName(path);
  const schemas = folder.startsWith('runners/')
    ? await readSchemas(join(projectRoot, 'schemas'), (name) => Object.hasOwn(manifest.types ?? {}, name))
    : await readSchemas(join(path, 'schemas'), () => true);
  return { folder, manifest, schemas, exports: await exportsOf(join(path, 'runner.ts')) };
}

function choose(types: RunnerManifest['types'], only: readonly string[]): RunnerManifest['types'] {
  const unknown = only.filter((type) => !Object.hasOwn(types, type));
  if (unknown.length)
    throw new Error(
      `delegated_types names ${unknown.join(', ')}, which it does not have. It has ${Object.keys(types).join(', ')}.`,
    );
  return Object.fromEntries(Object.entries(types).filter(([type]) => only.includes(type)));
}

/** The folder as messages and owners name it: the same on every machine that deploys. */
function folderName(path: string): string {
  const within = relative(projectRoot, path);
  return within.startsWith('..') || isAbsolute(within) ? `plugins/${basename(path)}` : within.split(sep).join('/');
}

async function readSchemas(path: string, isWanted: (name: string) => boolean): Promise<Record<string, unknown>> {
  if (!existsSync(path)) return {};
  const schemas: Record<string, unknown> = {};
  for (const file of (await readdir(path)).filter((name) => name.endsWith('.json')).sort()) {
    const name = basename(file, '.json');
    if (!isWanted(name)) continue;
    try {
      schemas[name] = JSON.parse(await readFile(join(path, file), 'utf8'));
    } catch (error) {
      throw new Error(`the schema ${file} is not JSON: ${(error as Error).message}`);
    }
  }
  return schemas;
}

/** What a module exports, by parsing it alone: nothing of it runs. */
async function exportsOf(path: string): Promise<readonly string[]> {
  if (!existsSync(path)) return [];
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

/** As registration will check it (functions/registration.ts), but before anything is deployed. */
function schemaProblem({ $id: _id, ...schema }: Readonly<Record<string, unknown>>): string | undefined {
  try {
    addFormats.default(new Ajv2020({ strict: false, logger: false })).compile(schema);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
