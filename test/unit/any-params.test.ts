// Whatever parameters a schema lets through, the runner of its type takes, or refuses in words: it never hangs, and leaves
// no promise behind that is rejected with nobody listening (Vitest fails a run in which one is).
import { existsSync, globSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Run } from '../../runners/sdk/context.ts';
import { exampleParams, runForTest, type TestOptions } from '../../runners/sdk/testing.ts';
import type { RunnerManifest } from '../../schemas/runner-manifest.ts';

interface Found {
  readonly type: string;
  readonly schema: object;
  readonly run: Run;
}

/** Every runner in TypeScript, by its folder. Those of tests that ask for ArchivesSpace are there to misbehave. */
const found: Found[] = [];
for (const entry of globSync('{runners,plugins,test/plugins}/*/runner.ts').toSorted()) {
  const folder = entry.slice(0, -'/runner.ts'.length);
  const load = async (file: string): Promise<unknown> => import(pathToFileURL(file).href);
  const manifest = existsSync(`${folder}/manifest.json`)
    ? (JSON.parse(readFileSync(`${folder}/manifest.json`, 'utf8')) as RunnerManifest)
    : ((await load(`${folder}/manifest.ts`)) as { manifest: RunnerManifest }).manifest;
  if (manifest.archivesspace && folder.startsWith('test/')) continue;
  const { run } = (await load(entry)) as { run?: Run };
  // It has a protocol of its own, or none.
  if (!run) continue;
  for (const type of Object.keys(manifest.types)) {
    const schemas = folder.startsWith('runners/') ? 'schemas' : `${folder}/schemas`;
    found.push({ type, run, schema: JSON.parse(readFileSync(`${schemas}/${type}.json`, 'utf8')) as object });
  }
}

const files: readonly NonNullable<TestOptions['files']>[] = [
  [],
  [{ name: 'empty.csv', content: '' }],
  [
    { name: 'a.csv', content: 'name,year\nNovák,1926\n', contentType: 'text/csv' },
    { name: 'b.xml', content: new Uint8Array([0xff, 0xfe, 0x00, 0x3c]), contentType: 'application/xml' },
  ],
];

describe.each(found)('$type', ({ type, schema, run }) => {
  const { valid } = exampleParams(schema, { count: 60, seed: 4 });

  test.each<[when: string, cancel: NonNullable<TestOptions['cancel']>]>([
    ['canceled before it begins', 'at once'],
    ['canceled when it says its first word', { whenLogged: '' }],
  ])('%s', async (_, cancel) => {
    for (const [n, params] of valid.entries()) {
      const result = await runForTest(run, {
        params,
        job: { type },
        files: files[n % files.length] ?? [],
        cancel,
        archivesspace: () => Response.json({ error: 'Not here' }, { status: 404 }),
      });

      expect(['canceled', 'completed', 'failed'], JSON.stringify(params)).toContain(result.outcome);
      // In words for staff, not what JavaScript says of a runner that took something for granted.
      if (result.outcome === 'failed')
        expect(result.reason, JSON.stringify(params)).toMatch(/^(?!.*(undefined|not a function|not iterable))\S/s);
    }
  });
});
