import type { TypesReply } from '../../schemas/extensions.ts';
import type { Presentation } from '../../schemas/runner-manifest.ts';
import type { Handler } from './http.ts';
import { tagged } from './tagged.ts';
import { type ParameterSchema, parsedSchema, type Types } from './types.ts';

/** GET /repositories/:repo_id/jobs/types: the registered types with their schemas, for forms and labels. */
export const listTypes =
  (types: Types): Handler =>
  async (request) => {
    const known = [...(await types.all()).values()].sort((a, b) => (a.type < b.type ? -1 : 1));
    const reply: TypesReply = {
      types: known.map(({ type, hidden, createPermissions, cancelPermissions, files, ...rest }) => {
        const schema = parsedSchema(rest.schema);
        const said = rest.presentation === undefined ? {} : (JSON.parse(rest.presentation) as Presentation);
        return {
          type,
          hidden,
          create_permissions: createPermissions,
          cancel_permissions: cancelPermissions,
          ...textOf('title', said, schema),
          ...textOf('description', said, schema),
          ...(said.form && { form: said.form }),
          ...(said.translations && { translations: said.translations }),
          ...(files && { files }),
          schema: { ...schema },
        };
      }),
    };
    return tagged(request, reply);
  };

/** As its runner says it, else as its schema does. */
function textOf<Name extends 'title' | 'description'>(
  name: Name,
  said: Presentation,
  schema: ParameterSchema,
): { readonly [name in Name]?: string } {
  const text = said[name] ?? schema[name];
  return typeof text === 'string' && text !== '' ? ({ [name]: text } as { [name in Name]: string }) : {};
}
