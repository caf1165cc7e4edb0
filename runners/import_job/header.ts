/** The `eadheader`: what it says of the finding aid itself, as fields of the resource. */
import type { Reports } from './describe.ts';
import { checkLength, scriptOf } from './describe.ts';
import { isPublished } from './notes.ts';
import { LONGEST, present } from './records.ts';
import { childrenOf, descendantsOf, elementsOf, lineOf, textOf } from './text.ts';
import type { Element } from './xml.ts';

/** Names of the rules as finding aids write them, and ArchivesSpace's values for them. */
const DESCRIPTION_RULES: readonly (readonly [RegExp, string])[] = [
  [/\bdacs\b|describing archives/i, 'dacs'],
  [/\baacr2?\b|anglo-american/i, 'aacr'],
  [/isad ?\(?g\)?/i, 'isadg'],
  [/\brad\b|rules for archival description/i, 'rad'],
  [/\brda\b|resource description and access/i, 'rda'],
];

export interface Header {
  readonly eadId: string;
  /** Text of the titleproper; a collection without unittitle takes it as its title. */
  readonly title: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A finding aid without header; ArchivesSpace requires the two. */
export const NO_HEADER: Header = {
  eadId: '',
  title: '',
  fields: { finding_aid_language: 'und', finding_aid_script: 'Zyyy' },
};

/** Reads the header. What ArchivesSpace has no field for (publisher, creation and the like) is told to `reports`. */
export function headerOf(element: Element, reports: Reports): Header {
  const fields: Record<string, string> = {};
  const revisions: Readonly<Record<string, unknown>>[] = [];
  let location: string | undefined;
  let eadId = '';
  const put = (field: string, text: string) => {
    fields[field] =
      fields[field] === undefined || text === '' ? text || (fields[field] ?? '') : `${fields[field]}\n\n${text}`;
  };
  const read = (child: Element): void => {
    switch (child.name) {
      case 'eadid':
        eadId = checkLength(lineOf(child.children), LONGEST.identifier, 'the eadid', child.line, reports);
        location = child.attributes['url'];
        return;
      case 'filedesc':
      case 'titlestmt':
      case 'publicationstmt':
      case 'profiledesc':
      case 'notestmt':
        elementsOf(child).forEach(read);
        return;
      case 'titleproper':
        put(
          child.attributes['type'] === 'filing' ? 'finding_aid_filing_title' : 'finding_aid_title',
          lineOf(child.children),
        );
        return;
      case 'subtitle':
      case 'author':
      case 'sponsor':
        put(`finding_aid_${child.name}`, lineOf(child.children));
        return;
      case 'date':
        fields['finding_aid_date'] = checkLength(
          lineOf(child.children),
          LONGEST.identifier,
          'the publication date',
          child.line,
          reports,
        );
        return;
      case 'editionstmt':
      case 'seriesstmt':
        put(`finding_aid_${child.name.replace('stmt', '')}_statement`, textOf(child.children));
        return;
      case 'note':
        put('finding_aid_note', textOf(child.children));
        return;
      case 'langusage':
        readLanguage(child, fields, reports);
        return;
      case 'descrules': {
        const rules = DESCRIPTION_RULES.find(([pattern]) => pattern.test(lineOf(child.children)))?.[1];
        if (rules === undefined) {
          reports.skip(child.name);
        } else {
          fields['finding_aid_description_rules'] = rules;
        }
        return;
      }
      case 'revisiondesc':
        for (const entry of elementsOf(child)) {
          if (entry.name === 'change') {
            revisions.push(...revisionOf(entry));
          } else {
            reports.skip(`${entry.name} in revisiondesc`);
          }
        }
        return;
      default:
        reports.skip(child.name);
    }
  };
  elementsOf(element).forEach(read);
  for (const [field, text] of Object.entries(fields)) {
    checkLength(text, LONGEST.text, field, element.line, reports);
  }
  return {
    eadId,
    title: fields['finding_aid_title'] ?? '',
    fields: {
      ...NO_HEADER.fields,
      ...present({
        ...fields,
        ead_id: eadId,
        ead_location: location,
        finding_aid_status: element.attributes['findaidstatus']?.toLowerCase(),
        revision_statements: revisions,
      }),
    },
  };
}

function readLanguage(element: Element, fields: Record<string, string>, reports: Reports): void {
  const coded = descendantsOf(element, 'language').find((each) => /^[a-z]{3}$/.test(each.attributes['langcode'] ?? ''));
  if (coded !== undefined) {
    fields['finding_aid_language'] = coded.attributes['langcode'] ?? '';
    fields['finding_aid_script'] = scriptOf(coded.attributes['scriptcode'], reports) ?? '';
  }
  fields['finding_aid_language_note'] = lineOf(element.children);
}

/** ArchivesSpace requires both the date and the description of a revision. */
function revisionOf(change: Element): Readonly<Record<string, unknown>>[] {
  const date = childrenOf(change, 'date')
    .map((each) => lineOf(each.children))
    .join('; ');
  const description = childrenOf(change, 'item')
    .map((each) => textOf(each.children))
    .join('\n\n');
  return date === '' && description === ''
    ? []
    : [
        {
          jsonmodel_type: 'revision_statement',
          date: date || 'undated',
          description: description || 'Revised',
          publish: isPublished(change),
        },
      ];
}
