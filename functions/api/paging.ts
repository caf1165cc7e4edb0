import { Refusal } from '../../core/errors.ts';

const defaultPageSize = 10;
const maxPageSize = 250;

type Mode =
  | { readonly mode: 'page'; readonly page: number; readonly size: number }
  | { readonly mode: 'id_set'; readonly ids: ReadonlySet<number> }
  | { readonly mode: 'all_ids' };

export type Paging = Mode & {
  /** Only what changed in this second or later, in seconds since 1970. */
  readonly modifiedSince: number;
};

/**
 * ArchivesSpace's paging parameters, of which one kind is needed; page goes before id_set, and that before all_ids
 * (backend/app/lib/rest.rb). A page size above 250 counts as 250. `sort_field` and `sort_direction` are taken and have
 * no effect, as in ArchivesSpace: each listing has its own order. Throws `Refusal` for anything else.
 */
export function paging(query: URLSearchParams): Paging {
  const since = query.get('modified_since') ?? '0';
  if (!/^-?\d{1,15}$/.test(since)) throw wrongType('modified_since', since);
  const direction = query.get('sort_direction');
  if (direction !== null && direction !== 'asc' && direction !== 'desc')
    throw refusal({ sort_direction: ["Failed validation -- Must be 'asc' or 'desc'"] });
  return { ...mode(query), modifiedSince: Number(since) };
}

function mode(query: URLSearchParams): Mode {
  const page = query.get('page');
  if (page !== null) {
    return {
      mode: 'page',
      page: whole('page', page, 1),
      size: Math.min(maxPageSize, whole('page_size', query.get('page_size') ?? String(defaultPageSize), 1)),
    };
  }
  const ids = listOf(query, 'id_set')
    .flatMap((value) => value.split(','))
    .filter(Boolean);
  if (ids.length > maxPageSize) throw refusal({ id_set: [`At most ${maxPageSize} ids, not ${ids.length}`] });
  if (ids.length) return { mode: 'id_set', ids: new Set(ids.map((id) => whole('id_set', id, 0))) };
  if (query.get('all_ids') !== null && query.get('all_ids') !== 'false') return { mode: 'all_ids' };
  const required = ['Parameter required but no value provided'];
  throw refusal({ page: required, id_set: required, all_ids: required });
}

/** A list in a query, as Ruby's Rack and its clients write it: `x[]=1&x[]=2`, `x[0]=1`, and plainly `x=1`. */
export const listOf = (query: URLSearchParams, name: string): readonly string[] =>
  [...query].filter(([key]) => key === name || isIndexed(key, name)).map(([, value]) => value);

export const isIndexed = (key: string, name: string) =>
  key.startsWith(`${name}[`) && /^\d{0,6}\]$/.test(key.slice(name.length + 1));

/** One page of what there is, in ArchivesSpace's envelope. */
export function pageOf<T>(all: readonly T[], { page, size }: { readonly page: number; readonly size: number }) {
  const results = all.slice((page - 1) * size, page * size);
  return {
    first_page: 1,
    last_page: Math.max(1, Math.ceil(all.length / size)),
    this_page: page,
    total: all.length,
    results,
  };
}

function whole(name: string, value: string, least: number): number {
  if (!/^\d{1,15}$/.test(value.trim()) || Number(value) < least) throw wrongType(name, value);
  return Number(value);
}

const wrongType = (name: string, value: string) =>
  refusal({ [name]: [`Wanted type Integer but got '${value.slice(0, 100)}'`] });

const refusal = (problems: Readonly<Record<string, readonly string[]>>) =>
  new Refusal({ code: 'bad_request', problems });
