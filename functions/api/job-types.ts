import type { Handler } from './http.ts';
import type { Types } from './types.ts';

/** GET /job_types: the types that are not hidden, with their permissions (seed: "this job type will not be shown in the list"). */
export const jobTypes =
  (types: Types): Handler =>
  async () => ({
    json: Object.fromEntries(
      [...(await types.all()).values()]
        .filter(({ hidden }) => !hidden)
        .map(({ type, createPermissions, cancelPermissions }) => [
          type,
          { create_permissions: createPermissions, cancel_permissions: cancelPermissions },
        ]),
    ),
  });
