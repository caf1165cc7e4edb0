// Makes the package `background-jobs-sdk` in .build/package: compiled, with types, and packed.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const out = join(root, '.build', 'package');

/** What it offers, by entry: the file that is it. */
const entries = {
  '.': 'runners/sdk/index',
  './testing': 'runners/sdk/testing',
  './cdk': 'infra/job-runner',
} as const;
/** What an app that deploys a runner has anyway, in the version that it likes. */
const peers = { 'aws-cdk-lib': '^2', constructs: '^10', esbuild: '>=0.25' } as const;

interface OwnPackage {
  readonly version: string;
  readonly license: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
compile();
const { dependencies, ...ours } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as OwnPackage;
writeFileSync(join(out, 'package.json'), `${JSON.stringify(manifest(), null, 2)}\n`);
copyFileSync(join(root, 'LICENSE'), join(out, 'LICENSE'));
copyFileSync(join(root, 'runners', 'sdk', 'README.md'), join(out, 'README.md'));
console.log(join(out, run('npm', ['pack', '--silent'], out).trim()));

/** The three entries and what they import, and nothing else of the project. */
function compile(): void {
  const config = join(out, 'tsconfig.json');
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        noEmit: false,
        rootDir: root,
        outDir: out,
        declaration: true,
        rewriteRelativeImportExtensions: true,
        // A CDK app may run on an older Node than runners do.
        target: 'es2022',
        removeComments: false,
        typeRoots: [join(root, 'node_modules', '@types')],
      },
      include: [],
      files: Object.values(entries).map((entry) => join(root, `${entry}.ts`)),
    }),
  );
  run('npx', ['--no-install', 'tsc', '-p', config], root);
  rmSync(config);
}

function manifest(): object {
  const used = packagesIn(out).filter((name) => !(name in peers));
  const versions: Readonly<Record<string, string>> = { ...ours.devDependencies, ...dependencies };
  return {
    name: 'background-jobs-sdk',
    version: ours.version,
    description: 'Write job runners for background-jobs, test them, and deploy them from a repository of their own',
    license: ours.license,
    type: 'module',
    sideEffects: false,
    engines: { node: '>=20.12' },
    exports: Object.fromEntries(
      Object.entries(entries).map(([entry, file]) => [entry, { types: `./${file}.d.ts`, default: `./${file}.js` }]),
    ),
    dependencies: Object.fromEntries(
      used.map((name) => {
        const version = versions[name];
        if (version === undefined) throw new Error(`package.json does not list ${name}, which the package imports.`);
        return [name, version];
      }),
    ),
    peerDependencies: peers,
    peerDependenciesMeta: Object.fromEntries(Object.keys(peers).map((name) => [name, { optional: true }])),
  };
}

/** The packages that compiled code and its types import; those of types alone by the name of their types. */
function packagesIn(folder: string): readonly string[] {
  const found = new Set<string>();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(js|d\.ts)$/.test(file)) continue;
    const text = readFileSync(join(folder, file), 'utf8');
    for (const [, from = ''] of text.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*['"]([^'".][^'"]*)['"]/g)) {
      if (from.startsWith('node:')) continue;
      const name = from
        .split('/')
        .slice(0, from.startsWith('@') ? 2 : 1)
        .join('/');
      found.add(name === 'aws-lambda' ? '@types/aws-lambda' : name);
    }
  }
  return [...found].sort();
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`);
  return stdout;
}
