import { defaultGroups } from '../../core/default-groups.ts';
import { missing, type User } from '../../core/permissions.ts';
import type { TypeEntry } from '../../schemas/extensions.ts';
import { listed, say } from '../words/say.ts';

/** What somebody lacks to create a job of a type; without one, of any type. */
export const lacksToCreate = (
  user: User,
  repo: number,
  type?: Pick<TypeEntry, 'create_permissions'>,
): readonly string[] => missing(user, repo, ['create_job', ...(type?.create_permissions ?? [])]);

export const lacksToCancel = (
  user: User,
  repo: number,
  type?: Pick<TypeEntry, 'cancel_permissions'>,
): readonly string[] => missing(user, repo, ['cancel_job', ...(type?.cancel_permissions ?? [])]);

/** Whether a group that ArchivesSpace makes with each repository has a permission. */
const inDefaultGroup = (permission: string) =>
  Object.entries(defaultGroups).some(
    ([group, codes]) => group !== 'administrators' && (codes as readonly string[]).includes(permission),
  );

/** Why somebody may not cancel. */
export function whyNotCancel(lacking: readonly string[]): string {
  const nobody = lacking.some((permission) => !inDefaultGroup(permission));
  return say(nobody ? 'cancel.denied.nobody' : 'cancel.denied', { permissions: listed(lacking) });
}
