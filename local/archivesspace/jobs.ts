/**
 * The stand-in's own background jobs: a queue with two threads and one job of a type at a time, as the original has it
 * (backend/app/lib/background_job_queue.rb). Jobs are kept in memory; it runs `print_to_pdf_job` and
 * `container_labels_job`, and refuses the others as the original refuses a type without a runner.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { makePdf } from './pdf.ts';
import { refOf, type Store, type StoredRecord } from './store.ts';

export interface StandInJob {
  readonly id: number;
  readonly repositoryId: number;
  readonly type: string;
  readonly owner: string;
  readonly job: Readonly<Record<string, unknown>>;
  /** As the client sent it. */
  readonly jobParams: string | undefined;
  readonly submitted: Date;
  status: 'queued' | 'running' | 'completed' | 'canceled' | 'failed';
  started?: Date;
  finished?: Date;
  lockVersion: number;
  mtime: Date;
  log: Buffer;
  /** Those that were uploaded, then those that it made. */
  readonly files: { readonly id: number; readonly bytes: Uint8Array }[];
  /** URIs, oldest first. */
  readonly records: string[];
}

/** Called while a job runs, after its first line: it may be held there, and fails when this throws. */
export type OnJob = (job: StandInJob) => Promise<void> | void;

interface Work {
  readonly job: StandInJob;
  readonly store: Store;
  /** Where tests hold or fail it. */
  hold(): Promise<void>;
  say(line: string): void;
  addFile(bytes: Uint8Array): void;
}

const THREADS = 2;
const LABEL_COLUMNS = ['Repository', 'Resource Title', 'Container'];
const RUNNERS: Readonly<Record<string, (work: Work) => Promise<void>>> = {
  print_to_pdf_job: printToPdf,
  container_labels_job: labels,
};

export interface StandInJobs {
  /** Undefined when no runner is registered for the type. */
  add(
    job: Pick<StandInJob, 'repositoryId' | 'type' | 'owner' | 'job' | 'jobParams'>,
    uploads: readonly Uint8Array[],
  ): StandInJob | undefined;
  get(repositoryId: number, id: number): StandInJob | undefined;
  list(repositoryId: number): readonly StandInJob[];
  /** As the original: a running job is canceled at once by its word, and its work goes on. */
  cancel(job: StandInJob): void;
  delete(job: StandInJob): void;
  /** Queued jobs of all repositories before this one. */
  position(job: StandInJob): number;
  readonly types: readonly string[];
}

export function openJobs(store: Store, onJob: OnJob): StandInJobs {
  const jobs = new Map<number, StandInJob>();
  const working = new Set<StandInJob>();
  let lastId = 0;
  let lastFile = 0;

  const addFile = (job: StandInJob, bytes: Uint8Array) => job.files.push({ id: ++lastFile, bytes });
  const queued = () => [...jobs.values()].filter(({ status }) => status === 'queued');
  const change = (job: StandInJob, status: StandInJob['status']) => {
    job.status = status;
    job.lockVersion++;
    job.mtime = new Date();
  };

  function startWhatMay(): void {
    for (const job of queued()) {
      if (working.size >= THREADS) return;
      // By the word of the jobs, not by what still works: the original's own rule.
      if ([...jobs.values()].some(({ status, type }) => status === 'running' && type === job.type)) continue;
      job.started = new Date();
      change(job, 'running');
      working.add(job);
      void runOne(job);
    }
  }

  async function runOne(job: StandInJob): Promise<void> {
    let failed = false;
    const say = (line: string) => {
      job.log = Buffer.concat([job.log, Buffer.from(`${line}\n`)]);
    };
    try {
      await turn();
      await RUNNERS[job.type]?.({
        job,
        store,
        hold: async () => onJob(job),
        say,
        addFile: (bytes) => void addFile(job, bytes),
      });
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
      failed = true;
    }
    job.finished = new Date();
    // What was canceled meanwhile stays canceled, whatever its work has saved.
    if (job.status === 'running') change(job, failed ? 'failed' : 'completed');
    working.delete(job);
    startWhatMay();
  }

  return {
    add(wanted, uploads) {
      if (!Object.hasOwn(RUNNERS, wanted.type)) return undefined;
      const now = new Date();
      const job: StandInJob = {
        ...wanted,
        id: ++lastId,
        submitted: now,
        status: 'queued',
        lockVersion: 0,
        mtime: now,
        log: Buffer.alloc(0),
        files: uploads.map((bytes) => ({ id: ++lastFile, bytes })),
        records: [],
      };
      jobs.set(job.id, job);
      setImmediate(startWhatMay);
      return job;
    },
    get: (repositoryId, id) => {
      const job = jobs.get(id);
      return job?.repositoryId === repositoryId ? job : undefined;
    },
    list: (repositoryId) => [...jobs.values()].filter((job) => job.repositoryId === repositoryId),
    cancel(job) {
      if (job.status === 'queued' || job.status === 'running') change(job, 'canceled');
      startWhatMay();
    },
    delete: (job) => void jobs.delete(job.id),
    position: (job) => queued().filter(({ id }) => id < job.id).length,
    types: Object.keys(RUNNERS),
  };
}

async function printToPdf({ job, store, hold, say, addFile }: Work): Promise<void> {
  const resource = sourceOf(job, store);
  say(`Generating PDF for ${resource['title']}  (“${String(resource['id_0'] ?? resource.uri)}”)`);
  await hold();
  const all = job.job['include_unpublished'] === true;
  const shows = (record: StoredRecord) => all || record['publish'] !== false;
  const lines: string[] = [];
  const add = (record: StoredRecord, depth: number) => {
    // An unpublished resource has a PDF as well.
    if (depth > 0 && !shows(record)) return;
    const uri = job.job['include_uris'] === true ? `  ${record.uri}` : '';
    lines.push(`${'  '.repeat(depth)}${String(record['title'] ?? '')}${uri}`);
    for (const child of store.listChildren(record.uri)) {
      const below = store.getRecord(child);
      if (below) add(below, depth + 1);
    }
  };
  add(resource, 0);
  addFile(makePdf(String(resource['title']), lines));
  say(`File generated at /archivesspace/data/tmp/${job.id}.pdf`);
  say('All done. Please click refresh to view your download link.');
}

async function labels({ job, store, hold, say, addFile }: Work): Promise<void> {
  const resource = sourceOf(job, store);
  say(`Generating container labels for ${resource['title']}`);
  await hold();
  const containers = new Set<string>();
  const visit = (record: StoredRecord) => {
    for (const instance of Array.isArray(record['instances']) ? record['instances'] : []) {
      const container = refOf(instance?.sub_container?.top_container);
      if (container) containers.add(container);
    }
    for (const child of store.listChildren(record.uri)) {
      const below = store.getRecord(child);
      if (below) visit(below);
    }
  };
  visit(resource);
  const rows = [...containers].map((uri) => {
    const container = store.getRecord(uri);
    const name = [container?.['type'], container?.['indicator']].filter(Boolean).join(' ');
    return [`/repositories/${job.repositoryId}`, resource['title'], name].join('\t');
  });
  addFile(Buffer.from(`${[LABEL_COLUMNS.join('\t'), ...rows].join('\n')}\n`));
  say('All done. Please click refresh to view your download link.');
}

function sourceOf({ job }: StandInJob, store: Store): StoredRecord {
  const record = store.getRecord(String(job['source']));
  if (record?.jsonmodel_type !== 'resource') throw new Error(`RecordNotFound: ${String(job['source'])}`);
  return record;
}
