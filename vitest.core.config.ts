import { defineConfig } from 'vitest/config';

// The tests of core/ alone, for mutation testing: `npm run mutate`.
export default defineConfig({
  test: {
    include: [
      'test/unit/{dispatch,ending,sweep,permissions,registry,writes,table,invariants,waiting,login-attempts,default-groups,deletion}.test.ts',
    ],
  },
});
