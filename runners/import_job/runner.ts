/** `import_job`: files → records of ArchivesSpace. Every file is checked whole before anything is sent. */
import type { JobContext, Run } from '../sdk/context.ts';
import { runner } from '../sdk/run.ts';
import { BatchRefused, sendBatch } from './batch.ts';
import { EadConversion, type Findings } from './ead.ts';
import type { Item } from './records.ts';
import { XmlError } from './xml.ts';

/** Most records in one batch, which ArchivesSpace saves or refuses as a whole. */
export const BATCH_RECORDS = 2000;
const LINE = '='.repeat(50);
const ALARM = '!'.repeat(50);

/** Which files are done. The files of a job do not change, so their numbers are enough. */
interface State {
  readonly files: number;
  readonly components: number;
  readonly total: number;
}

/** How many records of each kind were saved from a file, and where the resource is. */
interface Saved {
  resource: string | undefined;
  readonly counts: Record<Item['kind'], number>;
}

/**
 * Imports the job's files in order. Throws, with nothing sent, when one of them cannot be imported; throws when
 * ArchivesSpace refuses a batch or the job is stopped, and what was saved before is then listed in the log.
 */
export const run: Run = async (ctx) => {
  if (ctx.files.length === 0) {
    throw new Error('The job has no file to import.');
  }
  const resumed = ctx.resumed as State | undefined;
  const first = resumed?.files ?? 0;
  const findings = await checkFiles(ctx, first);
  const total = resumed?.total ?? sum(findings.map((each) => each.components));
  let components = resumed?.components ?? 0;
  for (const [index, found] of findings.entries()) {
    await importFile(ctx, first + index, found, { components, total });
    components += found.components;
    if (index + 1 < findings.length) {
      const state: State = { files: first + index + 1, components, total };
      await ctx.checkpoint(state);
    }
  }
};

export const handler = runner(run);

/** Reads every file to its end. Throws when one has a problem, after all have been read and every problem is logged. */
async function checkFiles(ctx: JobContext, first: number): Promise<Findings[]> {
  const all: Findings[] = [];
  const refused: string[] = [];
  for (const [index, file] of ctx.files.entries()) {
    if (index < first) {
      continue;
    }
    ctx.log(`Checking ${file.name}`);
    const conversion = new EadConversion({ repository: ctx.job.repository, uriPrefix: uriPrefixOf(ctx, index) });
    const problems: string[] = [];
    try {
      for await (const _ of conversion.read(await file.open())) {
        ctx.signal.throwIfAborted();
      }
    } catch (error) {
      if (!(error instanceof XmlError)) {
        throw error;
      }
      problems.push(error.message);
    }
    const found = conversion.findings;
    problems.push(...found.problems);
    for (const problem of problems) {
      ctx.log(`  ${problem}`);
    }
    if (found.problemCount > found.problems.length) {
      ctx.log(`  and ${found.problemCount - found.problems.length} problems more`);
    }
    if (problems[0] !== undefined) {
      refused.push(`${file.name} cannot be imported: ${problems[0]}`);
    }
    all.push(found);
  }
  if (refused.length > 0) {
    throw new Error(`${refused.join('\n')}\nNothing was sent to ArchivesSpace.`);
  }
  return all;
}

/** Converts and sends one file that has been checked. */
async function importFile(
  ctx: JobContext,
  index: number,
  found: Findings,
  before: { readonly components: number; readonly total: number },
): Promise<void> {
  const file = ctx.files[index];
  if (file === undefined) {
    throw new Error(`The job has no file ${index + 1}.`);
  }
  for (const line of [LINE, file.name, LINE]) {
    ctx.log(line);
  }
  for (const remark of found.remarks) {
    ctx.log(remark);
  }
  const saved: Saved = { resource: undefined, counts: { resource: 0, archival_object: 0, top_container: 0 } };
  try {
    const conversion = new EadConversion({
      repository: ctx.job.repository,
      uriPrefix: uriPrefixOf(ctx, index),
      lateNotes: found.lateNotes,
    });
    let batch: Item[] = [];
    const send = async () => {
      ctx.signal.throwIfAborted();
      await sendItems(ctx, batch, saved, before);
      batch = [];
    };
    for await (const item of conversion.read(await file.open())) {
      ctx.signal.throwIfAborted();
      batch.push(item);
      if (batch.length === BATCH_RECORDS) {
        await send();
      }
    }
    if (batch.length > 0) {
      await send();
    }
  } catch (error) {
    if (error instanceof BatchRefused) {
      logRefusal(ctx, error, file.name, found.eadId);
    }
    if (saved.counts.resource + saved.counts.archival_object + saved.counts.top_container > 0) {
      ctx.log(
        `Already saved from ${file.name}, and left in ArchivesSpace: ${countsOf(saved)} (${saved.resource ?? 'no resource yet'}).`,
      );
    } else if (ctx.signal.aborted) {
      ctx.log(`Nothing was sent from ${file.name}.`);
    }
    throw error instanceof BatchRefused
      ? new Error(`ArchivesSpace refused ${file.name}: ${error.message}`, { cause: error })
      : error;
  }
  if (found.skipped.size > 0) {
    const list = [...found.skipped].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `${name} ${count}`);
    ctx.log(`Not converted: ${list.join(', ')}`);
  }
  ctx.log(`Imported ${countsOf(saved)} from ${file.name}`);
}

async function sendItems(
  ctx: JobContext,
  items: readonly Item[],
  saved: Saved,
  before: { readonly components: number; readonly total: number },
): Promise<void> {
  const components = items.filter((item) => item.kind === 'archival_object').length;
  let done = before.components + saved.counts.archival_object;
  const report = (count: number) => {
    // The backend goes through the batch in several rounds; the job's progress only goes forward.
    done = Math.max(done, count);
    ctx.progress(done, before.total, 'components');
  };
  const start = done;
  report(start);
  const uris = await sendBatch(
    ctx.archivesspace,
    ctx.job.repository,
    items.map((item) => item.build()),
    {
      phase: (line) => ctx.log(line),
      tick: (ticks, total, label) => {
        if (label.startsWith('Saving records') && total > 0) {
          report(start + Math.floor(components * Math.min(1, ticks / total)));
        }
      },
    },
  );
  for (const item of items) {
    const uri = uris.get(item.ref.uri) ?? item.ref.uri;
    item.ref.uri = uri;
    saved.counts[item.kind] += 1;
    saved.resource ??= item.kind === 'resource' ? uri : undefined;
    ctx.recordCreated(uri);
  }
  report(start + components);
}

function logRefusal(ctx: JobContext, error: BatchRefused, fileName: string, eadId: string): void {
  const block = [
    ALARM,
    'IMPORT ERROR',
    `File: ${fileName}`,
    ...(eadId === '' ? [] : [`EAD id: ${eadId}`]),
    'ArchivesSpace says:',
    ...error.lines.map((line) => `  ${line}`),
    'Nothing of this batch was saved.',
    ALARM,
  ];
  for (const line of block) {
    ctx.log(line);
  }
}

/** `719 archival objects, 1 resource and 311 top containers` */
function countsOf({ counts }: Saved): string {
  const of = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`;
  return `${of(counts.archival_object, 'archival object')}, ${of(counts.resource, 'resource')} and ${of(counts.top_container, 'top container')}`;
}

/** The same in every segment, so that what a segment makes again has the same URIs; hex, as JSONModel wants it. */
function uriPrefixOf(ctx: JobContext, index: number): string {
  return `${ctx.job.id.toString(16)}-${index.toString(16)}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
