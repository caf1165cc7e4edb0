/** Records, lists and trees as the backend answers them. */
import { parentOf, type Store, type StoredRecord } from './store.ts';

const PAGE_SIZE = 10;
const MAX_PAGE_SIZE = 250;

/** One record with what follows from its place and content: position, ancestors, display string. */
export function describeRecord(store: Store, record: StoredRecord): Record<string, unknown> {
  switch (record.jsonmodel_type) {
    case 'resource':
      return { ...record, tree: { ref: `${record.uri}/tree` } };
    case 'archival_object':
      return {
        ...record,
        display_string: displayString(record),
        position: store.listChildren(parentOf(record) ?? '').indexOf(record.uri),
        ancestors: listAncestors(store, record).map((one) => ({ ref: one.uri, level: one['level'] })),
      };
    case 'top_container':
      return { ...record, display_string: [record['type'], record['indicator']].filter(Boolean).join(' ') };
    default:
      return { ...record };
  }
}

/** All of a resource's components, nested, in their order. */
export function describeTree(store: Store, resource: StoredRecord): Record<string, unknown> {
  const describeNode = (record: StoredRecord): Record<string, unknown> => ({
    title: displayString(record),
    id: Number(record.uri.slice(record.uri.lastIndexOf('/') + 1)),
    record_uri: record.uri,
    publish: record['publish'],
    node_type: record.jsonmodel_type,
    level: record['level'],
    has_children: store.listChildren(record.uri).length > 0,
    children: store.listChildren(record.uri).flatMap((uri) => {
      const child = store.getRecord(uri);
      return child === undefined ? [] : [describeNode(child)];
    }),
  });
  return { jsonmodel_type: 'resource_tree', ...describeNode(resource) };
}

/** A listing in the mode asked for (page before id_set before all_ids), or undefined when none is. */
export function listCollection(store: Store, collection: string, query: URLSearchParams): unknown {
  const records = store.listRecords(collection);
  const describe = (some: readonly StoredRecord[]) => some.map((record) => describeRecord(store, record));
  const page = query.get('page');
  if (page !== null) {
    const asked = Number(query.get('page_size') ?? PAGE_SIZE);
    const size = Math.min(Math.max(Math.trunc(asked) || PAGE_SIZE, 1), MAX_PAGE_SIZE);
    const current = Math.max(Math.trunc(Number(page)) || 1, 1);
    return {
      first_page: 1,
      last_page: Math.max(Math.ceil(records.length / size), 1),
      this_page: current,
      total: records.length,
      results: describe(records.slice((current - 1) * size, current * size)),
    };
  }
  const ids = query.getAll('id_set').concat(query.getAll('id_set[]')).join(',');
  if (ids !== '') {
    const wanted = new Set(ids.split(',').map((id) => `${collection}/${id.trim()}`));
    return describe(records.filter((record) => wanted.has(record.uri)));
  }
  if (!query.get('all_ids')) return undefined;
  return records.map((record) => Number(record.uri.slice(collection.length + 1)));
}

function listAncestors(store: Store, record: StoredRecord): StoredRecord[] {
  const above = store.getRecord(parentOf(record) ?? '');
  return above === undefined ? [] : [above, ...listAncestors(store, above)];
}

function displayString(record: StoredRecord): string {
  const dates = Array.isArray(record['dates']) ? record['dates'] : [];
  const shown = dates.map((date) => date.expression ?? [date.begin, date.end].filter(Boolean).join(' - '));
  const title = record['title'];
  if (record.jsonmodel_type === 'resource') return String(title);
  return [title, ...shown].filter(Boolean).join(', ');
}
