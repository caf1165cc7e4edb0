import { commit, query, type Table } from '../aws/dynamo.ts';
import { list, type Objects, remove } from '../aws/objects.ts';
import { readJob } from '../aws/reads.ts';
import { type Leftover, leftoverKey, leftovers, removeItem } from '../core/deletion.ts';
import { fromItem } from '../core/job.ts';
import { inputPrefix, keys, runPrefix } from '../core/table.ts';
import type { Service } from './service.ts';

/** So many objects or items are removed at a time. */
const atOnce = 8;
const slice = 200;

/**
 * Removes what is left of deleted jobs: their files, then the items below their runs, while there is time; the next
 * sweep goes on. Everything may be repeated. A fault of one job is logged and leaves the others alone.
 *
 * @param until when to stop, in milliseconds since 1970
 */
export async function removeLeftovers(
  { table, log, now }: Pick<Service, 'table' | 'log' | 'now'>,
  objects: Objects,
  until: number,
): Promise<void> {
  const inTime = () => now() < until;
  for await (const item of query(table, leftovers)) {
    const leftover = fromItem<Leftover>(item);
    if (!inTime()) return;
    try {
      if (await readJob(table, leftover.id)) {
        // A counter that was set back, or a restore that brought the job back: nothing of it is left over.
        log.warn('A job that was to be gone is there; it is left as it is.', { job: leftover.id });
      } else if (!(await removeFiles(objects, leftover, inTime)) || !(await removeRun(table, leftover, inTime))) {
        return;
      }
      await commit(table, removeItem(leftoverKey(leftover.id)));
    } catch (error) {
      log.error('What is left of a deleted job could not be removed; the next sweep tries again.', {
        job: leftover.id,
        type: leftover.type,
        error,
      });
    }
  }
}

/** @returns whether nothing is left */
async function removeFiles(objects: Objects, { type, id }: Leftover, inTime: () => boolean): Promise<boolean> {
  for (const prefix of [inputPrefix(type, id), runPrefix(type, id)]) {
    for (;;) {
      const found = await list(objects, prefix, slice);
      if (found.length === 0) break;
      await each(found, (key) => remove(objects, key));
      if (!inTime()) return false;
    }
  }
  return true;
}

/** @returns whether nothing is left */
async function removeRun(table: Table, { type, id }: Leftover, inTime: () => boolean): Promise<boolean> {
  const { pk } = keys.run(type, id);
  for (;;) {
    const found: string[] = [];
    for await (const item of query(table, pk, { limit: slice })) found.push(String(item['sk']));
    if (found.length === 0) return true;
    await each(found, (sk) => commit(table, removeItem({ pk, sk })));
    if (!inTime()) return false;
  }
}

async function each<T>(all: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  const waiting = all.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const one of waiting) await work(one);
    }),
  );
}
