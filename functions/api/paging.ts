import { Refusal } from '../../core/errors.ts';

const defaultPageSize = 10;
const maxPageSize = 250;

export type Paging =
  | { readonly mode: 'page'; readonly page: number; readonly size: number }
  | { readonly mode: 'id_set'; readonly ids: readonly number[] }
  | { readonly mode: 'all_ids' };

/**
 * ArchivesSpace's paging parameters, of which one kind is needed; page goes before id_set, and that before all_ids
 * (backend/app/lib/rest.rb). A page size above 250 counts as 250. Throws `Refusal` for anything else.
 */
export function paging(query: URLSearchParams): Paging {
  const page = query.get('page');
  const ids = [...query.getAll('id_set'), ...query.getAll('id_set[]')]
    .flatMap((value) => value.split(','))
    .filter(Boolean);
  if (page !== null) {
    return {
      mode: 'page',
      page: whole('page', page),
      size: Math.min(maxPageSize, whole('page_size', query.get('page_size') ?? String(defaultPageSize))),
    };
  }
  if (ids.length > maxPageSize) throw refusal({ id_set: [`At most ${maxPageSize} ids, not ${ids.length}`] });
  if (ids.length) return { mode: 'id_set', ids: ids.map((id) => whole('id_set', id)) };
  if (query.get('all_ids') !== null && query.get('all_ids') !== 'false') return { mode: 'all_ids' };
  const required = ['Parameter required but no value provided'];
  throw refusal({ page: required, id_set: required, all_ids: required });
}

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

function whole(name: string, value: string): number {
  if (!/^\d{1,9}$/.test(value) || Number(value) < 1)
    throw refusal({ [name]: [`Wanted type Integer but got '${value}'`] });
  return Number(value);
}

const refusal = (problems: Readonly<Record<string, readonly string[]>>) =>
  new Refusal({ code: 'bad_request', problems });
