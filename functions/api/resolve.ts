import { ArchivesSpaceUnavailable } from '../../archivesspace/client.ts';
import { isRecordUri } from '../../archivesspace/paths.ts';
import { Refusal } from '../../core/errors.ts';
import type { Request } from './http.ts';
import { isIndexed } from './paging.ts';
import type { Sessions } from './sessions.ts';

/** ArchivesSpace is asked for so many records at a time, and for so many bytes for one answer (Lambda takes 6 MB). */
const atOnce = 8;
const mostBytes = 3 * 1024 * 1024;
/** What is not there by then is left out: an answer must come before the gateway's 29 seconds. */
const withinMs = 20_000;
/** Every job of a listing names the same repository, and the indexer asks for it each time. */
const knownForMs = 60_000;
const mostKnown = 100;

/** What a client wants embedded: by the key that holds a `ref`, what is to be resolved within that in turn. */
export type Wanted = ReadonlyMap<string, readonly string[]>;

/**
 * Reads `resolve[]` (backend/app/lib/rest.rb). Of `a::b` the first part is ours, and the rest is what ArchivesSpace is
 * asked to resolve in it. Names that nothing bears here are let pass, as the indexer sends a long list to every route.
 * Throws `Refusal` for a plain `resolve=`.
 */
export function wantedOf(query: URLSearchParams): Wanted {
  const plain = query.get('resolve');
  if (plain !== null) {
    throw new Refusal({
      code: 'bad_request',
      problems: {
        resolve: [
          `Wanted type [String] but got '${plain.slice(0, 100)}'.  Perhaps you meant to specify an array like: resolve[]=...`,
        ],
      },
    });
  }
  const wanted = new Map<string, string[]>();
  for (const [key, value] of query) {
    if (!isIndexed(key, 'resolve') || !/^[a-z_]{1,50}(::[a-z_]{1,50}){0,5}$/.test(value)) continue;
    const [name = '', ...rest] = value.split('::');
    const within = wanted.get(name) ?? [];
    if (rest.length) within.push(rest.join('::'));
    wanted.set(name, within);
  }
  return wanted;
}

interface Found {
  readonly value: unknown;
  readonly bytes: number;
}
type Ref = { readonly ref: string };
type Resolved = Ref & { readonly _resolved?: unknown };

/** Embeds records into objects that refer to them, by what the user of the request may see in ArchivesSpace. */
export class Resolver {
  readonly #sessions: Sessions;
  readonly #known = new Map<string, Found & { readonly until: number }>();

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  /**
   * The same objects with `_resolved` under `key`, where that is wanted. What the user may not see, what is no record's
   * URI, what is gone, or what is too much for one answer, stays unresolved. Throws `Refusal` when the session ended
   * meanwhile, and ArchivesSpaceUnavailable.
   */
  async resolve<K extends string, T extends { readonly [key in K]: Ref }>(
    objects: readonly T[],
    key: K,
    wanted: Wanted,
    { session }: Pick<Request, 'session'>,
  ): Promise<readonly (Omit<T, K> & { readonly [key in K]: Resolved })[]> {
    const within = wanted.get(key);
    if (!within || !this.#sessions.client) return objects;
    const uses = Map.groupBy(objects, (object) => object[key].ref);
    const refs = [...uses.keys()].filter(isRecordUri);
    const query = within.length ? `?${within.map((name) => `resolve[]=${name}`).join('&')}` : '';
    const found = new Map<string, unknown>();
    const until = AbortSignal.timeout(withinMs);
    let bytes = 0;
    const waiting = refs.values();
    const work = async () => {
      for (const ref of waiting) {
        if (bytes > mostBytes || until.aborted) return;
        const record = await this.#record(ref, query, session, until);
        if (record === undefined) continue;
        bytes += record.bytes * (uses.get(ref)?.length ?? 1);
        if (bytes <= mostBytes) found.set(ref, record.value);
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, refs.length) }, work));
    return objects.map((object) => {
      const { ref } = object[key];
      return found.has(ref) ? { ...object, [key]: { ref, _resolved: found.get(ref) } } : object;
    });
  }

  async #record(
    ref: string,
    query: string,
    session: string | undefined,
    signal: AbortSignal,
  ): Promise<Found | undefined> {
    const path = ref + query;
    // Repositories are there for everybody to read; any other record is for whom ArchivesSpace gives it to.
    const isShared = /^\/repositories\/\d+$/.test(ref);
    const before = isShared ? this.#known.get(path) : undefined;
    if (before && Date.now() < before.until) return before;
    let text: string;
    try {
      const response = await this.#sessions
        .backend()
        .request({ method: 'GET', path, signal, ...(session && { session }) });
      if (response.status === 412)
        throw new Refusal({ code: 'no_session', gone: 'SESSION_GONE', message: 'No session found' });
      if (response.status >= 500) {
        await response.body?.cancel();
        throw new ArchivesSpaceUnavailable(`ArchivesSpace could not give ${ref}.`, { status: response.status });
      }
      if (!response.ok) {
        await response.body?.cancel();
        return undefined;
      }
      text = await response.text();
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
    const found = { value: parsed(ref, text), bytes: Buffer.byteLength(text) };
    if (isShared) {
      const oldest = this.#known.keys().next();
      if (this.#known.size >= mostKnown && !oldest.done) this.#known.delete(oldest.value);
      this.#known.set(path, { ...found, until: Date.now() + knownForMs });
    }
    return found;
  }
}

function parsed(ref: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ArchivesSpaceUnavailable(`ArchivesSpace gave no JSON for ${ref}.`, { cause });
  }
}
