import { Refusal } from './errors.ts';

/** What of a schema says whether an empty string is a value. */
export interface EmptySchema {
  readonly properties?: Readonly<Record<string, EmptySchema>>;
  readonly items?: EmptySchema;
  /** 0: an empty string is a value, and not nothing. */
  readonly minLength?: number;
}

/** JSON deeper than this is no job. */
const mostNested = 32;

/**
 * The same without what counts as missing: nulls, empty maps and empty strings, as ArchivesSpace does it
 * (common/jsonmodel.rb), except for an empty string where a schema says `minLength: 0`: there it is a value.
 * Undefined when nothing is left. Throws `Refusal` when it is nested too deep.
 *
 * @param depth how deep the value itself lies
 */
export function withoutNothing(value: unknown, schema?: EmptySchema, depth = 0): unknown {
  if (depth > mostNested)
    throw new Refusal({ code: 'unreadable', message: `it is nested more than ${mostNested} deep` });
  if (value === null || (value === '' && schema?.minLength !== 0)) return undefined;
  if (Array.isArray(value))
    return value.map((entry) => withoutNothing(entry, schema?.items, depth + 1)).filter((entry) => entry !== undefined);
  if (typeof value !== 'object') return value;
  const { properties = {} } = schema ?? {};
  const entries = Object.entries(value)
    .map(([name, entry]) => {
      const of = Object.hasOwn(properties, name) ? properties[name] : undefined;
      return [name, withoutNothing(entry, of, depth + 1)] as const;
    })
    .filter(([, entry]) => entry !== undefined);
  // A map that was not empty before stays, so that what is missing in it can be named.
  return entries.length || Object.keys(value).length ? Object.fromEntries(entries) : undefined;
}
