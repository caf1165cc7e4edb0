// The executions on disk: each where it stands, written before every step, so that a process that was killed goes on
// where it was. SQLite without fsync: what matters survives the process, not a power cut.
import type { Database } from '../sqlite.ts';

/** Closed executions that stay describable. */
const keptClosed = 10_000;
const trimEvery = 500;

export type ExecutionStatus = 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';

export interface ExecutionRecord {
  readonly arn: string;
  readonly machineArn: string;
  readonly name: string;
  /** The definition it was started with; a later one is for later executions, as on AWS. */
  readonly definition: string;
  readonly input: string;
  readonly startedMs: number;
  readonly status: ExecutionStatus;
  readonly stoppedMs: number | null;
  readonly output: string | null;
  readonly error: string | null;
  readonly cause: string | null;
}

/** Where an open execution stands. */
export interface Position {
  readonly state: string;
  readonly stateInput: string;
  readonly enteredMs: number;
  /** A function was running for it. */
  readonly taskInFlight: boolean;
}

export type ExecutionEnd = Pick<ExecutionRecord, 'status' | 'stoppedMs' | 'output' | 'error' | 'cause'>;

export interface Journal {
  insert(record: ExecutionRecord, position: Position): void;
  find(arn: string): ExecutionRecord | undefined;
  list(machineArn: string, status: ExecutionStatus | undefined, limit: number, offset: number): ExecutionRecord[];
  enter(arn: string, position: Position): void;
  setTaskInFlight(arn: string, inFlight: boolean): void;
  end(arn: string, end: ExecutionEnd): void;
  open(): { readonly record: ExecutionRecord; readonly position: Position }[];
}

const columns = `arn, machine_arn AS machineArn, name, definitions.definition AS definition, input,
  started_ms AS startedMs, status, stopped_ms AS stoppedMs, output, error, cause`;
const source = 'executions JOIN definitions ON definitions.id = executions.definition_id';

/** Tables of the journal. */
export const journalSchema = `
  CREATE TABLE IF NOT EXISTS definitions (id INTEGER PRIMARY KEY, definition TEXT NOT NULL UNIQUE);
  CREATE TABLE IF NOT EXISTS executions (
    arn TEXT PRIMARY KEY, machine_arn TEXT NOT NULL, name TEXT NOT NULL, definition_id INTEGER NOT NULL,
    input TEXT NOT NULL, started_ms INTEGER NOT NULL, status TEXT NOT NULL, stopped_ms INTEGER, output TEXT,
    error TEXT, cause TEXT, state TEXT NOT NULL, state_input TEXT NOT NULL, entered_ms INTEGER NOT NULL,
    task_in_flight INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS executions_by_status ON executions (status, stopped_ms);
  CREATE INDEX IF NOT EXISTS executions_by_machine ON executions (machine_arn, started_ms);`;

/** The executions in `db`, which has the tables of `journalSchema`. */
export function openJournal(db: Database): Journal {
  let sinceTrim = 0;
  return {
    insert({ arn, machineArn, name, definition, input, startedMs, status }, { state, stateInput, enteredMs }) {
      db.run('INSERT OR IGNORE INTO definitions (definition) VALUES (?)', definition);
      db.run(
        `INSERT INTO executions (arn, machine_arn, name, definition_id, input, started_ms, status, state, state_input,
          entered_ms, task_in_flight)
        VALUES (?, ?, ?, (SELECT id FROM definitions WHERE definition = ?), ?, ?, ?, ?, ?, ?, 0)`,
        ...[arn, machineArn, name, definition, input, startedMs, status, state, stateInput, enteredMs],
      );
    },
    find: (arn) => db.one(`SELECT ${columns} FROM ${source} WHERE arn = ?`, arn) as ExecutionRecord | undefined,
    list: (machineArn, status, limit, offset) =>
      db.all(
        `SELECT ${columns} FROM ${source} WHERE machine_arn = ? AND (? IS NULL OR status = ?)
        ORDER BY started_ms DESC LIMIT ? OFFSET ?`,
        ...[machineArn, status ?? null, status ?? null, limit, offset],
      ) as unknown as ExecutionRecord[],
    enter: (arn, { state, stateInput, enteredMs, taskInFlight }) =>
      void db.run(
        'UPDATE executions SET state = ?, state_input = ?, entered_ms = ?, task_in_flight = ? WHERE arn = ?',
        ...[state, stateInput, enteredMs, Number(taskInFlight), arn],
      ),
    setTaskInFlight: (arn, inFlight) =>
      void db.run('UPDATE executions SET task_in_flight = ? WHERE arn = ?', Number(inFlight), arn),
    end(arn, { status, stoppedMs, output, error, cause }) {
      db.run(
        'UPDATE executions SET status = ?, stopped_ms = ?, output = ?, error = ?, cause = ? WHERE arn = ?',
        ...[status, stoppedMs, output, error, cause, arn],
      );
      sinceTrim += 1;
      if (sinceTrim < trimEvery) return;
      sinceTrim = 0;
      db.run(
        `DELETE FROM executions WHERE arn IN
          (SELECT arn FROM executions WHERE status <> 'RUNNING' ORDER BY stopped_ms DESC LIMIT -1 OFFSET ?)`,
        keptClosed,
      );
    },
    open() {
      const rows = db.all(
        `SELECT ${columns}, state, state_input AS stateInput, entered_ms AS enteredMs, task_in_flight AS taskInFlight
        FROM ${source} WHERE status = 'RUNNING' ORDER BY started_ms`,
      ) as unknown as (ExecutionRecord & Omit<Position, 'taskInFlight'> & { taskInFlight: number })[];
      return rows.map((row) => ({ record: row, position: { ...row, taskInFlight: row.taskInFlight === 1 } }));
    },
  };
}
