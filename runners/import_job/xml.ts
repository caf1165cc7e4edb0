/** Reads bytes as XML: decodes them as the file says, and gives what saxes meets. Nothing outside the file is ever read. */
import { SaxesParser, type SaxesTagNS } from 'saxes';

/** An element with all that is inside it. Attributes are keyed by their name without prefix. */
export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: (Element | string)[];
  /** Line of its start tag, from 1. */
  readonly line: number;
}

/** What is told about the document as it is read, in order. */
export interface XmlListener {
  /** `namespace` is '' for an element in none. */
  open(element: Element, namespace: string): void;
  text(text: string): void;
  close(): void;
}

/** The file cannot be read on. `message` says where. */
export class XmlError extends Error {
  constructor(line: number, column: number, message: string) {
    super(`line ${line}, column ${column}: ${message}`);
    this.name = 'XmlError';
  }
}

/** Longest piece that is parsed before what came of it is taken away, in characters. */
const PIECE_CHARACTERS = 65_536;
/** No finding aid nests as deep; a hostile file could, and would exhaust the stack. */
const DEEPEST = 250;
/** Long enough for a byte order mark and an XML declaration. */
const HEAD_BYTES = 256;
const PREDEFINED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
/** Prefixes that EAD files use without declaring them, because a DTD did it for them. */
const UNDECLARED: Readonly<Record<string, string>> = {
  xlink: 'http://www.w3.org/1999/xlink',
  xsi: 'http://www.w3.org/2001/XMLSchema-instance',
};

/**
 * Parses `bytes` and tells `listener`; yields after each piece, so that the caller can take what came of it.
 * Throws an `XmlError` with line and column when the file is not well-formed, is not in the encoding it declares,
 * or uses an entity that is neither predefined nor numeric. A DOCTYPE is read over; its entities are not expanded.
 */
export async function* parseXml(bytes: AsyncIterable<Uint8Array>, listener: XmlListener): AsyncGenerator<void> {
  const parser = new SaxesParser({ xmlns: true, resolvePrefix: (prefix: string) => UNDECLARED[prefix] });
  const fail = (message: string): never => {
    throw new XmlError(parser.line, Math.max(1, parser.column), message);
  };
  let entity = '';
  // Also keeps &toString; and its like from being looked up on Object.prototype.
  parser.ENTITIES = new Proxy(PREDEFINED as Record<string, string>, {
    get: (known, name) => {
      entity = String(name);
      return Object.hasOwn(known, entity) ? known[entity] : undefined;
    },
  });
  let depth = 0;
  parser.on('error', (error) => {
    const what = error.message.replace(/^\d+:\d+: /, '').replace(/\.$/, '');
    if (what === 'undefined entity') {
      fail(`the entity &${entity}; is not known here; write the character itself or a number such as &#233;`);
    }
    fail(what);
  });
  parser.on('opentag', (tag) => {
    depth += 1;
    if (depth > DEEPEST) {
      fail(`elements are nested more than ${DEEPEST} deep`);
    }
    listener.open(
      { name: tag.local, attributes: attributesOf(tag), children: [], line: parser.line },
      tag.uri.toLowerCase(),
    );
  });
  parser.on('closetag', () => {
    depth -= 1;
    listener.close();
  });
  parser.on('text', (text) => listener.text(text));
  parser.on('cdata', (text) => listener.text(text));

  for await (const text of decode(bytes, fail)) {
    for (let at = 0; at < text.length; at += PIECE_CHARACTERS) {
      parser.write(text.slice(at, at + PIECE_CHARACTERS));
      yield;
    }
  }
  parser.close();
  yield;
}

/** An attribute without prefix wins over one of the same name with it (`href` over `xlink:href`). */
function attributesOf(tag: SaxesTagNS): Record<string, string> {
  const attributes: Record<string, string> = Object.create(null);
  for (const { prefix, local, value } of Object.values(tag.attributes)) {
    if (prefix !== 'xmlns' && local !== 'xmlns' && (prefix === '' || attributes[local] === undefined)) {
      attributes[local] = value;
    }
  }
  return attributes;
}

/** Decodes by byte order mark, else by the XML declaration, else as UTF-8. */
async function* decode(bytes: AsyncIterable<Uint8Array>, fail: (message: string) => never): AsyncGenerator<string> {
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  let encoding = 'utf-8';
  const text = (chunk: Uint8Array | undefined): string => {
    try {
      return decoder === undefined ? '' : chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
    } catch {
      return fail(`the file is not ${encoding} from here on; save it as UTF-8 or correct its XML declaration`);
    }
  };
  let head = new Uint8Array();
  const start = (): string => {
    encoding = encodingOf(head);
    try {
      decoder = new TextDecoder(encoding, { fatal: true });
    } catch {
      return fail(`the encoding ${encoding} is not known; save the file as UTF-8`);
    }
    return text(head);
  };
  for await (const chunk of bytes) {
    if (decoder !== undefined) {
      yield text(chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length >= HEAD_BYTES) {
      yield start();
    }
  }
  if (decoder === undefined) {
    yield start();
  }
  yield text(undefined);
}

function encodingOf(head: Uint8Array): string {
  if (head[0] === 0xff && head[1] === 0xfe) {
    return 'utf-16le';
  }
  if (head[0] === 0xfe && head[1] === 0xff) {
    return 'utf-16be';
  }
  const declared = /^(?:\xef\xbb\xbf)?<\?xml[^>]*?\sencoding\s*=\s*["']([^"']+)["']/.exec(
    Buffer.from(head).toString('latin1'),
  );
  return declared?.[1]?.toLowerCase() ?? 'utf-8';
}
