import type { FileRules, TypeOptions } from '../schemas/runner-manifest.ts';
import { isLanguageTag } from './languages.ts';
import { maxFiles, maxGraceSeconds, maxJobFilesBytes, maxRetries } from './limits.ts';
import { suggestion } from './nearest.ts';
import { type FormSchema, nameOfValue, propertiesOf, takesText, widgetOf } from './widgets.ts';

/** Says what is wrong with a value, where it stands, and what it may be. `schema` is that of the type, where there is one. */
export type Check = (value: unknown, at: string, schema: FormSchema | undefined) => readonly string[];

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value as a message shows it: at most 200 characters, whatever it is. */
export function shown(value: unknown): string {
  let text = typeof value as string;
  try {
    text = JSON.stringify(value) ?? text;
  } catch {
    // A circle, or a bigint: its kind has to do.
  }
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

export const must =
  (holds: (value: unknown) => boolean, what: string): Check =>
  (value, at) =>
    holds(value) ? [] : [`${at} must be ${what}, not ${shown(value)}.`];

export const wholeNumber = (least: number, most: number, of = ''): Check =>
  must(
    (value) => Number.isInteger(value) && Number(value) >= least && Number(value) <= most,
    `a whole number${of} from ${least} to ${most}`,
  );
export const isBoolean = must((value) => typeof value === 'boolean', 'true or false');
const isText = must(
  (value) => typeof value === 'string' && value.trim() !== '' && value.length <= 1_000,
  'a text of 1 to 1000 characters',
);
const isPermissions = must(
  (value) =>
    (Array.isArray(value) ? value : [value]).every((entry) => typeof entry === 'string' && /^[a-z_]+$/.test(entry)),
  'a permission such as "import_records", or a list of them',
);
const isFolder = must((value) => typeof value === 'string', 'the folder of a runner, such as "runners/import_job"');

/** An object that has no fields but these. */
export const fields =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value, at, schema) =>
    isObject(value)
      ? Object.entries(value).flatMap(([name, inner]) => {
          const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
          return check
            ? check(inner, `${at}.${name}`, schema)
            : [`${at} has no option ${name}.${suggestion(name, Object.keys(checks))}`];
        })
      : [`${at} must be an object, not ${shown(value)}.`];

/** An object by property of the schema. Without a schema, which is a problem of its own, its names are not looked at. */
const byProperty =
  (check: (property: FormSchema, name: string) => Check): Check =>
  (value, at, schema) => {
    if (!isObject(value)) return [`${at} must be an object by property of the schema, not ${shown(value)}.`];
    const known = schema && propertiesOf(schema);
    return Object.entries(value).flatMap(([path, inner]) => {
      const property = known?.get(path);
      if (known && !property)
        return [`${at}.${path}: the schema has no property ${path}.${suggestion(path, [...known.keys()])}`];
      return check(property ?? {}, path.slice(path.lastIndexOf('/') + 1))(inner, `${at}.${path}`, schema);
    });
  };

const isPlaceholder =
  (property: FormSchema, name: string): Check =>
  (value, at, schema) =>
    schema && !takesText.has(widgetOf(name, property))
      ? [`${at}: no text is typed into this field, so that nobody would see a placeholder. Leave it out.`]
      : isText(value, at, schema);

const isForm = byProperty((property, name) =>
  fields({
    multiline: (value, at, schema) =>
      schema && !['text', 'textarea'].includes(widgetOf(name, property))
        ? [`${at}: only a string without \`enum\` or \`format\` can be a field of several lines. Leave it out.`]
        : isBoolean(value, at, schema),
    placeholder: isPlaceholder(property, name),
    advanced: isBoolean,
  }),
);

/** Labels of the values of an `enum`, of the property or of the entries of its list. */
const isValues =
  (property: FormSchema): Check =>
  (value, at, schema) => {
    if (!isObject(value)) return [`${at} must be an object of labels by value, not ${shown(value)}.`];
    const listed = property.enum ?? property.items?.enum;
    if (schema && !Array.isArray(listed)) return [`${at}: the property has no \`enum\`, whose values have labels.`];
    const known = Array.isArray(listed) ? listed.map(nameOfValue) : undefined;
    return Object.entries(value).flatMap(([name, label]) =>
      known && !known.includes(name)
        ? [`${at}: the \`enum\` of the property has no value ${name}.${suggestion(name, known)}`]
        : isText(label, `${at}.${name}`, schema),
    );
  };

const isTranslation = fields({
  title: isText,
  description: isText,
  properties: byProperty((property, name) =>
    fields({
      title: isText,
      description: isText,
      placeholder: isPlaceholder(property, name),
      values: isValues(property),
    }),
  ),
});

const isTranslations: Check = (value, at, schema) => {
  if (!isObject(value)) return [`${at} must be an object by language tag, not ${shown(value)}.`];
  const seen = new Set<string>();
  return Object.entries(value).flatMap(([tag, translation]) => {
    if (!isLanguageTag(tag)) {
      const dashed = tag.replaceAll('_', '-');
      const hint = isLanguageTag(dashed) ? ` Did you mean ${dashed}?` : ' It is one such as de or fr-CA.';
      return [`${at}: ${tag} is not a language tag (BCP 47).${hint}`];
    }
    if (seen.has(tag.toLowerCase())) return [`${at}: ${tag} is there twice. Keep one of them.`];
    seen.add(tag.toLowerCase());
    return isTranslation(translation, `${at}.${tag}`, schema);
  });
};

const isFileTypes = must(
  (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (type) => typeof type === 'string' && /^(\.[a-z0-9][\w.+-]*|[a-z][\w.+-]*\/(\*|[a-z0-9][\w.+-]*))$/i.test(type),
    ),
  'a list of types such as ".xml", "text/csv" or "image/*"',
);

const eachFileRule = fields({
  min: wholeNumber(0, maxFiles),
  max: wholeNumber(0, maxFiles),
  max_bytes: wholeNumber(1, maxJobFilesBytes, ' of bytes'),
  types: isFileTypes,
});
const isFileRules: Check = (value, at, schema) => {
  const problems = eachFileRule(value, at, schema);
  if (problems.length > 0) return problems;
  const { min = 0, max = maxFiles } = value as FileRules;
  return min > max ? [`${at}.min is ${min} and ${at}.max is ${max}: no job could have both. Correct one of them.`] : [];
};

const checks: { readonly [option in keyof Required<TypeOptions>]: Check } = {
  hidden: isBoolean,
  run_concurrently: isBoolean,
  create_permissions: isPermissions,
  cancel_permissions: isPermissions,
  grace_seconds: wholeNumber(0, maxGraceSeconds, ' of seconds'),
  time_limit_seconds: wholeNumber(1, 30 * 86_400, ' of seconds'),
  resumable: isBoolean,
  retries: wholeNumber(0, maxRetries),
  replaces: isFolder,
  title: isText,
  description: isText,
  form: isForm,
  translations: isTranslations,
  files: isFileRules,
};

/**
 * Everything that is wrong with the options of a type, in a manifest or in a site's `type_options`; each problem names
 * where it is and what to do.
 *
 * @param schema that of its parameters; undefined when there is none to compare with
 */
export function optionProblems(
  where: string,
  options: Readonly<Record<string, unknown>>,
  schema: FormSchema | undefined,
): readonly string[] {
  return checkAll(where, options, checks, schema);
}

/** As `fields`, for the outermost names of a manifest. */
export function checkAll(
  where: string,
  options: Readonly<Record<string, unknown>>,
  known: Readonly<Record<string, Check>>,
  schema?: FormSchema,
): readonly string[] {
  return Object.entries(options).flatMap(([option, value]) => {
    const check = Object.hasOwn(known, option) ? known[option] : undefined;
    return check
      ? check(value, option, schema).map((problem) => `${where}: ${problem}`)
      : [`${where}: unknown option ${option}.${suggestion(option, Object.keys(known))}`];
  });
}
