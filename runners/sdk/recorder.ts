import type { Ends, Run } from '../../core/job.ts';
import type { Checkpoint, Closing } from '../../core/table.ts';
import type { Journal } from './journal.ts';

/** A line shows within 2 s: a second of gathering and a second on the way (design, section 7). */
const flushAfterMs = 1_000;
const chunkBytes = 32 * 1024;
const progressEveryMs = 2_000;
const urisPerChunk = 100;
/** Past this a log helps nobody and costs everybody: one last line says so. */
export const maxLogBytes = 64 * 1024 * 1024;

type Progress = NonNullable<Run['progress']>;

/**
 * Gathers what a runner says and writes it in few, ordered writes, so that a chatty runner stays cheap. Once closed,
 * it takes nothing more: what a leftover of the run says then is dropped.
 */
export class Recorder {
  readonly #journal: Journal;
  readonly #now: () => number;
  #logged: number;
  #records: number;
  #files: number;
  /** At the last checkpoint. */
  #savedFiles: number;
  #lines: Uint8Array[] = [];
  #lineBytes = 0;
  /** Bytes of log in all, written or not. */
  #accepted: number;
  #created: string[] = [];
  #modified: string[] = [];
  #progress: Progress | undefined;
  #progressWritten: Progress | undefined;
  #progressAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tail: Promise<void> = Promise.resolve();
  #failure: unknown;
  #closed = false;
  #full = false;

  constructor(journal: Journal, from: Ends, now: () => number) {
    this.#journal = journal;
    this.#now = now;
    this.#logged = from.log;
    this.#accepted = from.log;
    this.#records = from.records;
    this.#files = from.files;
    this.#savedFiles = from.files;
  }

  log(line: string): void {
    if (this.#closed || this.#full) return;
    let bytes = new TextEncoder().encode(`${line}\n`);
    this.#full = this.#accepted + bytes.length > maxLogBytes;
    if (this.#full)
      bytes = new TextEncoder().encode(`The log is full at ${maxLogBytes} bytes; further lines are dropped.\n`);
    // A chunk is full before the line that would not fit.
    if (this.#lineBytes > 0 && this.#lineBytes + bytes.length > chunkBytes) this.#write();
    this.#lines.push(bytes);
    this.#lineBytes += bytes.length;
    this.#accepted += bytes.length;
    if (this.#lineBytes >= chunkBytes) this.#write();
    else this.#later();
  }

  record(what: 'created' | 'modified', uri: string): void {
    if (this.#closed) return;
    (what === 'created' ? this.#created : this.#modified).push(uri);
    if (this.#created.length + this.#modified.length >= urisPerChunk) this.#write();
    else this.#later();
  }

  progress(progress: Progress): void {
    if (this.#closed) return;
    this.#progress = progress;
    this.#later();
  }

  /** Writes an output file, after everything that was said before it. Throws when it could not be written. */
  async file(name: string, contentType: string, bytes: Uint8Array): Promise<void> {
    if (this.#closed) return;
    this.#write();
    const n = this.#files++;
    await this.#then(() => this.#journal.file(n, { name, contentType, bytes }));
    this.#throwFailure();
  }

  async state(checkpoint: Omit<Checkpoint, 'ends'>): Promise<void> {
    if (this.#closed) return;
    await this.flush();
    await this.#then(() => {
      this.#savedFiles = this.#files;
      return this.#journal.state({ ...checkpoint, ends: this.#ends() });
    });
    this.#throwFailure();
  }

  /** Writes what was gathered. Throws when this or an earlier write failed: a run that cannot be recorded cannot go on. */
  async flush(): Promise<void> {
    this.#write();
    await this.#tail;
    this.#throwFailure();
  }

  /**
   * Writes everything, ends the segment or the run, and takes nothing more. Without a new state the next segment goes on
   * from the last checkpoint: files since then are its to write again.
   */
  async close(
    last: { readonly next: Omit<Closing, 'ends'> } | { readonly end: NonNullable<Run['end']> },
  ): Promise<void> {
    // A job that waits for an hour shows how far it was; the end of a run bears its progress itself.
    this.#write('next' in last);
    await this.flush();
    this.#closed = true;
    clearTimeout(this.#timer);
    if ('end' in last) await this.#journal.end(last.end, this.#ends(), this.#progress);
    else {
      const ends = this.#ends();
      await this.#journal.close({
        ...last.next,
        ends: last.next.state === undefined ? { ...ends, files: this.#savedFiles } : ends,
      });
    }
  }

  #ends(): Ends {
    return { log: this.#logged, records: this.#records, files: this.#files };
  }

  #later(): void {
    this.#timer ??= setTimeout(() => this.#write(), flushAfterMs).unref();
  }

  #write(progressNow = false): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#lines;
    const created = this.#created;
    const modified = this.#modified;
    this.#lines = [];
    this.#lineBytes = 0;
    this.#created = [];
    this.#modified = [];
    if (lines.length > 0) {
      const bytes = Buffer.concat(lines);
      for (let from = 0; from < bytes.length; from += chunkBytes) {
        const chunk = bytes.subarray(from, from + chunkBytes);
        void this.#then(async () => {
          this.#logged = await this.#journal.log(this.#logged, chunk);
        });
      }
    }
    if (created.length + modified.length > 0) {
      void this.#then(async () => {
        this.#records = await this.#journal.records(this.#records, created, modified);
      });
    }
    this.#writeProgress(progressNow);
  }

  #writeProgress(now: boolean): void {
    const progress = this.#progress;
    if (!progress || progress === this.#progressWritten) return;
    if (!now && this.#now() < this.#progressAt + progressEveryMs) {
      this.#later();
      return;
    }
    this.#progressAt = this.#now();
    this.#progressWritten = progress;
    void this.#then(() => this.#journal.progress(progress));
  }

  /** One write at a time, in order; after a failure none. */
  #then(write: () => Promise<void>): Promise<void> {
    this.#tail = this.#tail.then(async () => {
      if (this.#failure !== undefined) return;
      try {
        await write();
      } catch (error) {
        this.#failure = error;
      }
    });
    return this.#tail;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
