import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { buildSync } from 'esbuild';
import { projectRoot } from './project-root.ts';

/** Where a function's AWS clients find credentials: only in the environment, or along the SDK's whole chain. */
export type Credentials = 'environment' | 'chain';

/**
 * Bundles that were made: a folder for each entry, in it one for each content of the files that it was made from. Which
 * files these are stands beside it, as of the last time that it was built.
 */
const kept = join(projectRoot, '.build', 'bundles');
const packages = join(projectRoot, 'node_modules') + sep;
const lockFile = join(projectRoot, 'package-lock.json');

const hourMs = 3_600_000;
/** A file's time may be so much behind the clock. */
const clockTickMs = 20;
const mostAttempts = 3;

interface Origin {
  /** Absolute, as are the inputs. */
  readonly entry: string;
  readonly inputs: readonly string[];
}

/**
 * Bundles a function's code, with everything it imports: what was tested is what runs, whatever SDK the runtime brings.
 * `index.mjs` is what a cold start loads; what the code imports dynamically is in files of its own beside it, which is
 * why this is not left to CDK's NodejsFunction: it writes one file.
 *
 * @param entry absolute path of the file with `handler`
 * @returns a folder to copy from; made anew only when a file that the bundle is made from has changed, or a dependency
 * @throws with esbuild's messages when the code cannot be bundled
 */
export function bundle(entry: string, credentials: Credentials): string {
  tidyOnce();
  const name = `${nameOf(entry)}-${credentials}`;
  const known = readOrigin(name);
  const standing = known && join(kept, name, contentOf(known.inputs));
  if (standing && existsSync(standing)) {
    // It is in use: not to be tidied away.
    utimesSync(standing, new Date(), new Date());
    return standing;
  }
  const { inputs, files, content } = buildUndisturbed(entry, credentials);
  mkdirSync(join(kept, name), { recursive: true });
  const made = mkdtempSync(join(kept, name, 'making-'));
  for (const { name: file, bytes } of files) writeFileSync(join(made, file), bytes);
  const folder = join(kept, name, content);
  put(made, folder);
  const origin = `${made}.json`;
  writeFileSync(origin, JSON.stringify({ entry, inputs } satisfies Origin));
  renameSync(origin, join(kept, `${name}.json`));
  removeOld(join(kept, name), folder);
  return folder;
}

/** Builds again when a file was saved meanwhile: what was made from the old one must not be kept for the new one. */
function buildUndisturbed(entry: string, credentials: Credentials): Built & { readonly content: string } {
  for (let attempt = 1; ; attempt++) {
    const startedMs = Date.now() - clockTickMs;
    const built = build(entry, credentials);
    const content = contentOf(built.inputs);
    const isDisturbed = built.inputs.some(
      (path) => (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= startedMs,
    );
    // A file from the future is always newer.
    if (!isDisturbed || attempt === mostAttempts) return { ...built, content };
  }
}

function put(made: string, folder: string): void {
  try {
    renameSync(made, folder);
  } catch {
    // Somebody else was first, with the same.
    rmSync(made, { recursive: true });
  }
}

function readOrigin(name: string): Origin | undefined {
  const path = join(kept, `${name}.json`);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Origin) : undefined;
}

/** Readable within the project; elsewhere two runners may have the same name. */
function nameOf(entry: string): string {
  const within = relative(projectRoot, entry);
  if (!within.startsWith('..') && !isAbsolute(within)) return within.split(sep).join('-');
  return `elsewhere-${createHash('sha256').update(entry).digest('hex').slice(0, 16)}`;
}

/** Of the files, of how they are bundled, and of the lock file, which stands for the project's packages. */
function contentOf(inputs: readonly string[]): string {
  const all = createHash('sha256');
  for (const file of [...inputs, lockFile, import.meta.filename]) {
    all.update(`${relative(projectRoot, file)}\0`);
    // One that is gone is a change, too.
    if (existsSync(file)) all.update(readFileSync(file));
    all.update('\0');
  }
  return all.digest('hex').slice(0, 16);
}

let isTidy = false;

/** Bundles whose entry is gone, and folders of which nothing is known. */
function tidyOnce(): void {
  if (isTidy || !existsSync(kept)) return;
  isTidy = true;
  for (const entry of readdirSync(kept, { withFileTypes: true })) {
    const name = entry.name.replace(/\.json$/, '');
    const origin = readOrigin(name);
    if (origin && existsSync(origin.entry)) continue;
    removeIfOld(join(kept, entry.name));
  }
}

function removeOld(folder: string, current: string): void {
  for (const other of readdirSync(folder)) if (join(folder, other) !== current) removeIfOld(join(folder, other));
}

/** Another synth may still be copying from what it made a moment ago. */
function removeIfOld(path: string): void {
  const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {};
  if (mtimeMs !== undefined && Date.now() - mtimeMs > hourMs) rmSync(path, { recursive: true, force: true });
}

interface Built {
  /** What the bundle is made from, but for the project's packages. */
  readonly inputs: readonly string[];
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array }[];
}

function build(entry: string, credentials: Credentials): Built {
  // As if it were written beside the code: the paths in a source map are the same on every machine then, and so is the
  // hash that tells a deploy whether anything is new.
  const outdir = join(dirname(entry), 'bundle');
  const { outputFiles, metafile } = buildSync({
    metafile: true,
    absWorkingDir: dirname(entry),
    entryPoints: { index: entry },
    outdir,
    write: false,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    minify: true,
    // For reading traces afterwards. Node loads a map only when told to, so it costs no start.
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'silent',
    // CommonJS packages among the dependencies call require for Node's own modules.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    alias:
      credentials === 'environment'
        ? { '@aws-sdk/credential-provider-node': join(projectRoot, 'aws', 'env-credentials.ts') }
        : {},
  });
  const inputs = Object.keys(metafile.inputs)
    .map((path) => resolve(dirname(entry), path))
    // Besides files there are modules that a package has disabled.
    .filter((path) => existsSync(path) && !(existsSync(lockFile) && path.startsWith(packages)))
    .sort();
  return {
    inputs,
    files: outputFiles.map(({ path, contents }) => ({ name: relative(outdir, path), bytes: contents })),
  };
}
