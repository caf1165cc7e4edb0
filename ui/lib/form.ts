import { type FormSchema, type PageWords, type Widget, widgetOf } from '../../core/widgets.ts';
import { say } from '../words/say.ts';
import { readable } from './labels.ts';

export type { FormSchema, Widget };

export interface Field {
  readonly name: string;
  /** Names from the outermost, with a slash between: as problems name it. */
  readonly path: string;
  readonly label: string;
  readonly schema: FormSchema;
  readonly widget: Widget;
  readonly page: PageWords | undefined;
  readonly isRequired: boolean;
}

/** What stands in the inputs: texts, truth values, lists of texts, and groups of these. */
export type Values = Readonly<Record<string, unknown>>;

/** The fields of an object's schema, in its order. The name of the type is not asked for, nor what can have one value only. */
export const fieldsOf = (schema: FormSchema, above = ''): readonly Field[] =>
  Object.entries(schema.properties ?? {})
    .filter(([name, { const: only }]) => name !== 'jsonmodel_type' && only === undefined)
    .map(([name, property]) => ({
      name,
      path: above === '' ? name : `${above}/${name}`,
      label: property.title ?? readable(name),
      schema: property,
      widget: widgetOf(name, property, property['x-page']),
      page: property['x-page'],
      isRequired: schema.required?.includes(name) ?? false,
    }));

/** What the inputs show for some parameters: those of another job, or the defaults. */
export function valuesOf(schema: FormSchema, params: Readonly<Record<string, unknown>> | undefined): Values {
  return Object.fromEntries(
    fieldsOf(schema).map((field) => [field.name, shown(field, params ? params[field.name] : field.schema.default)]),
  );
}

function shown({ widget, schema }: Field, value: unknown): unknown {
  switch (widget) {
    case 'files':
    case 'file':
      return undefined;
    case 'checkbox':
      return value === true;
    case 'checked':
      return value === schema['x-checked'];
    case 'choices':
      return Array.isArray(value) ? value : [];
    case 'lines':
      return Array.isArray(value) ? value.join('\n') : '';
    case 'select': {
      const index = schema.enum?.findIndex((option) => JSON.stringify(option) === JSON.stringify(value)) ?? -1;
      return index < 0 ? '' : String(index);
    }
    case 'group':
      return valuesOf(schema, Object(value) as Record<string, unknown>);
    case 'json':
      return value === undefined ? '' : JSON.stringify(value, null, 2);
    case 'date-time':
      return typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? localTime(new Date(value)) : '';
    default:
      return value === undefined || value === null ? '' : String(value);
  }
}

/** `2026-08-20T13:45`, as inputs of a browser have it, in the reader's zone. */
const localTime = (date: Date): string =>
  new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

export interface Filled {
  readonly params: Readonly<Record<string, unknown>>;
  /** Paths of inputs whose text cannot be read at all. */
  readonly unreadable: readonly string[];
}

/**
 * The parameters that the inputs stand for. What is empty is left out, as the service does it, except where a schema
 * says `minLength: 0`: there an empty text is a value.
 *
 * @param files names of the files, in their order
 */
export function paramsOf(schema: FormSchema, values: Values, files: readonly string[], above = ''): Filled {
  const unreadable: string[] = [];
  const params: Record<string, unknown> = {};
  for (const field of fieldsOf(schema, above)) {
    const value = given(field, values[field.name], files, unreadable);
    if (value !== undefined) params[field.name] = value;
  }
  return { params, unreadable };
}

function given(field: Field, value: unknown, files: readonly string[], unreadable: string[]): unknown {
  const { widget, schema, isRequired, path } = field;
  const text = typeof value === 'string' ? value : '';
  switch (widget) {
    case 'files':
      return files.length > 0 ? files : undefined;
    case 'file':
      return files[0];
    case 'checkbox':
      // A box that was left alone says nothing, unless nothing would mean yes.
      return value === true || isRequired || schema.default === true ? value === true : undefined;
    case 'checked':
      return value === true ? schema['x-checked'] : undefined;
    case 'select':
      return text === '' ? undefined : schema.enum?.[Number(text)];
    case 'choices':
      return Array.isArray(value) && value.length > 0 ? value : undefined;
    case 'lines': {
      const lines = text
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean);
      return lines.length > 0 ? lines : undefined;
    }
    case 'number':
      // What is no number goes to the check as it is, which says so.
      return text.trim() === '' ? undefined : Number.isFinite(Number(text)) ? Number(text) : text;
    case 'date-time':
      return text === '' ? undefined : Number.isNaN(Date.parse(text)) ? text : new Date(text).toISOString();
    case 'group': {
      const inner = paramsOf(schema, Object(value) as Values, files, path);
      unreadable.push(...inner.unreadable);
      return Object.keys(inner.params).length > 0 || isRequired ? inner.params : undefined;
    }
    case 'json':
      if (text.trim() === '') return undefined;
      try {
        return JSON.parse(text) as unknown;
      } catch {
        unreadable.push(path);
        return undefined;
      }
    default:
      return text === '' && schema.minLength !== 0 ? undefined : text;
  }
}

/** Whether a form has a place for files: those of its fields, or one of its own. */
export const fileFieldOf = (schema: FormSchema): 'files' | 'file' | 'beside' | undefined => {
  const widgets = fieldsOf(schema).map(({ widget }) => widget);
  if (widgets.includes('files')) return 'files';
  if (widgets.includes('file')) return 'file';
  return schema['x-files'] === true ? 'beside' : undefined;
};

/** A parameter as it is shown to people: the label of a choice, yes or no for a box, else the value itself. */
export function shownValue(schema: FormSchema | undefined, value: unknown): unknown {
  const index = schema?.enum?.indexOf(value) ?? -1;
  if (index >= 0) return schema?.enumDescriptions?.[index] ?? value;
  if (typeof value === 'boolean') return say(value ? 'job.yes' : 'job.no');
  return value === schema?.['x-checked'] && value !== undefined ? say('job.yes') : value;
}

/** The language of a choice's label, where it was translated. */
export const langOfValue = (schema: FormSchema | undefined, value: unknown): string | undefined =>
  schema?.['x-page']?.langs.values[schema.enum?.indexOf(value) ?? -1];
