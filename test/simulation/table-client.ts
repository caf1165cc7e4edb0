import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { canceled, Database, type TableRequest } from './database.ts';
import type { Faults } from './faults.ts';
import type { Process, Scheduler } from './scheduler.ts';

/** What watches the requests of a process: the order of claims is judged by what it saw. */
export interface RequestObserver {
  sending(process: Process, request: TableRequest): void;
  answered(process: Process, request: TableRequest, answer: object): void;
  failed(process: Process, request: TableRequest, error: unknown): void;
}

export interface TableNetwork {
  readonly scheduler: Scheduler;
  readonly database: Database;
  readonly faults: Faults;
  readonly observer: RequestObserver;
  /** How many requests on each item are under way: two of them may conflict. */
  readonly underWay: Map<string, number>;
}

type Plan = 'plain' | 'lost' | 'answer lost' | 'late' | 'twice' | 'throttled' | '5xx before' | '5xx after' | 'conflict';

/** A DynamoDB client of one process: requests take time, and get lost, doubled, refused and answered late. */
export function tableClient(network: TableNetwork, process: Process): DynamoDBClient {
  const client = {
    send: (command: object) => {
      const request = {
        kind: command.constructor.name.replace(/Command$/, ''),
        input: (command as { input: unknown }).input,
      } as TableRequest;
      return new Promise((resolve, reject) => {
        network.observer.sending(process, request);
        const settle = (delayMs: number, outcome: Outcome) =>
          network.scheduler.after(
            delayMs,
            () => {
              if ('answer' in outcome) {
                network.observer.answered(process, request, outcome.answer);
                resolve(outcome.answer);
              } else {
                network.observer.failed(process, request, outcome.error);
                reject(outcome.error);
              }
            },
            process,
          );
        dispatch(network, request, settle);
      });
    },
  };
  return client as unknown as DynamoDBClient;
}

type Outcome = { readonly answer: object } | { readonly error: unknown };

/** On the way for so long: mostly a few milliseconds, now and then far more, so that any two requests may overtake. */
export function latencyMs({ scheduler: { random }, faults }: Pick<TableNetwork, 'scheduler' | 'faults'>): number {
  if (faults.hit('slow', 0.004)) return random.between(500, 4_000);
  return random.chance(0.15) ? random.between(10, 150) : random.between(1, 10);
}

function dispatch(network: TableNetwork, request: TableRequest, settle: (delayMs: number, outcome: Outcome) => void) {
  const { scheduler } = network;
  const { random } = scheduler;
  const isRead = request.kind === 'GetItem' || request.kind === 'Query';
  const plan = isRead ? planRead(network) : planWrite(network, request);
  const there = latencyMs(network);
  const back = request.kind !== 'TransactWriteItems' && random.chance(0.5) ? 0 : latencyMs(network);
  // The items of a transaction are not shown all at once, but before it is answered.
  const hiddenMs = () => (random.chance(0.5) ? 0 : random.between(0, Math.min(back, 50)));
  const timeOut = () => settle(random.between(1_000, 5_000), { error: named('TimeoutError', 'socket hang up') });
  const attempt = (delayMs: number, then: (outcome: Outcome) => void) => {
    const keys = Database.keysOf(request);
    for (const key of keys) network.underWay.set(key, (network.underWay.get(key) ?? 0) + 1);
    scheduler.after(delayMs, () => {
      const outcome = carryOut(network, request, hiddenMs);
      for (const key of keys) {
        const left = (network.underWay.get(key) ?? 1) - 1;
        if (left > 0) network.underWay.set(key, left);
        else network.underWay.delete(key);
      }
      then(outcome);
    });
  };
  switch (plan) {
    case 'plain':
      if (request.kind === 'Query' && !request.input.IndexName && network.faults.hit('query seen half', 0.1))
        return seenHalf(network, request, settle);
      return attempt(there, (outcome) => settle(back, outcome));
    case 'lost':
      return timeOut();
    case 'answer lost':
      return attempt(there, timeOut);
    case 'late':
      settle(random.between(1_000, 3_000), { error: named('TimeoutError', 'socket hang up') });
      return attempt(random.between(1_000, 12_000), () => {});
    case 'twice':
      return attempt(there, () => attempt(random.between(10, 1_500), (outcome) => settle(back, outcome)));
    case 'throttled':
      return void settle(there, { error: throttled(request, random.chance(0.5)) });
    case '5xx before':
      return void settle(there, { error: serverError() });
    case '5xx after':
      return attempt(there, () => settle(back, { error: serverError() }));
    case 'conflict':
      return void settle(there, { error: conflict(request, random.next()) });
    default:
      return plan satisfies never;
  }
}

/** Reads are repeated by the SDK; what is left of their faults is rare. */
function planRead({ faults, scheduler: { random } }: TableNetwork): Plan {
  if (faults.hit('throttled', 0.001)) return 'throttled';
  if (faults.hit('5xx', 0.001)) return '5xx before';
  if (faults.hit('request lost', 0.001)) return random.chance(0.5) ? 'lost' : 'answer lost';
  return 'plain';
}

function planWrite({ faults, scheduler: { random } }: TableNetwork, request: TableRequest): Plan {
  if (faults.hit('throttled', 0.02)) return 'throttled';
  if (faults.hit('conflict', 0.03)) return 'conflict';
  if (faults.hit('5xx', 0.015)) return random.chance(0.5) ? '5xx before' : '5xx after';
  if (faults.hit('request lost', 0.01)) return 'lost';
  if (faults.hit('answer lost', 0.015)) return 'answer lost';
  if (faults.hit('written after the time-out', 0.01)) return 'late';
  // The SDK sends again by itself what it lost sight of.
  if (request.kind !== 'TransactWriteItems' && faults.hit('sent twice by the SDK', 0.02)) return 'twice';
  return 'plain';
}

function carryOut(network: TableNetwork, request: TableRequest, hiddenMs: () => number): Outcome {
  const { database, underWay, scheduler } = network;
  // A write that meets another one on one of its items may be rejected, whatever its conditions say.
  const met = Database.keysOf(request).some((key) => (underWay.get(key) ?? 0) > 1);
  if (met && scheduler.random.chance(0.4)) return { error: conflict(request, scheduler.random.next()) };
  try {
    return { answer: database.apply(request, { lagMs: lagMs(network), hiddenMs }) };
  } catch (error) {
    return { error };
  }
}

/** An index, or a read that need not be consistent, mostly shows the present and sometimes the past. */
const lagMs = ({ scheduler: { random } }: TableNetwork) => (random.chance(0.6) ? random.between(50, 6_000) : 0);

/** DynamoDB reads the items of a query one after another: a transaction may be seen half. */
function seenHalf(
  network: TableNetwork,
  request: Extract<TableRequest, { kind: 'Query' }>,
  settle: (delayMs: number, outcome: Outcome) => void,
): void {
  const { scheduler, database } = network;
  const lag = { lagMs: lagMs(network) };
  scheduler.after(latencyMs(network), () => {
    const all = (database.apply(request, lag) as { Items: { sk?: { S?: string } }[] }).Items;
    const middle = all[scheduler.random.integer(0, Math.max(0, all.length - 1))]?.sk?.S ?? '';
    const backwards = request.input.ScanIndexForward === false;
    const read = (after: boolean) =>
      (database.apply(request, { ...lag, part: after ? { after: middle } : { upTo: middle } }) as { Items: object[] })
        .Items;
    const first = read(backwards);
    scheduler.after(latencyMs(network), () => {
      const Items = [...first, ...read(!backwards)].slice(0, request.input.Limit ?? Number.POSITIVE_INFINITY);
      settle(0, { answer: { Items } });
    });
  });
}

export const named = (name: string, message: string, status = 400) =>
  Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } });

const serverError = () => named('InternalServerError', 'The request processing has failed', 500);

function throttled(request: TableRequest, byReason: boolean): unknown {
  if (request.kind !== 'TransactWriteItems' || !byReason) return named('ThrottlingException', 'Rate exceeded');
  return canceled((request.input.TransactItems ?? []).map((_, n) => ({ Code: n === 0 ? 'ThrottlingError' : 'None' })));
}

function conflict(request: TableRequest, random: number): unknown {
  if (request.kind !== 'TransactWriteItems')
    return named('TransactionConflictException', 'Transaction is ongoing for the item');
  const items = request.input.TransactItems ?? [];
  const which = Math.floor(random * items.length);
  return canceled(items.map((_, n) => ({ Code: n === which ? 'TransactionConflict' : 'None' })));
}
