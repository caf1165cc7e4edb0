import { read, type Table } from '../aws/dynamo.ts';
import { readBoard, readJob } from '../aws/reads.ts';
import { deleteVersions, type Lambda, versionOf } from '../aws/versions.ts';
import { fromItem, type Settings } from '../core/job.ts';
import { keys } from '../core/table.ts';

/** The runners that types are registered with at this moment; none before the first deploy. */
export async function registeredRunners(table: Table): Promise<readonly string[]> {
  const settings = await read(table, keys.settings);
  return settings ? Object.values(fromItem<Settings>(settings).types).map(({ runner }) => runner) : [];
}

/**
 * Deletes the versions of a runner's function that nobody needs any more: not the one that is registered, not the one
 * that was until now, and none that a job with a slot runs on. Returns which ones went.
 *
 * @param runner ARN of the version that was just registered; of a function without one nothing is deleted
 * @param before what was registered until now: a dispatcher that read the board a moment ago still claims for it, and a
 *   deploy that is rolled back registers it again
 */
export async function tidyVersions(
  table: Table,
  lambda: Lambda,
  runner: string,
  before: readonly string[],
): Promise<readonly string[]> {
  const registered = versionOf(runner);
  if (!registered) return [];
  const { slots, settings } = await readBoard(table);
  const jobs = await Promise.all(slots.map(({ job }) => readJob(table, job)));
  const held = jobs.flatMap((job) => (job && job.status !== 'queued' && job.runner ? [job.runner] : []));
  const needed = [runner, ...before, ...held, ...Object.values(settings.types).map((type) => type.runner)];
  const versions = needed.map(versionOf).filter((named) => named?.functionName === registered.functionName);
  return deleteVersions(lambda, registered.functionName, new Set(versions.map((named) => named?.version ?? '')));
}
