import type { ValidateFunction } from 'ajv/dist/2020.js';

/** By name of the schema: its validator, and the schema it was compiled from. */
declare const built: Readonly<Record<string, { readonly validate: ValidateFunction; readonly schema: string } | undefined>>;
export default built;
