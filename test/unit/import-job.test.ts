import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { JsonRecord } from '../../runners/import_job/records.ts';
import { run } from '../../runners/import_job/runner.ts';
import { answer, DID, ead, FakeBackend, fakeContext, importFiles, inputFile, standIn } from './import-job-helpers.ts';

const SMALL =
  ead(`${DID}<dsc><c level="series"><did><unittitle>Series</unittitle><container type="box">1</container></did>
<c level="file"><did><unittitle>File</unittitle></did></c></c></dsc><controlaccess/>`);
const MALFORMED = ead(`${DID}\n<dsc><c level="file"></dsc>`);
const small = { name: 'small.xml', content: SMALL };

/** `count` components, in series of 500 files each. */
function generated(count: number): { name: string; content: string } {
  const parts: string[] = [];
  for (let n = 0; n < count; n += 1) {
    if (n % 501 === 0) {
      parts.push(n === 0 ? '' : '</c>', `<c level="series"><did><unittitle>Series ${n}</unittitle></did>`);
    } else {
      parts.push(`<c level="file"><did><unittitle>File ${n}</unittitle></did></c>`);
    }
  }
  return { name: 'large.xml', content: ead(`${DID}<dsc>${parts.join('\n')}</c></dsc>`) };
}

function refsOf(record: JsonRecord): string[] {
  return ['resource', 'parent'].flatMap((field) =>
    record[field] === undefined ? [] : [(record[field] as { ref: string }).ref],
  );
}

describe('a file that can be imported', () => {
  test('is sent as one batch, and every created record is noted by its real URI', async () => {
    const backend = new FakeBackend();

    const { outcome, created } = await importFiles([small], backend);

    expect(outcome).toBe('completed');
    expect(backend.paths).toEqual(['POST /repositories/2/batch_imports']);
    expect(backend.batches[0]?.map(({ uri }) => uri)).toEqual([
      '/repositories/2/resources/import_1f-0-1',
      '/repositories/2/top_containers/import_1f-0-3',
      '/repositories/2/archival_objects/import_1f-0-2',
      '/repositories/2/archival_objects/import_1f-0-4',
    ]);
    expect(created).toEqual([
      '/repositories/2/resources/10000',
      '/repositories/2/top_containers/10001',
      '/repositories/2/archival_objects/10002',
      '/repositories/2/archival_objects/10003',
    ]);
  });

  test('has a log that tells the phases, what was left out, and the counts', async () => {
    const { log } = await importFiles([small], new FakeBackend());

    expect(log).toBe(
      [
        'Checking small.xml',
        '='.repeat(50),
        'small.xml',
        '='.repeat(50),
        '1. STARTED: Reading JSON records',
        '2. STARTED: Saving records: cycle 1',
        'Not converted: controlaccess 1',
        'Imported 2 archival objects, 1 resource and 1 top container from small.xml',
        '',
      ].join('\n'),
    );
  });

  test('moves the progress forward by component over all files, with the ticks of the backend', async () => {
    const { ctx, recorded } = fakeContext([inputFile('a.xml', SMALL), inputFile('b.xml', SMALL)], new FakeBackend());

    await run(ctx);

    expect(recorded.progress.map(([done, total]) => `${done}/${total}`)).toEqual([
      '0/4',
      '1/4',
      '2/4',
      '2/4',
      '3/4',
      '4/4',
    ]);
    expect(recorded.progress.at(-1)).toEqual([4, 4, 'components']);
  });

  test('is not sent again when the job goes on in a new segment', async () => {
    const files = [inputFile('a.xml', SMALL), inputFile('b.xml', SMALL)];
    const first = fakeContext(files, new FakeBackend());
    await run(first.ctx);
    const backend = new FakeBackend();
    const second = fakeContext(files, backend, first.recorded.checkpoints[0]);

    await run(second.ctx);

    expect(first.recorded.checkpoints).toEqual([{ files: 1, components: 2, total: 4 }]);
    expect(backend.batches).toHaveLength(1);
    expect(backend.batches[0]?.[0]?.uri).toBe('/repositories/2/resources/import_1f-1-1');
    expect(second.recorded.progress.at(-1)).toEqual([4, 4, 'components']);
  });
});

describe('a file that cannot be imported', () => {
  test('fails the job with line and column before anything is sent, and keeps the good files from being sent', async () => {
    const backend = new FakeBackend();

    const { outcome, reason, log, created } = await importFiles(
      [
        { name: 'good.xml', content: SMALL },
        { name: 'bad.xml', content: MALFORMED },
      ],
      backend,
    );

    expect(outcome).toBe('failed');
    expect(reason).toBe(
      'bad.xml cannot be imported: line 7, column 27: unexpected close tag\nNothing was sent to ArchivesSpace.',
    );
    expect(log).toContain('\n  line 7, column 27: unexpected close tag\n');
    expect([backend.batches, created]).toEqual([[], []]);
  });

  test('fails the job when it describes a component by neither title nor date', async () => {
    const backend = new FakeBackend();
    const content = ead(`${DID}\n<dsc><c level="item"><did/></c></dsc>`);

    const { outcome, reason } = await importFiles([{ name: 'bad.xml', content }], backend);

    expect(outcome).toBe('failed');
    expect(reason).toContain('bad.xml cannot be imported: line 7: the component has neither a title nor a date');
    expect(backend.batches).toEqual([]);
  });

  test('a job without files fails', async () => {
    expect((await importFiles([], new FakeBackend())).reason).toContain('no file');
  });
});

describe('a file of more records than one batch takes', () => {
  test('goes in batches of 2,000, parents first, and later ones refer to the real URIs of the saved', async () => {
    const backend = new FakeBackend();

    const { created, log } = await importFiles([generated(4500)], backend);

    expect(backend.batches.map((batch) => batch.length)).toEqual([2000, 2000, 501]);
    const known = new Set<string>();
    for (const [index, batch] of backend.batches.entries()) {
      const inBatch = new Set<string>();
      for (const record of batch) {
        expect(refsOf(record).filter((ref) => !inBatch.has(ref) && !known.has(ref))).toEqual([]);
        inBatch.add(record.uri);
      }
      for (const uri of created.slice(index * 2000, (index + 1) * 2000)) {
        known.add(uri);
      }
    }
    expect(created).toHaveLength(4501);
    expect(created.every((uri) => /^\/repositories\/2\/(resources|archival_objects)\/\d+$/.test(uri))).toBe(true);
    expect(log).toContain('Imported 4500 archival objects, 1 resource and 0 top containers from large.xml');
  });

  test('is saved as one tree', async () => {
    const backend = standIn();

    await importFiles([generated(4500)], backend);

    const objects = backend.list('archival_objects');
    const series = objects.filter((record) => record['parent'] === undefined);
    expect([objects.length, series.length, backend.list('resources').length]).toEqual([4500, 9, 1]);
    expect(
      objects.filter((record) => (record['parent'] as { ref?: string } | undefined)?.ref === series[3]?.uri),
    ).toHaveLength(500);
  });

  test('canceled while a batch is under way: it may answer, no other is sent, and the log lists what was saved', async () => {
    const backend = new FakeBackend();

    const { outcome, created, log } = await importFiles([generated(4500)], backend, { whenLogged: 'Saving records' });

    expect(outcome).toBe('canceled');
    expect(backend.batches).toHaveLength(1);
    expect(created).toHaveLength(2000);
    expect(log.trimEnd().split('\n').at(-1)).toBe(
      'Already saved from large.xml, and left in ArchivesSpace: 1999 archival objects, 1 resource and 0 top containers (/repositories/2/resources/10000).',
    );
  });

  test('canceled before the first batch: nothing is sent', async () => {
    const backend = new FakeBackend();

    const { outcome } = await importFiles([generated(4500)], backend, 'at once');

    expect(outcome).toBe('canceled');
    expect(backend.batches).toEqual([]);
  });
});

describe('a batch that ArchivesSpace does not save', () => {
  test.each([
    [
      'in the stream, as texts',
      () =>
        answer([
          { ticks: 1, total: 2 },
          { saved: [], errors: ['Server error: no such thing'] },
        ]),
      ['Server error: no such thing'],
    ],
    [
      'in the stream, by field',
      () =>
        answer([
          { errors: [{ errors: { 'notes/0/type': ['Property is required but was missing'] }, invalid_object: '#<>' }] },
        ]),
      ['notes/0/type: Property is required but was missing'],
    ],
    ['by its status', () => Response.json({ error: 'Access denied' }, { status: 403 }), ['HTTP 403', 'Access denied']],
  ])('is refused %s: the log has a block with the file, its EAD id and what was said', async (_, respond, said) => {
    const backend = new FakeBackend();
    backend.onBatch = respond;

    const { reason, log, created } = await importFiles([small], backend);

    expect(reason).toBe(`ArchivesSpace refused small.xml: ${said[0]}`);
    expect(log).toContain(
      [
        '!'.repeat(50),
        'IMPORT ERROR',
        'File: small.xml',
        'EAD id: demo',
        'ArchivesSpace says:',
        ...said.map((line) => `  ${line}`),
        'Nothing of this batch was saved.',
        '!'.repeat(50),
      ].join('\n'),
    );
    expect(created).toEqual([]);
  });

  test('after others were saved, leaves those, and the log lists them', async () => {
    const backend = new FakeBackend();
    backend.onBatch = (_, number) => (number === 2 ? answer([{ saved: [], errors: ['full'] }]) : undefined);

    const { outcome, created, log } = await importFiles([generated(2500)], backend);

    expect(outcome).toBe('failed');
    expect(created).toHaveLength(2000);
    expect(log).toContain('Already saved from large.xml, and left in ArchivesSpace: 1999 archival objects, 1 resource');
  });

  test.each([
    ['an answer that ends early', () => answer([{ ticks: 1, total: 2 }], ',\n')],
    ['an answer that is cut within its last element', () => new Response('[{"saved": {"/repositories/2/resources/im')],
    ['a fault of the backend', () => new Response('boom', { status: 502 })],
  ])('%s does not claim that nothing was saved', async (_, respond) => {
    const backend = new FakeBackend();
    backend.onBatch = respond;

    const { reason, log } = await importFiles([small], backend);

    expect(reason).toContain('Look there whether the records of this batch were saved');
    expect(log).not.toContain('Nothing of this batch was saved.');
  });

  test('because the collection is there already: the stand-in says so, and the job fails', async () => {
    const backend = standIn();
    await importFiles([small], backend);

    const { outcome, log } = await importFiles([small], backend);

    expect(outcome).toBe('failed');
    expect(log).toContain('That ID is already in use');
  });
});

test("the project's example is imported whole, and its text is intact", async () => {
  const content = await readFile(new URL('../../examples/novak-tanaka.xml', import.meta.url), 'utf8');
  const backend = standIn();

  const { log, created } = await importFiles([{ name: 'novak-tanaka.xml', content }], backend);

  const objects = backend.list('archival_objects');
  expect(objects).toHaveLength(content.match(/<c[ >]/g)?.length ?? -1);
  expect(objects.map((record) => record['title'])).toContain('京都植物同好会 (Kyoto Society of Friends of Plants)');
  expect(created).toHaveLength(231 + 1 + 14);
  expect(log).toContain('Imported 231 archival objects, 1 resource and 14 top containers from novak-tanaka.xml');
});
