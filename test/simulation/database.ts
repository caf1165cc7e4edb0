import type {
  DeleteItemCommandInput,
  GetItemCommandInput,
  PutItemCommandInput,
  QueryCommandInput,
  TransactWriteItem,
  TransactWriteItemsCommandInput,
  UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb';
import { ConditionalCheckFailedException, TransactionCanceledException } from '@aws-sdk/client-dynamodb';
import { Invalid, matches, type Placeholders, requireUsed, type Stored, updated } from './expressions.ts';

/** One item that a write changed. */
export interface Changed {
  readonly pk: string;
  readonly sk: string;
  readonly before: Stored | undefined;
  readonly after: Stored | undefined;
}

/** A request as the SDK's commands carry it. */
export type TableRequest =
  | { readonly kind: 'GetItem'; readonly input: GetItemCommandInput }
  | { readonly kind: 'Query'; readonly input: QueryCommandInput }
  | { readonly kind: 'PutItem'; readonly input: PutItemCommandInput }
  | { readonly kind: 'UpdateItem'; readonly input: UpdateItemCommandInput }
  | { readonly kind: 'DeleteItem'; readonly input: DeleteItemCommandInput }
  | { readonly kind: 'TransactWriteItems'; readonly input: TransactWriteItemsCommandInput };

/** What an item was before a write, and from when on reads show the write. */
interface Past {
  readonly visibleMs: number;
  readonly sk: string;
  readonly before: Stored | undefined;
}

/** How a request meets the table. */
export interface Meeting {
  /** How old an answer may be, where the request does not ask for a consistent one. */
  readonly lagMs?: number;
  /** Of a query: items are read at different moments, so a query may see a transaction half. */
  readonly part?: { readonly upTo?: string; readonly after?: string };
  /** Of a transaction: how long until reads show each of its items, at most until it is answered. */
  readonly hiddenMs?: () => number;
  /** Sees everything as it is. */
  readonly allSeeing?: boolean;
}

/** How long the past is kept for reads that lag. */
const pastMs = 15_000;
/** AWS: "a ClientRequestToken is valid for 10 minutes after the first request that uses it is completed". */
const tokenMs = 600_000;

/** A DynamoDB table in memory, by the rules of its API; time and faults are the caller's. Stored items never change. */
export class Database {
  readonly #partitions = new Map<string, Map<string, Stored>>();
  readonly #past = new Map<string, Past[]>();
  readonly #tokens = new Map<string, { readonly body: string; readonly atMs: number }>();
  readonly #now: () => number;
  #hiddenUntilMs = 0;
  readonly #written: (changes: readonly Changed[]) => void;

  /** @param written is told of each write, whole, at the moment it happens */
  constructor(now: () => number, written: (changes: readonly Changed[]) => void) {
    this.#now = now;
    this.#written = written;
  }

  item(pk: string, sk: string): Stored | undefined {
    return this.#partitions.get(pk)?.get(sk);
  }

  /** The keys that a request would write, for conflicts. */
  static keysOf(request: TableRequest): string[] {
    if (request.kind === 'GetItem' || request.kind === 'Query') return [];
    return writesOf(request).map((write) => keyOf(write).join(' '));
  }

  /** Carries out a request. Throws as the SDK's client would. */
  apply(request: TableRequest, meeting: Meeting = {}): object {
    const lagMs = meeting.allSeeing ? undefined : (meeting.lagMs ?? 0);
    switch (request.kind) {
      case 'GetItem': {
        const { Key: key, ConsistentRead: consistent } = request.input;
        const [pk, sk] = [key?.['pk']?.S ?? '', key?.['sk']?.S ?? ''];
        const item = this.#partition(pk, consistent ? lagMs && 0 : lagMs).get(sk);
        return item ? { Item: item } : {};
      }
      case 'Query':
        return this.#query(request.input, lagMs, meeting.part);
      case 'TransactWriteItems':
        return this.#transact(request.input, meeting.hiddenMs);
      default: {
        const [write] = writesOf(request);
        if (!write) throw new Invalid('nothing to write');
        const before = this.#standing(write);
        if (!isMet(write, before)) {
          throw new ConditionalCheckFailedException({
            message: 'The conditional request failed',
            $metadata: { httpStatusCode: 400 },
            ...(wantsOld(write) && before && { Item: before }),
          });
        }
        const [changed] = this.#write([write]);
        const names = request.kind === 'UpdateItem' && request.input.ReturnValues === 'UPDATED_NEW';
        return names ? { Attributes: changed?.after ?? {} } : {};
      }
    }
  }

  #query(
    input: QueryCommandInput,
    lagMs: number | undefined,
    part: { readonly upTo?: string; readonly after?: string } = {},
  ) {
    const given = placeholders(input);
    const used = new Set<string>();
    const pk = given.values[':p']?.S ?? '';
    const index = input.IndexName !== undefined;
    if (index && input.ConsistentRead)
      throw new Invalid('Consistent reads are not supported on global secondary indexes');
    const sort = index ? 'gsk' : 'sk';
    const found = index
      ? [...this.#partitions.keys()].flatMap((partition) => [...this.#partition(partition, lagMs).values()])
      : [...this.#partition(pk, input.ConsistentRead ? lagMs && 0 : lagMs).values()];
    const order = (item: Stored) => item[sort]?.S ?? '';
    const items = found
      .filter((item) => matches(input.KeyConditionExpression ?? '', item, given, used))
      .filter((item) => part.upTo === undefined || order(item) <= part.upTo)
      .filter((item) => part.after === undefined || order(item) > part.after)
      .sort((a, b) => (order(a) < order(b) ? -1 : 1));
    requireUsed(given, found.length > 0 ? used : new Set(Object.keys({ ...given.names, ...given.values })));
    if (input.ScanIndexForward === false) items.reverse();
    return { Items: items.slice(0, input.Limit ?? items.length) };
  }

  #transact(
    { TransactItems: items = [], ClientRequestToken: token }: TransactWriteItemsCommandInput,
    hiddenMs?: () => number,
  ): object {
    const writes = items.map(writeOf);
    const seen = new Set(writes.map((write) => keyOf(write).join(' ')));
    if (writes.length === 0 || writes.length > 100) throw new Invalid('TransactItems: 1 to 100');
    if (seen.size < writes.length)
      throw new Invalid('Transaction request cannot include multiple operations on one item');
    const body = JSON.stringify(items);
    const known = token === undefined ? undefined : this.#tokens.get(token);
    if (known && this.#now() < known.atMs + tokenMs) {
      if (known.body === body) return {};
      throw Object.assign(new Error('token used with other parameters'), {
        name: 'IdempotentParameterMismatchException',
      });
    }
    const reasons = writes.map((write) => {
      const before = this.#standing(write);
      if (isMet(write, before)) return { Code: 'None' };
      return { Code: 'ConditionalCheckFailed', ...(wantsOld(write) && before && { Item: before }) };
    });
    if (reasons.some(({ Code }) => Code !== 'None')) throw canceled(reasons);
    this.#write(
      writes.filter(({ op }) => op !== 'check'),
      hiddenMs,
    );
    if (token !== undefined) this.#tokens.set(token, { body, atMs: this.#now() });
    return {};
  }

  #write(writes: readonly Rendered[], hiddenMs = () => 0): Changed[] {
    const changes = writes.map((write) => {
      const [pk, sk] = keyOf(write);
      const before = this.item(pk, sk);
      return { pk, sk, before, after: afterOf(write, before) };
    });
    for (const { pk, sk, before, after } of changes) {
      const partition = this.#partitions.get(pk) ?? new Map<string, Stored>();
      this.#partitions.set(pk, partition);
      const past = this.#past.get(pk) ?? [];
      this.#past.set(pk, past);
      while (past[0] && past[0].visibleMs < this.#now() - pastMs) past.shift();
      const visibleMs = this.#now() + hiddenMs();
      this.#hiddenUntilMs = Math.max(this.#hiddenUntilMs, visibleMs);
      past.push({ visibleMs, sk, before });
      if (after) partition.set(sk, after);
      else partition.delete(sk);
    }
    this.#written(changes);
    return changes;
  }

  #standing(write: Rendered): Stored | undefined {
    return this.item(...keyOf(write));
  }

  /** A partition as reads show it so long ago; `undefined`: as it is. */
  #partition(pk: string, lagMs: number | undefined): ReadonlyMap<string, Stored> {
    const now = this.#partitions.get(pk) ?? new Map<string, Stored>();
    const past = this.#past.get(pk);
    if (lagMs === undefined || !past) return now;
    const then = this.#now() - lagMs;
    if (then >= this.#hiddenUntilMs) return now;
    const shown = new Map(now);
    const seen = new Set<string>();
    for (let i = past.length - 1; i >= 0; i--) {
      const { visibleMs, sk, before } = past[i] as Past;
      if (seen.has(sk)) continue;
      if (visibleMs <= then) seen.add(sk);
      else if (before) shown.set(sk, before);
      else shown.delete(sk);
    }
    return shown;
  }
}

/** A cancelled transaction, as the SDK's client throws it. */
export const canceled = (reasons: readonly { readonly Code: string; readonly Item?: Stored }[]) =>
  new TransactionCanceledException({
    message: `Transaction cancelled, please refer cancellation reasons for specific reasons [${reasons.map(({ Code }) => Code).join(', ')}]`,
    $metadata: { httpStatusCode: 400 },
    CancellationReasons: [...reasons],
  });

interface Rendered {
  readonly op: 'put' | 'update' | 'delete' | 'check';
  readonly Key?: Stored | undefined;
  readonly Item?: Stored | undefined;
  readonly UpdateExpression?: string | undefined;
  readonly ConditionExpression?: string | undefined;
  readonly ExpressionAttributeNames?: Record<string, string> | undefined;
  readonly ExpressionAttributeValues?: Stored | undefined;
  readonly ReturnValuesOnConditionCheckFailure?: string | undefined;
}

function writesOf(request: Exclude<TableRequest, { kind: 'GetItem' | 'Query' }>): Rendered[] {
  switch (request.kind) {
    case 'PutItem':
      return [{ ...(request.input as object), op: 'put' }];
    case 'UpdateItem':
      return [{ ...(request.input as object), op: 'update' }];
    case 'DeleteItem':
      return [{ ...(request.input as object), op: 'delete' }];
    default:
      return (request.input.TransactItems ?? []).map(writeOf);
  }
}

function writeOf({ Put, Update, Delete, ConditionCheck }: TransactWriteItem): Rendered {
  if (Put) return { ...(Put as object), op: 'put' };
  if (Update) return { ...(Update as object), op: 'update' };
  if (Delete) return { ...(Delete as object), op: 'delete' };
  if (ConditionCheck?.ConditionExpression) return { ...(ConditionCheck as object), op: 'check' };
  throw new Invalid('A condition check needs a condition');
}

function keyOf({ Key, Item }: Rendered): [string, string] {
  const { pk, sk } = Key ?? Item ?? {};
  if (!pk?.S || !sk?.S) throw new Invalid('The provided key element does not match the schema');
  return [pk.S, sk.S];
}

const placeholders = (
  from: Pick<Rendered, 'ExpressionAttributeNames' | 'ExpressionAttributeValues'>,
): Placeholders => ({
  names: from.ExpressionAttributeNames ?? {},
  values: from.ExpressionAttributeValues ?? {},
});

const wantsOld = (write: Rendered) => write.ReturnValuesOnConditionCheckFailure === 'ALL_OLD';

function isMet(write: Rendered, before: Stored | undefined): boolean {
  const given = placeholders(write);
  const used = new Set<string>();
  const met = write.ConditionExpression === undefined || matches(write.ConditionExpression, before, given, used);
  if (write.op === 'update') {
    for (const placeholder of write.UpdateExpression?.match(/[#:]\w+/g) ?? []) used.add(placeholder);
  }
  requireUsed(given, used);
  return met;
}

function afterOf(write: Rendered, before: Stored | undefined): Stored | undefined {
  if (write.op === 'put') return write.Item;
  if (write.op === 'delete') return undefined;
  return updated(write.UpdateExpression ?? '', before ?? { ...write.Key }, placeholders(write), new Set());
}
