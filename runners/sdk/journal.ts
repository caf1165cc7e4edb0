import type { Ends, Run } from '../../core/job.ts';
import type { Checkpoint, Closing } from '../../core/table.ts';

/** What a run writes, in order. `runner` gives the table's, `runForTest` one in memory. */
export interface Journal {
  /** Appends a chunk of log at byte `offset`; returns where the log ends then. */
  log(offset: number, bytes: Uint8Array): Promise<number>;
  records(n: number, created: readonly string[], modified: readonly string[]): Promise<number>;
  file(
    n: number,
    file: { readonly name: string; readonly contentType: string; readonly bytes: Uint8Array },
  ): Promise<void>;
  progress(progress: NonNullable<Run['progress']>): Promise<void>;
  state(checkpoint: Checkpoint): Promise<void>;
  /** The segment is over, another one follows. */
  close(closing: Closing): Promise<void>;
  end(end: NonNullable<Run['end']>, ends: Ends, progress: Run['progress']): Promise<void>;
}
