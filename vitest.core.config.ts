import { defineConfig } from 'vitest/config';

const files = [
  'default-groups',
  'deletion',
  'dispatch',
  'ending',
  'errors',
  'file-bounds',
  'file-names',
  'idempotency',
  'invariants',
  'job',
  'languages',
  'login-attempts',
  'nearest',
  'permissions',
  'registry',
  'resume-run',
  'run-item',
  'segment',
  'sweep',
  'table',
  'table-deploy',
  'table-keys',
  'ui-form',
  'ui-localize',
  'uploads',
  'waiting',
  'writes',
];

// The tests of core/ alone, for mutation testing: `npm run mutate`.
export default defineConfig({ test: { include: files.map((file) => `test/unit/${file}.test.ts`) } });
