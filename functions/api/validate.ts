import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import { Refusal } from '../../core/errors.ts';
import { maxParamsBytes } from '../../core/limits.ts';
import { withoutNothing } from '../../core/without-nothing.ts';
import { type KnownType, parsedSchema } from './types.ts';
import built from './validators.generated.js';

const compiled = new Map<string, ValidateFunction>();

/**
 * The validator of a schema: built in when it is the one that was compiled with the code, else compiled at its first
 * use and kept, as for types that were registered at deploy. The compiler is loaded then: a third of this function.
 *
 * @param schema JSON text
 */
export async function validatorOf(name: string, schema: string): Promise<ValidateFunction> {
  const known = Object.hasOwn(built, name) ? built[name] : undefined;
  if (known?.schema === schema) return known.validate;
  const before = compiled.get(schema);
  if (before) return before;
  const { compileSchema } = await import('../../schemas/compile.ts');
  const validate = compileSchema(schema);
  compiled.set(schema, validate);
  return validate;
}

/**
 * The parameters of a new job as they are stored and as its runner gets them: without what counts as missing.
 * Throws `Refusal` when they do not fit the schema of the type, or are too long.
 *
 * @returns JSON text
 */
export async function fittingParams(
  { type, schema }: Pick<KnownType, 'type' | 'schema'>,
  given: Readonly<Record<string, unknown>>,
): Promise<string> {
  const job = withoutNothing(given, parsedSchema(schema));
  mustFit(await validatorOf(type, schema), job, type);
  const params = JSON.stringify(job);
  if (Buffer.byteLength(params) > maxParamsBytes)
    throw new Refusal({ code: 'bad_request', problems: { job: [`At most ${maxParamsBytes} bytes of parameters`] } });
  return params;
}

/** A list of wrong entries is wrong for the first of them already. */
const mostProblems = 100;

/** Throws `Refusal` with ArchivesSpace's messages, by path of the property, when the value does not fit. */
export function mustFit(validate: ValidateFunction, value: unknown, what: string): void {
  if (validate(value)) return;
  // A map: a property may be called `constructor`.
  const problems = new Map<string, string[]>();
  for (const error of (validate.errors ?? []).slice(0, mostProblems)) {
    // What the condition asks for then has an error of its own.
    if (error.keyword === 'if') continue;
    const path = pathOf(error);
    const message = messageOf(error, value);
    const before = problems.get(path) ?? [];
    if (!before.includes(message)) problems.set(path, [...before, message]);
  }
  throw new Refusal({
    code: 'bad_request',
    problems: Object.fromEntries(problems),
    invalid: `#<JSONModel(:${what}) ${JSON.stringify(value)?.slice(0, 2000)}>`,
  });
}

function pathOf({ instancePath, keyword, params }: ErrorObject): string {
  const path = instancePath.slice(1).replaceAll('~1', '/').replaceAll('~0', '~');
  const property =
    keyword === 'required'
      ? String(params['missingProperty'])
      : keyword === 'additionalProperties'
        ? String(params['additionalProperty'])
        : '';
  return [path, property].filter(Boolean).join('/') || '(whole)';
}

function messageOf({ instancePath, keyword, params, message = 'Invalid value' }: ErrorObject, whole: unknown): string {
  const value = instancePath
    .split('/')
    .slice(1)
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], whole);
  switch (keyword) {
    case 'required':
      return 'Property is required but was missing';
    case 'type':
      return `Must be ${/^[aeio]/.test(String(params['type'])) ? 'an' : 'a'} ${params['type']} (you provided a ${rubyName(value)})`;
    case 'minItems':
      return `At least ${params['limit']} item(s) is required`;
    case 'enum':
      return `Invalid value '${String(value)}'.  Must be one of: ${(params['allowedValues'] as unknown[]).join(', ')}`;
    case 'const':
      return `Invalid value '${String(value)}'.  Must be one of: ${String(params['allowedValue'])}`;
    default:
      return message.charAt(0).toUpperCase() + message.slice(1);
  }
}

/** ArchivesSpace names classes of Ruby. */
function rubyName(value: unknown): string {
  if (value === null || value === undefined) return 'NilClass';
  if (Array.isArray(value)) return 'Array';
  if (typeof value === 'object') return 'Hash';
  if (typeof value === 'number') return Number.isInteger(value) ? 'Integer' : 'Float';
  if (typeof value === 'boolean') return value ? 'TrueClass' : 'FalseClass';
  return 'String';
}
