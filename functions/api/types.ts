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

/** What is read of a schema besides checking by it. */
export interface ParameterSchema {
  readonly properties?: Readonly<Record<string, ParameterSchema>>;
  readonly items?: ParameterSchema;
  readonly additionalProperties?: unknown;
  readonly default?: unknown;
  /** 0: an empty string is a value, and not nothing. */
  readonly minLength?: number;
  readonly title?: unknown;
  readonly description?: unknown;
}

const parsed = new Map<string, ParameterSchema>();
const mostParsed = 500;

/** A schema's text, parsed once. */
export function parsedSchema(text: string): ParameterSchema {
  const before = parsed.get(text);
  if (before) return before;
  if (parsed.size >= mostParsed) parsed.clear();
  const schema = JSON.parse(text) as ParameterSchema;
  parsed.set(text, schema);
  return schema;
}
