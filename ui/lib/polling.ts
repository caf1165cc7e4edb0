/** How often something is asked again, in milliseconds; never while the page is hidden (TanStack Query sees to that). */
export const movingMs = 1_000;
export const listMs = 3_000;
export const restingMs = 15_000;
const longestMs = 60_000;

/** The wait after some failures in a row: doubles, with a quarter of chance, so that many pages do not come back at once. */
export function backoffMs(failures: number, usualMs: number, chance = Math.random()): number {
  if (failures === 0) return usualMs;
  return Math.min(longestMs, Math.max(usualMs, 1_000) * 2 ** Math.min(failures, 8)) * (0.75 + chance / 2);
}
