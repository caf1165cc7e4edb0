import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import type { DispatchType } from '../../core/job.ts';
import type { TableRequest } from './database.ts';
import type { Stored } from './expressions.ts';
import type { Process } from './scheduler.ts';

interface Settings {
  readonly limit: number;
  readonly paused: boolean;
  readonly types: Readonly<Record<string, DispatchType>>;
}

/** What one invocation saw of board and queues, and did to them since. */
interface View {
  settings?: Settings;
  readonly slots: Map<number, string>;
  readonly locks: Set<string>;
  readonly heads: Map<string, { rows: number[]; readonly more: boolean }>;
}

/**
 * Judges each claim by what its own process had read: written apart from `core/dispatch.ts`, from the sentence that it
 * shall keep (design, section 6: the oldest job that may run, among the rows and the board it was decided from).
 */
export class Order {
  readonly #views = new WeakMap<Process, View>();
  readonly #settings = new WeakMap<Stored, Settings>();
  checks = 0;

  /** What is wrong with a claim that is about to be sent; undefined when nothing is, or it is no claim. */
  sending(process: Process, request: TableRequest): string | undefined {
    const claim = claimIn(request);
    if (!claim) return undefined;
    this.checks++;
    const view = this.#view(process);
    const { settings } = view;
    if (!settings) return 'a job was claimed without a look at the board';
    if (view.slots.size >= settings.limit || view.slots.has(claim.slot))
      return `job ${claim.job} was claimed for slot ${claim.slot}, which was not free in the board it was decided from`;
    if (settings.paused) return `job ${claim.job} was claimed while dispatch is paused`;
    let oldest: number | undefined;
    for (const [name, type] of Object.entries(settings.types)) {
      if (type.retired !== undefined) continue;
      if (!type.concurrent && (view.locks.has(name) || [...view.slots.values()].includes(name))) {
        if (name === claim.type) return `job ${claim.job} was claimed although its type was seen running`;
        continue;
      }
      const seen = view.heads.get(name);
      if (!seen) return `job ${claim.job} was claimed without a look at the queue of ${name}`;
      const [first] = seen.rows;
      if (first === undefined && seen.more) return `job ${claim.job} was claimed while more of ${name} was to be read`;
      if (first !== undefined && (oldest === undefined || first < oldest)) oldest = first;
    }
    return oldest === claim.job ? undefined : `job ${claim.job} was claimed, and ${oldest} is the oldest that may run`;
  }

  answered(process: Process, request: TableRequest, answer: object): void {
    if (request.kind === 'Query') this.#read(process, request.input, (answer as { Items: Stored[] }).Items);
    for (const { Put, Delete } of writes(request)) {
      const [pk = '', sk = ''] = key(Put?.Item ?? Delete?.Key);
      const view = this.#view(process);
      if (pk === 'BOARD' && sk.startsWith('SLOT#')) {
        if (Put) view.slots.set(Number(sk.slice(5)), Put.Item?.['type']?.S ?? '');
        else view.slots.delete(Number(sk.slice(5)));
      }
      if (pk === 'BOARD' && sk.startsWith('LOCK#')) {
        if (Put) view.locks.add(sk.slice(5));
        else view.locks.delete(sk.slice(5));
      }
      if (pk.startsWith('QUEUE#') && Delete) forget(view, pk.slice(6), Number(sk));
    }
  }

  /** A row that was lost to another dispatcher is no longer in the view; nor is a hold that could not be released again. */
  refused(process: Process, request: TableRequest, codes: readonly (string | undefined)[]): void {
    if (request.kind === 'DeleteItem') {
      this.answered(process, request, {});
      return;
    }
    const all = writes(request);
    const row = all.findIndex(({ Delete }) => key(Delete?.Key)[0]?.startsWith('QUEUE#'));
    if (row < 0 || (codes[0] !== 'ConditionalCheckFailed' && codes[row] !== 'ConditionalCheckFailed')) return;
    const [pk = '', sk] = key(all[row]?.Delete?.Key);
    forget(this.#view(process), pk.slice(6), Number(sk));
  }

  #read(process: Process, input: Extract<TableRequest, { kind: 'Query' }>['input'], items: readonly Stored[]): void {
    const pk = input.ExpressionAttributeValues?.[':p']?.S ?? '';
    const view = this.#view(process);
    if (pk.startsWith('QUEUE#')) {
      // Read from its young end it says nothing of the oldest.
      if (input.ScanIndexForward === false) return;
      const rows = items.map((item) => Number(item['sk']?.S));
      view.heads.set(pk.slice(6), { rows, more: rows.length === input.Limit });
    }
    if (pk !== 'BOARD') return;
    view.slots.clear();
    view.locks.clear();
    view.heads.clear();
    for (const item of items) {
      const sk = item['sk']?.S ?? '';
      if (sk.startsWith('SLOT#')) view.slots.set(Number(sk.slice(5)), item['type']?.S ?? '');
      if (sk.startsWith('LOCK#')) view.locks.add(sk.slice(5));
      if (sk === 'SETTINGS') {
        const settings = this.#settings.get(item) ?? (unmarshall(item) as Settings);
        this.#settings.set(item, settings);
        view.settings = settings;
      }
    }
  }

  #view(process: Process): View {
    let view = this.#views.get(process);
    if (!view) {
      view = { slots: new Map(), locks: new Set(), heads: new Map() };
      this.#views.set(process, view);
    }
    return view;
  }
}

function forget(view: View, type: string, id: number): void {
  const seen = view.heads.get(type);
  if (seen) seen.rows = seen.rows.filter((row) => row !== id);
}

const key = (from: Record<string, AttributeValue> | undefined) => [from?.['pk']?.S, from?.['sk']?.S] as const;

const writes = (request: TableRequest) =>
  request.kind === 'TransactWriteItems'
    ? (request.input.TransactItems ?? [])
    : request.kind === 'PutItem'
      ? [{ Put: request.input, Delete: undefined }]
      : request.kind === 'DeleteItem'
        ? [{ Put: undefined, Delete: request.input }]
        : [];

function claimIn(request: TableRequest): { job: number; type: string; slot: number } | undefined {
  if (request.kind !== 'TransactWriteItems') return undefined;
  for (const { Put } of request.input.TransactItems ?? []) {
    const item = Put?.Item;
    if (item?.['pk']?.S === 'BOARD' && item['sk']?.S?.startsWith('SLOT#'))
      return { job: Number(item['job']?.N), type: item['type']?.S ?? '', slot: Number(item['sk'].S.slice(5)) };
  }
  return undefined;
}
