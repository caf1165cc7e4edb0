import { vi } from 'vitest';

/** Waits until a check passes, long enough for a busy machine: vitest's own second is not. */
export const waitFor = <T>(
  check: () => T | Promise<T>,
  options: { timeout?: number; interval?: number } = {},
): Promise<T> => vi.waitFor(check, { timeout: 15_000, interval: 20, ...options });
