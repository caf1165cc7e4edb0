import { commit } from '../aws/dynamo.ts';
import { ensureStarted } from '../aws/executions.ts';
import { readBoard, readHeads, readJob } from '../aws/reads.ts';
import { type Choice, next, typesToRead } from '../core/dispatch.ts';
import type { Board, QueueRow } from '../core/job.ts';
import { inspectRow } from '../core/sweep.ts';
import { claim, claimParts, dropRow, failQueued } from '../core/table.ts';
import type { Service } from './service.ts';

/** Rows read of a queue at once: they cost one read unit together, and more than the slots that are free are of no use. */
const rowsRead = 4;
/** A pass that loses this many races in a row leaves the queue to whoever wins them. */
const mostLosses = 20;

export interface PassReport {
  readonly started: number;
  readonly failed: number;
  /** Why it stopped. */
  readonly because: Extract<Choice, { kind: 'none' }>['because'] | 'time' | 'losing';
}

/**
 * Starts what may start until nothing more may (design 3.1, 3.2). Looks at the whole queue; a fault of one job is
 * logged and leaves the others alone. Throws when the table cannot be read or written.
 *
 * @param known a board read just now, to save reading it again
 * @param until when to stop, in milliseconds since 1970; what is left then, the next pass finds
 */
export async function dispatchPass(service: Service, until: number, known?: Board): Promise<PassReport> {
  let board = known ?? (await readBoard(service.table));
  let heads = new Map(await readHeads(service.table, typesToRead(board), rowsRead));
  const starting: Promise<void>[] = [];
  const report = { started: 0, failed: 0 };
  const finish = async (because: PassReport['because']) => {
    await Promise.all(starting);
    return { ...report, because };
  };
  const forget = async (row: QueueRow) => {
    const rest = (heads.get(row.type) ?? []).filter(({ id }) => id !== row.id);
    if (rest.length > 0) heads.set(row.type, rest);
    else if (typesToRead(board).includes(row.type)) {
      heads.set(row.type, [...((await readHeads(service.table, [row.type], rowsRead)).get(row.type) ?? [])]);
    } else heads.delete(row.type);
  };

  for (let losses = 0; losses < mostLosses; ) {
    if (service.now() >= until) return finish('time');
    const choice = next(board, heads);
    if (choice.kind === 'none') return finish(choice.because);
    const { row } = choice;
    if (choice.kind === 'fail') {
      const reason = `No runner is registered any more for jobs of type ${row.type}.`;
      const written = await commit(
        service.table,
        failQueued(row, { kind: 'unregistered_type', reason }, service.now()),
      );
      if (!written.done) {
        losses++;
        await dropDeadRow(service, row);
        await forget(row);
        continue;
      }
      service.log.warn('A job of an unregistered type failed.', {
        job: row.id,
        type: row.type,
        correlation: row.correlation,
      });
      report.failed++;
      await forget(row);
      continue;
    }
    const token = service.newToken();
    const now = service.now();
    const written = await commit(service.table, claim({ row, slot: choice.slot, token, type: choice.type, now }));
    if (written.done) {
      losses = 0;
      report.started++;
      const hold = { job: row.id, type: row.type, token, since: now };
      board = {
        ...board,
        slots: [...board.slots, { ...hold, n: choice.slot }],
        locks: choice.type.concurrent ? board.locks : [...board.locks, hold],
      };
      starting.push(startExecution(service, row, token, choice.type.runner));
      await forget(row);
      continue;
    }
    losses++;
    if (written.refused[claimParts.job] !== undefined || written.refused[claimParts.queue] !== undefined) {
      await dropDeadRow(service, row);
      await forget(row);
    } else {
      board = await readBoard(service.table);
      heads = new Map(await readHeads(service.table, typesToRead(board), rowsRead));
    }
  }
  return finish('losing');
}

/** A job that was claimed, but could not be started, holds its slot; the sweep starts it (design 3.4a). */
async function startExecution(service: Service, row: QueueRow, token: string, runner: string): Promise<void> {
  const { id: job, type, correlation } = row;
  try {
    await ensureStarted(service.machine, { job, type, token, runner, correlation });
    service.log.info('Started a job.', { job, type, token, correlation });
  } catch (error) {
    service.log.error('A job was claimed, but its execution did not start. The sweep will try again.', {
      job,
      type,
      token,
      correlation,
      error,
    });
  }
}

/** The usual reason for losing a row is another dispatcher. Where the row is still there without a queued job, it goes. */
async function dropDeadRow(service: Service, row: QueueRow): Promise<void> {
  const job = await readJob(service.table, row.id);
  if (inspectRow(job) === 'drop') await commit(service.table, dropRow(row, job));
}
