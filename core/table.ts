/**
 * The table, whole: every item, its key, every command that writes it, and what each access costs.
 * WRU/RRU are DynamoDB's request units; a transactional write counts double. Items are below 1 KB except where said.
 *
 * | item     | pk               | sk                | written by                                                  |
 * |----------|------------------|-------------------|-------------------------------------------------------------|
 * | job      | JOB#<id>         | JOB               | service: create, claim, cancel, settle                      |
 * | event    | JOB#<id>         | EVENT#<ms>#<rnd>  | service: what people did (create is on the job itself)      |
 * | queue    | QUEUE#<type>     | <id>              | service: create puts it, claim or cancel deletes it         |
 * | slot     | BOARD            | SLOT#<n>          | service: claim puts it, release deletes it                  |
 * | lock     | BOARD            | LOCK#<type>       | service: claim puts it, release deletes it                  |
 * | settings | BOARD            | SETTINGS          | deploy: limit, types                                        |
 * | counter  | COUNTER          | job               | service: the last id given                                  |
 * | type     | TYPES            | <type>            | deploy: schema and options                                  |
 * | run      | RUN#<type>#<id>  | RUN               | claim puts it; runner: segments, checkpoint, progress, end; service: cancel, interrupt, revoke |
 * | params   | RUN#<type>#<id>  | PARAMS            | service: parameters above 500 B, up to 128 KB               |
 * | free text| RUN#<type>#<id>  | JOB_PARAMS        | service: `job_params` for the runner, where a client sent it |
 * | inputs   | RUN#<type>#<id>  | INPUTS            | service: the uploaded files, one item                       |
 * | log      | RUN#<type>#<id>  | LOG#<offset>      | runner: up to 32 KB of text from that byte on               |
 * | records  | RUN#<type>#<id>  | RECORD#<n>        | runner: up to 100 URIs, created and modified                |
 * | file     | RUN#<type>#<id>  | FILE#<n>          | runner: an output file's name, size, type                   |
 * | attempts | LOGIN#<pair>     | ATTEMPTS          | sign-in: failed logins (core/login-attempts.ts); expires    |
 *
 * Index `by-repo` (gpk REPO#<repo>, gsk <status>#<id>): jobs, in ArchivesSpace's order of status, then id. In it also
 * the queue rows of all types (gpk QUEUE, gsk <id>): how many are older than a job is one query of small entries.
 * Items that expire are in files of their own: core/uploads.ts, core/idempotency.ts, core/login-attempts.ts.
 * So are what stays of a deleted job: core/deletion.ts.
 * What a runner writes is below RUN#<type>#, so that its role can name its own types (design 3.10). It bears the run's
 * token and counts only with the job's own token and up to the ends that the job recorded.
 *
 * | access                        | how                                                    | units                  |
 * |-------------------------------|--------------------------------------------------------|------------------------|
 * | create                        | counter; transaction of 2 (+1 parameters, +1 inputs)   | 7 WRU (2 index)        |
 * | board                         | Query BOARD, consistent                                | 1 RRU per 4 KB         |
 * | heads                         | Query QUEUE#<type>, consistent, first rows             | 1 RRU per type         |
 * | claim                         | transaction of 4, 5 with a lock                        | 11 or 13 WRU (3 index) |
 * | segment, end, progress        | Update, conditional                                    | 1 WRU each             |
 * | log, records, file            | Put if absent                                          | 1 WRU per KB           |
 * | cancel check                  | Get, consistent                                        | 1 RRU                  |
 * | settle and release            | transaction of 2, 3 with a lock, +1 when revoking      | 6 to 10 WRU (2 index)  |
 * | show                          | Get job, Get run                                       | 1 RRU                  |
 * | log from a byte on            | Query backwards for the chunk, then on                 | by what is read        |
 * | list                          | Query index, then BatchGet                             | by what is read        |
 * | queued jobs older than one    | Query index, at most 1,001 entries of about 110 B      | 0.5 to 14 RRU          |
 */
import type { FileRules } from '../schemas/runner-manifest.ts';
import type { DispatchType, Ends, Failure, Hold, Job, Outcome, QueueRow, Run, RunningJob } from './job.ts';
import { noEnds, revoked } from './job.ts';
import type { Item, Key, Transaction, Write } from './writes.ts';

/** The version of all items. Readers accept this and the one before. */
export const itemVersion = 1;

const idDigits = 12;
const pad = (n: number) => String(n).padStart(idDigits, '0');

export const keys = {
  job: (id: number): Key => ({ pk: `JOB#${id}`, sk: 'JOB' }),
  event: (id: number, atMs: number, nonce: string): Key => ({ pk: `JOB#${id}`, sk: `EVENT#${pad(atMs)}#${nonce}` }),
  queue: (type: string, id: number): Key => ({ pk: `QUEUE#${type}`, sk: pad(id) }),
  slot: (n: number): Key => ({ pk: 'BOARD', sk: `SLOT#${n}` }),
  lock: (type: string): Key => ({ pk: 'BOARD', sk: `LOCK#${type}` }),
  settings: { pk: 'BOARD', sk: 'SETTINGS' },
  counter: { pk: 'COUNTER', sk: 'job' },
  scrub: { pk: 'COUNTER', sk: 'scrub' },
  type: (type: string): Key => ({ pk: 'TYPES', sk: type }),
  run: (type: string, id: number, sk = 'RUN'): Key => ({ pk: `RUN#${type}#${id}`, sk }),
  log: (type: string, id: number, offset: number): Key => keys.run(type, id, `LOG#${pad(offset)}`),
  record: (type: string, id: number, n: number): Key => keys.run(type, id, `RECORD#${pad(n)}`),
  file: (type: string, id: number, n: number): Key => keys.run(type, id, `FILE#${pad(n)}`),
} as const;

/** The byte offset, record or file number at the end of a key made above. */
export const numberOf = (sk: string) => Number(sk.slice(sk.indexOf('#') + 1));

/** Where an uploaded file, or an output file of a run, lies in the bucket. */
export const inputPrefix = (type: string, id: number) => `inputs/${type}/${id}/`;
export const runPrefix = (type: string, id: number) => `runs/${type}/${id}/`;
export const inputKey = (type: string, id: number, n: number) => `${inputPrefix(type, id)}${n}`;
/** With the segment: what one that was killed has still on its way does not take the place of the next one's file. */
export const outputKey = (type: string, id: number, token: string, segment: number, n: number) =>
  `${runPrefix(type, id)}${token}/${segment}/${n}`;

/** The index's partition and sort key of a job. */
export const partition = (repo: number) => `REPO#${repo}`;
export const sortKey = (status: string, id: number) => `${status}#${pad(id)}`;

/** Where the index has the queue rows of all types, oldest first. */
export const queuePartition = 'QUEUE';
export const queuePlace = (id: number) => ({ gpk: queuePartition, gsk: pad(id) });

const put = (key: Key, item: Item, when: Write['when'] = [{ item: 'absent' }]): Write => ({
  op: 'put',
  key,
  item,
  when,
});
const owned = (hold: Pick<Hold, 'job' | 'token'>): Write['when'] => [
  { attr: 'job', equals: hold.job },
  { attr: 'token', equals: hold.token },
];

// ---------------------------------------------------------------- people

export interface NewJob {
  readonly id: number;
  readonly repo: number;
  readonly type: string;
  readonly owner: string;
  readonly now: number;
  readonly correlation: string;
  /** JSON text. `apart` puts it into an item of its own. */
  readonly params: string;
  readonly apart: boolean;
  readonly jobParams?: string;
  readonly typeVersion: string;
  /** The job that this one was made from. */
  readonly rerunOf?: number;
  readonly inputs: readonly {
    readonly name: string;
    readonly size: number;
    readonly contentType: string;
    readonly etag: string;
  }[];
}

/** @param also what is to be written with the job or not at all */
export function create(job: NewJob, also: Transaction = []): Transaction {
  const shared = {
    v: itemVersion,
    id: job.id,
    type: job.type,
    repo: job.repo,
    owner: job.owner,
    submitted: job.now,
    correlation: job.correlation,
    params: job.apart ? undefined : job.params,
    inputs: job.inputs.length,
    attempt: 1,
  };
  const writes = [
    put(keys.job(job.id), {
      ...shared,
      status: 'queued',
      mtime: job.now,
      lockVersion: 0,
      jobParams: job.jobParams,
      typeVersion: job.typeVersion,
      rerunOf: job.rerunOf,
      gpk: partition(job.repo),
      gsk: sortKey('queued', job.id),
    }),
    put(keys.queue(job.type, job.id), { ...shared, ...queuePlace(job.id) }),
  ];
  const { type, id } = job;
  if (job.apart) writes.push(put(keys.run(type, id, 'PARAMS'), { v: itemVersion, params: job.params }));
  if (job.jobParams !== undefined)
    writes.push(put(keys.run(type, id, 'JOB_PARAMS'), { v: itemVersion, jobParams: job.jobParams }));
  if (job.inputs.length)
    writes.push(put(keys.run(type, id, 'INPUTS'), { v: itemVersion, files: job.inputs.map((file) => ({ ...file })) }));
  return [...writes, ...also];
}

export function cancelQueued(job: Job, by: string, now: number): Transaction {
  return [
    {
      op: 'update',
      key: keys.job(job.id),
      set: {
        status: 'canceled',
        finished: now,
        mtime: now,
        canceledBy: by,
        cancelRequested: now,
        gsk: sortKey('canceled', job.id),
      },
      add: { lockVersion: 1 },
      when: [{ attr: 'status', equals: 'queued' }],
    },
    { op: 'delete', key: keys.queue(job.type, job.id), when: [] },
  ];
}

export function requestCancel(job: RunningJob, by: string, now: number): Transaction {
  return [
    {
      op: 'update',
      key: keys.job(job.id),
      set: { cancelRequested: now, canceledBy: by, mtime: now },
      add: { lockVersion: 1 },
      when: [...underToken(job.token), { attr: 'cancelRequested', is: 'missing' }],
    },
    {
      op: 'update',
      key: keys.run(job.type, job.id),
      set: { cancelAt: now },
      when: [{ attr: 'token', equals: job.token }],
    },
  ];
}

/** Notes what a person did. Never refused: the nonce makes the key new. */
export function event(id: number, atMs: number, nonce: string, what: Item): Transaction {
  return [put(keys.event(id, atMs, nonce), { v: itemVersion, at: atMs, ...what })];
}

// ---------------------------------------------------------------- dispatch

export interface Claim {
  readonly row: QueueRow;
  readonly slot: number;
  readonly token: string;
  readonly type: DispatchType;
  readonly now: number;
}

/** Which write of a claim stands where: a refusal is read by these. */
export const claimParts = { job: 0, slot: 1, run: 2, queue: 3, lock: 4 } as const;

/** Takes a slot and the type's lock, and moves the job from queued to running under a new token. */
export function claim({ row, slot, token, type, now }: Claim): Transaction {
  const hold = { v: itemVersion, job: row.id, type: row.type, repo: row.repo, token, since: now };
  const writes: Write[] = [
    {
      op: 'update',
      key: keys.job(row.id),
      set: {
        status: 'running',
        started: now,
        mtime: now,
        token,
        slot,
        runner: type.runner,
        gsk: sortKey('running', row.id),
      },
      add: { lockVersion: 1 },
      when: [{ attr: 'status', equals: 'queued' }],
    },
    put(keys.slot(slot), { ...hold, n: slot }),
    put(keys.run(row.type, row.id), {
      v: itemVersion,
      id: row.id,
      type: row.type,
      token,
      segment: 0,
      open: false,
      graceSeconds: type.graceSeconds,
      limitAt: type.timeLimitSeconds === undefined ? undefined : now + type.timeLimitSeconds * 1000,
      repo: row.repo,
      owner: row.owner,
      correlation: row.correlation,
      params: row.params,
      inputs: row.inputs,
      attempt: row.attempt,
      resumable: type.resumable || undefined,
      retries: type.retries || undefined,
      ends: { ...noEnds },
    }),
    { op: 'delete', key: keys.queue(row.type, row.id), when: [{ item: 'present' }] },
  ];
  if (!type.concurrent) writes.push(put(keys.lock(row.type), hold));
  return writes;
}

/** Ends a job that can never run. */
export function failQueued(row: QueueRow, failure: Failure, now: number): Transaction {
  return [
    {
      op: 'update',
      key: keys.job(row.id),
      set: {
        status: 'failed',
        finished: now,
        mtime: now,
        failure: { ...failure },
        gsk: sortKey('failed', row.id),
      },
      add: { lockVersion: 1 },
      when: [{ attr: 'status', equals: 'queued' }],
    },
    { op: 'delete', key: keys.queue(row.type, row.id), when: [] },
  ];
}

// ---------------------------------------------------------------- the run

type RunId = Pick<Run, 'type' | 'id' | 'token'>;
const underToken = (token: string): Write['when'] => [
  { attr: 'status', equals: 'running' },
  { attr: 'token', equals: token },
];
const inSegment = (run: RunId, segment: number): Write['when'] => [
  { attr: 'token', equals: run.token },
  { attr: 'segment', equals: segment },
  { attr: 'open', equals: true },
];

/** Claims exactly this segment before its body runs, so that a repeated invocation is refused (design 3.5). */
export function claimSegment(run: RunId, segment: number, claimId: string, deadlineMs: number): Write {
  return {
    op: 'update',
    key: keys.run(run.type, run.id),
    set: { segment, open: true, claim: claimId, deadline: deadlineMs },
    when: [
      { attr: 'token', equals: run.token },
      { attr: 'segment', equals: segment - 1 },
      { attr: 'open', equals: false },
      { attr: 'end', is: 'missing' },
    ],
  };
}

export function saveProgress(run: RunId, segment: number, progress: NonNullable<Run['progress']>): Write {
  return {
    op: 'update',
    key: keys.run(run.type, run.id),
    set: { progress: { ...progress } },
    when: inSegment(run, segment),
  };
}

/** What a run goes on from. */
export interface Checkpoint {
  /** JSON text; absent = the state stays as it was last saved. */
  readonly state?: string;
  /** The runner's own version of its states, where that is not 1. */
  readonly stateVersion?: number;
  readonly ends: Ends;
  /** How many segments in a row broke off without a new state. */
  readonly interruptions?: number;
}

const checkpointed = ({ state, stateVersion, ends, interruptions }: Checkpoint): Item => ({
  ...(state !== undefined && { state, stateVersion }),
  ends: { ...ends },
  interruptions: interruptions || undefined,
});

/**
 * Saves the state of a run that goes on in the same segment. A request that was given up and arrives after all must not
 * put an older state in place of a newer one, hence the number of saves before this one.
 */
export function saveState(run: RunId & Pick<Run, 'saves'>, segment: number, checkpoint: Checkpoint): Write {
  return {
    op: 'update',
    key: keys.run(run.type, run.id),
    set: { ...checkpointed(checkpoint), saves: (run.saves ?? 0) + 1 },
    when: [
      ...inSegment(run, segment),
      run.saves ? { attr: 'saves', equals: run.saves } : { attr: 'saves', is: 'missing' },
    ],
  };
}

export interface Closing extends Checkpoint {
  /** The next segment is to begin even if the job is canceled meanwhile, to pass the cancel on. */
  readonly heedsCancel?: boolean;
  /** The next segment is another attempt. */
  readonly attempt?: number;
}

/** The segment is over and another one follows. */
export function closeSegment(run: RunId, segment: number, { heedsCancel, attempt, ...checkpoint }: Closing): Write {
  return {
    op: 'update',
    key: keys.run(run.type, run.id),
    set: {
      open: false,
      ...checkpointed(checkpoint),
      heedsCancel: heedsCancel || undefined,
      ...(attempt !== undefined && { attempt }),
    },
    when: inSegment(run, segment),
  };
}

/**
 * Closes a segment that broke off, for whoever saw its end, so that the next one goes on from the last checkpoint. Only
 * while the run stands where it was seen and nobody has canceled the job. A segment that died before it was claimed
 * counts as used: no number is invoked for two reasons, so that a witness says which of them it saw.
 *
 * @param broke the segment that broke off
 */
export function interrupt(
  run: RunId & Pick<Run, 'segment' | 'open' | 'interruptions'>,
  reason: string,
  interruptions: number,
  broke = run.segment,
): Write {
  return {
    op: 'update',
    key: keys.run(run.type, run.id),
    set: { segment: broke, open: false, interruptions, interruption: { segment: broke, reason } },
    when: [
      { attr: 'token', equals: run.token },
      { attr: 'segment', equals: run.segment },
      { attr: 'open', equals: run.open },
      { attr: 'end', is: 'missing' },
      { attr: 'cancelAt', is: 'missing' },
      run.interruptions === undefined
        ? { attr: 'interruptions', is: 'missing' }
        : { attr: 'interruptions', equals: run.interruptions },
    ],
  };
}

/** The runner's own word on how the job ended. */
export function endRun(
  run: RunId,
  segment: number,
  end: NonNullable<Run['end']>,
  ends: Ends,
  progress?: Run['progress'],
): Write {
  return {
    op: 'update',
    key: keys.run(run.type, run.id),
    set: {
      open: false,
      end: { outcome: end.outcome, failure: end.failure && { ...end.failure } },
      ends: { ...ends },
      ...(progress && { progress: { ...progress } }),
    },
    when: inSegment(run, segment),
  };
}

/** A log chunk, a chunk of records or an output file, put if absent under its place in the run. */
export function append(key: Key, token: string, segment: number, what: Item): Write {
  return put(key, { v: itemVersion, token, segment, ...what });
}

/** Puts an output file in place of one that an earlier segment of the run added after its last checkpoint. */
export function writeOver(key: Key, token: string, segment: number, earlier: number, what: Item): Write {
  return put(key, { v: itemVersion, token, segment, ...what }, [
    { attr: 'token', equals: token },
    { attr: 'segment', equals: earlier },
  ]);
}

// ---------------------------------------------------------------- the end

export interface Settlement {
  readonly outcome: Outcome;
  readonly failure?: Failure;
  readonly ends: Ends;
}

/** Makes a running job final. */
export function settle(run: Pick<Run, 'id' | 'token'>, { outcome, failure, ends }: Settlement, now: number): Write {
  return {
    op: 'update',
    key: keys.job(run.id),
    set: {
      status: outcome,
      finished: now,
      mtime: now,
      failure: failure && { ...failure },
      ends: { ...ends },
      gsk: sortKey(outcome, run.id),
    },
    add: { lockVersion: 1 },
    when: underToken(run.token),
  };
}

/** Takes the run's token away. With `seen`, only as long as the run stands where it was seen: no segment slips in between. */
export function revoke(run: RunId, seen?: Pick<Run, 'segment' | 'open'>): Write {
  return {
    op: 'update',
    key: keys.run(run.type, run.id),
    set: { token: revoked },
    when: [
      { attr: 'token', equals: run.token },
      ...(seen
        ? ([
            { attr: 'segment', equals: seen.segment },
            { attr: 'open', equals: seen.open },
          ] as const)
        : []),
    ],
  };
}

/** Frees a slot and a lock, only if this job holds it under this token. */
export const releaseSlot = (n: number, hold: Pick<Hold, 'job' | 'token'>): Write => ({
  op: 'delete',
  key: keys.slot(n),
  when: owned(hold),
});
export const releaseLock = (type: string, hold: Pick<Hold, 'job' | 'token'>): Write => ({
  op: 'delete',
  key: keys.lock(type),
  when: owned(hold),
});

/**
 * Frees what an ended job left behind, only while the job stands as it was seen. The check makes this wait for a claim
 * of the job that is under way and of which only the slot can be seen yet: reads are not isolated from transactions
 * (AWS, "Amazon DynamoDB Transactions: How it works").
 */
export function releaseLeft(
  hold: Pick<Hold, 'job' | 'token'>,
  job: Job | undefined,
  slots: readonly number[],
  locks: readonly string[],
): Transaction {
  const stands: Write['when'] = !job
    ? [{ item: 'absent' }]
    : [
        { attr: 'status', equals: job.status },
        ...(job.status === 'running' ? [{ attr: 'token', differs: hold.token } as const] : []),
      ];
  return [
    { op: 'check', key: keys.job(hold.job), when: stands },
    ...slots.map((n) => releaseSlot(n, hold)),
    ...locks.map((type) => releaseLock(type, hold)),
  ];
}

// ---------------------------------------------------------------- repair (a restore may tear transactions)

/** Puts back the queue row of a job that is queued without one. */
export function requeue(job: Job): Transaction {
  const { id, type, repo, owner, submitted, correlation, params, inputs, attempt } = job;
  return [
    { op: 'check', key: keys.job(id), when: [{ attr: 'status', equals: 'queued' }] },
    put(keys.queue(type, id), {
      v: itemVersion,
      id,
      type,
      repo,
      owner,
      submitted,
      correlation,
      params,
      inputs,
      attempt,
      ...queuePlace(id),
    }),
  ];
}

/** Deletes a queue row whose job is not queued. */
export function dropRow(row: Pick<QueueRow, 'id' | 'type'>, job: Job | undefined): Transaction {
  return [
    { op: 'check', key: keys.job(row.id), when: job ? [{ attr: 'status', equals: job.status }] : [{ item: 'absent' }] },
    { op: 'delete', key: keys.queue(row.type, row.id), when: [] },
  ];
}

/** Ends a job that is running, but holds no slot. `run` is its run, where that still bears the token. */
export function settleLost(job: RunningJob, run: Run | undefined, settlement: Settlement, now: number): Transaction {
  return [
    settle(job, settlement, now),
    { op: 'check', key: keys.slot(job.slot), when: [{ attr: 'token', differs: job.token }] },
    ...(run ? [revoke(run)] : []),
  ];
}

/** Gives a type whose jobs are queued, but whose queue nobody reads, a place among the queues, so that they fail. */
export const readQueueOf = (type: string, now: number): Write => ({
  op: 'update',
  key: keys.settings,
  set: { [`types.${type}`]: { runner: '', concurrent: true, graceSeconds: 0, version: '', retired: now } },
  when: [{ attr: `types.${type}`, is: 'missing' }],
});

// ---------------------------------------------------------------- deploy

export interface RegisteredType {
  readonly type: string;
  /** JSON text of the schema. */
  readonly schema: string;
  readonly version: string;
  readonly hidden: boolean;
  readonly createPermissions: readonly string[];
  readonly cancelPermissions: readonly string[];
  /** Who registered it: the name of the runner's folder, or of a stack and the folder there. */
  readonly owner: string;
  /** The stack of its own that registered it (functions/registration.ts); absent where that is the service's. */
  readonly stack?: string;
  /** JSON text of its title, description, hints and translations (`Presentation`); absent where the schema says it all. */
  readonly presentation?: string;
  readonly files?: FileRules;
  readonly dispatch: DispatchType;
}

/** The settings item has to be there before a type can be added to it. */
export const firstSettings = (limit: number): Write =>
  put(keys.settings, { v: itemVersion, limit, paused: false, types: {} });

export const setLimit = (limit: number): Write => ({
  op: 'update',
  key: keys.settings,
  set: { limit },
  when: [{ item: 'present' }],
});

/** Registers a type, or changes its registration; refused when its owner is not the known one any more. */
export function registerType(type: RegisteredType, known: { readonly owner: string } | undefined): Transaction {
  const { dispatch, createPermissions, cancelPermissions, files, ...rest } = type;
  return [
    put(
      keys.type(type.type),
      {
        v: itemVersion,
        ...rest,
        createPermissions: [...createPermissions],
        cancelPermissions: [...cancelPermissions],
        ...(files && { files: { ...files } }),
      },
      known ? [{ attr: 'owner', equals: known.owner }] : [{ item: 'absent' }],
    ),
    { op: 'update', key: keys.settings, set: { [`types.${type.type}`]: { ...dispatch } }, when: [{ item: 'present' }] },
  ];
}

/** Takes a type out of the registry. Its place among the queues stays until its jobs have failed. */
export function retireType(type: string, owner: string, now: number): Transaction {
  return [
    { op: 'delete', key: keys.type(type), when: [{ attr: 'owner', equals: owner }] },
    { op: 'update', key: keys.settings, set: { [`types.${type}.retired`]: now }, when: [{ item: 'present' }] },
  ];
}

/** Forgets a retired type, unless it was registered again. */
export const forgetType = (type: string, retired: number): Write => ({
  op: 'update',
  key: keys.settings,
  set: { [`types.${type}`]: undefined },
  when: [{ attr: `types.${type}.retired`, equals: retired }],
});
