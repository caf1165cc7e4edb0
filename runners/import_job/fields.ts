/** The fields of a record that its description gives, filled up with what ArchivesSpace requires. */
import { checkLength, type Description, type Reports } from './describe.ts';
import type { Header } from './header.ts';
import { type Extent, LONGEST, present } from './records.ts';
import type { Element } from './xml.ts';

type Fields = Readonly<Record<string, unknown>>;

const LEVELS: ReadonlySet<string> = new Set([
  'class',
  'collection',
  'file',
  'fonds',
  'item',
  'otherlevel',
  'recordgrp',
  'series',
  'subfonds',
  'subgrp',
  'subseries',
]);
/** ArchivesSpace requires an extent of a resource; this one is true of any. */
const DEFAULT_EXTENT: Extent = { jsonmodel_type: 'extent', portion: 'whole', number: '1', extent_type: 'collection' };

/** Of the collection that `archdesc` describes. What the file lacks and ArchivesSpace requires is remarked. */
export function resourceFields(archdesc: Element, description: Description, header: Header, reports: Reports): Fields {
  const { dates, extents, languages } = description;
  const title =
    description.title || checkLength(header.title, LONGEST.title, 'the titleproper', archdesc.line, reports);
  const identifier = description.identifier || header.eadId;
  if (title === '') {
    reports.problem(archdesc.line, 'the collection has no title: neither a unittitle nor a titleproper');
  }
  if (identifier === '') {
    reports.problem(archdesc.line, 'the collection has no identifier: neither a unitid nor an eadid');
  }
  if (dates.length === 0) {
    reports.remark('The collection has no date, which ArchivesSpace requires: "undated" is put.');
    dates.push({ jsonmodel_type: 'date', date_type: 'inclusive', label: 'creation', expression: 'undated' });
  }
  if (extents.length === 0) {
    reports.remark('The collection has no extent that begins with a number and a unit: "1 collection" is put.');
    extents.push(DEFAULT_EXTENT);
  }
  if (!languages.some((language) => language.language_and_script !== undefined)) {
    reports.remark('The collection has no code of its language, which ArchivesSpace requires: "und" is put.');
    languages.push({
      jsonmodel_type: 'lang_material',
      language_and_script: { jsonmodel_type: 'language_and_script', language: 'und' },
    });
  }
  return {
    ...levelOf(archdesc, reports),
    title,
    id_0: identifier,
    ...header.fields,
    ...listsOf(description),
  };
}

/** Of a component. */
export function componentFields(component: Element, description: Description, reports: Reports): Fields {
  if (description.title === '' && description.dates.length === 0) {
    reports.problem(component.line, 'the component has neither a title nor a date; ArchivesSpace requires one of them');
  }
  let refId = component.attributes['id'];
  if (refId !== undefined && !/^[a-zA-Z0-9\-_:.]*$/.test(refId)) {
    reports.skip('@id with characters that ArchivesSpace refuses');
    refId = undefined;
  }
  checkLength(refId ?? '', LONGEST.identifier, 'the id', component.line, reports);
  return {
    ...levelOf(component, reports),
    ...present({ title: description.title, component_id: description.identifier, ref_id: refId }),
    ...listsOf(description),
  };
}

function listsOf({ externalIds, dates, extents, languages }: Description): Fields {
  return present({ external_ids: externalIds, dates, extents, lang_materials: languages });
}

function levelOf({ attributes, line }: Element, reports: Reports): Fields {
  const level = attributes['level'] ?? 'otherlevel';
  if (level !== 'otherlevel' && LEVELS.has(level)) {
    return { level };
  }
  const other = attributes['otherlevel'] ?? (level === 'otherlevel' ? 'unspecified' : level);
  return { level: 'otherlevel', other_level: checkLength(other, LONGEST.identifier, 'the level', line, reports) };
}
