/** Runs a job by creating the same job in ArchivesSpace, as its owner, and bringing over what becomes of it. */
import { setTimeout as pause } from 'node:timers/promises';
import type { JobContext, Run } from '../sdk/context.ts';
import {
  type BackendJob,
  type Canceling,
  cancelBackendJob,
  createBackendJob,
  isOurs,
  messageOf,
  NoAnswer,
  readBackendJob,
} from './backend-job.ts';
import { type Progress, relayFiles, relayLog, relayRecords } from './relay.ts';

export interface Pace {
  readonly lookEveryMs: number;
  /** How long the first segment looks; later ones look once. Then the job waits, and no Lambda is held. */
  readonly lookForMs: number;
  readonly firstWaitSeconds: number;
  readonly longestWaitSeconds: number;
  /** After a cancel: how long to wait for the job's end in ArchivesSpace. With a wait it must fit into the type's grace. */
  readonly stopForMs: number;
  /** How long ArchivesSpace may give no usable answer before the job fails. */
  readonly silenceMs: number;
}

/** A job that was canceled while it ran has finished when its work returned; of a lost one that is never said. */
const workEndsMs = 10 * 60_000;

/**
 * The `run` of types that ArchivesSpace runs itself. The job there is created once; a segment that follows goes on from
 * what the one before has saved, and brings nothing over twice.
 */
export const delegate =
  (pace: Pace): Run =>
  async (ctx) => {
    const resumed = ctx.resumed as Progress | undefined;
    if (resumed === undefined && ctx.signal.aborted) {
      ctx.log('Nothing was sent to ArchivesSpace.');
      return;
    }
    const progress = resumed ?? (await begin(ctx));
    const until = performance.now() + (resumed === undefined ? pace.lookForMs : 0);
    for (;;) {
      if (ctx.stopping) return stop(ctx, progress, pace);
      // Near the end of the invocation this does not return.
      if (ctx.signal.aborted) await ctx.checkpoint(progress);
      if (await isDone(ctx, progress, pace)) return;
      if (performance.now() >= until && !ctx.signal.aborted) {
        const seconds = Math.min(pace.longestWaitSeconds, Math.ceil(pace.firstWaitSeconds * 1.5 ** progress.waits));
        progress.waits++;
        await ctx.wait(seconds, progress, { onCancel: 'resume' });
      }
      await pause(pace.lookEveryMs, undefined, { signal: ctx.signal }).catch(() => {});
    }
  };

async function begin(ctx: JobContext): Promise<Progress> {
  ctx.log(`Asking ArchivesSpace to run this job, as ${ctx.job.owner}.`);
  const job = { ...withReplacement(ctx), jsonmodel_type: ctx.job.type };
  const uri = await createBackendJob(ctx, job, await ctx.jobParams());
  ctx.log(`ArchivesSpace runs it as ${uri}.`);
  if (await isOurs(ctx, uri)) {
    await cancelBackendJob(ctx, uri).catch(() => {});
    throw new Error(
      'The address of ArchivesSpace in the settings (archivesspace_url) leads back to this service. It must be that of the backend itself.',
    );
  }
  const progress: Progress = { uri, log: 0, files: [], records: 0, status: '', waits: 0 };
  await ctx.checkpoint(progress);
  return progress;
}

/**
 * ArchivesSpace drops an empty `replace` and then misses it. `\9` in a replacement stands for what a ninth group of the
 * expression matched, and without such a group for nothing (Ruby, String#gsub).
 */
function withReplacement({ job, params }: JobContext): Readonly<Record<string, unknown>> {
  if (job.type !== 'find_and_replace_job' || params['replace'] !== '') return params;
  const find = String(params['find']);
  if (find.split('(').length > 9)
    throw new Error('ArchivesSpace cannot delete what an expression with nine groups finds: use fewer groups.');
  return { ...params, replace: '\\9' };
}

/** Looks once. True when the job has ended and everything is brought over; throws when it failed. */
async function isDone(ctx: JobContext, progress: Progress, pace: Pace): Promise<boolean> {
  try {
    const job = await readBackendJob(ctx, progress.uri);
    const isOver = hasEnded(progress, job);
    if (!isOver) tell(ctx, progress, job);
    await relayLog(ctx, progress, isOver);
    if (isOver) {
      tell(ctx, progress, job);
      await relayResults(ctx, progress);
    }
    delete progress.silentSince;
    if (!isOver) return false;
    if (job.status === 'completed') {
      ctx.progress(1, 1, 'completed in ArchivesSpace');
      return true;
    }
    throw new Error(
      job.status === 'failed'
        ? `ArchivesSpace could not do this job (${progress.uri}); its log says why.`
        : `The job was canceled in ArchivesSpace (${progress.uri}): by somebody there, or because its backend was restarted.`,
    );
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    if (progress.silentSince === undefined) ctx.log(`${error.message}; looking again.`);
    progress.silentSince ??= Date.now();
    if (Date.now() - progress.silentSince < pace.silenceMs) return false;
    const minutes = Math.round(pace.silenceMs / 60_000);
    throw new Error(
      `ArchivesSpace has not answered for ${minutes} minutes. Its job ${progress.uri} may still be running there. Last: ${error.message}`,
    );
  }
}

async function relayResults(ctx: JobContext, progress: Progress): Promise<void> {
  const save = () => ctx.checkpoint(progress);
  await relayFiles(ctx, progress, save);
  await relayRecords(ctx, progress, save);
}

function tell(ctx: JobContext, progress: Progress, { status, queuePosition }: BackendJob): void {
  const before = queuePosition === undefined ? '' : `, ${queuePosition} before it`;
  ctx.progress(0, 1, `${status} in ArchivesSpace${before}`);
  if (status === progress.status) return;
  progress.status = status;
  ctx.log(`In ArchivesSpace the job is ${status}${before}.`);
}

/** A job canceled there while it ran says so at once, and has finished when its work returns. */
function hasEnded(progress: Progress, { status, hasStarted, hasFinished }: BackendJob): boolean {
  if (status === 'completed' || status === 'failed') return true;
  if (status !== 'canceled') return false;
  progress.canceledAt ??= Date.now();
  return hasFinished || !hasStarted || Date.now() - progress.canceledAt > workEndsMs;
}

/** Passes a cancel on, waits a while for the end, and says what became of the work. */
async function stop(ctx: JobContext, progress: Progress, pace: Pace): Promise<void> {
  const until = performance.now() + pace.stopForMs;
  const { uri } = progress;
  let asked: Canceling | undefined;
  let last: BackendJob | undefined;
  let trouble = '';
  let isOver = false;
  for (;;) {
    try {
      asked ??= await cancelBackendJob(ctx, uri);
      if (asked !== 'asked') break;
      last = await readBackendJob(ctx, uri);
      isOver = hasEnded(progress, last);
      await relayLog(ctx, progress, isOver);
      if (isOver) break;
      trouble = '';
    } catch (error) {
      trouble = messageOf(error);
      if (!(error instanceof NoAnswer)) break;
    }
    if (performance.now() >= until) break;
    await pause(pace.lookEveryMs);
  }
  if (isOver) {
    // The job is canceled here whatever comes: what it made there is still worth knowing.
    await relayResults(ctx, progress).catch((error: unknown) => ctx.log(messageOf(error)));
  }
  ctx.log(verdict(ctx, uri, asked, isOver ? last : undefined, trouble));
}

function verdict(
  { job: { owner } }: JobContext,
  uri: string,
  asked: Canceling | undefined,
  end: BackendJob | undefined,
  trouble: string,
): string {
  const stays = 'What it had saved by then stays in ArchivesSpace.';
  if (asked === undefined)
    return `ArchivesSpace could not be asked to cancel its job ${uri}, which may go on there: ${trouble}`;
  if (asked === 'gone') return `The job ${uri} is no longer in ArchivesSpace. ${stays}`;
  if (asked === 'refused')
    return `ArchivesSpace does not let ${owner}, who owns the job, cancel it: ${uri} goes on there, and what it does is not undone.`;
  if (end === undefined) {
    return `ArchivesSpace was asked to cancel its job ${uri}, but its work has not ended${trouble && ` (${trouble})`}. ArchivesSpace does not break off work that has begun: what it still saves is not undone.`;
  }
  if (end.status !== 'canceled') return `Before the cancel reached it, the job ${uri} had ${end.status}. ${stays}`;
  return end.hasStarted
    ? `ArchivesSpace has ended the canceled job ${uri}. ${stays}`
    : `ArchivesSpace had not begun with the job ${uri}: nothing was done.`;
}
