import { defineConfig } from 'vitest/config';

/** The examples that lie outside the project, as somebody else would use them: they are installed first. */
export default defineConfig({
  test: {
    include: ['test/examples/**/*.test.ts'],
    expect: { poll: { timeout: 20_000, interval: 50 } },
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});
