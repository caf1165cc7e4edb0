import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'scripts/**/*.test.ts', 'runners/**/*.test.ts', 'plugins/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/browser/**', 'test/guide/**', 'test/examples/**'],
    // A check that is polled for may take its time on a busy machine.
    expect: { poll: { timeout: 15_000, interval: 100 } },
    testTimeout: 40_000,
    hookTimeout: 120_000,
    maxWorkers: 3,
    // The rules of CloudFormation take two thirds of a synth; `npm run synth` checks them.
    env: { CDK_VALIDATION: 'false' },
  },
});
