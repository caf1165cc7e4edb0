/**
 * What the stand-in remembers: sessions and records, in memory and as lines of one file that is only appended to.
 * A batch is one line, so a process killed in the middle of it leaves a torn last line, and the batch never was.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

// A session's last use is written down at most this often, so that reading a page does not write a file.
const TOUCH_EVERY_MS = 60_000;

export type StoredRecord = Readonly<Record<string, unknown>> & {
  readonly uri: string;
  readonly jsonmodel_type: string;
};

interface Session {
  readonly username: string;
  readonly idleSeconds: number;
  usedAt: number;
  writtenAt: number;
}

type Line =
  | { kind: 'session'; key: string; username: string; idleSeconds: number; usedAt: number }
  | { kind: 'ended'; key: string }
  | { kind: 'batch'; records: StoredRecord[] };

export interface Store {
  /** Opens a session and returns its token, 64 hex digits. */
  openSession(username: string, idleSeconds: number): string;
  /** The session's user, whose idle time starts again; an expired one is `expired` once, then `gone`. */
  useSession(token: string): { username: string } | 'gone' | 'expired';
  endSession(token: string): void;
  getRecord(uri: string): StoredRecord | undefined;
  /** Records of a collection such as `/repositories/2/resources`, in order of their ids. */
  listRecords(collection: string): readonly StoredRecord[];
  /** URIs of the archival objects directly below a resource or archival object, in their order. */
  listChildren(uri: string): readonly string[];
  /** The last id given in a collection; ids count through all repositories, as rows of one database table do. */
  lastId(type: string): number;
  /** Keeps all the records, or none when it throws. Archival objects take their `position` among their siblings. */
  save(records: readonly StoredRecord[]): void;
  close(): void;
}

/** Opens what `stateDir` holds (made if missing); without it nothing outlives the process. Throws when it cannot be read. */
export function openStore(stateDir?: string): Store {
  const sessions = new Map<string, Session>();
  const records = new Map<string, StoredRecord>();
  const collections = new Map<string, StoredRecord[]>();
  const children = new Map<string, string[]>();
  const lastIds = new Map<string, number>();
  const file = stateDir === undefined ? undefined : openJournal(stateDir, remember);

  function remember(line: Line): void {
    switch (line.kind) {
      case 'session':
        sessions.set(line.key, { ...line, writtenAt: line.usedAt });
        return;
      case 'ended':
        sessions.delete(line.key);
        return;
      case 'batch':
        for (const record of line.records) {
          const [collection, id] = splitUri(record.uri);
          records.set(record.uri, record);
          getOrMake(collections, collection).push(record);
          lastIds.set(record.jsonmodel_type, Math.max(lastIds.get(record.jsonmodel_type) ?? 0, id));
        }
        placeChildren(line.records, children);
        return;
      default:
        line satisfies never;
    }
  }

  function write(line: Line): void {
    if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
    remember(line);
  }

  return {
    openSession(username, idleSeconds) {
      const token = randomBytes(32).toString('hex');
      write({ kind: 'session', key: keyOf(token), username, idleSeconds, usedAt: Date.now() });
      return token;
    },
    useSession(token) {
      const key = keyOf(token);
      const session = sessions.get(key);
      if (session === undefined) return 'gone';

      const now = Date.now();
      if (isOver(session, now)) {
        write({ kind: 'ended', key });
        return 'expired';
      }
      session.usedAt = now;
      const { username, idleSeconds } = session;
      if (now - session.writtenAt >= TOUCH_EVERY_MS)
        write({ kind: 'session', key, username, idleSeconds, usedAt: now });
      return { username };
    },
    endSession: (token) => write({ kind: 'ended', key: keyOf(token) }),
    getRecord: (uri) => records.get(uri),
    listRecords: (collection) => collections.get(collection) ?? [],
    listChildren: (uri) => children.get(uri) ?? [],
    lastId: (type) => lastIds.get(type) ?? 0,
    save: (saved) => write({ kind: 'batch', records: [...saved] }),
    close: () => {
      if (file !== undefined) closeSync(file);
    },
  };
}

/** URI of the record that an archival object hangs under: its parent, else its resource. */
export function parentOf(record: StoredRecord): string | undefined {
  return refOf(record['parent']) ?? refOf(record['resource']);
}

export function refOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('ref' in value)) return undefined;
  return typeof value.ref === 'string' ? value.ref : undefined;
}

/** Gives each of the file's whole lines to `remember`, then writes it anew without a torn line and ended sessions. */
function openJournal(stateDir: string, remember: (line: Line) => void): number {
  mkdirSync(stateDir, { recursive: true });
  const path = join(stateDir, 'archivesspace.jsonl');
  const kept: string[] = [];
  const sessions = new Map<string, string>();
  for (const text of existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []) {
    const line: Line = JSON.parse(text);
    remember(line);
    if (line.kind === 'batch') kept.push(text);
    else if (line.kind === 'ended' || isOver(line, Date.now())) sessions.delete(line.key);
    else sessions.set(line.key, text);
  }
  const fresh = `${path}.new`;
  writeFileSync(fresh, [...sessions.values(), ...kept].map((text) => `${text}\n`).join(''), { mode: 0o600 });
  renameSync(fresh, path);
  return openSync(path, 'a');
}

// In order of the wanted positions, so that each finds the ones before it in place, whatever their order in the batch.
function placeChildren(added: readonly StoredRecord[], children: Map<string, string[]>): void {
  const placed = added
    .filter((record) => record.jsonmodel_type === 'archival_object')
    .map((record) => ({ uri: record.uri, parent: parentOf(record) ?? '', position: wantedPosition(record) }))
    .sort((a, b) => (a.position === b.position ? 0 : a.position - b.position));
  for (const { uri, parent, position } of placed) getOrMake(children, parent).splice(position, 0, uri);
}

// `splice` takes a number beyond the end as the end; not Infinity, whose difference with itself is not a number.
function wantedPosition(record: StoredRecord): number {
  return typeof record['position'] === 'number' ? record['position'] : Number.MAX_SAFE_INTEGER;
}

function isOver(session: { idleSeconds: number; usedAt: number }, now: number): boolean {
  return now - session.usedAt >= session.idleSeconds * 1000;
}

// Only a digest is kept: whoever reads the state does not become somebody.
function keyOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function splitUri(uri: string): [collection: string, id: number] {
  const slash = uri.lastIndexOf('/');
  return [uri.slice(0, slash), Number(uri.slice(slash + 1))];
}

function getOrMake<V>(map: Map<string, V[]>, key: string): V[] {
  const list = map.get(key) ?? [];
  map.set(key, list);
  return list;
}
