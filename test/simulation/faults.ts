import type { Random } from './scheduler.ts';

/** What goes wrong, by kind. */
export const faultKinds = [
  'request lost',
  'answer lost',
  'written after the time-out',
  'sent twice by the SDK',
  'throttled',
  '5xx',
  'conflict',
  'slow',
  'query seen half',
  'crash',
  'start failed',
  'started, answer lost',
  'stale describe',
  'doorbell lost',
  'doorbell delivered twice',
  'event lost',
  'event twice',
  'event late',
  'sweep lost',
  'runner throttled',
  'platform error',
  'invocation repeated',
  'runner killed',
  'stopped by operator',
  'execution failed',
  'finish failed',
  'finish repeated',
  'watch blind',
  'queue row lost',
  'queue row back',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Decides what goes wrong. Faults stop when `on` is taken away. */
export class Faults {
  on = true;
  readonly counts = new Map<FaultKind, number>();
  readonly #random: Random;
  readonly #intensity: number;

  /** @param intensity multiplies every probability: some runs are rough, some nearly calm */
  constructor(random: Random, intensity: number) {
    this.#random = random;
    this.#intensity = intensity;
  }

  hit(kind: FaultKind, probability: number): boolean {
    if (!this.on || !this.#random.chance(probability * this.#intensity)) return false;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    return true;
  }
}
