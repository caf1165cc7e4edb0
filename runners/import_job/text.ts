/** Turns mixed content of EAD into the text of ArchivesSpace's fields: paragraphs by blank lines, lists by lines. */
import type { Element } from './xml.ts';

type Content = readonly (Element | string)[];

/** Inline elements that ArchivesSpace shows and exports itself when they stand in a text, so they are kept as markup. */
const KEPT: ReadonlySet<string> = new Set(['emph', 'title', 'ref', 'extref', 'ptr', 'extptr', 'dao']);
/** Elements that begin a block of their own wherever they stand. */
const BLOCKS: ReadonlySet<string> = new Set([
  'p',
  'head',
  'list',
  'chronlist',
  'table',
  'blockquote',
  'address',
  'note',
]);
/** What stands on its own unless it is inside a paragraph. */
const BLOCKS_OUTSIDE_PARAGRAPHS: ReadonlySet<string> = new Set(['archref', 'bibref']);

/** One line: for titles, dates, identifiers and the like. */
export function lineOf(content: Content): string {
  return squeeze(inline(content, ' '));
}

/** Text of any length: blocks are separated by an empty line, `lb` and the items of a list by a line break. */
export function textOf(content: Content): string {
  return blocks(content, false).join('\n\n');
}

/** Takes `text` apart into pieces of at most `longest` characters, at the ends of paragraphs where it can. */
export function piecesOf(text: string, longest: number): string[] {
  const pieces: string[] = [];
  let rest = text;
  while (rest.length > longest) {
    const paragraph = rest.lastIndexOf('\n\n', longest);
    const space = rest.lastIndexOf(' ', longest);
    const end = paragraph > 0 ? paragraph : space > 0 ? space : longest - (isHighSurrogate(rest, longest - 1) ? 1 : 0);
    pieces.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
  }
  return rest === '' ? pieces : [...pieces, rest];
}

/** All elements of that name directly inside `element`. */
export function childrenOf(element: Element, name: string): Element[] {
  return elementsOf(element).filter((child) => child.name === name);
}

export function elementsOf(element: Element): Element[] {
  return element.children.filter((child) => typeof child !== 'string');
}

/** All elements of that name at any depth inside `element`. */
export function descendantsOf(element: Element, name: string): Element[] {
  return elementsOf(element).flatMap((child) => [
    ...(child.name === name ? [child] : []),
    ...descendantsOf(child, name),
  ]);
}

function blocks(content: Content, inParagraph: boolean): string[] {
  const found: string[] = [];
  let run: (Element | string)[] = [];
  const flush = () => {
    const text = inline(run, '\n').split('\n').map(squeeze).join('\n').trim();
    if (text !== '') {
      found.push(text);
    }
    run = [];
  };
  for (const child of content) {
    if (typeof child === 'string' || !isBlock(child, inParagraph)) {
      run.push(child);
    } else {
      flush();
      found.push(...block(child, inParagraph));
    }
  }
  flush();
  return found;
}

function isBlock(element: Element, inParagraph: boolean): boolean {
  return (
    BLOCKS.has(element.name) ||
    (!inParagraph && BLOCKS_OUTSIDE_PARAGRAPHS.has(element.name)) ||
    (!KEPT.has(element.name) && elementsOf(element).some((child) => isBlock(child, true)))
  );
}

function block(element: Element, inParagraph: boolean): string[] {
  switch (element.name) {
    case 'list':
      return lines(element, (child, number) => {
        if (child.name === 'defitem') {
          return pair(childrenOf(child, 'label'), childrenOf(child, 'item'));
        }
        const mark = element.attributes['type'] === 'ordered' ? `${number}.` : '-';
        return child.name === 'item'
          ? `${mark} ${blocks(child.children, true).join('\n').replaceAll('\n', '\n  ')}`
          : lineOf([child]);
      });
    case 'chronlist':
      return lines(element, (child) =>
        child.name === 'chronitem' ? pair(childrenOf(child, 'date'), descendantsOf(child, 'event')) : lineOf([child]),
      );
    case 'table': {
      const rows = descendantsOf(element, 'row').map((row) =>
        childrenOf(row, 'entry')
          .map((entry) => lineOf([entry]))
          .join(' | '),
      );
      return [[...childrenOf(element, 'head').map((head) => lineOf([head])), ...rows].join('\n')];
    }
    case 'address':
      return lines(element, (child) => lineOf([child]));
    default:
      return blocks(
        element.children,
        inParagraph || element.name === 'p' || BLOCKS_OUTSIDE_PARAGRAPHS.has(element.name),
      );
  }
}

/** Each child element as a line of one block; text between them is white space in valid EAD, else a line too. */
function lines(element: Element, line: (child: Element, number: number) => string): string[] {
  let number = 0;
  const rendered = element.children.map((child) => {
    if (typeof child === 'string') {
      return squeeze(escapeText(child));
    }
    number += child.name === 'item' ? 1 : 0;
    return line(child, number);
  });
  const text = rendered.filter((each) => each !== '').join('\n');
  return text === '' ? [] : [text];
}

function pair(labels: readonly Element[], values: readonly Element[]): string {
  return [labels, values]
    .map((each) => each.map((element) => lineOf([element])).join('; '))
    .filter((each) => each !== '')
    .join(': ');
}

function inline(content: Content, lineBreak: string): string {
  return content
    .map((child) => {
      if (typeof child === 'string') {
        return escapeText(child).replace(/[ \t\r\n]+/g, ' ');
      }
      if (child.name === 'lb') {
        return lineBreak;
      }
      const inside = inline(child.children, lineBreak);
      return KEPT.has(child.name)
        ? markup(child, inside)
        : BLOCKS.has(child.name) || isItem(child)
          ? ` ${inside} `
          : inside;
    })
    .join('');
}

function isItem(element: Element): boolean {
  return element.name === 'item' || element.name === 'addressline' || element.name === 'entry';
}

function markup(element: Element, inside: string): string {
  if (inside === '' && !['href', 'target', 'entityref'].some((name) => name in element.attributes)) {
    return '';
  }
  const attributes = Object.entries(element.attributes)
    .map(
      ([name, value]) =>
        ` ${name}="${value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')}"`,
    )
    .join('');
  return inside === ''
    ? `<${element.name}${attributes}/>`
    : `<${element.name}${attributes}>${inside}</${element.name}>`;
}

/** ArchivesSpace reads its texts as mixed content; an ampersand alone stays as it is there, and so do we leave it. */
function escapeText(text: string): string {
  return text.replace(/&(?=#?\w+;)/g, '&amp;').replaceAll('<', '&lt;');
}

/** Only XML's white space: a no-break or an ideographic space is the author's. */
function squeeze(text: string): string {
  return text.replace(/[ \t\r\n]+/g, ' ').replace(/^ | $/g, '');
}

function isHighSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xd800 && code <= 0xdbff;
}
