import { query, read, type Table } from '../../aws/dynamo.ts';
import { readJob } from '../../aws/reads.ts';
import { tombstone } from '../../core/deletion.ts';
import { Refusal } from '../../core/errors.ts';
import { isEnded, type Job } from '../../core/job.ts';
import { keys } from '../../core/table.ts';
import type { EventsReply, JobEvent } from '../../schemas/extensions.ts';
import { failureOf, uriOf } from './brief.ts';
import type { Handler } from './http.ts';
import { jobTime } from './wire.ts';

interface Happened {
  readonly at: number;
  readonly event: JobEvent;
}

/**
 * GET /repositories/:repo_id/jobs/:id/events: what became of a job, in order. Of a deleted job it still says who
 * deleted it, and what people did before; nobody else's route finds it.
 */
export const jobEvents =
  (table: Table): Handler =>
  async ({ repo, id }) => {
    const [job, noted] = await Promise.all([readJob(table, id), notedOf(table, id)]);
    const found = job ?? (await read(table, tombstone(id)));
    if (!found || found.repo !== repo) throw new Refusal({ code: 'not_found', what: 'Job not found' });
    // The note of a cancel is written with the cancel; the job itself says who asked first.
    const events = job ? [...lifeOf(job), ...noted.filter(({ event }) => event.event === 'deleted')] : noted;
    return { json: { events: events.sort((a, b) => a.at - b.at).map(({ event }) => event) } satisfies EventsReply };
  };

/** In the order in which it must have been, where times are equal. */
function lifeOf(job: Job): Happened[] {
  const failure = failureOf(job);
  const { rerunOf } = job;
  const events: Happened[] = [
    {
      at: job.submitted,
      event: {
        event: 'created',
        time: jobTime(job.submitted),
        by: job.owner,
        ...(rerunOf !== undefined && { rerun_of: uriOf(job.repo, rerunOf) }),
      },
    },
  ];
  if ('started' in job && job.started !== undefined)
    events.push({ at: job.started, event: { event: 'started', time: jobTime(job.started) } });
  if (job.cancelRequested !== undefined) events.push(canceled(job.cancelRequested, job.canceledBy ?? ''));
  if (isEnded(job)) {
    const time = jobTime(job.finished);
    events.push({
      at: job.finished,
      event: { event: 'finished', time, status: job.status, ...(failure && { failure }) },
    });
  }
  return events;
}

const canceled = (at: number, by: string): Happened => ({
  at,
  event: { event: 'cancel_requested', time: jobTime(at), by },
});

async function notedOf(table: Table, id: number): Promise<Happened[]> {
  const events: Happened[] = [];
  for await (const item of query(table, keys.job(id).pk, { from: 'EVENT#', to: 'EVENT#~' })) {
    const [at, by] = [Number(item['at']), String(item['by'])];
    if (item['what'] === 'cancel') events.push(canceled(at, by));
    if (item['what'] === 'delete') events.push({ at, event: { event: 'deleted', time: jobTime(at), by } });
  }
  return events;
}
