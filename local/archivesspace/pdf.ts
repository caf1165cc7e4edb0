/** A plain PDF of lines of text: one font, A4, as many pages as it takes. */

const LINES_PER_PAGE = 48;
const LINE_POINTS = 15;

/** Makes a PDF. What the font's encoding (WinAnsi, here its part that is Latin-1) does not have becomes a question mark. */
export function makePdf(title: string, lines: readonly string[]): Uint8Array {
  const pages: string[][] = [];
  for (let from = 0; from < Math.max(lines.length, 1); from += LINES_PER_PAGE)
    pages.push(lines.slice(from, from + LINES_PER_PAGE));
  // 1 catalog, 2 pages, 3 font, 4 information, then each page and its content.
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    `<< /Type /Pages /Count ${pages.length} /Kids [${pages.map((_, n) => `${5 + 2 * n} 0 R`).join(' ')}] >>`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>',
    `<< /Title ${text(title)} >>`,
    ...pages.flatMap((page, n) => [
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents ${6 + 2 * n} 0 R >>`,
      stream(`BT /F1 11 Tf 56 786 Td ${LINE_POINTS} TL ${page.map((line) => `${text(line)} Tj T*`).join('\n')} ET`),
    ]),
  ];
  let pdf = '%PDF-1.4\n';
  const offsets = objects.map((object, n) => {
    const at = pdf.length;
    pdf += `${n + 1} 0 obj\n${object}\nendobj\n`;
    return at;
  });
  const table = offsets.map((at) => `${String(at).padStart(10, '0')} 00000 n \n`).join('');
  pdf += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}`;
  pdf += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info 4 0 R >>\nstartxref\n${pdf.indexOf('xref\n0 ')}\n%%EOF\n`;
  return Buffer.from(pdf, 'latin1');
}

const text = (line: string) => `(${line.replace(/[^\x20-\x7e\xa0-\xff]/gu, '?').replace(/[\\()]/g, '\\$&')})`;
const stream = (content: string) => `<< /Length ${content.length} >>\nstream\n${content}\nendstream`;
