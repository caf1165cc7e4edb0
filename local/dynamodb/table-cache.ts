import type { Callback, Store, Table } from 'dynalite/db/index.js';

/** Remembers active tables: every request asks for its table's description, which dynalite reads from the disk. */
export class TableCache {
  readonly #store: Store;
  readonly #tables = new Map<string, Table>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** To be called before and after each change of a table. */
  clear(): void {
    this.#tables.clear();
  }

  /** dynalite's `store.getTable`: calls back with the table or `ResourceNotFoundException`. */
  readonly getTable = (name: string, checkStatus: boolean | Callback<Table>, callback?: Callback<Table>): void => {
    const answer = typeof checkStatus === 'function' ? checkStatus : (callback as Callback<Table>);
    const cached = this.#tables.get(name);
    if (cached !== undefined) {
      answer(null, cached);
      return;
    }
    const remember: Callback<Table> = (error, table) => {
      if (table?.TableStatus === 'ACTIVE') this.#tables.set(name, table);
      answer(error, table);
    };
    if (typeof checkStatus === 'function') this.#store.getTable(name, remember);
    else this.#store.getTable(name, checkStatus, remember);
  };

  /** Resolves the active table of this name. Rejects with `ResourceNotFoundException`. */
  find(name: string): Promise<Table> {
    return new Promise((resolve, reject) => {
      this.getTable(name, true, (error, table) => (error ? reject(error) : resolve(table as Table)));
    });
  }
}
