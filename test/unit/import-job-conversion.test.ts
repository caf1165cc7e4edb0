import { describe, expect, test } from 'vitest';
import { componentOf, componentsOf, convert, DID, ead, ofType } from './import-job-helpers.ts';

async function resourceOf(inside: string, header?: string) {
  return ofType((await convert(ead(inside, header))).records, 'resource')[0];
}

async function datesOf(unitdate: string) {
  return (await componentOf(unitdate))?.['dates'];
}

describe('the collection', () => {
  test('archdesc becomes a resource with everything that ArchivesSpace requires of one', async () => {
    expect(await resourceOf(DID)).toMatchObject({
      jsonmodel_type: 'resource',
      uri: '/repositories/2/resources/import_1-0-1',
      title: 'Papers',
      level: 'collection',
      id_0: 'MC 1',
      ead_id: 'demo',
      publish: true,
      finding_aid_language: 'und',
      finding_aid_script: 'Zyyy',
      dates: [{ date_type: 'inclusive', label: 'creation', begin: '1900', end: '1910', expression: '1900-1910' }],
      extents: [{ portion: 'whole', number: '2', extent_type: 'linear_feet' }],
      lang_materials: [{ language_and_script: { jsonmodel_type: 'language_and_script', language: 'eng' } }],
    });
  });

  test('a collection without unittitle and unitid takes the title and the id of the finding aid', async () => {
    const header =
      '<eadid>guide-7</eadid><filedesc><titlestmt><titleproper>Guide to the <num>7</num> letters</titleproper></titlestmt></filedesc>';

    expect(await resourceOf('<did/>', header)).toMatchObject({ title: 'Guide to the 7 letters', id_0: 'guide-7' });
  });

  test('what ArchivesSpace requires and the file lacks is filled in with something true, and remarked', async () => {
    const { records, findings } = await convert(ead('<did><unittitle>Papers</unittitle></did>'));

    expect(records[0]).toMatchObject({
      dates: [{ expression: 'undated' }],
      extents: [{ number: '1', extent_type: 'collection' }],
      lang_materials: [{ language_and_script: { language: 'und' } }],
    });
    expect(findings.remarks).toHaveLength(3);
  });

  test('the header fills the fields of the finding aid', async () => {
    const header = `<eadid url="https://archives.example/x">x</eadid>
      <filedesc><titlestmt><titleproper>Guide</titleproper><titleproper type="filing">Papers, guide</titleproper><author>Žofie</author></titlestmt>
      <publicationstmt><date>2020</date></publicationstmt><notestmt><note><p>One.</p></note><note><p>Two.</p></note></notestmt></filedesc>
      <profiledesc><langusage>In <language langcode="cze" scriptcode="Latn">Czech</language></langusage>
      <descrules>Describing Archives: A Content Standard</descrules></profiledesc>
      <revisiondesc><change><date>2021</date><item>Corrected.</item></change></revisiondesc>`;

    expect(await resourceOf(DID, header)).toMatchObject({
      ead_location: 'https://archives.example/x',
      finding_aid_title: 'Guide',
      finding_aid_filing_title: 'Papers, guide',
      finding_aid_author: 'Žofie',
      finding_aid_date: '2020',
      finding_aid_note: 'One.\n\nTwo.',
      finding_aid_language: 'cze',
      finding_aid_script: 'Latn',
      finding_aid_language_note: 'In Czech',
      finding_aid_description_rules: 'dacs',
      revision_statements: [{ date: '2021', description: 'Corrected.', publish: true }],
    });
  });

  test('a note behind the components belongs to the collection all the same', async () => {
    const resource = await resourceOf(
      `${DID}<dsc><c level="item"><did><unittitle>A</unittitle></did></c></dsc><odd><p>Late.</p></odd>`,
    );

    expect(resource?.['notes']).toMatchObject([{ type: 'odd', subnotes: [{ content: 'Late.' }] }]);
  });
});

describe('components', () => {
  test('the tree is kept: parent, position, and the resource of each', async () => {
    const records = await componentsOf(`
      <c01 level="series" id="s1"><did><unittitle>Series</unittitle></did>
        <c02 level="file"><did><unittitle>First</unittitle></did></c02>
        <c02 level="file"><did><unittitle>Second</unittitle></did><c03 level="item"><did><unittitle>Deep</unittitle></did></c03></c02>
      </c01>
      <c01 level="series"><did><unittitle>Other series</unittitle></did></c01>`);
    const uri = (title: string) => records.find((record) => record['title'] === title)?.uri;

    expect(records.map((record) => [record['title'], record['position'], record['parent']])).toEqual([
      ['Series', 0, undefined],
      ['First', 0, { ref: uri('Series') }],
      ['Second', 1, { ref: uri('Series') }],
      ['Deep', 0, { ref: uri('Second') }],
      ['Other series', 1, undefined],
    ]);
    expect(
      records.every(
        (record) => (record['resource'] as { ref: string }).ref === '/repositories/2/resources/import_1-0-1',
      ),
    ).toBe(true);
    expect(records[0]?.['ref_id']).toBe('s1');
  });

  test.each([
    ['level="subseries"', { level: 'subseries' }],
    ['level="otherlevel" otherlevel="album"', { level: 'otherlevel', other_level: 'album' }],
    ['', { level: 'otherlevel', other_level: 'unspecified' }],
    ['level="box"', { level: 'otherlevel', other_level: 'box' }],
    ['level="item" audience="internal"', { level: 'item', publish: false }],
  ])('a component with %s', async (attributes, expected) => {
    expect(await componentOf('<unittitle>A</unittitle>', '', attributes)).toMatchObject(expected);
  });

  test('the unitid is the component id, and one with a type an external id too', async () => {
    expect(await componentOf('<unittitle>A</unittitle><unitid type="old">3/4</unitid>')).toMatchObject({
      component_id: '3/4',
      external_ids: [{ external_id: '3/4', source: 'old' }],
    });
  });

  test('a date inside the title leaves it, and so does the comma that led to it', async () => {
    expect(await componentOf('<unittitle>Letters, <unitdate normal="1901">1901</unitdate></unittitle>')).toMatchObject({
      title: 'Letters',
      dates: [{ begin: '1901' }],
    });
  });

  test('markup that ArchivesSpace shows stays in a title; other elements leave their text', async () => {
    const did =
      '<unittitle>On  <emph render="italic">Moss &amp; Fern</emph>\n by <persname>Tanaka</persname><lb/>&lt;draft&gt;</unittitle>';

    expect((await componentOf(did))?.['title']).toBe(
      'On <emph render="italic">Moss & Fern</emph> by Tanaka &lt;draft>',
    );
  });
});

describe('dates', () => {
  test.each([
    ['a range', '<unitdate normal="1816/1931">x</unitdate>', { date_type: 'inclusive', begin: '1816', end: '1931' }],
    [
      'a bulk range',
      '<unitdate normal="1816/1871" type="bulk">x</unitdate>',
      { date_type: 'bulk', begin: '1816', end: '1871' },
    ],
    ['the same year twice', '<unitdate normal="1975/1975">1975</unitdate>', { date_type: 'single', begin: '1975' }],
    [
      'an inclusive year',
      '<unitdate normal="1975" type="inclusive">1975</unitdate>',
      { date_type: 'inclusive', begin: '1975', end: '1975' },
    ],
    ['a day', '<unitdate normal="1920-02-29" type="single">x</unitdate>', { date_type: 'single', begin: '1920-02-29' }],
    [
      'a month within its year',
      '<unitdate normal="2000-05/2000">x</unitdate>',
      { date_type: 'inclusive', begin: '2000-05', end: '2000' },
    ],
    ['no normal form', '<unitdate>undated</unitdate>', { date_type: 'single', expression: 'undated' }],
    ['its certainty', '<unitdate normal="1900" certainty="approximate">c</unitdate>', { certainty: 'approximate' }],
  ])('%s', async (_, unitdate, expected) => {
    expect(await datesOf(unitdate)).toMatchObject([expected]);
  });

  test.each(['1921-02-29', '1950/1940', 'spring 1900', '19000101', '1900/1910/1920'])(
    'a normal form that ArchivesSpace would refuse (%s) is left out and counted; the text stays',
    async (normal) => {
      const did = `<did><unitdate normal="${normal}">text</unitdate></did>`;
      const { records, findings } = await convert(ead(`${DID}<dsc><c level="item">${did}</c></dsc>`));

      expect(ofType(records, 'archival_object')[0]?.['dates']).toEqual([
        { jsonmodel_type: 'date', date_type: 'single', label: 'creation', expression: 'text' },
      ]);
      expect(findings.skipped.get('unitdate/@normal that is no date')).toBe(1);
    },
  );
});

describe('physical description', () => {
  test.each([
    ['<physdesc><extent>0.4 linear feet</extent></physdesc>', { number: '0.4', extent_type: 'linear_feet' }],
    [
      '<physdesc><extent>30 Linear Feet (26 boxes)</extent></physdesc>',
      { number: '30', extent_type: 'linear_feet', container_summary: '(26 boxes)' },
    ],
    [
      '<physdesc><extent unit="photographic prints">12</extent></physdesc>',
      { number: '12', extent_type: 'photographic_prints' },
    ],
    ['<physdesc>3 boxes</physdesc>', { number: '3', extent_type: 'boxes' }],
    ['<physdesc altrender="part"><extent>1 item</extent></physdesc>', { portion: 'part' }],
    [
      '<physdesc><extent>2 volumes</extent><extent>in a slipcase</extent><physfacet>leather</physfacet><dimensions>9 × 12 cm</dimensions></physdesc>',
      {
        number: '2',
        extent_type: 'volumes',
        container_summary: 'in a slipcase',
        physical_details: 'leather',
        dimensions: '9 × 12 cm',
      },
    ],
  ])('%s is an extent', async (physdesc, expected) => {
    expect((await componentOf(`<unittitle>A</unittitle>${physdesc}`))?.['extents']).toMatchObject([expected]);
  });

  test('one without a number becomes notes', async () => {
    const component = await componentOf(
      '<unittitle>A</unittitle><physdesc><extent>some letters</extent><physfacet>ink</physfacet><dimensions>large</dimensions></physdesc><physdesc>worn</physdesc>',
    );

    expect(component?.['extents']).toBeUndefined();
    expect(component?.['notes']).toMatchObject([
      { jsonmodel_type: 'note_singlepart', type: 'physdesc', content: ['some letters'] },
      { jsonmodel_type: 'note_singlepart', type: 'physfacet', content: ['ink'] },
      { jsonmodel_type: 'note_multipart', type: 'dimensions', subnotes: [{ content: 'large' }] },
      { jsonmodel_type: 'note_singlepart', type: 'physdesc', content: ['worn'] },
    ]);
  });

  test('languages with a code are coded, and what is said of them is a note', async () => {
    const component = await componentOf(
      '<unittitle>A</unittitle><langmaterial>In <language langcode="cze">Czech</language> and <language langcode="jpn" scriptcode="Jpan">Japanese</language>.</langmaterial>',
    );

    expect(component?.['lang_materials']).toMatchObject([
      { language_and_script: { language: 'cze' } },
      { language_and_script: { language: 'jpn', script: 'Jpan' } },
      { notes: [{ jsonmodel_type: 'note_langmaterial', type: 'langmaterial', content: ['In Czech and Japanese.'] }] },
    ]);
  });
});

test('what is not converted is counted by name', async () => {
  const { findings } = await convert(
    ead(
      `${DID}<controlaccess><subject>Moss</subject></controlaccess><controlaccess/><index><p>i</p></index>
       <dsc><head>Components</head><c level="item"><did><unittitle>A</unittitle><dao href="https://x.example"/></did></c></dsc>`,
      '<eadid>x</eadid><filedesc><publicationstmt><publisher>P</publisher></publicationstmt></filedesc><revisiondesc><list/></revisiondesc>',
    ),
  );

  expect(Object.fromEntries(findings.skipped)).toEqual({
    publisher: 1,
    'list in revisiondesc': 1,
    controlaccess: 2,
    index: 1,
    'head in dsc': 1,
    dao: 1,
  });
});
