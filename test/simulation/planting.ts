import { ConditionalCheckFailedException, type DynamoDBClient, type TransactWriteItem } from '@aws-sdk/client-dynamodb';
import type { SFNClient } from '@aws-sdk/client-sfn';
import type { SQSClient } from '@aws-sdk/client-sqs';
import type { Witness } from '../../core/ending.ts';
import type { Board } from '../../core/job.ts';
import type { RunRef } from '../../functions/end.ts';
import type { Definition } from './execution.ts';
import type { Stored } from './expressions.ts';
import type { StartWatch } from './harness.ts';
import type { Process } from './scheduler.ts';
import type { World } from './world.ts';

/** A bug, planted around the service's own code. */
export interface Mutant {
  /** Many seeds pass it by. */
  readonly seldom?: true;
  readonly name: string;
  readonly table?: (client: DynamoDBClient, process: Process, world: World) => DynamoDBClient;
  readonly machine?: (client: SFNClient, process: Process) => SFNClient;
  readonly doorbell?: (client: SQSClient) => SQSClient;
  readonly definition?: (definition: Definition) => Definition;
  readonly watch?: (watch: StartWatch) => StartWatch;
  /** In the finisher's place of `endRun`. */
  readonly end?: (
    world: World,
    ref: RunRef,
    witness: Witness | undefined,
    end: (witness: Witness | undefined) => Promise<Board>,
  ) => Promise<Board>;
  readonly eachMinute?: (world: World) => void;
  readonly noSweep?: boolean;
  readonly noEvents?: boolean;
}

export const healthy: Mutant = { name: 'none' };

export type Part = {
  Key?: Stored;
  Item?: Stored;
  ConditionExpression?: string;
  UpdateExpression?: string;
  ExpressionAttributeNames?: Record<string, string>;
  ExpressionAttributeValues?: Stored;
};
export interface Command {
  readonly input: object;
}
export type Send = (command: Command) => Promise<object>;

export const clientOf = <T>(send: Send): T => ({ send }) as unknown as T;
export const sendOf = (client: unknown): Send => (client as { send: Send }).send;
export const nameOf = (command: Command) => command.constructor.name.replace(/Command$/, '');
export const remade = (command: Command, input: object): Command =>
  new (command.constructor as new (input: object) => Command)(input);

/** The writes of a command, to be looked at and changed. */
export function partsOf(name: string, input: object): { kind: string; part: Part }[] {
  if (name === 'TransactWriteItems')
    return ((input as { TransactItems?: TransactWriteItem[] }).TransactItems ?? []).flatMap((item) =>
      Object.entries(item).map(([kind, part]) => ({ kind, part: part as Part })),
    );
  const kind = { PutItem: 'Put', UpdateItem: 'Update', DeleteItem: 'Delete' }[name];
  return kind ? [{ kind, part: input as Part }] : [];
}

export const keyOf = ({ Key, Item }: Part) => `${(Key ?? Item)?.['pk']?.S} ${(Key ?? Item)?.['sk']?.S}`;

/** Takes a write's conditions away, or those of some attributes. */
export function strip(part: Part, attributes?: readonly string[]): void {
  const names = part.ExpressionAttributeNames ?? {};
  const kept = (part.ConditionExpression ?? '')
    .split(' AND ')
    .filter((term) => attributes && !attributes.some((name) => term.includes(placeholder(names, name))));
  if (kept.length > 0) part.ConditionExpression = kept.join(' AND ');
  else delete part.ConditionExpression;
  const used: readonly string[] =
    `${part.ConditionExpression ?? ''} ${part.UpdateExpression ?? ''}`.match(/[#:]\w+/g) ?? [];
  const only = <T>(from: Record<string, T> | undefined) =>
    Object.fromEntries(Object.entries(from ?? {}).filter(([name]) => used.includes(name)));
  part.ExpressionAttributeNames = only(part.ExpressionAttributeNames);
  part.ExpressionAttributeValues = only(part.ExpressionAttributeValues);
}

export const placeholder = (names: Record<string, string>, attribute: string) =>
  Object.entries(names).find(([, name]) => name === attribute)?.[0] ?? 'no such attribute';

/** Sets what a write's condition or update says of an attribute. */
export const sets = (part: Part, attribute: string) =>
  new RegExp(`SET .*${placeholder(part.ExpressionAttributeNames ?? {}, attribute)} =`).test(
    part.UpdateExpression ?? '',
  );

/** What a write sets an attribute to, to be changed. */
export function valueIn(part: Part, attribute: string): Record<string, unknown> & { M?: Stored; N?: string } {
  const name = placeholder(part.ExpressionAttributeNames ?? {}, attribute);
  const value = new RegExp(`SET .*?${name} = (:\\w+)`).exec(part.UpdateExpression ?? '')?.[1] ?? '';
  return (part.ExpressionAttributeValues?.[value] ?? {}) as Record<string, unknown>;
}

/** An update arrives once more, or only then, whoever may have died meanwhile. */
export function sendLater(world: World, part: Part, mostMs: number): void {
  const input = structuredClone(part) as Parameters<World['database']['apply']>[0]['input'];
  world.scheduler.after(Math.random() * mostMs, () => {
    try {
      world.database.apply({ kind: 'UpdateItem', input } as Parameters<World['database']['apply']>[0]);
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
    }
  });
}

/** A table client whose writes are changed before they are sent. */
export const rewriting =
  (change: (part: Part, kind: string, all: readonly { kind: string; part: Part }[], world: World) => void) =>
  (client: DynamoDBClient, _process: Process, world: World): DynamoDBClient =>
    clientOf((command) => {
      const input = structuredClone(command.input);
      const parts = partsOf(nameOf(command), input);
      for (const { kind, part } of parts) change(part, kind, parts, world);
      return sendOf(client)(remade(command, input));
    });

export const isClaim = (all: readonly { kind: string; part: Part }[]) =>
  all.some(({ kind, part }) => kind === 'Put' && keyOf(part).startsWith('BOARD SLOT#'));
export const isHold = (part: Part) => /^BOARD (SLOT|LOCK)#/.test(keyOf(part));
export const isSegmentClaim = (part: Part) => keyOf(part).endsWith(' RUN') && sets(part, 'claim');
export const isInterrupt = (part: Part) => keyOf(part).endsWith(' RUN') && sets(part, 'interruption');
/** Saves the state of a run that goes on in its segment. */
export const isCheckpoint = (part: Part) => keyOf(part).endsWith(' RUN') && sets(part, 'state') && !sets(part, 'open');
export const isSettle = (part: Part) => keyOf(part).endsWith(' JOB') && sets(part, 'finished') && sets(part, 'ends');

/** Takes away what a token holds, whoever may still run. */
export function freeHoldsOf(world: World, token: string, what = /SLOT|LOCK/): void {
  const board = [
    ...[...world.invariants.slots].map(([n, hold]) => [`SLOT#${n}`, hold] as const),
    ...[...world.invariants.locks].map(([type, hold]) => [`LOCK#${type}`, hold] as const),
  ];
  for (const [sk, hold] of board)
    if (hold.token === token && what.test(sk))
      world.database.apply({
        kind: 'DeleteItem',
        input: { TableName: 'jobs', Key: { pk: { S: 'BOARD' }, sk: { S: sk } } },
      });
}

export const heldForMs = (world: World, since: number) => world.scheduler.nowMs - since;
