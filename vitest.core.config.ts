import { defineConfig } from 'vitest/config';

const files = [
  'default-groups',
  'deletion',
  'dispatch',
  'ending',
  'idempotency',
  'invariants',
  'job',
  'login-attempts',
  'permissions',
  'registry',
  'sweep',
  'table',
  'table-deploy',
  'table-keys',
  'uploads',
  'waiting',
  'writes',
];

// The tests of core/ alone, for mutation testing: `npm run mutate`.
export default defineConfig({ test: { include: files.map((file) => `test/unit/${file}.test.ts`) } });
