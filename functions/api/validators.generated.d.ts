import type { ValidateFunction } from 'ajv/dist/2020.js';

interface Built {
  readonly validate: ValidateFunction;
  /** The schema it was compiled from, as JSON text. */
  readonly schema: string;
}

/** By name of the schema. */
declare const built: Readonly<Record<string, Built | undefined>> & { readonly 'job-create': Built };
export default built;
