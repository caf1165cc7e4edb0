/** The elements of EAD that become notes. */
import { LONGEST, type Note, present } from './records.ts';
import { childrenOf, elementsOf, lineOf, piecesOf, textOf } from './text.ts';
import type { Element } from './xml.ts';

/** Element → type of a note_multipart. */
const MULTIPART: ReadonlySet<string> = new Set([
  'accessrestrict',
  'accruals',
  'acqinfo',
  'altformavail',
  'appraisal',
  'arrangement',
  'bioghist',
  'custodhist',
  'fileplan',
  'legalstatus',
  'odd',
  'originalsloc',
  'otherfindaid',
  'phystech',
  'prefercite',
  'processinfo',
  'relatedmaterial',
  'scopecontent',
  'separatedmaterial',
  'userestrict',
]);
/** Element → type of a note_singlepart. */
const SINGLEPART: ReadonlySet<string> = new Set(['abstract', 'materialspec', 'physloc']);
/** Groups whose members are notes of their own; the last two are of EAD 1.0. */
const GROUPS: ReadonlySet<string> = new Set(['descgrp', 'admininfo', 'add']);

/**
 * The notes that `element` becomes: more than one for a group, or when notes are nested in it. Undefined when it is
 * no note; `skip` is told the names of those of a group's members that are none.
 */
export function notesOf(element: Element, skip: (name: string) => void): Note[] | undefined {
  if (GROUPS.has(element.name)) {
    return elementsOf(element).flatMap((member) => {
      const notes = notesOf(member, skip);
      if (notes === undefined) {
        skip(member.name);
      }
      return notes ?? [];
    });
  }
  if (element.name === 'bibliography') {
    return bibliographyOf(element);
  }
  if (SINGLEPART.has(element.name)) {
    return singlepart(element.name, element);
  }
  if (element.name === 'note') {
    return multipart('odd', element);
  }
  if (!MULTIPART.has(element.name)) {
    return undefined;
  }
  // A bioghist inside a bioghist and the like: a note after the one it stands in.
  const nested = elementsOf(element).filter(
    (child) => MULTIPART.has(child.name) || GROUPS.has(child.name) || child.name === 'bibliography',
  );
  const own = {
    ...element,
    children: element.children.filter((child) => typeof child === 'string' || !nested.includes(child)),
  };
  return [...multipart(element.name, own), ...nested.flatMap((child) => notesOf(child, skip) ?? [])];
}

/** A note of several parts (`subnotes`); none when the element has no text. */
export function multipart(type: string, element: Element): Note[] {
  const { label, content } = headAndText(element);
  const publish = isPublished(element);
  const subnotes = content.map((piece) => ({ jsonmodel_type: 'note_text' as const, content: piece, publish }));
  return subnotes.length === 0 ? [] : [{ jsonmodel_type: 'note_multipart', type, ...common(element, label), subnotes }];
}

/** A note of one part; none when the element has no text. */
export function singlepart(
  type: string,
  element: Element,
  kind: 'note_singlepart' | 'note_langmaterial' = 'note_singlepart',
): Note[] {
  const { label, content } = headAndText(element);
  return content.length === 0 ? [] : [{ jsonmodel_type: kind, type, ...common(element, label), content }];
}

/** False for what the finding aid marks as internal. */
export function isPublished(element: Element): boolean {
  return element.attributes['audience'] !== 'internal';
}

function bibliographyOf(element: Element): Note[] {
  const references = new Set(['bibref', 'archref', 'title']);
  const items = elementsOf(element).filter((child) => references.has(child.name));
  const { label, content } = headAndText({
    ...element,
    children: element.children.filter((child) => typeof child === 'string' || !items.includes(child)),
  });
  const texts = items
    .map((item) => lineOf(item.name === 'title' ? [item] : item.children))
    .filter((text) => text !== '');
  return content.length + texts.length === 0
    ? []
    : [
        {
          jsonmodel_type: 'note_bibliography',
          ...common(element, label),
          content,
          items: texts.flatMap((text) => piecesOf(text, LONGEST.text)),
        },
      ];
}

function headAndText(element: Element): { label: string | undefined; content: string[] } {
  const [head] = childrenOf(element, 'head');
  const rest = element.children.filter((child) => child !== head);
  return {
    label: (head === undefined ? undefined : lineOf(head.children)) || element.attributes['label'],
    content: piecesOf(textOf(rest), LONGEST.text),
  };
}

function common(
  element: Element,
  label: string | undefined,
): { label?: string; persistent_id?: string; publish: boolean } {
  return { ...present({ label, persistent_id: element.attributes['id'] }), publish: isPublished(element) };
}
