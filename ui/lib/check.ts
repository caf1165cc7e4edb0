import { format, type OutputUnit, type Schema, Validator } from '@cfworker/json-schema';
import { fullFormats } from 'ajv-formats/dist/formats.js';
import { Refusal } from '../../core/errors.ts';
import { maxParamsBytes } from '../../core/limits.ts';
import { withoutNothing } from '../../core/without-nothing.ts';
import { isKey, say } from '../words/say.ts';
import { type FormSchema, fieldsOf } from './form.ts';

// The service's formats, so that both refuse the same; one that the service does not know counts for nothing here too.
for (const name of Object.keys(format)) delete format[name];
for (const [name, definition] of Object.entries(fullFormats)) {
  if (name === 'date-time' || !Object.hasOwn(fullFormats, name)) continue;
  const test = testOf(definition);
  if (test) format[name] = test;
}
const dateTime = testOf(fullFormats['date-time']);
if (dateTime) format['date-time'] = dateTime;

function testOf(definition: unknown): ((text: string) => boolean) | undefined {
  if (definition instanceof RegExp) return (text) => new RegExp(definition.source, definition.flags).test(text);
  if (typeof definition === 'function') return definition as (text: string) => boolean;
  const { validate } = Object(definition) as { validate?: unknown };
  // Formats of numbers are not for texts.
  const { type } = Object(definition) as { type?: unknown };
  return validate === undefined || type === 'number' ? undefined : testOf(validate);
}

/** Keywords whose errors say that something inside is wrong, which has an error of its own. */
const outer = new Set([
  'properties',
  'items',
  'prefixItems',
  '$ref',
  'allOf',
  'patternProperties',
  'then',
  'else',
  'if',
  'dependentSchemas',
]);

/**
 * Checks parameters by their schema (2020-12), interpreting it: nothing is compiled, which the page's security policy
 * would forbid. Returns messages by path of the field that shows them, empty for what no field shows; none when the
 * service would take them.
 */
export function check(schema: object, params: unknown): ReadonlyMap<string, string> {
  const { $id: _id, ...rest } = schema as { $id?: string };
  const found = new Map<string, string>();
  const job = asStored(params, rest);
  if (job === undefined) return found.set('', say('field.other'));
  if (new TextEncoder().encode(JSON.stringify(job)).length > maxParamsBytes)
    return found.set('', say('create.tooLong'));
  const { valid, errors } = new Validator(rest as Schema, '2020-12', false).validate(job);
  if (valid) return found;
  for (const error of errors) {
    if (outer.has(error.keyword)) continue;
    const path = pathOf(error);
    const field = fieldFor(rest, path);
    if (!found.has(field)) found.set(field, messageOf(error, rest, path));
  }
  if (found.size === 0) found.set('', say('field.other'));
  return found;
}

/** As the service checks and stores them: without what counts as missing. Undefined when it would not read them. */
function asStored(params: unknown, schema: object): unknown {
  try {
    // In a request they lie within `job`.
    return withoutNothing(params, schema, 1);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

/** The field that shows what is wrong at a path: the one there, or the one around it. Empty where the form has none. */
export function fieldFor(schema: FormSchema, path: string, above = ''): string {
  const field = fieldsOf(schema, above).find((one) => path === one.path || path.startsWith(`${one.path}/`));
  if (!field) return above;
  return field.widget === 'group' ? fieldFor(field.schema, path, field.path) : field.path;
}

/** `#/a/b` and the property that is missing or not expected: `a/b/name`. */
function pathOf({ instanceLocation, keyword, error }: OutputUnit): string {
  const path = decodeURIComponent(instanceLocation.replace(/^#\/?/, '')).replaceAll('~1', '/').replaceAll('~0', '~');
  const named = keyword === 'required' ? /"(.*)"/.exec(error)?.[1] : undefined;
  return [path, named].filter(Boolean).join('/');
}

function messageOf({ keyword, keywordLocation, error }: OutputUnit, schema: object, path: string): string {
  const limit = valueAt(schema, keywordLocation);
  switch (keyword) {
    case 'required':
      return say('field.required', { label: labelAt(schema, path) });
    case 'enum':
    case 'const':
      return say('field.choose');
    case 'type':
      return limit === 'number' || limit === 'integer' ? say(`field.${limit}`) : say('field.text');
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return say('field.unexpected', { name: /"(.*?)"/.exec(error)?.[1] ?? '' });
    case 'format':
      return say('field.format', { format: String(limit) });
    default: {
      const key = `field.${keyword}`;
      return isKey(key) ? say(key, { limit: String(limit) }) : say('field.other');
    }
  }
}

function valueAt(schema: object, location: string): unknown {
  return location
    .replace(/^#\/?/, '')
    .split('/')
    .map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], schema);
}

function labelAt(schema: object, path: string): string {
  const names = path.split('/');
  const at = names.reduce<{ properties?: Record<string, object>; title?: unknown } | undefined>(
    (inner, name) => inner?.properties?.[name],
    schema,
  );
  return typeof at?.title === 'string' ? at.title : (names.at(-1) ?? '').replaceAll('_', ' ');
}
