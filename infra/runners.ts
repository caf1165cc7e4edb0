import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { RunnerManifest, TypeOptions } from '../schemas/runner-manifest.ts';
import { projectRoot } from './project-root.ts';
import { type Runner, readRunners } from './runner-folder.ts';

/** The folder below runners/ whose types a site may leave out. */
const delegating = join(projectRoot, 'runners', 'archivesspace');

/**
 * Finds the built-in runners and the chosen plugins, and makes the registry of their types. Throws one error that lists
 * everything that is wrong.
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
    .map((entry) => join(projectRoot, 'runners', entry.name))
    .filter((path) => path !== delegating || delegatedTypes?.length !== 0);
  const chosen = plugins.flatMap((plugin) => {
    const path = /[\\/]/.test(plugin) ? resolve(projectRoot, plugin) : join(projectRoot, 'plugins', plugin);
    if (existsSync(path)) return [path];
    problems.push(`plugins names ${plugin}, but there is no folder ${folderName(path)}. Correct the name or the path.`);
    return [];
  });
  const folders = [...new Set([...builtIn, ...chosen])].map((path) => ({
    path,
    folder: folderName(path),
    ...(builtIn.includes(path) && { schemasIn: join(projectRoot, 'schemas') }),
    ...(path === delegating && delegatedTypes && { choose: taking(delegatedTypes) }),
  }));
  return readRunners(folders, typeOptions, problems);
}

const taking =
  (only: readonly string[]) =>
  ({ types, ...rest }: RunnerManifest): RunnerManifest => {
    const unknown = only.filter((type) => !Object.hasOwn(types, type));
    if (unknown.length)
      throw new Error(
        `delegated_types names ${unknown.join(', ')}, which it does not have. It has ${Object.keys(types).join(', ')}.`,
      );
    return { ...rest, types: Object.fromEntries(Object.entries(types).filter(([type]) => only.includes(type))) };
  };

/** The folder as messages and owners name it: the same on every machine that deploys. */
function folderName(path: string): string {
  const within = relative(projectRoot, path);
  return within.startsWith('..') || isAbsolute(within) ? `plugins/${basename(path)}` : within.split(sep).join('/');
}
