import type { FieldHints } from '../schemas/runner-manifest.ts';

/** What a form reads of a JSON Schema. */
export interface FormSchema {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  /** Labels of `enum`, in the same order. */
  readonly enumDescriptions?: readonly string[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly properties?: Readonly<Record<string, FormSchema>>;
  readonly required?: readonly string[];
  readonly items?: FormSchema;
  /** Names of uploaded files: a place for files stands here. So it does for `filename` and `filenames`, as in ArchivesSpace. */
  readonly 'x-files'?: boolean;
  /** A box to check, for this text; unchecked it is left out. */
  readonly 'x-checked'?: string;
  /** How the page shows the field, by the options of its type; put here by the page (ui/lib/localize.ts). */
  readonly 'x-page'?: PageWords;
}

/** Hints for a field, and the languages of its texts where they were translated. */
export interface PageWords extends Omit<FieldHints, 'placeholder'> {
  readonly placeholder: string | undefined;
  readonly langs: {
    readonly title: string | undefined;
    readonly description: string | undefined;
    readonly placeholder: string | undefined;
    /** By place in the `enum`. */
    readonly values: readonly (string | undefined)[];
  };
}

export type Widget =
  | 'files'
  | 'file'
  | 'checkbox'
  | 'checked'
  | 'select'
  | 'choices'
  | 'number'
  | 'date'
  | 'date-time'
  | 'text'
  | 'textarea'
  | 'lines'
  | 'group'
  | 'json';

/** How the page asks for a property. */
export function widgetOf(name: string, schema: FormSchema, hints: Pick<FieldHints, 'multiline'> = {}): Widget {
  const { type, format, items } = schema;
  const isFile = schema['x-files'] === true;
  if (schema.enum && type !== 'array') return 'select';
  switch (type) {
    case 'string':
      if (isFile || name === 'filename') return 'file';
      if (schema['x-checked'] !== undefined) return 'checked';
      if (format === 'date' || format === 'date-time') return format;
      return (hints.multiline ?? isLong(schema.maxLength)) ? 'textarea' : 'text';
    case 'boolean':
      return 'checkbox';
    case 'integer':
    case 'number':
      return 'number';
    case 'array':
      if (items?.type === 'string' && (isFile || name === 'filenames')) return 'files';
      if (items?.enum) return 'choices';
      return items?.type === 'string' ? 'lines' : 'json';
    case 'object':
      return schema.properties ? 'group' : 'json';
    default:
      return 'json';
  }
}

const isLong = (most: unknown) => typeof most === 'number' && most > 200;

/** A value of an `enum` as translations name it. */
export const nameOfValue = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? typeof value);

/** Fields into which text is written, and which can show an example while they are empty. */
export const takesText: ReadonlySet<Widget> = new Set<Widget>(['text', 'textarea', 'lines', 'number', 'json']);

/** All properties of a schema by their paths: one inside a group is `group/property`. What is no schema is left out. */
export function propertiesOf(schema: FormSchema): ReadonlyMap<string, FormSchema> {
  const found = new Map<string, FormSchema>();
  // A list of what is still to do, since a schema of a stranger may be as deep as it likes.
  const groups: [above: string, schema: FormSchema][] = [['', schema]];
  for (const [above, { properties }] of groups) {
    if (typeof properties !== 'object' || properties === null) continue;
    for (const [name, property] of Object.entries(properties)) {
      if (typeof property !== 'object' || property === null) continue;
      const path = above === '' ? name : `${above}/${name}`;
      found.set(path, property);
      groups.push([path, property]);
    }
  }
  return found;
}
