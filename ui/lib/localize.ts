import { matching, primaryLanguage } from '../../core/languages.ts';
import { type FormSchema, nameOfValue, type PageWords } from '../../core/widgets.ts';
import type { TypeEntry } from '../../schemas/extensions.ts';
import type { FieldHints, PropertyTranslation, Translation } from '../../schemas/runner-manifest.ts';

/** What the page itself is written in; a type's own texts are taken to be in it too. */
const pageLanguage = 'en';

/** A type in the reader's language: its texts and those of its schema are replaced, as far as there is a translation. */
export interface LocalType extends Omit<TypeEntry, 'schema'> {
  /** Each property with the hints and languages that its field is shown by, under `x-page`. */
  readonly schema: FormSchema;
  /** The languages of the texts that were translated. */
  readonly langs: { readonly title?: string | undefined; readonly description?: string | undefined };
}

type Chain = readonly (readonly [tag: string, translation: Translation])[];

/**
 * Puts the texts of a type into the language that its reader likes best, each by itself: what one translation leaves out
 * comes from the next one that suits, and at last from the type.
 *
 * @param languages as `navigator.languages`: the best first
 */
export function localize(entry: TypeEntry, languages: readonly string[]): LocalType {
  const chain = chainOf(entry.translations ?? {}, languages);
  const title = pick(chain, (translation) => translation.title, entry.title);
  const description = pick(chain, (translation) => translation.description, entry.description);
  return {
    ...entry,
    ...(title.text !== undefined && { title: title.text }),
    ...(description.text !== undefined && { description: description.text }),
    langs: { title: title.lang, description: description.lang },
    schema: localSchema(entry.schema as FormSchema, chain, entry.form ?? {}, ''),
  };
}

function chainOf(translations: Readonly<Record<string, Translation>>, languages: readonly string[]): Chain {
  const tags = new Set<string>();
  for (const language of languages) {
    for (const tag of matching(language, Object.keys(translations))) tags.add(tag);
    // Whoever reads this as well as that needs no translation into what comes after it.
    if (primaryLanguage(language) === pageLanguage) break;
  }
  return [...tags].map((tag) => [tag, translations[tag] ?? {}] as const);
}

interface Picked {
  readonly text: string | undefined;
  /** Undefined: it is the type's own. */
  readonly lang: string | undefined;
}

function pick(chain: Chain, textIn: (translation: Translation) => string | undefined, own: string | undefined): Picked {
  for (const [lang, translation] of chain) {
    const text = textIn(translation);
    if (text !== undefined) return { text, lang };
  }
  return { text: own, lang: undefined };
}

function localSchema(
  schema: FormSchema,
  chain: Chain,
  form: Readonly<Record<string, FieldHints>>,
  above: string,
): FormSchema {
  if (!schema.properties) return schema;
  const properties = Object.entries(schema.properties).map(([name, property]) => {
    const path = above === '' ? name : `${above}/${name}`;
    const inner = localSchema(property, chain, form, path);
    return [name, localProperty(inner, chain, path, at(form, path) ?? {})] as const;
  });
  return { ...schema, properties: Object.fromEntries(properties) };
}

function localProperty(property: FormSchema, chain: Chain, path: string, hints: FieldHints): FormSchema {
  const said = (get: (words: PropertyTranslation) => string | undefined, own?: string) =>
    pick(chain, ({ properties }) => get(at(properties, path) ?? {}), own);
  const title = said((words) => words.title, property.title);
  const description = said((words) => words.description, property.description);
  const placeholder = said((words) => words.placeholder, hints.placeholder);
  const holder = property.enum ? property : property.items;
  const labels = holder?.enum?.map((value, index) =>
    said((words) => at(words.values, nameOfValue(value)), holder.enumDescriptions?.[index] ?? nameOfValue(value)),
  );
  const page: PageWords = {
    ...hints,
    placeholder: placeholder.text,
    langs: {
      title: title.lang,
      description: description.lang,
      placeholder: placeholder.lang,
      values: labels?.map(({ lang }) => lang) ?? [],
    },
  };
  const labelled = labels && { enumDescriptions: labels.map(({ text }) => text ?? '') };
  return {
    ...property,
    ...(title.text !== undefined && { title: title.text }),
    ...(description.text !== undefined && { description: description.text }),
    ...(labelled && (property.enum ? labelled : { items: { ...property.items, ...labelled } })),
    'x-page': page,
  };
}

/** A property may be called `constructor`. */
const at = <T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  record && Object.hasOwn(record, name) ? record[name] : undefined;
