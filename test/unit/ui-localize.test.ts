// A type in the reader's language: which translation is taken, text by text, and how the form shows it.
import { describe, expect, test } from 'vitest';
import type { FormSchema } from '../../core/widgets.ts';
import type { TypeEntry } from '../../schemas/extensions.ts';
import { check } from '../../ui/lib/check.ts';
import { fileProblem, rulesText } from '../../ui/lib/files.ts';
import { fieldsOf, langOfValue, shownValue } from '../../ui/lib/form.ts';
import { titleOf } from '../../ui/lib/labels.ts';
import { localize } from '../../ui/lib/localize.ts';

const entry: TypeEntry = {
  type: 'count_job',
  hidden: false,
  create_permissions: [],
  cancel_permissions: [],
  title: 'Count lines',
  description: 'Counts.',
  form: { note: { multiline: true, placeholder: 'All boxes', advanced: true } },
  translations: {
    de: {
      title: 'Zeilen zählen',
      description: 'Zählt.',
      properties: {
        note: { title: 'Anmerkung', placeholder: 'Alle Kartons' },
        kind: { values: { all: 'Alle' } },
        several: { values: { '2': 'Zwei' } },
        'inner/depth': { title: 'Tiefe' },
      },
    },
    'de-AT': { title: 'Zeilen zähln' },
    'fr-CA': { title: 'Compter' },
    en: { title: 'Count the lines' },
  },
  schema: {
    type: 'object',
    required: ['note'],
    properties: {
      note: { type: 'string', title: 'Note', description: 'Anything.' },
      kind: { enum: ['all', 'few'], enumDescriptions: ['All', 'A few'] },
      several: { type: 'array', items: { enum: [1, 2] } },
      inner: { type: 'object', properties: { depth: { type: 'integer', title: 'Depth' } } },
      constructor: { type: 'string' },
    },
  },
};
const german = localize(entry, ['de']);
const propertiesOf = (schema: FormSchema) => schema.properties ?? {};

describe('the title is in', () => {
  test.each([
    ['the very language', ['de-AT'], 'Zeilen zähln', 'de-AT'],
    ['the language without its region', ['de-CH'], 'Zeilen zählen', 'de'],
    ['another region’s, where there is no other', ['fr'], 'Compter', 'fr-CA'],
    ['the second language, where there is none in the first', ['cs', 'de', 'en'], 'Zeilen zählen', 'de'],
    ['any case of letters', ['DE-at'], 'Zeilen zähln', 'de-AT'],
    ['English that is a translation', ['en-GB', 'de'], 'Count the lines', 'en'],
    ['the type’s own words, where no translation suits', ['cs'], 'Count lines', undefined],
  ])('%s', (_, languages, title, lang) => {
    const local = localize(entry, languages);

    expect([local.title, local.langs.title]).toEqual([title, lang]);
    expect(titleOf('count_job', [local])).toBe(title);
  });

  test('the type’s own words, for whoever reads English better than what it is translated into', () => {
    const { translations: { de = {} } = {} } = entry;
    const local = localize({ ...entry, translations: { de } }, ['en-US', 'de']);

    expect([local.title, local.langs.title]).toEqual(['Count lines', undefined]);
  });
});

describe('each text is translated by itself', () => {
  test('what one translation leaves out comes from the next, and at last from the type', () => {
    const local = localize(entry, ['de-AT', 'de']);

    expect([local.title, local.description, local.langs.description]).toEqual(['Zeilen zähln', 'Zählt.', 'de']);
    expect(
      fieldsOf(local.schema).map(({ label, schema, page }) => [label, schema.description, page?.langs.title]),
    ).toEqual([
      ['Anmerkung', 'Anything.', 'de'],
      ['Kind', undefined, undefined],
      ['Several', undefined, undefined],
      ['Inner', undefined, undefined],
      ['Constructor', undefined, undefined],
    ]);
  });

  test('labels of choices too, also in a list, and fields of a group', () => {
    const { kind, several, inner } = propertiesOf(german.schema);

    expect([kind?.enumDescriptions, kind?.['x-page']?.langs.values]).toEqual([
      ['Alle', 'A few'],
      ['de', undefined],
    ]);
    expect([several?.items?.enumDescriptions, several?.['x-page']?.langs.values]).toEqual([
      ['1', 'Zwei'],
      [undefined, 'de'],
    ]);
    expect(fieldsOf(inner ?? {}, 'inner')).toMatchObject([{ label: 'Tiefe', page: { langs: { title: 'de' } } }]);
    expect([shownValue(kind, 'all'), langOfValue(kind, 'all'), langOfValue(kind, 'few')]).toEqual([
      'Alle',
      'de',
      undefined,
    ]);
  });

  test('problems name a field as its reader sees it', () => {
    expect([...check(german.schema, { kind: 'none' })]).toEqual([
      ['note', 'Fill in “Anmerkung”.'],
      ['kind', 'Choose one of the options.'],
    ]);
  });
});

test('a field is shown as its type’s hints say', () => {
  const [note, kind] = fieldsOf(german.schema);

  expect(note).toMatchObject({
    widget: 'textarea',
    page: { advanced: true, placeholder: 'Alle Kartons', langs: { placeholder: 'de' } },
  });
  expect(kind?.page?.advanced).toBeUndefined();
  expect(fieldsOf(localize(entry, []).schema)[0]?.page).toMatchObject({ placeholder: 'All boxes' });
});

test('a type of an older service has neither hints nor translations', () => {
  const { title: _title, form: _form, translations: _translations, ...old } = entry;

  expect(titleOf('count_job', [localize(old, ['de'])])).toBe('Count');
});

describe('rules for files are sentences', () => {
  const rules = { max: 1, max_bytes: 1_500, types: ['.csv', 'text/csv'] };

  test('beside the place for them', () => {
    expect(rulesText(rules)).toBe('Allowed are: .csv, text/csv. One file at most. At most 1.5 kB together.');
    expect(rulesText(undefined)).toBe('');
  });

  test('and where these cannot be', () => {
    const file = { name: 'a.csv', contentType: '', size: 1_000 };

    expect(fileProblem([file], rules)).toBeUndefined();
    // More may come until the job is to start.
    expect(fileProblem([], { min: 1 })).toBeUndefined();
    expect(fileProblem([], { min: 1 }, true)).toBe('This job needs a file. Add it here.');
    expect(fileProblem([file, { ...file, name: 'b.pdf' }], rules)).toBe(
      '“b.pdf” cannot be used here. Allowed are: .csv, text/csv. ' +
        'One file at most can be used here. Take the others away. ' +
        'All files together may have at most 1.5 kB, and these have 2 kB. The largest is “a.csv”.',
    );
  });
});
