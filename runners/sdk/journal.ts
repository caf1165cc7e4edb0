import type { Ends, Run } from '../../core/job.ts';

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
  state(state: string): Promise<void>;
  /** The segment is over, another one follows; `heedsCancel`: even when the job is canceled meanwhile. */
  close(state: string, ends: Ends, heedsCancel?: boolean): Promise<void>;
  end(end: NonNullable<Run['end']>, ends: Ends, progress: Run['progress']): Promise<void>;
}
