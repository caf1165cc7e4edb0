import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { Bucket } from '../../aws/clients.ts';
import { commit, type Table } from '../../aws/dynamo.ts';
import { findEnds } from '../../aws/reads.ts';
import { Fault } from '../../core/errors.ts';
import type { Ends, Run } from '../../core/job.ts';
import { append, closeSegment, endRun, keys, outputKey, saveProgress, saveState, writeOver } from '../../core/table.ts';
import type { Item, Key, Write } from '../../core/writes.ts';
import type { Journal } from './journal.ts';

/** Where the log and the records of a run end, by what is there. */
export async function findLogEnd(
  table: Table,
  run: Pick<Run, 'id' | 'type' | 'token'>,
): Promise<Pick<Ends, 'log' | 'records'>> {
  const { log, records } = await findEnds(table, run);
  return { log, records };
}

/**
 * Writes a run's segment to the table and the bucket, each write under the run's token. Throws `Fault` when one is refused.
 *
 * @param stateVersion of the states that are saved; undefined = 1
 */
export function tableJournal(
  table: Table,
  bucket: Bucket,
  run: Pick<Run, 'id' | 'type' | 'token' | 'saves'>,
  segment: number,
  stateVersion?: number,
): Journal {
  const { id, type, token } = run;
  let { saves = 0 } = run;
  const version = stateVersion !== undefined && { stateVersion };

  /** Puts an item at the first free place from `n` on; a place may have been taken by a late write of a segment before. */
  async function appendAt(n: number, at: (n: number) => Key, what: Item, next: () => Promise<number>): Promise<number> {
    for (let place = n, tries = 0; tries < 3; tries++) {
      const written = await commit(table, append(at(place), token, segment, what));
      const there = written.done ? undefined : written.refused[0];
      if (written.done || isSame(there, { ...what, token, segment })) return place;
      place = await next();
    }
    throw new Fault('The log of a run is written by somebody else as well.', { id, type, segment });
  }

  async function inSegment(write: Write, happened: (there: Item) => boolean): Promise<void> {
    const written = await commit(table, write);
    if (written.done) return;
    const there = written.refused[0];
    // A write whose answer was lost is refused by its own success.
    if (there && there['token'] === token && happened(there)) return;
    throw new Fault('A run that is no longer current cannot write.', { id, type, segment });
  }

  return {
    async log(offset, bytes) {
      const place = await appendAt(
        offset,
        (n) => keys.log(type, id, n),
        { bytes, size: bytes.length },
        async () => (await findLogEnd(table, run)).log,
      );
      return place + bytes.length;
    },
    async records(n, created, modified) {
      const place = await appendAt(
        n,
        (at) => keys.record(type, id, at),
        { created, modified },
        async () => (await findLogEnd(table, run)).records,
      );
      return place + 1;
    },
    async file(n, { name, contentType, bytes }) {
      await bucket.client.send(
        new PutObjectCommand({
          Bucket: bucket.name,
          Key: outputKey(type, id, token, segment, n),
          Body: bytes,
          ContentType: contentType,
        }),
      );
      const key = keys.file(type, id, n);
      const what = { name, contentType, size: bytes.length };
      const put = async (write: Write) => {
        const written = await commit(table, write);
        const there = written.done ? undefined : written.refused[0];
        return { isThere: written.done || isSame(there, { ...what, token, segment }), there };
      };
      const { isThere, there } = await put(append(key, token, segment, what));
      if (isThere) return;
      // From an earlier segment that broke off after it: this one goes on from the checkpoint before.
      const earlier = Number(there?.['segment']);
      const again = there?.['token'] === token && earlier < segment;
      if (again && (await put(writeOver(key, token, segment, earlier, what))).isThere) return;
      throw new Fault('An output file of that number is there already.', { id, type, n });
    },
    progress: (progress) => inSegment(saveProgress(run, segment, progress), () => false),
    async state(checkpoint) {
      const write = saveState({ id, type, token, saves }, segment, { ...checkpoint, ...version });
      saves++;
      await inSegment(write, (there) => there['segment'] === segment && there['saves'] === saves);
    },
    close: (closing) =>
      inSegment(
        closeSegment(run, segment, { ...closing, ...version }),
        (there) => there['segment'] === segment && there['open'] === false,
      ),
    end: (end, ends, progress) =>
      inSegment(
        endRun(run, segment, end, ends, progress),
        (there) => there['segment'] === segment && there['end'] !== undefined,
      ),
  };
}

function isSame(there: Item | null | undefined, what: Item): boolean {
  return !!there && Object.entries(what).every(([name, value]) => text(there[name]) === text(value));
}

const text = (value: unknown) =>
  value instanceof Uint8Array ? Buffer.from(value).toString('base64') : JSON.stringify(value);
