import {
  holds,
  type Item,
  type Key,
  type Transaction,
  type Value,
  type Write,
  type Written,
} from '../../core/writes.ts';

/** A table in memory: its items by `nameOf(key)`. Items are never changed in place, so copies of the map may share them. */
export type Items = Map<string, Item>;

/** The place of an item in `Items`; sorts as DynamoDB sorts the items of one partition. */
export const nameOf = ({ pk, sk }: Key): string => `${pk}\n${sk}`;

/**
 * Does to a table in memory what `commit` (aws/dynamo.ts) does to one in DynamoDB: all writes or none, each condition
 * against the items as they stand before, `refused` as `commit` gives it. Throws where DynamoDB answers with a
 * ValidationException: two writes of one transaction to one item, a path into a map that is not there.
 *
 * @param items is changed when the transaction is done
 */
export function applyTransaction(items: Items, transaction: Transaction | Write): Written {
  const writes: Transaction = Array.isArray(transaction) ? transaction : [transaction as Write];
  const names = writes.map(({ key }) => nameOf(key));
  if (new Set(names).size !== names.length) throw new Error('A transaction writes an item twice.');
  const before = names.map((name) => items.get(name));
  const held = writes.map(({ when }, i) => holds(before[i], when));
  if (!held.every(Boolean)) {
    return { done: false, refused: held.map((ok, i) => (ok ? undefined : (before[i] ?? null))) };
  }
  const after = writes.map((write, i) => written(before[i], write));
  for (const [i, name] of names.entries()) {
    const item = after[i];
    if (item) items.set(name, item);
    else items.delete(name);
  }
  return { done: true };
}

/** The item after a write whose conditions hold; undefined: no such item. */
function written(before: Item | undefined, write: Write): Item | undefined {
  switch (write.op) {
    case 'put':
      return present({ ...write.item, ...write.key });
    case 'update': {
      // Like DynamoDB, an update makes the item when there is none.
      let item: Item = before ?? { ...write.key };
      for (const [path, value] of Object.entries(write.set)) item = withPath(item, path.split('.'), value);
      for (const [name, n] of Object.entries(write.add ?? {})) item = { ...item, [name]: Number(item[name] ?? 0) + n };
      return item;
    }
    case 'delete':
      return undefined;
    case 'check':
      return before;
    default:
      return write satisfies never;
  }
}

function withPath(item: Item, [name = '', ...rest]: readonly string[], value: Value | undefined): Item {
  if (rest.length > 0) {
    const inner = item[name];
    if (typeof inner !== 'object' || Array.isArray(inner) || inner instanceof Uint8Array)
      throw new Error(`There is no map ${name} for ${rest.join('.')} to be in.`);
    return { ...item, [name]: withPath(inner as Item, rest, value) };
  }
  if (value !== undefined) return { ...item, [name]: typeof value === 'object' ? plain(value) : value };
  const { [name]: _gone, ...others } = item;
  return others;
}

const present = (item: Item): Item => plain(item) as Item;

/** As `marshall` with `removeUndefinedValues` stores it: attributes without a value are not there. */
function plain(value: Value): Value {
  if (typeof value !== 'object' || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(
    Object.entries(value as Item).flatMap(([name, inner]) => (inner === undefined ? [] : [[name, plain(inner)]])),
  );
}
