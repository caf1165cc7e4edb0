import type { ExtensionStatus, JobBrief, TypeEntry } from '../../schemas/extensions.ts';
import { say } from '../words/say.ts';

/** The title of a type, else its name made readable. */
export const titleOf = (type: string, types: readonly Pick<TypeEntry, 'type' | 'title'>[] | undefined): string =>
  types?.find((entry) => entry.type === type)?.title ?? readable(type.replace(/_job$/, ''));

/** `seconds_each` → `Seconds each` */
export function readable(name: string): string {
  const words = name.replaceAll(/[_-]+/g, ' ').trim();
  return words.charAt(0).toLocaleUpperCase() + words.slice(1);
}

/** A running job that was canceled is stopping. */
export const isStopping = ({ status, cancel_requested }: Pick<JobBrief, 'status' | 'cancel_requested'>) =>
  status === 'running' && cancel_requested !== undefined;

export const statusText = (job: Pick<JobBrief, 'status' | 'cancel_requested'>): string =>
  isStopping(job) ? say('status.stopping') : say(`status.${job.status}`);

export const hasEnded = (status: ExtensionStatus): boolean => status !== 'queued' && status !== 'running';

/** Where a job's page is, from its uri: `/repositories/2/jobs/12`. Addresses of jobs are the same in API and page. */
export const idIn = (uri: string): string => uri.slice(uri.lastIndexOf('/') + 1);
