import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { projectRoot } from './runners.ts';

/** Where a function's AWS clients find credentials: only in the environment, or along the SDK's whole chain. */
export type Credentials = 'environment' | 'chain';

/**
 * Bundles a function's code, with everything it imports: what was tested is what runs, whatever SDK the runtime brings.
 * `index.mjs` is what a cold start loads; what the code imports dynamically is in files of its own beside it, which is
 * why this is not left to CDK's NodejsFunction: it writes one file.
 *
 * @param entry absolute path of the file with `handler`
 * @returns a new temporary folder; the caller removes it
 * @throws with esbuild's messages when the code cannot be bundled
 */
export function bundle(entry: string, credentials: Credentials): string {
  const folder = mkdtempSync(join(tmpdir(), 'background-jobs-'));
  buildSync({
    absWorkingDir: projectRoot,
    entryPoints: { index: entry },
    outdir: folder,
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
  return folder;
}
