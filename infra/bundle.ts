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
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { buildSync } from 'esbuild';
import { projectRoot } from './project-root.ts';

/** Where a function's AWS clients find credentials: only in the environment, or along the SDK's whole chain. */
export type Credentials = 'environment' | 'chain';

/** Bundles that were made, each under the hash of all that they could have been made from. */
const kept = join(projectRoot, '.build', 'bundles');
const sources = ['archivesspace', 'aws', 'core', 'functions', 'plugins', 'runners', 'schemas', 'test/plugins'];

/**
 * Bundles a function's code, with everything it imports: what was tested is what runs, whatever SDK the runtime brings.
 * `index.mjs` is what a cold start loads; what the code imports dynamically is in files of its own beside it, which is
 * why this is not left to CDK's NodejsFunction: it writes one file.
 *
 * @param entry absolute path of the file with `handler`
 * @returns a folder to copy from; made anew only when something in the project has changed
 * @throws with esbuild's messages when the code cannot be bundled
 */
export function bundle(entry: string, credentials: Credentials): string {
  const within = relative(projectRoot, entry);
  if (!sources.some((folder) => within.startsWith(`${folder.replaceAll('/', sep)}${sep}`)))
    return bundleElsewhere(entry, credentials);
  const version = hashOfSources();
  const folder = join(kept, version, `${within.split(sep).join('-')}-${credentials}`);
  if (existsSync(folder)) return folder;
  mkdirSync(join(kept, version), { recursive: true });
  const made = mkdtempSync(join(kept, version, 'making-'));
  build(entry, credentials, made);
  try {
    renameSync(made, folder);
  } catch {
    // Somebody else was first, with the same.
    rmSync(made, { recursive: true });
  }
  return folder;
}

let elsewhere: string | undefined;

/** Of a runner elsewhere it is not known what it is made from, so it is made each time, and kept until the process ends. */
function bundleElsewhere(entry: string, credentials: Credentials): string {
  if (elsewhere === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'background-jobs-bundles-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    elsewhere = folder;
  }
  const made = mkdtempSync(join(elsewhere, 'bundle-'));
  build(entry, credentials, made);
  return made;
}

function build(entry: string, credentials: Credentials, target: string): void {
  // As if it were written beside the code: the paths in a source map are the same on every machine then, and so is the
  // hash that tells a deploy whether anything is new.
  const outdir = join(dirname(entry), 'bundle');
  const { outputFiles } = buildSync({
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
  for (const { path, contents } of outputFiles) writeFileSync(join(target, relative(outdir, path)), contents);
}

const hourMs = 3_600_000;
let hash: string | undefined;

/** Of the project's code, the lock file, and this file; what was made from other sources goes after an hour. */
function hashOfSources(): string {
  if (hash !== undefined) return hash;
  const all = createHash('sha256');
  const files = sources.flatMap((folder) =>
    readdirSync(join(projectRoot, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  for (const file of [...files.sort(), join(projectRoot, 'package-lock.json'), import.meta.filename]) {
    all
      .update(`${relative(projectRoot, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  }
  hash = all.digest('hex').slice(0, 16);
  if (existsSync(kept)) {
    for (const other of readdirSync(kept)) {
      const folder = join(kept, other);
      // Another synth may still be copying from what it made a moment ago.
      if (other !== hash && Date.now() - statSync(folder).mtimeMs > hourMs)
        rmSync(folder, { recursive: true, force: true });
    }
  }
  return hash;
}
