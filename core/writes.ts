/**
 * Conditional writes as plain data. The table's commands are built here as data so that one and the same command
 * can be sent to DynamoDB (aws/dynamo.ts) and be applied by a model checker: what is proved is what runs.
 */

export interface Key {
  readonly pk: string;
  readonly sk: string;
}

export type Scalar = string | number | boolean;
export type Value = Scalar | Uint8Array | readonly Value[] | { readonly [name: string]: Value | undefined };
/** An item's attributes; `undefined` means that the attribute is not there. */
export type Item = { readonly [name: string]: Value | undefined };

/** What must hold of the item before the write. All conditions of a write must hold. */
export type Condition =
  | { readonly item: 'absent' | 'present' }
  /** `attr` may be a path into maps. */
  | { readonly attr: string; readonly equals: Scalar }
  | { readonly attr: string; readonly differs: Scalar }
  | { readonly attr: string; readonly is: 'missing' | 'there' };

export type Write =
  | { readonly op: 'put'; readonly key: Key; readonly item: Item; readonly when: readonly Condition[] }
  | {
      readonly op: 'update';
      readonly key: Key;
      /** Attribute names may be paths into maps: `types.import_job`. `undefined` removes the attribute. */
      readonly set: Item;
      /** Added to a number, which counts as 0 when missing. */
      readonly add?: Readonly<Record<string, number>>;
      readonly when: readonly Condition[];
    }
  | { readonly op: 'delete'; readonly key: Key; readonly when: readonly Condition[] }
  | { readonly op: 'check'; readonly key: Key; readonly when: readonly Condition[] };

/** All of these or none. */
export type Transaction = readonly Write[];

/** What became of a transaction: written whole, or refused because conditions did not hold (by index of the write). */
export type Written =
  | { readonly done: true }
  | {
      readonly done: false;
      /** One entry per write: undefined where its own condition held, else the item as it stood (null: no such item). */
      readonly refused: readonly (Item | null | undefined)[];
    };

/** Whether an item (undefined: no such item) meets the conditions of a write. */
export function holds(item: Item | undefined, when: readonly Condition[]): boolean {
  return when.every((condition) => {
    if ('item' in condition) return (item === undefined) === (condition.item === 'absent');
    const value = at(item, condition.attr);
    if ('equals' in condition) return value === condition.equals;
    if ('differs' in condition) return value !== condition.differs;
    return (value === undefined) === (condition.is === 'missing');
  });
}

/** The value at a path such as `types.import_job.retired`. */
export function at(item: Item | undefined, path: string): Value | undefined {
  let value: Value | undefined = item as Value | undefined;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || Array.isArray(value) || value instanceof Uint8Array) return undefined;
    value = value && Object.hasOwn(value, name) ? (value as Item)[name] : undefined;
  }
  return value;
}
