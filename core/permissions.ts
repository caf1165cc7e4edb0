import type { Permissions } from '../schemas/runner-manifest.ts';

/** Who asks: permissions by repository URI, and `_archivesspace` for the global ones, as ArchivesSpace's login returns them. */
export interface User {
  readonly username: string;
  readonly permissions: Readonly<Record<string, readonly string[]>>;
}

export const asList = (permissions: Permissions | undefined): readonly string[] =>
  permissions === undefined ? [] : typeof permissions === 'string' ? [permissions] : permissions;

/**
 * The permissions among `needed` that the user lacks in a repository. Empty: the user may. Global permissions count
 * everywhere (archivesspace: backend/app/model/user.rb, `can?`).
 *
 * @param repository number of the repository; undefined when nothing but a global permission counts
 */
export function missing(user: User, repository: number | undefined, needed: readonly string[]): readonly string[] {
  const held = new Set([
    ...(user.permissions['_archivesspace'] ?? []),
    ...(repository === undefined ? [] : (user.permissions[`/repositories/${repository}`] ?? [])),
  ]);
  return needed.filter((permission) => !held.has(permission));
}
