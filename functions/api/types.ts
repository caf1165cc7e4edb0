import type { Table } from '../../aws/dynamo.ts';
import { readTypes } from '../../aws/reads.ts';
import type { RegisteredType } from '../../core/table.ts';

export type KnownType = Omit<RegisteredType, 'dispatch'>;

const knownForMs = 15_000;

/** The registered types, read again after a while: deployments change them seldom, requests ask always. */
export class Types {
  readonly #table: Table;
  #types: ReadonlyMap<string, KnownType> = new Map();
  #until = 0;

  constructor(table: Table) {
    this.#table = table;
  }

  async all(): Promise<ReadonlyMap<string, KnownType>> {
    if (Date.now() >= this.#until) {
      this.#types = new Map((await readTypes(this.#table)).map((type) => [type.type, type]));
      this.#until = Date.now() + knownForMs;
    }
    return this.#types;
  }

  async get(type: string): Promise<KnownType | undefined> {
    return (await this.all()).get(type);
  }
}
