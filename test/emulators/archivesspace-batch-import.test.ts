import { fork } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ArchivesSpaceClient, createArchivesSpaceClient } from '../../archivesspace/client.ts';
import { startArchivesSpace } from '../../local/archivesspace/server.ts';

type Json = Record<string, unknown>;

const R = '/repositories/2';
const RESOURCE = `${R}/resources/import_a0`;
const cleanups: (() => Promise<void>)[] = [];
let client: ArchivesSpaceClient;
let archivist: string;

beforeEach(async () => {
  const backend = await startArchivesSpace();
  cleanups.push(backend.close);
  client = createArchivesSpaceClient({ baseUrl: backend.url, maxResponseBytes: 10_000_000 });
  archivist = await logIn('archivist');
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function logIn(username: string): Promise<string> {
  const login = await client.login({ username, password: username });
  if (!login.ok) throw new Error(`${username} could not log in`);
  return login.session;
}

function makeResource(changes: Json = {}): Json {
  return {
    jsonmodel_type: 'resource',
    uri: RESOURCE,
    title: 'Papers of Zoë Ångström',
    id_0: 'MS-1',
    level: 'collection',
    finding_aid_language: 'eng',
    finding_aid_script: 'Latn',
    extents: [{ portion: 'whole', number: '3', extent_type: 'linear_feet' }],
    dates: [{ date_type: 'inclusive', label: 'creation', begin: '1901', end: '1933-05' }],
    lang_materials: [{ language_and_script: { language: 'eng', script: 'Latn' } }],
    ...changes,
  };
}

function makeComponent(name: string, changes: Json = {}): Json {
  const uri = `${R}/archival_objects/import_${name}`;
  return {
    jsonmodel_type: 'archival_object',
    uri,
    title: name,
    level: 'file',
    resource: { ref: RESOURCE },
    ...changes,
  };
}

const under = (name: string) => ({ parent: { ref: `${R}/archival_objects/import_${name}` } });

async function post(records: unknown, session = archivist, repository = R) {
  const body = typeof records === 'string' ? records : JSON.stringify(records);
  const response = await client.request({ method: 'POST', path: `${repository}/batch_imports`, session, body });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

async function load(records: unknown, session?: string) {
  const messages: Json[] = JSON.parse((await post(records, session)).text);
  const { saved = {}, errors = [] } = messages.at(-1) as {
    saved?: Record<string, [string, number]>;
    errors?: string[];
  };
  return { messages, saved, errors };
}

async function get(path: string, session = archivist): Promise<{ status: number; body: Json }> {
  const response = await client.request({ method: 'GET', path, session });
  return { status: response.status, body: (await response.json()) as Json };
}

const childrenOf = (node: Json) => node['children'] as Json[];

const countResources = async () => (await get(`${R}/resources?all_ids=true`, await logIn('viewer'))).body;

test('a batch is answered with statuses, ticks and the URIs of what it made', async () => {
  const { status, type, text } = await post([makeResource(), makeComponent('b1')]);

  expect([status, type]).toEqual([200, 'text/plain;charset=utf-8']);
  const messages = JSON.parse(text);
  expect(messages[0]).toEqual({ status: [{ id: 1, label: 'Reading JSON records', type: 'started' }] });
  expect(messages).toContainEqual({ ticks: 2, total: 2 });
  expect(messages.at(-1)).toEqual({
    saved: {
      [RESOURCE]: [`${R}/resources/1`, 1],
      [`${R}/archival_objects/import_b1`]: [`${R}/archival_objects/1`, 1],
    },
  });
});

test('a record says who made it, when and where, with real references in the place of temporary ones', async () => {
  const container = {
    jsonmodel_type: 'top_container',
    uri: `${R}/top_containers/import_c1`,
    type: 'box',
    indicator: '7',
  };
  const instances = [{ instance_type: 'mixed_materials', sub_container: { top_container: { ref: container.uri } } }];

  await load([makeComponent('b2', { ...under('b1'), instances }), makeComponent('b1'), container, makeResource()]);

  const { body: resource } = await get(`${R}/resources/1`);
  const { body: tree } = await get(`${R}/resources/1/tree`);
  const [parent = {}] = childrenOf(tree);
  const { body: child } = await get(String(childrenOf(parent)[0]?.['record_uri']));
  expect(resource).toMatchObject({
    title: 'Papers of Zoë Ångström',
    created_by: 'archivist',
    lock_version: 0,
    publish: false,
  });
  expect(resource['create_time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  expect(child).toMatchObject({
    title: 'b2',
    repository: { ref: R },
    resource: { ref: `${R}/resources/1` },
    parent: { ref: parent['record_uri'] },
    instances: [{ sub_container: { top_container: { ref: `${R}/top_containers/1` } } }],
    ancestors: [{ ref: parent['record_uri'] }, { ref: `${R}/resources/1`, level: 'collection' }],
  });
  expect((await get(`${R}/top_containers/1`)).body).toMatchObject({ display_string: 'box 7' });
});

test('the tree has the wanted positions, whatever the order in the batch, and takes a later batch at its place', async () => {
  await load([
    makeComponent('c', { position: 2 }),
    makeResource(),
    makeComponent('aa', { ...under('a'), position: 0 }),
    makeComponent('b', { position: 1 }),
    makeComponent('a', { position: 0 }),
    makeComponent('d'),
  ]);
  const resource = { ref: `${R}/resources/1` };
  const later = ['e', 'f'].map((name, index) => makeComponent(name, { resource, position: 4 + index }));
  await load([...later, makeComponent('ab', { resource, position: 1 })]);

  const { body } = await get(`${R}/resources/1/tree`);

  const outline = (node: Json): unknown[] => [node['title'], ...childrenOf(node).map(outline)];
  expect(outline(body).slice(1)).toEqual([['a', ['aa']], ['ab'], ['b'], ['c'], ['e'], ['f'], ['d']]);
  const third = String(childrenOf(body)[2]?.['record_uri']);
  expect((await get(third)).body).toMatchObject({ title: 'b', position: 2 });
});

test('subjects and agents are shared: the same one is made once', async () => {
  const terms = [{ term: 'Whaling', term_type: 'topical', vocabulary: '/vocabularies/1' }];
  const makeSubject = (hex: string) => ({
    jsonmodel_type: 'subject',
    uri: `/subjects/import_${hex}`,
    source: 'lcsh',
    vocabulary: '/vocabularies/1',
    terms,
  });
  const person = {
    jsonmodel_type: 'agent_person',
    uri: '/agents/people/import_c',
    names: [{ primary_name: 'Ångström', name_order: 'inverted' }],
  };
  const linked_agents = [{ role: 'creator', ref: person.uri }];
  const subjects = ['a', 'b'].map((hex) => ({ ref: makeSubject(hex).uri }));

  const { errors } = await load([
    makeSubject('a'),
    person,
    makeSubject('b'),
    makeResource({ subjects, linked_agents }),
  ]);

  expect(errors).toEqual([]);
  expect((await get(`${R}/resources/1`)).body).toMatchObject({
    subjects: [{ ref: '/subjects/1' }, { ref: '/subjects/1' }],
    linked_agents: [{ ref: '/agents/people/1' }],
  });
  expect((await get('/subjects/2')).status).toBe(404);
  expect((await get('/agents/people/1')).status).toBe(200);
});

describe('a batch is refused as a whole', () => {
  const without = (record: Json, property: string) =>
    Object.fromEntries(Object.entries(record).filter(([name]) => name !== property));
  const note = { jsonmodel_type: 'note_multipart', type: 'scopecontent' };

  test.each<[string, Json[], RegExp]>([
    ['no title', [without(makeResource(), 'title')], /title: Property is required but was missing/],
    ['no id_0', [without(makeResource(), 'id_0')], /id_0: Property is required but was missing/],
    ['no extent', [makeResource({ extents: [] })], /extents: At least 1 item\(s\) is required/],
    ['half an extent', [makeResource({ extents: [{ portion: 'whole', number: '1' }] })], /extents\/0\/extent_type/],
    ['no date', [without(makeResource(), 'dates')], /dates: Property is required/],
    [
      'no language',
      [makeResource({ lang_materials: [{ language_note: { content: ['x'] } }] })],
      /lang_materials: must contain/,
    ],
    ['no language of the finding aid', [without(makeResource(), 'finding_aid_language')], /finding_aid_language/],
    ['a gap in the identifier', [makeResource({ id_2: '3' })], /identifier: must not contain blank entries/],
    [
      'an unknown level',
      [makeResource(), makeComponent('b', { level: 'Box' })],
      /level: Invalid value. Must be one of: class/,
    ],
    [
      'a date without anything',
      [makeResource({ dates: [{ date_type: 'single', label: 'creation' }] })],
      /dates\/0\/expression/,
    ],
    [
      'no such day',
      [makeResource({ dates: [{ date_type: 'single', label: 'creation', begin: '1901-02-30' }] })],
      /begin: not a valid/,
    ],
    [
      'an end before the begin',
      [makeResource({ dates: [{ date_type: 'inclusive', label: 'creation', begin: '1905', end: '1904' }] })],
      /dates\/0\/end: must not be before begin/,
    ],
    ['neither title nor date', [makeResource(), makeComponent('b', { title: '' })], /dates: one or more required/],
    ['too long a title', [makeResource({ title: 'x'.repeat(16_385) })], /title: Must be 16384 characters or fewer/],
    [
      'a note without content',
      [makeResource({ notes: [{ ...note, subnotes: [] }] })],
      /notes\/0\/subnotes: At least 1/,
    ],
    [
      'a note of the wrong kind',
      [makeResource({ notes: [{ ...note, type: 'abstract', subnotes: [{}] }] })],
      /notes\/0\/type/,
    ],
    [
      'an instance without container',
      [makeResource({ instances: [{ instance_type: 'text' }] })],
      /sub_container: Can't be empty/,
    ],
    ['no resource', [without(makeComponent('b'), 'resource')], /resource: Property is required/],
    ['an unknown type', [makeResource({ jsonmodel_type: 'spaceship' })], /No such record type: spaceship/],
    ['no temporary uri', [without(makeResource(), 'uri')], /Missing the temporary uri/],
    ['one uri twice', [makeResource(), makeResource({ id_0: 'MS-2' })], /is that of two records/],
    ['a dangling reference', [makeResource(), makeComponent('b', under('cc'))], /import_cc, which does not exist/],
    [
      'a missing record',
      [makeComponent('b', { resource: { ref: `${R}/resources/99` } })],
      /resources\/99, which does not exist/,
    ],
    [
      'a record of another repository',
      [makeComponent('b', { resource: { ref: '/repositories/3/resources/1' } })],
      /in another repository/,
    ],
    [
      'a reference to the wrong kind',
      [makeResource(), makeComponent('b', { parent: { ref: RESOURCE } })],
      /parent\/ref: Did not/,
    ],
    ['a circle', [makeResource(), makeComponent('a', under('b')), makeComponent('b', under('a'))], /in a circle/],
    [
      'one id twice',
      [makeResource(), makeResource({ uri: `${R}/resources/import_a1` })],
      /identifier: That ID is already in use/,
    ],
    [
      'one ref_id twice in a resource',
      [makeResource(), makeComponent('a', { ref_id: 'x' }), makeComponent('b', { ref_id: 'x' })],
      /ref_id: .* unique to its resource/,
    ],
  ])('for %s', async (_what, records, why) => {
    const good = makeResource({ uri: `${R}/resources/import_ff`, id_0: 'GOOD' });

    const { saved, errors } = await load([good, ...records]);

    expect(saved).toEqual([]);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(/^Server error: /);
    expect(errors[0]).toMatch(why);
    expect(await countResources()).toEqual([]);
  });

  test.each(['{', '{}', '[1]'])('for a body that is %s', async (body) => {
    const { status, text } = await post(body);

    expect([status, JSON.parse(text).at(-1).saved]).toEqual([200, []]);
  });

  test('for an id that the repository has, or a parent under another resource', async () => {
    await load([makeResource(), makeComponent('b')]);
    const other = makeResource({ id_0: 'MS-2', uri: `${R}/resources/import_bb` });
    const stray = makeComponent('c', { resource: { ref: other['uri'] }, parent: { ref: `${R}/archival_objects/1` } });

    expect((await load([makeResource()])).errors[0]).toContain('That ID is already in use');
    expect((await load([other, stray])).errors[0]).toContain('parent: belongs to another resource');
    expect(await countResources()).toEqual([1]);
  });
});

test('a batch is complete or nothing when two are sent at once', async () => {
  const batch = () => [makeResource(), ...Array.from({ length: 900 }, (_, n) => makeComponent(n.toString(16)))];

  const results = await Promise.all([load(batch()), load(batch())]);

  expect(results.map(({ errors }) => errors.length).sort()).toEqual([0, 1]);
  expect((await get(`${R}/archival_objects?page=1`)).body).toMatchObject({ total: 900, last_page: 90 });
});

test.each([
  ['data-entry', R, 403],
  ['viewer', R, 403],
  ['archivist', '/repositories/3', 403],
  ['admin', '/repositories/3', 200],
  ['admin', '/repositories/9', 400],
])('%s sends a batch to %s: %i', async (username, repository, status) => {
  expect((await post([], await logIn(username), repository)).status).toBe(status);
});

test('records are seen only with view_repository in their repository', async () => {
  await load([makeResource()]);

  expect((await get(`${R}/resources/1`, await logIn('viewer'))).status).toBe(200);
  expect((await get('/repositories/3/resources/1', await logIn('viewer'))).status).toBe(403);
  expect((await get('/repositories/3/resources/1')).status).toBe(404);
  expect((await get('/repositories/3/resources?all_ids=true')).body).toEqual([]);
  expect((await get(`${R}/resources`)).status).toBe(400);
});

test('what was saved is there after the process was killed, and a torn last line is not', {
  timeout: 20_000,
}, async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'archivesspace-'));
  cleanups.push(() => rm(stateDir, { recursive: true }));
  const child = fork(join(import.meta.dirname, 'archivesspace-process.ts'), [stateDir]);
  const url = await new Promise<string>((ready) => child.once('message', (message) => ready(String(message))));
  client = createArchivesSpaceClient({ baseUrl: url });
  archivist = await logIn('archivist');
  await load([makeResource(), makeComponent('b')]);

  const gone = new Promise((exited) => child.once('exit', exited));
  child.kill('SIGKILL');
  await gone;
  const journal = join(stateDir, 'archivesspace.jsonl');
  await appendFile(journal, '{"kind":"batch","records":[{"uri":"/repositories/2/resources/2","jsonmodel_ty');

  const again = await startArchivesSpace({ stateDir });
  cleanups.push(again.close);
  client = createArchivesSpaceClient({ baseUrl: again.url });
  const { saved } = await load([makeResource({ id_0: 'MS-2' })]);
  expect((await get(`${R}/archival_objects/1`)).body).toMatchObject({ title: 'b', created_by: 'archivist' });
  expect(saved).toEqual({ [RESOURCE]: [`${R}/resources/2`, 2] });
  expect(await readFile(journal, 'utf8')).not.toContain(archivist);
});
