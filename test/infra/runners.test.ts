import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { findRunners } from '../../infra/runners.ts';

/** A plugin's folder with these files; `null` leaves one of the usual ones out. */
function plugin(name: string, files: Readonly<Record<string, string | null>> = {}): string {
  const parent = mkdtempSync(join(tmpdir(), 'plugins-'));
  onTestFinished(() => rmSync(parent, { recursive: true }));
  const usual = {
    'manifest.ts': 'export const manifest = { types: { report_job: {} } };',
    'runner.ts':
      "import './not-there.ts';\nexport async function run() {}\nexport const handler = run;\nthrow new Error('This ran.');",
    'schemas/report_job.json': '{"$id": "report_job", "type": "object"}',
  };
  for (const [file, text] of Object.entries({ ...usual, ...files })) {
    if (text === null) continue;
    const path = join(parent, name, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return join(parent, name);
}

test('a deployment carries the built-in runners, and no plugin that was not chosen', async () => {
  const runners = await findRunners([], {});

  expect(runners.map(({ folder }) => folder)).toEqual(['runners/archivesspace', 'runners/import_job']);
  expect(runners[1]?.types).toMatchObject([{ type: 'import_job', createPermissions: ['import_records'] }]);
});

test('the types that are handed to ArchivesSpace have the options of its own', async () => {
  const [{ types } = { types: [] }] = await findRunners([], {});

  expect(
    types.map(({ type, hidden, runConcurrently, createPermissions, cancelPermissions }) =>
      [type, hidden ? 'hidden' : 'listed', runConcurrently, createPermissions.join(), cancelPermissions.join()].join(
        ' ',
      ),
    ),
  ).toEqual([
    'bulk_archival_object_updater_job listed false update_resource_record ',
    'bulk_import_job listed false import_records cancel_importer_job',
    'container_labels_job listed false  ',
    'find_and_replace_job listed false manage_repository manage_repository',
    'generate_arks_job listed false administer_system administer_system',
    'generate_slugs_job listed false administer_system administer_system',
    'ns2_remover_job listed false administer_system administer_system',
    'print_to_pdf_job listed false  ',
    'report_job listed false  ',
    'resource_duplicate_job hidden false  ',
    'top_container_linker_job hidden false  ',
    'trim_whitespace_job listed false  ',
  ]);
});

test('a site hands only some of these types to ArchivesSpace, or none', async () => {
  const some = await findRunners([], {}, ['report_job', 'print_to_pdf_job']);
  const none = await findRunners([], {}, []);

  expect(some[0]?.types.map(({ type }) => type)).toEqual(['print_to_pdf_job', 'report_job']);
  expect(none.map(({ folder }) => folder)).toEqual(['runners/import_job']);
  await expect(findRunners([], {}, ['import_job', 'a_job'])).rejects.toThrow(
    /runners\/archivesspace: delegated_types names import_job, a_job, which it does not have\. It has bulk_/,
  );
});

test('a plugin is chosen by its name below plugins/, or by the path of its folder, and none of its code runs', async () => {
  const runners = await findRunners(['jobs_example', plugin('reports')], {}, []);

  expect(runners.map(({ folder, types }) => [folder, types.map(({ type }) => type)])).toEqual([
    ['plugins/jobs_example', ['slow_nothing_job', 'slow_serial_job']],
    ['plugins/reports', ['report_job']],
    ['runners/import_job', ['import_job']],
  ]);
});

test.each<[string, Record<string, string | null>, string]>([
  ['has no manifest', { 'manifest.ts': null }, 'plugins/reports: there is no manifest.ts, and no manifest.json'],
  ['exports no manifest', { 'manifest.ts': 'export {};' }, 'plugins/reports: manifest.ts exports no `manifest`'],
  [
    'has no runner',
    { 'runner.ts': null },
    'plugins/reports: there is no runner.ts, and no runner.py, which does the work',
  ],
  ['has a runner without a handler', { 'runner.ts': 'export async function run() {}' }, 'exports no `handler`'],
  ['has a runner that cannot be parsed', { 'runner.ts': 'export const = 1' }, 'plugins/reports: '],
  ['has no schema', { 'schemas/report_job.json': null }, 'Add plugins/reports/schemas/report_job.json'],
  [
    'has a manifest that is no JSON',
    { 'manifest.ts': null, 'manifest.json': '{"types": ' },
    'plugins/reports: manifest.json is not JSON',
  ],
  [
    'has two manifests',
    { 'manifest.json': '{}' },
    'plugins/reports: there are manifest.ts and manifest.json. Keep one of them.',
  ],
  [
    'has two runners',
    { 'runner.py': 'def handler(event, context): pass' },
    'plugins/reports: there are runner.ts and runner.py. Keep one of them.',
  ],
  [
    'has a runner in Python without a handler',
    { 'runner.ts': null, 'runner.py': 'class A:\\n    def handler(self): pass\\n' },
    'plugins/reports/runner.py has no `handler` at its top level',
  ],
  ['has a schema that is no JSON', { 'schemas/report_job.json': '{' }, 'the schema report_job.json is not JSON'],
  [
    'has a schema that is no JSON Schema',
    { 'schemas/report_job.json': '{"type": "objekt"}' },
    'is not a JSON Schema (2020-12)',
  ],
  [
    'has a schema of another type',
    { 'schemas/other_job.json': '{}' },
    'no type of plugins/reports/manifest.ts is called other_job',
  ],
  [
    'takes a type that is taken',
    {
      'manifest.ts': 'export const manifest = { types: { import_job: {} } };',
      'schemas/report_job.json': null,
      'schemas/import_job.json': '{}',
    },
    'Job type import_job is registered twice: by',
  ],
])('a plugin that %s is refused, and the message says where', async (_, files, message) => {
  await expect(findRunners([plugin('reports', files)], {}, [])).rejects.toThrow(message);
});

test('all problems of all plugins are said at once', async () => {
  const broken = [plugin('first', { 'manifest.ts': null }), plugin('second', { 'runner.ts': null }), 'third'];

  await expect(findRunners(broken, { nothing_job: {} })).rejects.toThrow(
    /plugins names third.*plugins\/first: there is no manifest.*plugins\/second: there is no runner\.ts.*type_options names nothing_job/s,
  );
});

test('a manifest may be plain JSON, and a runner Python', async () => {
  const path = plugin('reports', {
    'manifest.ts': null,
    'manifest.json': '{"types": {"report_job": {"title": "Reports"}}, "memory_mb": 256}',
    'runner.ts': null,
    'runner.py': 'import os\n\ndef handler(event, context):\n    raise Exception("This ran.")\n',
  });

  const runners = await findRunners([path], {}, []);

  expect(runners.find(({ folder }) => folder === 'plugins/reports')).toMatchObject({
    entry: join(path, 'runner.py'),
    language: 'python',
    manifest: { memory_mb: 256 },
    types: [{ type: 'report_job', title: 'Reports' }],
  });
  expect(runners.find(({ folder }) => folder === 'runners/import_job')?.language).toBe('node');
});

test('a runner whose types a plugin takes over is left out; one that keeps some stays', async () => {
  const taking = (type: string, replaces: string) => ({
    'manifest.ts': null,
    'manifest.json': JSON.stringify({ types: { [type]: { replaces } } }),
    'schemas/report_job.json': null,
    [`schemas/${type}.json`]: '{}',
  });
  const imports = plugin('imports', taking('import_job', 'runners/import_job'));
  const reports = plugin('reports', taking('report_job', 'runners/archivesspace'));

  const runners = await findRunners([imports, reports], {});

  expect(runners.map(({ folder, types }) => `${folder} ${types.length}`)).toEqual([
    'plugins/imports 1',
    'plugins/reports 1',
    'runners/archivesspace 11',
  ]);
});

test('whatever JSON stands in a manifest, the answer is runners or a list of what is wrong', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), fc.jsonValue(), async (manifest, schema) => {
      const path = plugin('reports', {
        'manifest.ts': null,
        'manifest.json': JSON.stringify(manifest),
        'schemas/report_job.json': JSON.stringify(schema),
      });

      await expect(findRunners([path], {}, [])).rejects.toThrow(
        /^Runners that cannot be deployed:\n- (plugins\/reports.*(\n|$))+/s,
      );
    }),
    { numRuns: 30 },
  );
});
