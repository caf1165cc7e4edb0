/**
 * Checks a CSV file, however large: a job longer than one invocation of its Lambda. It is here to be read: how such a
 * runner goes on from a checkpoint, in the middle of its input, so that the result is that of one go.
 */
import { Readable } from 'node:stream';
import { type Info, parse } from 'csv-parse';
import { FinalFailure, type InputFile, type JobContext, type Run } from '../../runners/sdk/context.ts';
import { runner } from '../../runners/sdk/run.ts';

interface Params extends Readonly<Record<string, unknown>> {
  readonly required_columns?: readonly string[];
}

/** All that the next segment needs. It is small, and stands between two batches of rows. */
interface State {
  /** Where the next row begins in the file. */
  readonly byte: number;
  readonly columns: readonly string[];
  readonly rows: number;
  readonly problems: number;
}

interface Row {
  readonly record: readonly string[];
  readonly info: Info;
}

/** Few enough to be quick, many enough that a checkpoint costs nothing to speak of. */
const batchRows = 5_000;

export const run: Run<Params> = async (ctx) => {
  const [file] = ctx.files;
  // No other attempt can mend these: `FinalFailure` says so.
  if (!file) throw new FinalFailure('There is no file to check.');
  let state = (ctx.resumed as State | undefined) ?? (await readHeadings(file));
  const missing = (ctx.params.required_columns ?? []).filter((column) => !state.columns.includes(column));
  if (missing.length > 0) throw new FinalFailure(`The file has no column ${missing.join(', ')}.`);

  if (state.rows === 0) ctx.log(`Columns: ${state.columns.join(', ')}`);
  for await (const { rows, byte, isLast } of batches(file, state.byte)) {
    if (ctx.stopping) {
      ctx.log(`Stopped after ${state.rows} rows.`);
      return;
    }
    const found = rows.flatMap((cells, n) =>
      problemsOf(cells, state.columns, ctx.params.required_columns ?? []).map((problem) => [
        // The first row below the headings is row 2, as spreadsheets count.
        state.rows + n + 2,
        problem,
      ]),
    );
    // A batch's problems are a file of their own. Were the process killed here, the batch would be done again, and this
    // file written over by its like: files count up to the last checkpoint.
    if (found.length > 0) await addProblems(ctx, state.rows, found);
    state = { ...state, byte, rows: state.rows + rows.length, problems: state.problems + found.length };
    ctx.log(`${state.rows} rows, ${state.problems} problems`);
    ctx.progress(state.byte, file.size, `${state.rows} rows`);
    // Near the end of the invocation this does not return: `run` is called anew, with this state in `ctx.resumed`.
    if (!isLast) await ctx.checkpoint(state);
  }
  ctx.log(state.problems === 0 ? 'No problems found.' : `${state.problems} problems in ${state.rows} rows.`);
};

export const handler = runner(run as Run);

async function readHeadings(file: InputFile): Promise<State> {
  for await (const { record, info } of rowsFrom(file, 0))
    return { byte: info.bytes, columns: record.map((heading) => heading.trim()), rows: 0, problems: 0 };
  throw new FinalFailure('The file is empty.');
}

/** Rows from a byte on, in batches, each with where the next one begins. */
async function* batches(file: InputFile, from: number) {
  let rows: (readonly string[])[] = [];
  let byte = from;
  for await (const { record, info } of rowsFrom(file, from)) {
    if (rows.length === batchRows) {
      yield { rows, byte, isLast: false };
      rows = [];
    }
    rows.push(record);
    byte = from + info.bytes;
  }
  yield { rows, byte, isLast: true };
}

async function* rowsFrom(file: InputFile, from: number): AsyncGenerator<Row> {
  const bytes = Readable.from(await file.open({ from }));
  const parser = parse({ bom: from === 0, info: true, relax_column_count: true, skip_empty_lines: true });
  bytes.on('error', (error) => parser.destroy(error));
  try {
    for await (const row of bytes.pipe(parser)) yield row as Row;
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('CSV_'))
      throw new FinalFailure(`This is not a CSV file: ${error.message}`);
    throw error;
  } finally {
    bytes.destroy();
  }
}

function problemsOf(cells: readonly string[], columns: readonly string[], required: readonly string[]): string[] {
  const problems: string[] = [];
  if (cells.length !== columns.length) problems.push(`${cells.length} cells in place of ${columns.length}`);
  for (const column of required) if (!cells[columns.indexOf(column)]?.trim()) problems.push(`${column} is empty`);
  const unread = cells.findIndex((cell) => cell.includes('\ufffd'));
  if (unread >= 0) problems.push(`${columns[unread] ?? `cell ${unread + 1}`} has characters that are not UTF-8`);
  return problems;
}

async function addProblems(
  ctx: JobContext<Params>,
  rowsBefore: number,
  found: readonly (readonly (string | number)[])[],
): Promise<void> {
  const lines = [['row', 'problem'], ...found].map((cells) =>
    cells.map((cell) => `"${String(cell).replaceAll('"', '""')}"`).join(','),
  );
  const name = `problems-from-row-${rowsBefore + 2}.csv`;
  await ctx.addFile(name, `${lines.join('\r\n')}\r\n`, { contentType: 'text/csv' });
}
