/** Brings over what a job in ArchivesSpace has said and made. Each part remembers how far it is, so that nothing comes twice. */
import type { JobContext } from '../sdk/context.ts';
import { listFiles, readFile, readLog, readRecords } from './backend-job.ts';
import { describeOutput } from './output-file.ts';

/** What is saved between two segments. */
export interface Progress {
  /** The job's URI in ArchivesSpace. */
  readonly uri: string;
  /** Bytes of its log that were brought over. */
  log: number;
  /** Ids there of the output files that were brought over. */
  files: number[];
  /** Pages of its records that were brought over, counted from the oldest. */
  records: number;
  /** Its last status that was told. */
  status: string;
  /** Since when it is canceled there without having finished, in milliseconds since 1970. */
  canceledAt?: number;
  /** Since when there was no answer. */
  silentSince?: number;
  /** How often the job has waited. */
  waits: number;
}

/** Read at once; a log is held no more than this. */
const logBytes = 1024 * 1024;
const newline = 0x0a;

/** A record that these types list was made by them; the others list what they changed. */
const creates = new Set(['bulk_import_job', 'resource_duplicate_job']);

/**
 * Brings over the log from where it was left. Only whole lines, so that no character is cut in two; what follows the last
 * line break comes when `isLast`.
 */
export async function relayLog(ctx: JobContext, progress: Progress, isLast: boolean): Promise<void> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for (;;) {
    const bytes = await readLog(ctx, progress.uri, progress.log, logBytes);
    const end = wholeLines(bytes, isLast);
    if (end === 0) return;
    const lines = decoder.decode(bytes.subarray(0, end)).split('\n');
    // What is after the last line break is no line.
    if (lines.at(-1) === '') lines.pop();
    for (const line of lines) ctx.log(line);
    progress.log += end;
    if (bytes.length < logBytes) return;
  }
}

/** Where to cut: after the last line break; a line longer than all that was read is cut between two characters. */
function wholeLines(bytes: Uint8Array, isLast: boolean): number {
  const isAll = bytes.length < logBytes;
  if (isLast && isAll) return bytes.length;
  const end = bytes.lastIndexOf(newline) + 1;
  if (end > 0 || isAll) return end;
  let cut = bytes.length;
  while (cut > 1 && ((bytes[cut - 1] ?? 0) & 0xc0) === 0x80) cut--;
  return cut - 1;
}

/**
 * Brings over the files that the job made, one by one. Those that were uploaded with it are in the same list there and
 * come first: a job's files are numbered as they are added.
 */
export async function relayFiles(ctx: JobContext, progress: Progress, save: () => Promise<void>): Promise<void> {
  const made = (await listFiles(ctx, progress.uri)).slice(ctx.files.length);
  for (const id of made.filter((each) => !progress.files.includes(each))) {
    const bytes = await readFile(ctx, progress.uri, id);
    const { name, contentType } = describeOutput(ctx.job.type, ctx.params, progress.files.length, bytes);
    await ctx.addFile(name, bytes, { contentType });
    progress.files.push(id);
    await save();
  }
}

/** Notes the records that the job created or changed, oldest first. The job must have ended: its list is counted in pages. */
export async function relayRecords(ctx: JobContext, progress: Progress, save: () => Promise<void>): Promise<void> {
  const first = await readRecords(ctx, progress.uri, 1);
  const note = creates.has(ctx.job.type) ? ctx.recordCreated : ctx.recordModified;
  for (let page = first.lastPage - progress.records; page >= 1; page--) {
    const { refs } = page === 1 ? first : await readRecords(ctx, progress.uri, page);
    for (const ref of refs.toReversed()) {
      try {
        note(ref);
      } catch (error) {
        // What is no URI of a record; the top container linker is said to list such.
        if (!(error instanceof TypeError)) throw error;
        ctx.log(`ArchivesSpace lists what is no record among those of its job: ${JSON.stringify(ref.slice(0, 100))}`);
      }
    }
    progress.records++;
    await save();
  }
}
