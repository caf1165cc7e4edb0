import { describe, expect, test } from 'vitest';
import { componentOf, convert, DID, ead } from './import-job-helpers.ts';

describe('notes', () => {
  test.each([
    'accessrestrict',
    'accruals',
    'acqinfo',
    'altformavail',
    'appraisal',
    'arrangement',
    'bioghist',
    'custodhist',
    'fileplan',
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
  ])('%s is a note of that type, with its head as label', async (name) => {
    const component = await componentOf(
      '<unittitle>A</unittitle>',
      `<${name} id="n1"><head>Head</head><p>One.</p><p>Two.</p></${name}>`,
    );

    expect(component?.['notes']).toEqual([
      {
        jsonmodel_type: 'note_multipart',
        type: name,
        label: 'Head',
        persistent_id: 'n1',
        publish: true,
        subnotes: [{ jsonmodel_type: 'note_text', content: 'One.\n\nTwo.', publish: true }],
      },
    ]);
  });

  test.each(['abstract', 'physloc', 'materialspec'])('%s is a note of one part', async (name) => {
    const component = await componentOf(`<unittitle>A</unittitle><${name} label="L">Text</${name}>`);

    expect(component?.['notes']).toEqual([
      { jsonmodel_type: 'note_singlepart', type: name, label: 'L', publish: true, content: ['Text'] },
    ]);
  });

  test('lists, chronologies, tables and addresses are lines that can be read', async () => {
    const component = await componentOf(
      '<unittitle>A</unittitle>',
      `<odd><p>Before <list type="ordered"><head>Parts</head><item>one</item><item>two <emph>2</emph></item></list> after</p>
       <list><defitem><label>K</label><item>Kyoto</item></defitem><item>loose</item></list>
       <chronlist><chronitem><date>1909</date><eventgrp><event>a</event><event>b</event></eventgrp></chronitem></chronlist>
       <table><head>Table</head><tgroup cols="2"><tbody><row><entry>x</entry><entry>y</entry></row><row><entry>1</entry><entry>2</entry></row></tbody></tgroup></table>
       <address><addressline>Here</addressline><addressline>There</addressline></address></odd>`,
    );

    expect(component?.['notes']).toMatchObject([
      {
        subnotes: [
          {
            content:
              'Before\n\nParts\n1. one\n2. two <emph>2</emph>\n\nafter\n\nK: Kyoto\n- loose\n\n1909: a; b\n\nTable\nx | y\n1 | 2\n\nHere\nThere',
          },
        ],
      },
    ]);
  });

  test('notes inside notes and in groups become notes of their own; an internal one is not published', async () => {
    const component = await componentOf(
      '<unittitle>A</unittitle>',
      `<scopecontent><p>Outer.</p><arrangement><p>Inner.</p></arrangement></scopecontent>
       <descgrp><head>Admin</head><acqinfo audience="internal"><p>Gift.</p></acqinfo></descgrp>`,
    );

    expect(component?.['notes']).toMatchObject([
      { type: 'scopecontent', subnotes: [{ content: 'Outer.' }] },
      { type: 'arrangement', subnotes: [{ content: 'Inner.' }] },
      { type: 'acqinfo', publish: false, subnotes: [{ publish: false }] },
    ]);
  });

  test('a bibliography keeps its references apart', async () => {
    const component = await componentOf(
      '<unittitle>A</unittitle>',
      '<bibliography><head>Read</head><p>See:</p><bibref>One</bibref><bibref>Two</bibref></bibliography>',
    );

    expect(component?.['notes']).toMatchObject([
      { jsonmodel_type: 'note_bibliography', label: 'Read', content: ['See:'], items: ['One', 'Two'] },
    ]);
  });

  test('a note longer than ArchivesSpace takes is cut between paragraphs into several parts, and nothing is lost', async () => {
    const paragraph = 'žluťoučký kůň '.repeat(2000).trim();
    const component = await componentOf('<unittitle>A</unittitle>', `<odd>${`<p>${paragraph}</p>`.repeat(5)}</odd>`);
    const [note] = (component?.['notes'] ?? []) as { subnotes: { content: string }[] }[];

    expect(note?.subnotes.map(({ content }) => content.length <= 65_000)).toEqual([true, true, true]);
    expect(note?.subnotes.map(({ content }) => content).join('\n\n')).toBe(Array(5).fill(paragraph).join('\n\n'));
  });
});

describe('containers', () => {
  const box = (id: string, number: number, label = 'Mixed materials') =>
    `<container id="${id}" type="Box" label="${label}">${number}</container>`;

  test('a box that several components name is one top container, before the first that lies in it', async () => {
    const { records } = await convert(
      ead(`${DID}<dsc>
        <c level="file"><did><unittitle>A</unittitle>${box('a', 1)}<container parent="a" type="Folder">1</container></did></c>
        <c level="file"><did><unittitle>B</unittitle>${box('b', 1)}<container parent="b" type="Folder">2</container></did></c>
        <c level="file"><did><unittitle>C</unittitle>${box('c', 2, 'Audio [311 42]')}</did></c></dsc>`),
    );

    expect(records.map((record) => record.jsonmodel_type)).toEqual([
      'resource',
      'top_container',
      'archival_object',
      'archival_object',
      'top_container',
      'archival_object',
    ]);
    expect(records[1]).toEqual({ jsonmodel_type: 'top_container', uri: records[1]?.uri, type: 'box', indicator: '1' });
    expect(records[4]).toMatchObject({ type: 'box', indicator: '2', barcode: '311 42' });
    expect(records[3]?.['instances']).toEqual([
      {
        jsonmodel_type: 'instance',
        instance_type: 'mixed_materials',
        sub_container: {
          jsonmodel_type: 'sub_container',
          top_container: { ref: records[1]?.uri },
          type_2: 'folder',
          indicator_2: '2',
        },
      },
    ]);
    expect(records[5]?.['instances']).toMatchObject([{ instance_type: 'audio' }]);
  });

  test('containers without ids that follow each other lie in one another; two with ids are two instances', async () => {
    const without = await componentOf(
      '<unittitle>A</unittitle><container type="box">1</container><container type="folder">2</container><container type="item">3</container>',
    );
    const withIds = await componentOf(`<unittitle>A</unittitle>${box('a', 1)}${box('b', 2)}`);

    expect(without?.['instances']).toMatchObject([
      { sub_container: { type_2: 'folder', indicator_2: '2', type_3: 'item', indicator_3: '3' } },
    ]);
    expect(withIds?.['instances']).toHaveLength(2);
  });
});
