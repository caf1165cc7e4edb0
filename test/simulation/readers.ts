import type { Table } from '../../aws/dynamo.ts';
import { readFiles, readJob, readLog, readRecords } from '../../aws/reads.ts';
import { isEnded } from '../../core/job.ts';
import type { Said } from './bodies.ts';
import type { Invariants } from './invariants.ts';

const everything = 1_000_000_000;

/**
 * What staff see of a run that has ended, by the reads that the API uses: taken down when the job ends, and compared
 * whenever its run is written to after that.
 */
export class Readers {
  readonly #seen = new Map<number, string>();
  readonly #table: Table;
  readonly #invariants: Invariants;
  readonly #objects: ReadonlyMap<string, string>;
  checks = 0;

  /** @param objects what is in the bucket, by key */
  constructor(table: Table, invariants: Invariants, objects: ReadonlyMap<string, string>) {
    this.#table = table;
    this.#invariants = invariants;
    this.#objects = objects;
  }

  /** A job ended in this very step. */
  async ended(id: number, said: Said | undefined): Promise<void> {
    const view = await this.#view(id);
    this.#seen.set(id, JSON.stringify(view));
    this.#whole(id, view, said);
  }

  async compare(id: number): Promise<void> {
    this.checks++;
    const now = JSON.stringify(await this.#view(id));
    const then = this.#seen.get(id);
    if (now !== then) {
      this.#invariants.violate('no write of a run is visible after its end', `job ${id}: ${then} became ${now}`);
    }
  }

  async compareAll(): Promise<void> {
    for (const id of this.#seen.keys()) await this.compare(id);
  }

  async #view(id: number) {
    const job = await readJob(this.#table, id);
    if (!job || !isEnded(job)) throw new Error(`Job ${id} has not ended.`);
    return {
      job,
      log: Buffer.from(await readLog(this.#table, job, 0, everything)).toString(),
      records: await readRecords(this.#table, job),
      // Each has its name for content: a file that shows another one's is none.
      files: (await readFiles(this.#table, job)).map(({ name, key }) =>
        this.#objects.get(key) === name ? name : `${name} with ${this.#objects.get(key)}`,
      ),
    };
  }

  /** The log has every line once and in order, up to where it ends; a completed job's has all; files are all or none. */
  #whole(
    id: number,
    view: {
      readonly job: { readonly status: string; readonly token?: string | undefined };
      readonly log: string;
      readonly records: readonly string[];
      readonly files: readonly string[];
    },
    said: Said | undefined,
  ): void {
    this.checks += 3;
    const completed = view.job.status === 'completed';
    let segment = 0;
    let n = 0;
    const last = new Map<number, number>();
    for (const [, s, k] of view.log.matchAll(/^s(\d+) n(\d+)$/gm)) {
      if (Number(s) !== segment) n = 0;
      const inOrder = Number(s) >= segment && Number(k) === n + 1;
      segment = Number(s);
      n = Number(k);
      last.set(segment, n);
      if (!inOrder)
        this.#invariants.violate('the log is whole and in order', `job ${id}: line ${n} of segment ${segment}`);
    }
    if (view.log.includes('leftover') || view.records.includes('/repositories/2/resources/999999'))
      this.#invariants.violate('no write of a run is visible after its end', `job ${id} shows what a leftover said`);
    const shown = view.files.join(' ');
    const all = said?.files ?? [];
    if (shown !== all.join(' ') && !this.#invariants.wereSaved(view.job.token ?? '', view.files))
      this.#invariants.violate('outputs up to a checkpoint, or all', `job ${id} shows ${shown} of ${all.join(' ')}`);
    if (!said) return;
    for (const [s, lines] of said.lines) {
      const least =
        completed && !this.#invariants.isBroken(view.job.token ?? '', s) ? lines : (said.savedLines.get(s) ?? 0);
      const there = last.get(s) ?? 0;
      if (there < least || there > lines)
        this.#invariants.violate(
          'the log is whole and in order',
          `job ${id}: ${there} of ${lines} lines of segment ${s}`,
        );
    }
    if (!completed) return;
    const missing = [...said.records].filter((uri) => !view.records.includes(uri));
    if (shown !== all.join(' ') || missing.length > 0 || view.records.length !== said.records.size)
      this.#invariants.violate(
        'outputs up to a checkpoint, or all',
        `job ${id} completed without all files and records`,
      );
  }
}
