import type { Protocol, Scenario } from './world.ts';
export interface Mutant {
  readonly name: string;
  readonly what: string;
  readonly scenario: Scenario;
  readonly changed: Partial<Protocol>;
}
export const mutants: readonly Mutant[] = [];
