import type { Settings } from '../../core/job.ts';

/** A sweep's time, and that of a write it has sent. */
const longestPassMs = 90_000;

/** What was deployed, now and before: a pass that saw the settings as they were may still be at work. */
export class Deployed {
  settings: Settings | undefined;
  readonly #now: () => number;
  /** Whether a type is concurrent, also of those that are gone. */
  readonly #concurrent = new Map<string, boolean>();
  /** When a type was last seen to be retired. */
  readonly #retiredMs = new Map<string, number>();
  #limitBefore = 0;
  #loweredMs = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  write(settings: Settings): void {
    const before = this.settings;
    this.settings = settings;
    if (before && before.limit > settings.limit) {
      this.#limitBefore = Math.max(before.limit, this.#limitBefore);
      this.#loweredMs = this.#now();
    }
    for (const [name, type] of Object.entries(settings.types)) {
      this.#concurrent.set(name, type.concurrent);
      if ((type.retired ?? before?.types[name]?.retired) !== undefined) this.#retiredMs.set(name, this.#now());
    }
  }

  /** A limit that was lowered takes nobody's slot away, and a pass that saw the old one may still be claiming by it. */
  limit(held: number): number {
    const limit = this.settings?.limit ?? 0;
    if (this.#limitBefore <= limit) return limit;
    if (this.#now() > this.#loweredMs + longestPassMs) this.#limitBefore = Math.min(this.#limitBefore, held);
    return Math.max(limit, this.#limitBefore);
  }

  isConcurrent(type: string): boolean {
    return this.#concurrent.get(type) ?? false;
  }

  /** Is retired, or was just now. */
  isRetired(type: string): boolean {
    const retiredMs = this.#retiredMs.get(type) ?? Number.NEGATIVE_INFINITY;
    return this.settings?.types[type]?.retired !== undefined || this.#now() < retiredMs + longestPassMs;
  }
}
