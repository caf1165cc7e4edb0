import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importFiles, standIn } from './import-job-helpers.ts';

/** Finding aids that ArchivesSpace ships as examples; they are no part of the project. */
const SAMPLES = process.env['EAD_SAMPLES'] ?? new URL('../../../shared/data', import.meta.url).pathname;

describe.skipIf(!existsSync(join(SAMPLES, 'ferris.xml')))('real finding aids', () => {
  test.each([
    ['ferris.xml', 18],
    ['wnyu.xml', 43],
    ['hornstein.xml', 719],
  ])('%s becomes one resource and %i archival objects', async (name, count) => {
    const content = readFileSync(join(SAMPLES, name));
    const backend = standIn();

    const { outcome, created, reason } = await importFiles([{ name, content }], backend);

    expect([outcome, reason]).toEqual(['completed', undefined]);
    expect(content.toString().match(/<c(0[1-9]|1[0-2])?[ >]/g)).toHaveLength(count);
    expect(backend.list('archival_objects')).toHaveLength(count);
    expect(backend.list('resources')).toHaveLength(1);
    expect(created).toHaveLength(count + 1 + backend.list('top_containers').length);
  });

  test('MARCXML is refused as not EAD', async () => {
    const name = 'american-communist.xml';

    const { reason } = await importFiles([{ name, content: readFileSync(join(SAMPLES, name)) }], standIn());

    expect(reason).toContain(
      'american-communist.xml cannot be imported: line 2, column 1: this is not EAD: the root element is collection',
    );
  });
});
