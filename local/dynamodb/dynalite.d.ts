// dynalite 4.0.0 has no types. Declared is what this folder uses of its inner modules.

declare module 'dynalite/db/index.js' {
  type Callback<T = unknown> = (error: Error | null | undefined, result?: T) => void;
  type AttributeValue = Readonly<Record<string, unknown>>;
  type Item = Record<string, AttributeValue>;

  interface KeyElement {
    readonly AttributeName: string;
    readonly KeyType: 'HASH' | 'RANGE';
  }

  interface Index {
    readonly IndexName: string;
    readonly KeySchema: readonly KeyElement[];
    IndexStatus?: string;
  }

  interface Table {
    readonly TableName: string;
    readonly KeySchema: readonly KeyElement[];
    readonly GlobalSecondaryIndexes?: readonly Index[];
    readonly LocalSecondaryIndexes?: readonly Index[];
    TableStatus: string;
    /** Ours: dynalite knows no time to live, but keeps what it does not know of a table. */
    TimeToLiveDescription?: { readonly AttributeName: string; readonly TimeToLiveStatus: string };
  }

  interface SubDb {
    get(key: string, callback: Callback): void;
    put(key: string, value: unknown, callback: Callback): void;
    del(key: string, callback: Callback): void;
    lock(key: string, run: (release: (callback: Callback) => Callback) => void): void;
    createValueStream(options: unknown): unknown;
  }

  type Operation =
    | { readonly type: 'put'; readonly key: string; readonly value: unknown }
    | { readonly type: 'del'; readonly key: string };

  interface Level {
    open(): Promise<void>;
    close(): Promise<void>;
    getSync(key: string): unknown;
    batch(operations: readonly Operation[]): Promise<void>;
    iterator(range: { gte: string; lt: string }): AsyncIterable<[string, unknown]>;
  }

  interface Store {
    readonly options: { readonly maxItemSize: number };
    readonly db: Level;
    readonly tableDb: SubDb;
    getItemDb(table: string): SubDb;
    getIndexDb(kind: string, table: string, index: string): SubDb;
    getTable(name: string, checkStatus: boolean | Callback<Table>, callback?: Callback<Table>): void;
  }

  const db: {
    create(options: {
      path?: string | undefined;
      createTableMs: number;
      deleteTableMs: number;
      updateTableMs: number;
    }): Store;
    validationError(message: string): Error;
    validateKey(key: Item, table: Table): Error | null | undefined;
    checkConditional(data: object, existing: Item | undefined): Error | null | undefined;
    createKey(item: Item, table: Table): string;
    getIndexActions(
      indexes: readonly Index[],
      existing: Item | undefined,
      item: Item | undefined,
      table: Table,
    ): { puts: { index: string; key: string; item: Item }[]; deletes: { index: string; key: string }[] };
    itemSize(item: Item): number;
  };
  export default db;
  export type { AttributeValue, Callback, Index, Item, Operation, Store, SubDb, Table };
}

declare module 'dynalite/validations/index.js' {
  import type { Store } from 'dynalite/db/index.js';

  const validations: {
    checkTypes(data: object, types: object): Record<string, unknown>;
    checkValidations(data: object, types: object, custom: unknown, store: Store): void;
  };
  export default validations;
}

declare module 'dynalite/validations/*.js' {
  const rules: { readonly types: object; readonly custom?: unknown };
  export default rules;
}

declare module 'dynalite/actions/*.js' {
  import type { Callback, Store } from 'dynalite/db/index.js';

  function action(store: Store, data: object, callback: Callback): void;
  export default action;
}
