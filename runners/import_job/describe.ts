/** What the `did` of a collection or a component says: title, identifier, dates, extents, languages, notes. */
import { multipart, notesOf, singlepart } from './notes.ts';
import {
  type DateRecord,
  type Extent,
  type ExternalId,
  type LangMaterial,
  LONGEST,
  type Note,
  present,
} from './records.ts';
import { childrenOf, descendantsOf, elementsOf, lineOf } from './text.ts';
import type { Element } from './xml.ts';

/** A description while it is being read. */
export interface Description {
  title: string;
  /** The identifier of a collection, the component id of a component. */
  identifier: string;
  readonly externalIds: ExternalId[];
  readonly dates: DateRecord[];
  readonly extents: Extent[];
  readonly languages: LangMaterial[];
  readonly notes: Note[];
}

/** Where the conversion tells what it meets and cannot use. */
export interface Reports {
  /** The file cannot be imported because of this. */
  problem(line: number, message: string): void;
  /** Something that had to be filled in. */
  remark(text: string): void;
  /** Left out of the records, and counted under `name`. */
  skip(name: string): void;
}

export function emptyDescription(): Description {
  return { title: '', identifier: '', externalIds: [], dates: [], extents: [], languages: [], notes: [] };
}

/** Adds one child of a `did` to `description`. False when it is not a describing element (a container, or unknown). */
export function describe(element: Element, description: Description, reports: Reports): boolean {
  switch (element.name) {
    case 'unittitle':
      addTitle(element, description, reports);
      return true;
    case 'unitid':
      addIdentifier(element, description, reports);
      return true;
    case 'unitdate':
      addDate(element, description, reports);
      return true;
    case 'physdesc':
      addPhysicalDescription(element, description, reports);
      return true;
    case 'langmaterial':
      addLanguages(element, description, reports);
      return true;
    default: {
      const notes = notesOf(element, reports.skip);
      description.notes.push(...(notes ?? []));
      return notes !== undefined;
    }
  }
}

/** `text`, or a reported problem when ArchivesSpace would refuse it as too long. */
export function checkLength(text: string, longest: number, what: string, line: number, reports: Reports): string {
  if (text.length > longest) {
    reports.problem(line, `${what} has ${text.length} characters; ArchivesSpace takes ${longest}`);
  }
  return text;
}

function addTitle(element: Element, description: Description, reports: Reports): void {
  const dates = childrenOf(element, 'unitdate');
  for (const date of dates) {
    addDate(date, description, reports);
  }
  const title = lineOf(element.children.filter((child) => typeof child === 'string' || !dates.includes(child)));
  if (title === '') {
    return;
  }
  if (description.title !== '') {
    reports.skip('further unittitle');
    return;
  }
  // "Letters, <unitdate>1901</unitdate>" leaves a comma behind that led to the date.
  const text = dates.length > 0 ? title.replace(/[,;:]$/, '') : title;
  description.title = checkLength(text, LONGEST.title, 'the title', element.line, reports);
}

function addIdentifier(element: Element, description: Description, reports: Reports): void {
  const identifier = checkLength(lineOf(element.children), LONGEST.identifier, 'the unitid', element.line, reports);
  const source = element.attributes['type'];
  if (identifier === '') {
    return;
  }
  if (description.identifier === '') {
    description.identifier = identifier;
  } else if (source === undefined) {
    reports.skip('further unitid');
  }
  if (source !== undefined) {
    description.externalIds.push({ external_id: identifier, source });
  }
}

const DATE = /^\d{4}(-\d{2}(-\d{2})?)?$/;
const DATE_TYPES: ReadonlySet<string> = new Set(['bulk', 'inclusive', 'single']);
const CERTAINTIES: ReadonlySet<string> = new Set(['approximate', 'inferred', 'questionable']);

function addDate(element: Element, description: Description, reports: Reports): void {
  const { normal, type, certainty, era, calendar } = element.attributes;
  const expression = checkLength(lineOf(element.children), LONGEST.identifier, 'the unitdate', element.line, reports);
  const [begin, end] = rangeOf(normal ?? '');
  if (normal !== undefined && begin === undefined) {
    reports.skip('unitdate/@normal that is no date');
  }
  if (certainty !== undefined && !CERTAINTIES.has(certainty)) {
    reports.skip('unitdate/@certainty');
  }
  if (expression === '' && begin === undefined) {
    return;
  }
  if (type !== undefined && !DATE_TYPES.has(type)) {
    reports.problem(element.line, `unitdate has the type "${type}"; ArchivesSpace knows bulk, inclusive and single`);
  }
  // A type says nothing against a range that is given, nor for one that is not.
  const dateType = end !== undefined && (type ?? 'single') === 'single' ? 'inclusive' : (type ?? 'single');
  description.dates.push({
    jsonmodel_type: 'date',
    date_type: dateType,
    label: 'creation',
    ...present({
      expression,
      begin,
      end: end ?? (dateType === 'single' ? undefined : begin),
      certainty: certainty !== undefined && CERTAINTIES.has(certainty) ? certainty : undefined,
      era,
      calendar,
    }),
  });
}

/** Begin and end of a `normal` attribute. End is undefined for a single date; both are when it is not a date, or ends before it begins. */
function rangeOf(normal: string): [begin?: string, end?: string] {
  const [begin, end, ...more] = normal.trim().split('/');
  if (begin === undefined || !isDate(begin) || more.length > 0 || (end !== undefined && !isDate(end))) {
    return [];
  }
  if (end === undefined || end === begin) {
    return [begin];
  }
  // As ArchivesSpace's check_date: a date without month or day is its first; 2000-05/2000 ends where it begins.
  return begin.startsWith(end) || padded(end) >= padded(begin) ? [begin, end] : [];
}

function isDate(text: string): boolean {
  const date = new Date(`${padded(text)}T00:00:00Z`);
  return DATE.test(text) && !Number.isNaN(date.getTime()) && date.toISOString().startsWith(padded(text));
}

function padded(date: string): string {
  return date + '-01-01'.slice(date.length - 4);
}

/** ArchivesSpace's own extent types by how finding aids write them; anything else becomes a new value of that list. */
const EXTENT_TYPES: readonly (readonly [RegExp, string])[] = [
  [/^(linear|lin\.?) (feet|foot|ft\.?)/i, 'linear_feet'],
  [/^(cubic|cu\.?) (feet|foot|ft\.?)/i, 'cubic_feet'],
];
const NUMBER_AND_TYPE = /^(\d[\d.,]*)\s+(.+)$/s;

interface PhysicalTexts {
  readonly summaries: Element[];
  readonly facets: Element[];
  readonly dimensions: Element[];
}

function addPhysicalDescription(element: Element, description: Description, reports: Reports): void {
  const texts: PhysicalTexts = { summaries: [], facets: [], dimensions: [] };
  const others: Element[] = [];
  let measure: Measure | undefined;
  for (const child of elementsOf(element)) {
    const read = child.name === 'extent' && measure === undefined ? measureOf(child) : undefined;
    measure ??= read;
    if (read !== undefined) {
      continue;
    }
    (child.name === 'extent'
      ? texts.summaries
      : child.name === 'physfacet'
        ? texts.facets
        : child.name === 'dimensions'
          ? texts.dimensions
          : others
    ).push(child);
  }
  const loose = {
    ...element,
    children: element.children.filter((child) => typeof child === 'string' || others.includes(child)),
  };
  measure ??= elementsOf(element).length === 0 ? measureOf(loose) : undefined;
  if (measure === undefined) {
    description.notes.push(
      ...[...texts.summaries, loose].flatMap((each) =>
        singlepart('physdesc', { ...each, attributes: { ...element.attributes, ...each.attributes } }),
      ),
      ...texts.facets.flatMap((each) => singlepart('physfacet', each)),
      ...texts.dimensions.flatMap((each) => multipart('dimensions', each)),
    );
    return;
  }
  const joined = (elements: readonly Element[]) =>
    elements.map((each) => lineOf(each.children)).filter((text) => text !== '');
  const isMeasureOnly = elementsOf(element).length === 0;
  description.extents.push({
    jsonmodel_type: 'extent',
    portion: element.attributes['altrender']?.toLowerCase() === 'part' ? 'part' : 'whole',
    number: measure.number,
    extent_type: measure.type,
    ...present({
      container_summary: [...(measure.rest === '' ? [] : [measure.rest]), ...joined(texts.summaries)].join('; '),
      physical_details: joined(texts.facets).join('; '),
      dimensions: checkLength(
        joined(texts.dimensions).join('; '),
        LONGEST.identifier,
        'the dimensions',
        element.line,
        reports,
      ),
    }),
  });
  if (!isMeasureOnly) {
    description.notes.push(...singlepart('physdesc', loose));
  }
}

interface Measure {
  readonly number: string;
  readonly type: string;
  /** What follows the type: "(26 boxes)". */
  readonly rest: string;
}

/** "30 linear feet (26 boxes)" or `<extent unit="boxes">3</extent>`; undefined when it does not begin with a number and a unit. */
function measureOf(element: Element): Measure | undefined {
  const text = lineOf(element.children);
  const unit = element.attributes['unit'];
  const [, number, words] =
    NUMBER_AND_TYPE.exec(unit !== undefined && /^[\d.,]+$/.test(text) ? `${text} ${unit}` : text) ?? [];
  if (number === undefined || words === undefined) {
    return undefined;
  }
  for (const [pattern, type] of EXTENT_TYPES) {
    const match = pattern.exec(words);
    if (match !== null) {
      return { number, type, rest: words.slice(match[0].length).replace(/^[\s,;.]+/, '') };
    }
  }
  // At most three words, else it is a sentence and no unit.
  const [, type, rest] = /^([\p{L}\p{M}-]+(?: [\p{L}\p{M}-]+){0,2})\s*([^\p{L}\p{M} -].*)?$/su.exec(words) ?? [];
  return type === undefined
    ? undefined
    : { number, type: type.toLowerCase().replaceAll(' ', '_'), rest: (rest ?? '').replace(/^[\s,;.]+/, '') };
}

function addLanguages(element: Element, description: Description, reports: Reports): void {
  for (const { attributes } of descendantsOf(element, 'language')) {
    const language = attributes['langcode'];
    if (language === undefined) {
      continue;
    }
    if (!/^[a-z]{3}$/.test(language)) {
      reports.skip('language/@langcode that is not of ISO 639-2');
      continue;
    }
    description.languages.push({
      jsonmodel_type: 'lang_material',
      language_and_script: {
        jsonmodel_type: 'language_and_script',
        language,
        ...present({ script: scriptOf(attributes['scriptcode'], reports) }),
      },
    });
  }
  const notes = singlepart('langmaterial', element, 'note_langmaterial');
  if (notes.length > 0) {
    description.languages.push({ jsonmodel_type: 'lang_material', notes });
  }
}

/** A code of ISO 15924 such as Latn; ArchivesSpace takes no other. */
export function scriptOf(code: string | undefined, reports: Reports): string | undefined {
  if (code === undefined || /^[A-Z][a-z]{3}$/.test(code)) {
    return code;
  }
  reports.skip('language/@scriptcode that is not of ISO 15924');
  return undefined;
}
