import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: '.',
    include: ['test/guide/**/*.test.ts'],
    // Each step builds on those before it.
    bail: 1,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
