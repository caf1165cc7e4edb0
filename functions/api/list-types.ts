import type { TypesReply } from '../../schemas/extensions.ts';
import type { Handler } from './http.ts';
import { tagged } from './tagged.ts';
import { parsedSchema, type Types } from './types.ts';

/** GET /repositories/:repo_id/jobs/types: the registered types with their schemas, for forms and labels. */
export const listTypes =
  (types: Types): Handler =>
  async (request) => {
    const known = [...(await types.all()).values()].sort((a, b) => (a.type < b.type ? -1 : 1));
    const reply: TypesReply = {
      types: known.map(({ type, hidden, createPermissions, cancelPermissions, schema }) => ({
        type,
        hidden,
        create_permissions: createPermissions,
        cancel_permissions: cancelPermissions,
        schema: { ...parsedSchema(schema) },
      })),
    };
    return tagged(request, reply);
  };
