import { readTogether } from '../aws/dynamo.ts';
import { readBoard, readHeads, readJob } from '../aws/reads.ts';
import { next, typesToRead } from '../core/dispatch.ts';
import { type Violation, violations } from '../core/invariants.ts';
import { type Board, fromItem, type Hold, type Job, type Slot } from '../core/job.ts';
import { keys } from '../core/table.ts';
import type { Service } from './service.ts';

/** TransactGetItems takes 100 (DynamoDB quotas). */
const mostReadTogether = 100;

export interface Health {
  /** Broken promises that were still broken when the same facts were read again at one moment. */
  readonly violations: readonly Violation[];
  /** How long the oldest job that may run has been waiting; 0 when none may. */
  readonly oldestRunnableMs: number;
}

/** What the metrics InvariantViolations and OldestRunnableJob say (docs/guarantees.md). Throws when the table cannot be read. */
export async function health(service: Service): Promise<Health> {
  return { violations: await findViolations(service), oldestRunnableMs: await oldestRunnable(service) };
}

/** Reads of different moments may look broken: a slot is seen, its lock not yet. Only what one moment shows counts. */
async function findViolations(service: Service): Promise<readonly Violation[]> {
  const { table } = service;
  const board = await readBoard(table);
  const ids = [...new Set([...board.slots, ...board.locks].map(({ job }) => job))];
  const read = await Promise.all(ids.map((id) => readJob(table, id)));
  const jobs = new Map(read.filter((job) => job !== undefined).map((job) => [job.id, job]));
  if (violations(board, jobs).length === 0) return [];
  const boardKeys = [...board.slots.map(({ n }) => keys.slot(n)), ...board.locks.map(({ type }) => keys.lock(type))];
  const items = await readTogether(table, [...boardKeys, ...ids.map((id) => keys.job(id))].slice(0, mostReadTogether));
  const there = items.filter((item) => item !== undefined);
  const again: Board = {
    settings: board.settings,
    slots: there.filter(({ sk }) => String(sk).startsWith('SLOT#')).map((item) => fromItem<Slot>(item)),
    locks: there.filter(({ sk }) => String(sk).startsWith('LOCK#')).map((item) => fromItem<Hold>(item)),
  };
  const standing = there.filter(({ sk }) => sk === 'JOB').map((item) => fromItem<Job>(item));
  const found = violations(again, new Map(standing.map((job) => [job.id, job])));
  for (const violation of found) service.log.error('A promise is broken.', { ...violation });
  return found;
}

async function oldestRunnable(service: Service): Promise<number> {
  const board = await readBoard(service.table);
  const choice = next(board, await readHeads(service.table, typesToRead(board), 1));
  return choice.kind === 'start' ? Math.max(0, service.now() - choice.row.submitted) : 0;
}
