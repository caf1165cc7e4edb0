// S3's XML is flat and small: enough to write it, and to read what the SDK sends.

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
};

/** An element with text; `inner` elements are passed through by `raw`. */
export function element(name: string, text: string | number): string {
  return raw(
    name,
    String(text).replace(/[&<>"\r]/g, (character) => ENTITIES[character] ?? character),
  );
}

export function raw(name: string, ...inner: readonly string[]): string {
  return `<${name}>${inner.join('')}</${name}>`;
}

export function toXml(root: string, ...inner: readonly string[]): string {
  const namespace = root === 'Error' ? '' : ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${namespace}>${inner.join('')}</${root}>`;
}

/** The inner XML of every element of this name. */
export function findAll(xml: string, name: string): string[] {
  const pattern = new RegExp(`<${name}(?:\\s[^>]*)?>([\\s\\S]*?)</${name}>`, 'g');
  return [...xml.matchAll(pattern)].map((match) => match[1] ?? '');
}

/** The text of the first element of this name. */
export function findText(xml: string, name: string): string | undefined {
  return findAll(xml, name)[0]?.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, entity) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }[String(entity)] ?? whole;
  });
}
