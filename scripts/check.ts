import { spawnSync } from 'node:child_process';

// Everything that holds without running the service: format and lint, types, who imports whom, generated files.
const checks: readonly (readonly [string, readonly string[]])[] = [
  ['biome', ['check', '--error-on-warnings', '.']],
  ['tsc', ['-p', '.']],
  ['tsc', ['-p', 'ui']],
  [
    'depcruise',
    [
      '--no-progress',
      'archivesspace',
      'aws',
      'core',
      'functions',
      'infra',
      'local',
      'plugins',
      'runners',
      'schemas',
      'scripts',
      'test',
      'ui',
    ],
  ],
  ['node', ['scripts/generate.ts', '--check']],
  ['node', ['scripts/openapi.ts', '--check']],
  ['node', ['scripts/proxy.ts', '--check']],
];
let failed = 0;
for (const [command, args] of checks) {
  const started = performance.now();
  const { status } = spawnSync('npx', ['--no-install', command, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  console.log(
    `${status === 0 ? 'passed' : 'FAILED'}: ${command === 'node' ? args[0] : command} (${((performance.now() - started) / 1000).toFixed(1)} s)`,
  );
  if (status !== 0) failed++;
}
process.exit(failed === 0 ? 0 : 1);
