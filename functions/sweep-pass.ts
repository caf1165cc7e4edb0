import { commit, query, read } from '../aws/dynamo.ts';
import { ensureStarted } from '../aws/executions.ts';
import { lastId, readBoard, readJob, readRun } from '../aws/reads.ts';
import { judge } from '../core/ending.ts';
import { type Board, type Hold, isEnded, type Job, type RunningJob, typeIn } from '../core/job.ts';
import { retiredTypeMs, scrubJobs } from '../core/limits.ts';
import { inspect } from '../core/sweep.ts';
import { dropRow, forgetType, keys, readQueueOf, releaseLeft, requeue, settleLost } from '../core/table.ts';
import { endRun, endsOf } from './end.ts';
import { dispatchPass } from './pass.ts';
import type { Service } from './service.ts';

/**
 * Heals what the other two healers lost (design 3.4a): starts what was claimed, ends what nobody obeyed, frees what
 * nobody holds, repairs a slice of the jobs, and makes a dispatch pass. A fault of one job is logged and leaves the
 * others alone.
 *
 * @param until when to stop, in milliseconds since 1970
 * @param all compare all jobs from the next slice on with their queue rows and slots, as after a restore, while time lasts
 */
export async function sweepPass(service: Service, until: number, all = false): Promise<void> {
  const board = await readBoard(service.table);
  const holds = new Map([...board.slots, ...board.locks].map((hold) => [`${hold.job} ${hold.token}`, hold]));
  for (const hold of holds.values())
    await guarded(service, { job: hold.job, type: hold.type }, () => care(service, board, hold));
  for (const type of Object.keys(board.settings.types))
    await guarded(service, { type }, () => forget(service, board, type));
  await guarded(service, {}, () => scrub(service, board, until, all));
  await dispatchPass(service, until);
}

/** One job's fault is not the others'. */
async function guarded(service: Service, fields: Record<string, unknown>, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    service.log.error('The sweep could not repair something, and will try again.', { ...fields, error });
  }
}

async function care(service: Service, board: Board, hold: Hold): Promise<void> {
  const now = service.now();
  // The job first: a run that is read after its job was seen final can begin no more segment.
  const job = await readJob(service.table, hold.job);
  const run = await readRun(service.table, { type: hold.type, id: hold.job });
  const ref = { job: hold.job, type: hold.type, token: hold.token };
  const what = inspect({ hold, job, run }, now);
  switch (what.kind) {
    case 'keep':
      return;
    case 'end':
      await endRun(service, ref, undefined);
      return;
    case 'release': {
      const slots = board.slots.filter((held) => held.token === hold.token).map(({ n }) => n);
      const locks = board.locks.filter((held) => held.token === hold.token).map(({ type }) => type);
      const written = await commit(service.table, releaseLeft(hold, job, slots, locks));
      if (written.done) service.log.warn('Freed a slot or lock that no running job held.', ref);
      return;
    }
    case 'start': {
      const { runner, correlation } = job as RunningJob;
      const execution = await ensureStarted(service.machine, { ...ref, runner, correlation });
      if (execution.state === 'closed') {
        service.log.warn('An execution ended without ending its job.', {
          ...ref,
          status: execution.status,
          correlation,
        });
        await endRun(service, ref, undefined);
      }
      return;
    }
    default:
      what satisfies never;
  }
}

/** A retired type keeps its place until no create under way can add to its queue any more and it is empty. */
async function forget(service: Service, board: Board, type: string): Promise<void> {
  const retired = typeIn(board.settings, type)?.retired;
  if (retired === undefined || service.now() < retired + retiredTypeMs) return;
  for await (const _row of query(service.table, `QUEUE#${type}`, { limit: 1 })) return;
  await commit(service.table, forgetType(type, retired));
}

/**
 * Compares jobs with their queue rows and slots: a point-in-time restore may bring back some writes of a transaction
 * and not others (AWS, "Point-in-time recovery: How it works"). Each sweep does the next few, round and round.
 */
async function scrub(service: Service, board: Board, until: number, all: boolean): Promise<void> {
  const last = await lastId(service.table);
  const from = Number((await read(service.table, keys.scrub, true))?.['at'] ?? 0);
  const to = all ? last : Math.min(last, from + scrubJobs);
  let id = from;
  while (id < to && service.now() < until) {
    id++;
    const job = await readJob(service.table, id);
    if (job) await repair(service, board, job);
  }
  await commit(service.table, { op: 'put', key: keys.scrub, item: { at: id >= last ? 0 : id }, when: [] });
}

async function repair(service: Service, board: Board, job: Job): Promise<void> {
  if (job.status === 'queued') {
    if (!(await read(service.table, keys.queue(job.type, job.id)))) {
      const written = await commit(service.table, requeue(job));
      if (written.done) service.log.warn('Put back the queue row of a queued job.', { job: job.id, type: job.type });
    }
    if (!typeIn(board.settings, job.type)) await commit(service.table, readQueueOf(job.type, service.now()));
  }
  if (isEnded(job) && (await read(service.table, keys.queue(job.type, job.id), true))) {
    await commit(service.table, dropRow(job, job));
  }
  if (job.status === 'running') {
    const slot = await read(service.table, keys.slot(job.slot));
    if (slot?.['token'] === job.token) return;
    const stored = await readRun(service.table, job);
    const run = stored?.token === job.token ? stored : undefined;
    const { outcome, failure } = judge(run, undefined, service.now());
    const ends = await endsOf(service, { job: job.id, type: job.type, token: job.token }, run);
    const written = await commit(
      service.table,
      settleLost(job, run, { outcome, ...(failure && { failure }), ends }, service.now()),
    );
    if (written.done) service.log.warn('Ended a job that was running on no slot.', { job: job.id, type: job.type });
  }
}
