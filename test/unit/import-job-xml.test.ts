import { expect, test } from 'vitest';
import { convert, DID, ead, ofType } from './import-job-helpers.ts';

const TEXT = 'Žluťoučký kůň, 田中茂雄の庭, 𠮷野, no\u00a0break, ideographic\u3000space';

test.each([1, 2, 3, 5])(
  'characters of several bytes are intact when the file comes in chunks of %i bytes',
  async (chunkBytes) => {
    const { records } = await convert(
      ead(`${DID}<dsc><c level="item"><did><unittitle>${TEXT}</unittitle></did></c></dsc>`),
      chunkBytes,
    );

    expect(ofType(records, 'archival_object')[0]?.['title']).toBe(TEXT);
  },
);

test('a character outside the basic plane is intact at every place where a piece can end', async () => {
  const text = '𠮷'.repeat(70_000);
  const { records } = await convert(ead(`${DID}<odd><p>a${text}</p></odd>`), 1_000_000);
  const notes = records[0]?.['notes'] as { subnotes: { content: string }[] }[];

  expect(notes[0]?.subnotes.map(({ content }) => content).join('')).toBe(`a${text}`);
});

test.each([
  ['UTF-16 with a byte order mark', (xml: string) => Buffer.from(`\ufeff${xml.replace('UTF-8', 'UTF-16')}`, 'utf16le')],
  ['UTF-8 with a byte order mark', (xml: string) => Buffer.from(`\ufeff${xml}`)],
  ['the encoding it declares', (xml: string) => Buffer.from(xml.replace('UTF-8', 'ISO-8859-1'), 'latin1')],
])('a file in %s is read', async (_, encode) => {
  const { records } = await convert(encode(ead(DID.replace('Papers', 'Café'))));

  expect(records[0]?.['title']).toBe('Café');
});

test('bytes that are not in the declared encoding are refused', async () => {
  await expect(convert(Buffer.from(ead(DID.replace('Papers', 'Café')), 'latin1'))).rejects.toThrow(
    /^line 1, .*not utf-8/,
  );
});

test('EAD without a namespace is read, and so is one whose DTD used to declare the prefix xlink', async () => {
  const xml = ead(`${DID}<odd><p><extref xlink:href="https://x.example/a">here</extref></p></odd>`).replace(
    ' xmlns="urn:isbn:1-931666-22-9"',
    '',
  );

  expect((await convert(xml)).records[0]?.['notes']).toMatchObject([
    { subnotes: [{ content: '<extref href="https://x.example/a">here</extref>' }] },
  ]);
});

test('a DOCTYPE with an internal subset is read over', async () => {
  const doctype =
    '<!DOCTYPE ead PUBLIC "+//ISBN 1-931666-00-8//DTD ead.dtd//EN" "http://127.0.0.1:9/ead.dtd" [<!ENTITY logo SYSTEM "logo.gif" NDATA gif>]>';
  const { records, findings } = await convert(ead(DID).replace('<ead ', `${doctype}<ead `));

  expect(findings.problems).toEqual([]);
  expect(records).toHaveLength(1);
});

test.each([
  ['an external entity', '<!DOCTYPE ead [<!ENTITY x SYSTEM "file:///etc/hostname">]>', 'x'],
  ['an entity of entities', '<!DOCTYPE ead [<!ENTITY y "lol"><!ENTITY x "&y;&y;&y;">]>', 'x'],
  ['a name that every object has', '', 'constructor'],
])('%s is neither fetched nor expanded: the file is refused where it is used', async (_, doctype, name) => {
  const xml = ead(`${DID}<odd><p>&${name};</p></odd>`).replace('<ead ', `${doctype}<ead `);

  await expect(convert(xml)).rejects.toThrow(new RegExp(`^line 6, column \\d+: the entity &${name}; is not known`));
});

test('numeric and predefined entities are characters', async () => {
  expect((await convert(ead(DID.replace('Papers', 'Caf&#233; &amp; &#x7530;')))).records[0]?.['title']).toBe(
    'Café & 田',
  );
});

test.each([
  ['<did></odd>', 'line 5, column 11: '],
  ['<did>', 'line 6, column '],
  ['<did a="1" a="2"/>', 'line 5, column '],
])('XML that is not well-formed (%s) is refused with line and column', async (inside, start) => {
  await expect(convert(ead(inside))).rejects.toThrow(start);
});

test('a file that ends early and an empty one are refused', async () => {
  await expect(convert(ead(DID).slice(0, -20))).rejects.toThrow(/^line \d+, column \d+: unclosed tag/);
  await expect(convert('')).rejects.toThrow(/root element/);
});

test('elements nested without end are refused before they exhaust the stack', async () => {
  await expect(convert(ead(`${DID}<odd>${'<emph>'.repeat(100_000)}`))).rejects.toThrow('nested more than 250 deep');
});

test.each([
  ['<collection xmlns="http://www.loc.gov/MARC21/slim"/>', 'not EAD: the root element is collection'],
  [
    '<ead xmlns="http://ead3.archivists.org/schema/"/>',
    'not EAD 2002: its namespace is http://ead3.archivists.org/schema/',
  ],
])('%s is refused by name', async (xml, message) => {
  await expect(convert(xml)).rejects.toThrow(message);
});

test('everything that ArchivesSpace would refuse is found in one reading, each with its line', async () => {
  const { findings } = await convert(
    ead(`${DID}
<dsc>
<c level="item"><did><physloc>shelf</physloc></did></c>
<c level="item"><did><unittitle>${'x'.repeat(8193)}</unittitle><unitdate type="rough">1900</unitdate></did></c>
<c level="item"><did><unittitle>A</unittitle></did><c level="item"><did><unittitle>B</unittitle></did></c>
<did><unittitle>again</unittitle></did></c>
</dsc>
<odd><c level="item"><did><unittitle>C</unittitle></did></c></odd>`),
  );

  expect(findings.problems).toEqual([
    'line 8: the component has neither a title nor a date; ArchivesSpace requires one of them',
    'line 9: the title has 8193 characters; ArchivesSpace takes 8192',
    'line 9: unitdate has the type "rough"; ArchivesSpace knows bulk, inclusive and single',
    'line 11: a second did in the same component',
    'line 13: a component (c) stands inside odd, where none can be',
  ]);
});

test('a file without archdesc has nothing to import', async () => {
  expect((await convert('<ead><eadheader><eadid>x</eadid></eadheader></ead>')).findings.problems[0]).toContain(
    'no archdesc',
  );
});
