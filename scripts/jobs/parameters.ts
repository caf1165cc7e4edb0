import { readFileSync } from 'node:fs';
import { Stop } from './stop.ts';

export interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: unknown;
  readonly description?: string;
  readonly [more: string]: unknown;
}

/**
 * Parameters of a job out of `key=value` words, by the schema of its type: `times=3` is a number where the schema has a
 * number. A list takes its key several times, or JSON; what is an object takes JSON.
 *
 * @param whole JSON, or `@file` with JSON: what the words are added to
 */
export function parametersOf(type: string, schema: Schema, words: readonly string[], whole?: string) {
  const parameters: Record<string, unknown> = whole === undefined ? {} : jsonObject(whole);
  const { properties = {} } = schema;
  const lists = new Map<string, unknown[]>();
  for (const word of words) {
    const [, key = '', value = ''] = /^([^=]+)=(.*)$/s.exec(word) ?? [];
    if (key === '') throw new Stop('usage', `Parameters are key=value, not ${word}`);
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (!property && (schema.additionalProperties ?? false) === false) {
      const known = Object.keys(properties).filter((name) => name !== 'jsonmodel_type');
      throw new Stop('usage', `${type} has no parameter ${key}. It has: ${known.join(', ') || 'none'}`);
    }
    if (kindsOf(property).includes('array') && !value.startsWith('[')) {
      const list = lists.get(key) ?? [];
      list.push(typed(key, value, property?.items));
      lists.set(key, list);
    } else parameters[key] = typed(key, value, property);
  }
  return { ...parameters, ...Object.fromEntries(lists) };
}

const kindsOf = (schema: Schema | undefined): readonly string[] => [schema?.type ?? []].flat();

function typed(key: string, text: string, schema: Schema | undefined): unknown {
  const kinds = kindsOf(schema);
  if (kinds.length === 0 || kinds.includes('string')) return text;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = text;
  }
  const kind = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
  const fits = kinds.includes(kind) || (kind === 'number' && kinds.includes('integer') && Number.isInteger(value));
  if (!fits) throw new Stop('usage', `${key} must be ${kinds.join(' or ')}, not ${text}`);
  return value;
}

function jsonObject(given: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(given.startsWith('@') ? readFileSync(given.slice(1), 'utf8') : given);
  } catch (error) {
    throw new Stop('usage', `--params: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Stop('usage', '--params must be a JSON object.');
  return value as Record<string, unknown>;
}
