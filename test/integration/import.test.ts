import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { useService } from '../helpers/stack.ts';

const stack = useService();
const samples = process.env['EAD_SAMPLES'] ?? '../shared/data';

async function importEad(name: string, content: string) {
  const archivist = await stack.as('archivist');
  const { status, body, text } = await archivist.upload(
    { jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: [name] },
    [{ field: 'files[0]', name, content }],
  );
  expect(status, text).toBe(200);
  return { archivist, uri: body.uri };
}

async function records(uri: string): Promise<readonly string[]> {
  const archivist = await stack.as('archivist');
  const found: string[] = [];
  for (let page = 1; ; page++) {
    const { body } = await archivist.get<{ last_page: number; results: { record: { ref: string } }[] }>(
      `${uri}/records?page=${page}&page_size=250`,
    );
    found.push(...body.results.map(({ record }) => record.ref));
    if (page >= body.last_page) return found;
  }
}

describe('an import of a finding aid', () => {
  test('creates its records as the archivist who asked', async () => {
    const { archivist, uri } = await importEad('novak-tanaka.xml', readFileSync('examples/novak-tanaka.xml', 'utf8'));

    await archivist.until(uri, 'completed', 20_000);

    const created = await records(uri);
    expect(created.filter((ref) => ref.includes('/archival_objects/'))).toHaveLength(231);
    const resource = created.find((ref) => ref.includes('/resources/')) ?? '';
    const login = await fetch(`${stack.service.archivesspaceUrl}/users/archivist/login`, {
      method: 'POST',
      body: new URLSearchParams({ password: 'archivist' }),
    });
    const { session } = (await login.json()) as { session: string };
    const record = await fetch(`${stack.service.archivesspaceUrl}${resource}`, {
      headers: { 'x-archivesspace-session': session },
    });
    expect(await record.json()).toMatchObject({ created_by: 'archivist', jsonmodel_type: 'resource' });
  }, 30_000);

  test.each(['ferris.xml', 'wnyu.xml', 'hornstein.xml'].map((name) => ({ name, path: join(samples, name) })))(
    'creates an archival object for each component of $name',
    async ({ name, path }) => {
      if (!existsSync(path)) return;
      const ead = readFileSync(path, 'utf8');
      const components = ead.match(/<c(0[1-9]|1[0-2])?[\s>]/g) ?? [];

      const { archivist, uri } = await importEad(name, ead);
      await archivist.until(uri, 'completed', 30_000);

      const created = await records(uri);
      expect(created.filter((ref) => ref.includes('/archival_objects/'))).toHaveLength(components.length);
      expect(created.filter((ref) => ref.includes('/resources/'))).toHaveLength(1);
    },
    40_000,
  );

  test('that is not well-formed fails with line and column in its log, and creates nothing', async () => {
    const { archivist, uri } = await importEad(
      'broken.xml',
      '<ead>\n  <archdesc level="collection">\n    <did><unittitle>Broken</unittite></did>\n  </archdesc>\n</ead>',
    );

    await archivist.until(uri, 'failed');

    expect(await archivist.log(uri)).toMatch(/broken\.xml.*line 3, column \d+/s);
    expect(await records(uri)).toEqual([]);
  });
});
