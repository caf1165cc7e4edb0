/** `POST /repositories/:r/batch_imports`: takes all records of a batch or none, and tells what it does while it does it. */
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { checkRecord, type Problems } from './record-rules.ts';
import { parentOf, refOf, type Store, type StoredRecord } from './store.ts';

// Other requests are answered after so many records have been checked.
const CHECKED_AT_ONCE = 200;
const TICK_EVERY_MS = 1_000;

/** Where records of a type live, under their repository or not. */
const COLLECTIONS: Readonly<Record<string, string>> = {
  resource: 'resources',
  archival_object: 'archival_objects',
  top_container: 'top_containers',
  subject: '/subjects',
  agent_person: '/agents/people',
  agent_corporate_entity: '/agents/corporate_entities',
  agent_family: '/agents/families',
};

type Input = Readonly<Record<string, unknown>> & { readonly uri: string; readonly jsonmodel_type: string };
type Message = Readonly<Record<string, unknown>>;

export interface BatchImport {
  readonly store: Store;
  readonly repositoryId: number;
  readonly username: string;
  /** The request's body: a JSON array of records. */
  readonly body: string;
  /** Is given each status and tick as it comes. */
  readonly tell: (message: Message) => void;
}

/**
 * Checks and saves the batch. Returns the last message of the answer: `{saved: {temporary URI: [URI, id]}}`, or
 * `{saved: [], errors: […]}` when the records were refused, and then nothing of them is kept.
 */
export async function importBatch(batch: BatchImport): Promise<Message> {
  try {
    return { saved: await run(batch) };
  } catch (error) {
    if (!(error instanceof BatchRefused)) throw error;
    return { saved: [], errors: [`Server error: ${error.message}`] };
  }
}

/** The records are at fault; nothing of the batch is kept. */
class BatchRefused extends Error {}

async function run({ store, repositoryId, username, body, tell }: BatchImport) {
  let statusId = 0;
  const phase = async <T>(label: string, work: () => T | Promise<T>): Promise<T> => {
    statusId += 1;
    tell({ status: [{ id: statusId, label, type: 'started' }] });
    const result = await work();
    tell({ status: [{ id: statusId, label, type: 'done' }] });
    return result;
  };

  const inputs = await phase('Reading JSON records', () => parseRecords(body));
  const temporary = await phase('Validating records and checking links', () => validateAll(inputs, tell));
  const order = await phase('Evaluating record relationships', () => sortByDependency(inputs, temporary));
  // From here on nothing is awaited but the phase itself, so no other batch comes between the checks and the saving.
  return await phase('Saving records: cycle 1', () => {
    const { records, saved } = resolve(store, order, repositoryId, username);
    checkTogether(store, records, repositoryId);
    store.save(records);
    tell({ ticks: inputs.length, total: inputs.length });
    return saved;
  });
}

function parseRecords(body: string): Input[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch (cause) {
    throw new BatchRefused(`Had some trouble parsing your request: ${cause}`);
  }
  if (!Array.isArray(parsed)) throw new BatchRefused('The batch must be a JSON array of records');
  return parsed.map((record: unknown) => {
    if (isInput(record)) return record;
    throw new BatchRefused(`Missing the temporary uri (required to set record relationships): ${abridge(record)}`);
  });
}

async function validateAll(inputs: readonly Input[], tell: (message: Message) => void): Promise<ReadonlySet<string>> {
  const temporary = new Set<string>();
  let toldAt = Date.now();
  for (const [index, input] of inputs.entries()) {
    const problems = checkRecord(input);
    if (Object.keys(problems).length > 0) throw new BatchRefused(describe(input, problems));
    if (temporary.has(input.uri)) throw new BatchRefused(`The uri ${input.uri} is that of two records`);
    temporary.add(input.uri);
    if ((index + 1) % CHECKED_AT_ONCE !== 0) continue;
    if (Date.now() - toldAt >= TICK_EVERY_MS) {
      toldAt = Date.now();
      tell({ ticks: index + 1, total: inputs.length });
    }
    await setImmediate();
  }
  return temporary;
}

/** Records in the order of the batch, except that each comes after those it refers to. */
function sortByDependency(inputs: readonly Input[], temporary: ReadonlySet<string>): Input[] {
  const done = new Set<string>();
  const order: Input[] = [];
  let waiting = inputs.map((input) => {
    const needs = stringsIn(input).filter((one) => temporary.has(one) && one !== input.uri);
    return { input, needs };
  });
  while (waiting.length > 0) {
    const still = waiting.filter(({ input, needs }) => {
      if (!needs.every((uri) => done.has(uri))) return true;
      done.add(input.uri);
      order.push(input);
      return false;
    });
    if (still.length === waiting.length) {
      throw new BatchRefused(
        `Records refer to each other in a circle: ${still.map((one) => one.input.uri).join(', ')}`,
      );
    }
    waiting = still;
  }
  return order;
}

/** Gives ids, puts real URIs in the place of temporary ones, and adds what the backend sets itself. */
function resolve(store: Store, order: readonly Input[], repositoryId: number, username: string) {
  const repository = `/repositories/${repositoryId}`;
  const realUris = new Map<string, string>();
  const saved: Record<string, [uri: string, id: number]> = {};
  const records: StoredRecord[] = [];
  const lastIds = new Map<string, number>();
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');

  for (const input of order) {
    const type = input.jsonmodel_type;
    const place = COLLECTIONS[type] ?? '';
    const collection = place.startsWith('/') ? place : `${repository}/${place}`;
    const content = replaceUris(input, realUris);
    const same = place.startsWith('/') ? findSame([...store.listRecords(collection), ...records], content) : undefined;
    const id = same === undefined ? (lastIds.get(type) ?? store.lastId(type)) + 1 : idOf(same.uri);
    const uri = same?.uri ?? `${collection}/${id}`;
    realUris.set(input.uri, uri);
    saved[input.uri] = [uri, id];
    if (same !== undefined) continue;

    lastIds.set(type, id);
    records.push({
      publish: false,
      ...(type === 'archival_object' ? { ref_id: randomBytes(16).toString('hex') } : {}),
      ...content,
      uri,
      jsonmodel_type: type,
      lock_version: 0,
      created_by: username,
      last_modified_by: username,
      create_time: now,
      system_mtime: now,
      user_mtime: now,
      ...(place.startsWith('/') ? {} : { repository: { ref: repository } }),
    });
  }
  return { records, saved };
}

/** What one record cannot know by itself: that its references exist here, and that identifiers are not taken. */
function checkTogether(store: Store, records: readonly StoredRecord[], repositoryId: number): void {
  const repository = `/repositories/${repositoryId}`;
  const added = new Map(records.map((record) => [record.uri, record]));
  const find = (uri: string) => added.get(uri) ?? store.getRecord(uri);
  const taken = new Map<string, string>();
  const claim = (record: StoredRecord, kind: string, value: unknown, message: string) => {
    const key = JSON.stringify([kind, value]);
    if (taken.has(key)) throw new BatchRefused(describe(record, { [kind]: [message] }));
    taken.set(key, record.uri);
  };
  const claimAll = (record: StoredRecord) => {
    if (record.jsonmodel_type === 'resource') {
      const ids = [record['id_0'], record['id_1'] ?? null, record['id_2'] ?? null, record['id_3'] ?? null];
      claim(record, 'identifier', ids, 'That ID is already in use');
    } else if (record.jsonmodel_type === 'archival_object') {
      const place = [refOf(record['resource']), record['ref_id']];
      claim(record, 'ref_id', place, 'An Archival Object Ref ID must be unique to its resource');
    } else if (record.jsonmodel_type === 'top_container' && record['barcode']) {
      claim(record, 'barcode', record['barcode'], 'A barcode must be unique within a repository');
    }
  };
  for (const name of ['resources', 'archival_objects', 'top_containers']) {
    store.listRecords(`${repository}/${name}`).forEach(claimAll);
  }

  for (const record of records) {
    claimAll(record);
    for (const uri of refsIn(record)) {
      if (uri === repository) continue;
      const foreign = uri.startsWith('/repositories/') && !uri.startsWith(`${repository}/`);
      if (foreign || find(uri) === undefined) {
        const why = foreign ? 'is in another repository' : 'does not exist';
        throw new BatchRefused(describe(record, { ref: [`refers to ${uri}, which ${why}`] }));
      }
    }
    const parent = refOf(record['parent']);
    if (parent !== undefined && refOf(find(parent)?.['resource']) !== refOf(record['resource'])) {
      throw new BatchRefused(describe(record, { parent: ['belongs to another resource'] }));
    }
    if (record.jsonmodel_type === 'archival_object' && parentOf(record) === undefined) {
      throw new BatchRefused(describe(record, { resource: ['Property is required but was missing'] }));
    }
  }
}

// Subjects and agents are shared by all repositories; one that says the same is used again, as the original does.
function findSame(existing: readonly StoredRecord[], wanted: Message): StoredRecord | undefined {
  const identity = (record: Message) =>
    JSON.stringify([record['jsonmodel_type'], record['source'], record['terms'], record['names']]);
  const key = identity(wanted);
  return existing.find((record) => identity(record) === key);
}

function replaceUris(input: Input, realUris: ReadonlyMap<string, string>): Message {
  return JSON.parse(JSON.stringify(input), (_key, value: unknown) =>
    typeof value === 'string' ? (realUris.get(value) ?? value) : value,
  );
}

function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}

function refsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const own = refOf(value);
  return [...(own === undefined ? [] : [own]), ...Object.values(value).flatMap(refsIn)];
}

function describe(record: Message, problems: Problems): string {
  const what = typeof record['title'] === 'string' ? record['title'] : String(record['jsonmodel_type']);
  const why = Object.entries(problems).map(([path, messages]) => `${path}: ${messages.join(', ')}`);
  return `Problem creating '${what}' (${record['uri']}): ${why.join('; ')}`;
}

function idOf(uri: string): number {
  return Number(uri.slice(uri.lastIndexOf('/') + 1));
}

function isInput(value: unknown): value is Input {
  if (typeof value !== 'object' || value === null || !('uri' in value) || !('jsonmodel_type' in value)) return false;
  return typeof value.uri === 'string' && value.uri !== '' && typeof value.jsonmodel_type === 'string';
}

function abridge(value: unknown): string {
  return (JSON.stringify(value) ?? '').slice(0, 200);
}
