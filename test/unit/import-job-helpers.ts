import { importBatch } from '../../local/archivesspace/batch-import.ts';
import { openStore } from '../../local/archivesspace/store.ts';
import { EadConversion, type Findings } from '../../runners/import_job/ead.ts';
import type { JsonRecord } from '../../runners/import_job/records.ts';
import { run } from '../../runners/import_job/runner.ts';
import type { InputFile, JobContext } from '../../runners/sdk/context.ts';
import { runForTest, type TestOptions, type TestResult } from '../../runners/sdk/testing.ts';

/** An EAD file around the children of `archdesc`. */
export function ead(inside: string, header = '<eadid>demo</eadid>'): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<ead xmlns="urn:isbn:1-931666-22-9">
<eadheader>${header}</eadheader>
<archdesc level="collection">
${inside}
</archdesc>
</ead>`;
}

/** The did of a collection that lacks nothing. */
export const DID = `<did><unittitle>Papers</unittitle><unitid>MC 1</unitid><unitdate normal="1900/1910" type="inclusive">1900-1910</unitdate>
<physdesc><extent>2 linear feet</extent></physdesc><langmaterial><language langcode="eng"/></langmaterial></did>`;

export function inputFile(
  name: string,
  content: string | Uint8Array,
  chunkBytes = 1000,
): InputFile & { opened: number } {
  const bytes = Buffer.from(content);
  return {
    name,
    contentType: 'text/xml',
    size: bytes.length,
    opened: 0,
    async open() {
      this.opened += 1;
      return chunks(bytes, chunkBytes);
    },
  };
}

async function* chunks(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    yield bytes.subarray(at, at + chunkBytes);
  }
}

/** All records of a file, with what was found in it; both readings, as the runner makes them. */
export async function convert(
  content: string | Uint8Array,
  chunkBytes = 1000,
): Promise<{ records: JsonRecord[]; findings: Findings }> {
  const options = { repository: '/repositories/2', uriPrefix: '1-0' };
  const check = new EadConversion(options);
  for await (const _ of check.read(chunks(Buffer.from(content), chunkBytes))) {
    // The first reading only finds out.
  }
  const records: JsonRecord[] = [];
  const second = new EadConversion({ ...options, lateNotes: check.findings.lateNotes });
  for await (const item of second.read(chunks(Buffer.from(content), chunkBytes))) {
    records.push(item.build());
  }
  return { records, findings: check.findings };
}

export function ofType(records: readonly JsonRecord[], type: string): JsonRecord[] {
  return records.filter((record) => record.jsonmodel_type === type);
}

/** The components of a file whose dsc holds `inside`. */
export async function componentsOf(inside: string) {
  return ofType((await convert(ead(`${DID}<dsc>${inside}</dsc>`))).records, 'archival_object');
}

/** The one component of a file, with this did, and `rest` behind it. */
export async function componentOf(did: string, rest = '', attributes = 'level="file"') {
  return (await componentsOf(`<c ${attributes}><did>${did}</did>${rest}</c>`))[0];
}

/** A `batch_imports` that saves what it is sent and answers as ArchivesSpace streams it, in small pieces. */
export class FakeBackend {
  readonly batches: JsonRecord[][] = [];
  readonly paths: string[] = [];
  /** Called when a batch has arrived, before it is answered; may return the answer instead. */
  onBatch: (records: JsonRecord[], number: number) => Response | undefined | Promise<Response | undefined> = () =>
    undefined;

  async request(path: string, init: { method?: string; body?: string; signal?: AbortSignal } = {}): Promise<Response> {
    if (init.signal !== undefined) {
      throw new Error('a batch is never broken off');
    }
    this.paths.push(`${init.method} ${path}`);
    const records = JSON.parse(init.body ?? '') as JsonRecord[];
    this.batches.push(records);
    const number = this.batches.length;
    const own = await this.onBatch(records, number);
    if (own !== undefined) {
      return own;
    }
    const saved = Object.fromEntries(
      records.map(({ uri }, index) => {
        const id = number * 10_000 + index;
        return [uri, [uri.replace(/import_.*/, String(id)), id]];
      }),
    );
    return answer([
      { status: [{ id: 1, label: 'Reading JSON records', type: 'started' }] },
      { status: [{ id: 2, label: 'Saving records: cycle 1', type: 'started' }] },
      { ticks: Math.floor(records.length / 2), total: records.length },
      { saved },
    ]);
  }
}

/** A streamed answer of the backend, cut into pieces that fall within characters and elements. */
export function answer(elements: readonly unknown[], end = '\n]'): Response {
  const bytes = Buffer.from(`[\n${elements.map((element) => JSON.stringify(element)).join(',\n')}${end}`);
  return new Response(
    new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += 7) {
          controller.enqueue(bytes.subarray(at, at + 7));
        }
        controller.close();
      },
    }),
  );
}

/** What a run did. */
export interface Recorded {
  readonly progress: [done: number, total: number, message: string | undefined][];
  readonly checkpoints: unknown[];
}

/** A JobContext that shows what the harness only passes on: each progress, each checkpoint. */
export function fakeContext(
  files: readonly InputFile[],
  backend: FakeBackend,
  resumed?: unknown,
): { ctx: JobContext; recorded: Recorded } {
  const recorded: Recorded = { progress: [], checkpoints: [] };
  return {
    recorded,
    ctx: {
      job: { id: 31, type: 'import_job', repository: '/repositories/2', owner: 'archivist', attempt: 1, segment: 1 },
      params: { filenames: files.map((file) => file.name), import_type: 'ead_xml' },
      files,
      signal: new AbortController().signal,
      stopping: false,
      resumed,
      log: () => undefined,
      progress: (done, total, message) => recorded.progress.push([done, total, message]),
      checkpoint: async (state) => {
        recorded.checkpoints.push(state);
      },
      wait: () => Promise.reject(new Error('not used')),
      jobParams: () => Promise.reject(new Error('not used')),
      addFile: () => Promise.reject(new Error('not used')),
      recordCreated: () => undefined,
      recordModified: () => undefined,
      archivesspace: backend,
    },
  };
}

/** Runs the job as the service would, against `backend`. */
export function importFiles(
  files: NonNullable<TestOptions['files']>,
  backend: { request(path: string, init: { method: string; body?: string }): Promise<Response> },
  cancel?: TestOptions['cancel'],
): Promise<TestResult> {
  return runForTest(run, {
    job: { id: 31, type: 'import_job' },
    params: { filenames: files.map((file) => file.name), import_type: 'ead_xml' },
    files,
    archivesspace: ({ path, ...init }) => backend.request(path, init),
    ...(cancel && { cancel }),
  });
}

/** The stand-in backend's own batch import, which checks the records by ArchivesSpace's rules, and keeps them. */
export function standIn() {
  const store = openStore();
  return {
    list: (collection: string) => store.listRecords(`/repositories/2/${collection}`),
    async request(_path: string, { body = '' }: { body?: string }): Promise<Response> {
      const messages: unknown[] = [];
      const tell = (message: unknown) => messages.push(message);
      const last = await importBatch({ store, repositoryId: 2, username: 'archivist', body, tell });
      return answer([...messages, last]);
    },
  };
}
