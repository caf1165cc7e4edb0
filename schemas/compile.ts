import type { ValidateFunction } from 'ajv/dist/2020.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** Compiles a schema (JSON text). A module of its own, so that it can be loaded when it is needed and not before. */
export function compileSchema(schema: string): ValidateFunction {
  // Every error at once; keywords that only a form reads are let through.
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  addFormats.default(ajv);
  const { $id: _id, ...rest } = JSON.parse(schema) as { $id?: string };
  return ajv.compile(rest);
}
