// Jobs that ArchivesSpace runs itself, on the local stack: the stand-in for its backend has a queue of its own.
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { StandInJob } from '../../local/archivesspace/jobs.ts';
import { manifest } from '../../runners/archivesspace/manifest.ts';
import { items, useService } from '../helpers/stack.ts';

const title = 'Papers of Zoë Ångström';
const delegated = Object.keys(manifest.types).filter((type) => type !== 'container_labels_job');

/** Holds the stand-in's jobs until they are let go, where a test wants it. */
let held: PromiseWithResolvers<void> | undefined;
const ran: StandInJob[] = [];

const stack = useService({
  plugins: ['test/plugins/delegate_test'],
  settings: { delegated_types: delegated.join(',') },
  onBackendJob: async (job) => {
    ran.push(job);
    await held?.promise;
  },
});

let source = '';
beforeAll(async () => {
  const session = await backendSession('archivist');
  const response = await fetch(`${stack.service.archivesspaceUrl}/repositories/2/batch_imports`, {
    method: 'POST',
    headers: { 'x-archivesspace-session': session },
    body: JSON.stringify([
      {
        jsonmodel_type: 'resource',
        uri: '/repositories/2/resources/import_a1',
        title,
        id_0: 'MS-1',
        level: 'collection',
        finding_aid_language: 'eng',
        finding_aid_script: 'Latn',
        extents: [{ portion: 'whole', number: '3', extent_type: 'linear_feet' }],
        dates: [{ date_type: 'inclusive', label: 'creation', begin: '1901', end: '1933-05' }],
        lang_materials: [{ language_and_script: { language: 'eng', script: 'Latn' } }],
      },
    ]),
  });
  source = /\/repositories\/2\/resources\/\d+/.exec(await response.text())?.[0] ?? '';
});
afterEach(() => {
  held?.resolve();
  held = undefined;
});

async function backendSession(username: string): Promise<string> {
  const login = await fetch(`${stack.service.archivesspaceUrl}/users/${username}/login`, {
    method: 'POST',
    body: new URLSearchParams({ password: username }),
  });
  return ((await login.json()) as { session: string }).session;
}

describe('print_to_pdf_job', () => {
  test('is run by ArchivesSpace as the user who asked; its log and its PDF come over', async () => {
    const clerk = await stack.as('data-entry');
    const uri = await clerk.create('print_to_pdf_job', { source });

    await clerk.until(uri, 'completed');

    expect(ran.at(-1)).toMatchObject({ owner: 'data-entry', type: 'print_to_pdf_job', job: { source } });
    expect(await clerk.log(uri)).toContain(`Generating PDF for ${title}  (“MS-1”)\nFile generated at `);
    const { body: ids } = await clerk.get<number[]>(`${uri}/output_files`);
    expect(ids).toHaveLength(1);
    const file = await fetch(`${stack.service.apiUrl}${uri}/output_files/${ids[0]}`, { headers: clerk.headers() });
    expect(file.headers.get('content-type')).toBe('application/pdf');
    expect(file.headers.get('content-disposition')).toContain(`filename="resources_${source.split('/').at(-1)}.pdf"`);
    const pdf = Buffer.from(await file.arrayBuffer()).toString('latin1');
    expect(pdf).toMatch(/^%PDF-1\.4\n.*%%EOF\n$/s);
    expect(pdf).toContain(`(${title}) Tj`);
  });

  test('of a resource that ArchivesSpace does not have fails, and its log says why', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('print_to_pdf_job', { source: '/repositories/2/resources/999' });

    const { failure } = await archivist.until(uri, 'failed');

    expect(failure).toMatchObject({ kind: 'runner_error', reason: expect.stringContaining('its log says why') });
    expect(await archivist.log(uri)).toContain('RecordNotFound: /repositories/2/resources/999');
  });

  test('that is canceled is canceled in ArchivesSpace too, and says that what it did stays', async () => {
    held = Promise.withResolvers();
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('print_to_pdf_job', { source });
    await expect.poll(() => archivist.log(uri), { timeout: 10_000 }).toContain('In ArchivesSpace the job is running');

    await archivist.cancel(uri);
    await expect.poll(() => ran.at(-1)?.status, { timeout: 10_000 }).toBe('canceled');
    held.resolve();
    await archivist.until(uri, 'canceled');

    expect(await archivist.log(uri)).toMatch(/has ended the canceled job .* stays in ArchivesSpace\.\n$/);
  });
});

describe('a job that takes longer than is looked for', () => {
  const segments = async (uri: string) => {
    const run = (await items(stack.service)).find(
      ({ pk, sk }) => pk === `RUN#container_labels_job#${uri.split('/').at(-1)}` && sk === 'RUN',
    );
    return { segment: Number(run?.['segment'] ?? 0), open: run?.['open'] };
  };

  test('leaves its Lambda and is looked at again; it is created once and comes over once', async () => {
    held = Promise.withResolvers();
    const archivist = await stack.as('archivist');
    const before = ran.length;
    const uri = await archivist.create('container_labels_job', { source });
    await expect.poll(() => segments(uri), { timeout: 10_000 }).toEqual({ segment: 2, open: false });

    held.resolve();
    await archivist.until(uri, 'completed');

    expect(ran.length - before).toBe(1);
    expect((await archivist.log(uri)).match(/Generating container labels/g)).toHaveLength(1);
    expect((await archivist.get<number[]>(`${uri}/output_files`)).body).toHaveLength(1);
  });

  test('is canceled in ArchivesSpace even while nobody looks', async () => {
    held = Promise.withResolvers();
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('container_labels_job', { source });
    await expect
      .poll(() => segments(uri), { timeout: 10_000, interval: 20 })
      .toEqual({ segment: expect.toSatisfy((n) => n > 0), open: false });

    await archivist.cancel(uri);
    await archivist.until(uri, 'canceled');

    expect(ran.at(-1)?.status).toBe('canceled');
    expect(await archivist.log(uri)).toContain('its work has not ended');
  });
});

test('only the types of the setting are there, with the permissions of the original', async () => {
  const { body } = await (await stack.as('archivist')).get<Record<string, unknown>>('/job_types');

  expect(Object.keys(body).sort()).toEqual(
    [...delegated, 'container_labels_job', 'import_job']
      .filter((type) => type !== 'resource_duplicate_job' && type !== 'top_container_linker_job')
      .sort(),
  );
  expect(body['find_and_replace_job']).toEqual({
    create_permissions: ['manage_repository'],
    cancel_permissions: ['manage_repository'],
  });
});
