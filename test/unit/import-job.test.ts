import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { JsonRecord } from '../../runners/import_job/records.ts';
import { run } from '../../runners/import_job/runner.ts';
import { answer, canceled, DID, ead, FakeBackend, fakeContext, inputFile, ofType } from './import-job-helpers.ts';

const SMALL =
  ead(`${DID}<dsc><c level="series"><did><unittitle>Series</unittitle><container type="box">1</container></did>
<c level="file"><did><unittitle>File</unittitle></did></c></c></dsc><controlaccess/>`);
const MALFORMED = ead(`${DID}<dsc><c level="file"><did><unittitle>File</unittitle></did></dsc>`);

/** `count` components in `series` of 500 files each. */
function generated(count: number): string {
  const parts: string[] = [];
  for (let n = 0; n < count; n += 1) {
    if (n % 501 === 0) {
      parts.push(n === 0 ? '' : '</c>', `<c level="series"><did><unittitle>Series ${n}</unittitle></did>`);
    } else {
      parts.push(`<c level="file"><did><unittitle>File ${n}</unittitle></did></c>`);
    }
  }
  return ead(`${DID}<dsc>${parts.join('\n')}</c></dsc>`);
}

function refsOf(record: JsonRecord): string[] {
  return ['resource', 'parent'].flatMap((field) =>
    record[field] === undefined ? [] : [(record[field] as { ref: string }).ref],
  );
}

describe('a file that can be imported', () => {
  test('is sent as one batch, and every created record is noted by its real URI', async () => {
    const backend = new FakeBackend();
    const { ctx, recorded } = fakeContext([inputFile('small.xml', SMALL)], backend);

    await run(ctx);

    expect(backend.paths).toEqual(['POST /repositories/2/batch_imports']);
    expect(backend.batches[0]?.map(({ uri }) => uri)).toEqual([
      '/repositories/2/resources/import_1f-0-1',
      '/repositories/2/top_containers/import_1f-0-3',
      '/repositories/2/archival_objects/import_1f-0-2',
      '/repositories/2/archival_objects/import_1f-0-4',
    ]);
    expect(recorded.created).toEqual([
      '/repositories/2/resources/10000',
      '/repositories/2/top_containers/10001',
      '/repositories/2/archival_objects/10002',
      '/repositories/2/archival_objects/10003',
    ]);
  });

  test('has a log that tells the phases, what was left out, and the counts', async () => {
    const { ctx, recorded } = fakeContext([inputFile('small.xml', SMALL)], new FakeBackend());

    await run(ctx);

    expect(recorded.log).toEqual([
      'Checking small.xml',
      '='.repeat(50),
      'small.xml',
      '='.repeat(50),
      '1. STARTED: Reading JSON records',
      '2. STARTED: Saving records: cycle 1',
      'Not converted: controlaccess 1',
      'Imported 2 archival objects, 1 resource and 1 top container from small.xml',
    ]);
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
    expect(recorded.progress.at(-1)).toEqual([4, 4, 'component 4 of 4']);
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
    expect(second.recorded.progress.at(-1)).toEqual([4, 4, 'component 4 of 4']);
  });
});

describe('a file that cannot be imported', () => {
  test('fails the job with line and column before anything is sent, and keeps the good files from being sent', async () => {
    const backend = new FakeBackend();
    const { ctx, recorded } = fakeContext([inputFile('good.xml', SMALL), inputFile('bad.xml', MALFORMED)], backend);

    await expect(run(ctx)).rejects.toThrow(
      /^bad\.xml cannot be imported: line 6, column \d+: unexpected close tag\nNothing was sent/,
    );
    expect(backend.batches).toEqual([]);
    expect(recorded.created).toEqual([]);
    expect(recorded.log.some((line) => /^ {2}line 6, column \d+: unexpected close tag$/.test(line))).toBe(true);
  });

  test('fails the job when it describes a component by neither title nor date', async () => {
    const backend = new FakeBackend();
    const { ctx } = fakeContext([inputFile('bad.xml', ead(`${DID}<dsc><c level="item"><did/></c></dsc>`))], backend);

    await expect(run(ctx)).rejects.toThrow(
      'bad.xml cannot be imported: line 6: the component has neither a title nor a date',
    );
    expect(backend.batches).toEqual([]);
  });

  test('a job without files fails', async () => {
    await expect(run(fakeContext([], new FakeBackend()).ctx)).rejects.toThrow('no file');
  });
});

describe('a file of more records than one batch takes', () => {
  const files = () => [inputFile('large.xml', generated(4500), 64_000)];

  test('goes in batches of 2,000, parents first, and later ones refer to the real URIs of the saved', async () => {
    const backend = new FakeBackend();
    const { ctx, recorded } = fakeContext(files(), backend);

    await run(ctx);

    expect(backend.batches.map((batch) => batch.length)).toEqual([2000, 2000, 501]);
    const saved = new Set<string>();
    for (const [index, batch] of backend.batches.entries()) {
      const own = new Set<string>();
      for (const record of batch) {
        expect(refsOf(record).filter((ref) => !own.has(ref) && !saved.has(ref))).toEqual([]);
        own.add(record.uri);
      }
      for (const uri of recorded.created.slice(index * 2000, (index + 1) * 2000)) {
        saved.add(uri);
      }
    }
    expect(recorded.created).toHaveLength(4501);
    expect(recorded.created.every((uri) => /^\/repositories\/2\/(resources|archival_objects)\/\d+$/.test(uri))).toBe(
      true,
    );
    expect(recorded.log.at(-1)).toBe('Imported 4500 archival objects, 1 resource and 0 top containers from large.xml');
  });

  test('canceled while a batch is under way: it may answer, no other is sent, and the log lists what was saved', async () => {
    const backend = new FakeBackend();
    const { ctx, recorded } = fakeContext(files(), backend);
    const reason = canceled();
    backend.onBatch = () => {
      recorded.abort.abort(reason);
      return undefined;
    };

    await expect(run(ctx)).rejects.toBe(reason);
    expect(backend.batches).toHaveLength(1);
    expect(recorded.created).toHaveLength(2000);
    expect(recorded.log.at(-1)).toBe(
      'Already saved from large.xml, and left in ArchivesSpace: 1999 archival objects, 1 resource and 0 top containers (/repositories/2/resources/10000).',
    );
  });

  test('canceled before the first batch: nothing is sent', async () => {
    const backend = new FakeBackend();
    const { ctx, recorded } = fakeContext(files(), backend);
    recorded.abort.abort(canceled());

    await expect(run(ctx)).rejects.toThrow('canceled');
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
          {
            errors: [
              {
                errors: { 'notes/0/type': ['Property is required but was missing'] },
                invalid_object: '#<JSONModel(:resource) {}>',
              },
            ],
          },
        ]),
      ['notes/0/type: Property is required but was missing'],
    ],
    ['by its status', () => Response.json({ error: 'Access denied' }, { status: 403 }), ['HTTP 403', 'Access denied']],
  ])('is refused %s: the log has a block with the file, its EAD id and what was said', async (_, respond, said) => {
    const backend = new FakeBackend();
    backend.onBatch = respond;
    const { ctx, recorded } = fakeContext([inputFile('small.xml', SMALL)], backend);

    await expect(run(ctx)).rejects.toThrow(`ArchivesSpace refused small.xml: ${said[0]}`);
    expect(recorded.log.slice(recorded.log.indexOf('!'.repeat(50)))).toEqual([
      '!'.repeat(50),
      'IMPORT ERROR',
      'File: small.xml',
      'EAD id: demo',
      'ArchivesSpace says:',
      ...said.map((line) => `  ${line}`),
      'Nothing of this batch was saved.',
      '!'.repeat(50),
    ]);
    expect(recorded.created).toEqual([]);
  });

  test('after others were saved, leaves those, and the log lists them', async () => {
    const backend = new FakeBackend();
    backend.onBatch = (_, number) => (number === 2 ? answer([{ saved: [], errors: ['full'] }]) : undefined);
    const { ctx, recorded } = fakeContext([inputFile('large.xml', generated(2500), 64_000)], backend);

    await expect(run(ctx)).rejects.toThrow('full');
    expect(recorded.created).toHaveLength(2000);
    expect(recorded.log.at(-1)).toContain('1999 archival objects, 1 resource');
  });

  test.each([
    ['an answer that ends early', () => answer([{ ticks: 1, total: 2 }], ',\n')],
    ['an answer that is cut within its last element', () => new Response('[{"saved": {"/repositories/2/resources/im')],
    ['a fault of the backend', () => new Response('boom', { status: 502 })],
  ])('%s does not claim that nothing was saved', async (_, respond) => {
    const backend = new FakeBackend();
    backend.onBatch = respond;
    const { ctx, recorded } = fakeContext([inputFile('small.xml', SMALL)], backend);

    await expect(run(ctx)).rejects.toThrow('Look there whether the records of this batch were saved');
    expect(recorded.log).not.toContain('Nothing of this batch was saved.');
  });
});

test("the project's example is imported whole, and its text is intact", async () => {
  const xml = await readFile(new URL('../../examples/novak-tanaka.xml', import.meta.url), 'utf8');
  const backend = new FakeBackend();
  const { ctx, recorded } = fakeContext([inputFile('novak-tanaka.xml', xml, 37)], backend);

  await run(ctx);

  const records = backend.batches.flat();
  expect(ofType(records, 'archival_object')).toHaveLength(xml.match(/<c[ >]/g)?.length ?? -1);
  expect(records.map((record) => record['title'])).toContain('京都植物同好会 (Kyoto Society of Friends of Plants)');
  expect(recorded.log.at(-1)).toBe(
    'Imported 231 archival objects, 1 resource and 14 top containers from novak-tanaka.xml',
  );
});

/** Finding aids that ArchivesSpace ships as examples; not part of the project. */
const DATA = process.env['EAD_SAMPLES'] ?? new URL('../../../shared/data', import.meta.url).pathname;

describe.skipIf(!existsSync(join(DATA, 'ferris.xml')))('real finding aids', () => {
  test.each([
    ['ferris.xml', 18],
    ['wnyu.xml', 43],
    ['hornstein.xml', 719],
  ])('%s becomes one resource and %i archival objects', async (name, count) => {
    const xml = readFileSync(join(DATA, name));
    const backend = new FakeBackend();
    const { ctx } = fakeContext([inputFile(name, xml, 4096)], backend);

    await run(ctx);

    const records = backend.batches.flat();
    expect(xml.toString().match(/<c(0[1-9]|1[0-2])?[ >]/g)).toHaveLength(count);
    expect(ofType(records, 'archival_object')).toHaveLength(count);
    expect(ofType(records, 'resource')).toHaveLength(1);
    expect(records).toHaveLength(count + 1 + ofType(records, 'top_container').length);
  });

  test('MARCXML is refused as not EAD', async () => {
    const name = 'american-communist.xml';
    const { ctx } = fakeContext([inputFile(name, readFileSync(join(DATA, name)))], new FakeBackend());

    await expect(run(ctx)).rejects.toThrow(
      'american-communist.xml cannot be imported: line 2, column 1: this is not EAD: the root element is collection',
    );
  });
});
