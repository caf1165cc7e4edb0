// The database file under the queue and the object emulator.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';

export type Row = Record<string, SQLInputValue>;

export interface Database {
  /** Runs a statement and returns its rows. Statements are prepared once. */
  all(sql: string, ...values: SQLInputValue[]): Row[];
  /** The first row, if any. */
  one(sql: string, ...values: SQLInputValue[]): Row | undefined;
  /** Runs a statement; returns how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  /** All or nothing; also over a kill of the process. Must not be nested. */
  atomically<T>(work: () => T): T;
  close(): void;
}

/**
 * Opens `<dir>/<name>.sqlite`, or a database in memory when there is no folder. Throws when another process holds it.
 *
 * @param schema `create … if not exists` statements
 */
export function openDatabase(dir: string | undefined, name: string, schema: string): Database {
  if (dir !== undefined) mkdirSync(dir, { recursive: true });
  const database = new DatabaseSync(dir === undefined ? ':memory:' : join(dir, `${name}.sqlite`));
  try {
    // Without fsync a commit survives a killed process, though not a power cut.
    database.exec(`pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = off; ${schema}`);
  } catch (error) {
    database.close();
    if (!/locked/.test(String(error))) throw error;
    throw new Error(`The ${name} data in ${dir} is in use by another process. Stop it, or choose another folder.`, {
      cause: error,
    });
  }
  const statements = new Map<string, ReturnType<DatabaseSync['prepare']>>();
  const prepare = (sql: string) => {
    const known = statements.get(sql) ?? database.prepare(sql);
    statements.set(sql, known);
    return known;
  };
  return {
    all: (sql, ...values) => prepare(sql).all(...values) as Row[],
    one: (sql, ...values) => prepare(sql).get(...values) as Row | undefined,
    run: (sql, ...values) => Number(prepare(sql).run(...values).changes),
    atomically: (work) => {
      database.exec('begin');
      try {
        const result = work();
        database.exec('commit');
        return result;
      } catch (error) {
        database.exec('rollback');
        throw error;
      }
    },
    close: () => database.close(),
  };
}
