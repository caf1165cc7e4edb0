import type { Handler } from './http.ts';
import type { Types } from './types.ts';

/** Of the schema of `import_job`: what can be imported, and what it is called. */
interface ImportTypes {
  readonly enum?: readonly string[];
  /** In the same order; an annotation, not a rule. */
  readonly enumDescriptions?: readonly string[];
}

/** GET /repositories/:repo_id/jobs/import_types: what `import_job` can read. Without that type, nothing. */
export const importTypes =
  (types: Types): Handler =>
  async () => {
    const type = await types.get('import_job');
    const schema = JSON.parse(type?.schema ?? '{}') as { properties?: { import_type?: ImportTypes } };
    const { enum: names = [], enumDescriptions = [] } = schema.properties?.import_type ?? {};
    return { json: names.map((name, i) => ({ name, description: enumDescriptions[i] ?? name })) };
  };
