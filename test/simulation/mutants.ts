import { TransactionCanceledException, type TransactWriteItem } from '@aws-sdk/client-dynamodb';
import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { counter } from './counter.ts';
import type { Definition } from './execution.ts';
import type { Stored } from './expressions.ts';
import {
  clientOf,
  freeHoldsOf,
  heldForMs,
  isCheckpoint,
  isClaim,
  isHold,
  isInterrupt,
  isSegmentClaim,
  isSettle,
  keyOf,
  type Mutant,
  nameOf,
  type Part,
  partsOf,
  remade,
  rewriting,
  sendLater,
  sendOf,
  sets,
  strip,
  valueIn,
} from './planting.ts';

export const mutants: readonly Mutant[] = [
  {
    name: "ArchivesSpace's race: look, then take, without a condition",
    table: rewriting((part, _kind, all) => isClaim(all) && strip(part)),
  },
  {
    name: 'a lock that is put whether it is there or not',
    seldom: true,
    table: rewriting((part, kind) => kind === 'Put' && keyOf(part).startsWith('BOARD LOCK#') && strip(part)),
  },
  {
    name: 'a slot that is put whether it is there or not',
    table: rewriting((part, kind) => kind === 'Put' && keyOf(part).startsWith('BOARD SLOT#') && strip(part)),
  },
  {
    name: 'a claim of a job that need not be queued any more',
    table: rewriting((part, _kind, all) => isClaim(all) && /JOB$|^QUEUE/.test(keyOf(part)) && strip(part)),
  },
  {
    name: 'no segment claim',
    table: rewriting((part) => isSegmentClaim(part) && strip(part)),
  },
  {
    name: 'a segment claim that ignores a revoked token',
    table: rewriting((part) => isSegmentClaim(part) && strip(part, ['token'])),
  },
  {
    name: 'a release without token',
    table: rewriting((part, kind) => kind === 'Delete' && isHold(part) && strip(part)),
  },
  {
    name: 'a settlement without token and status',
    table: rewriting((part) => isSettle(part) && strip(part)),
  },
  {
    name: 'a token taken away from wherever its run stands',
    seldom: true,
    table: rewriting((part) => {
      if (keyOf(part).endsWith(' RUN') && sets(part, 'token')) strip(part, ['segment', 'open']);
    }),
  },
  {
    name: 'a log without end',
    seldom: true,
    table: rewriting((part) => {
      const values = part.ExpressionAttributeValues ?? {};
      if (!isSettle(part)) return;
      for (const value of Object.values(values)) if (value.M?.['log']) value.M['log'] = { N: '1000000000' };
    }),
  },
  {
    name: 'job and queue row written one after the other',
    table: (client) =>
      clientOf(async (command) => {
        const parts = partsOf(nameOf(command), command.input);
        const items = (command.input as { TransactItems?: TransactWriteItem[] }).TransactItems;
        if (!items || isClaim(parts) || !parts.every(({ kind }) => kind === 'Put')) return sendOf(client)(command);
        let answer: object = {};
        for (const item of items) answer = await sendOf(client)(remade(command, { TransactItems: [item] }));
        return answer;
      }),
  },
  {
    name: 'a lock that expires after three minutes',
    eachMinute: (world) => {
      for (const lock of world.invariants.locks.values())
        if (heldForMs(world, lock.since) > 180_000) freeHoldsOf(world, lock.token, /LOCK/);
    },
  },
  {
    name: 'a slot that is pruned when its run lasts longer than three minutes',
    eachMinute: (world) => {
      for (const slot of world.invariants.slots.values())
        if (heldForMs(world, slot.since) > 180_000) freeHoldsOf(world, slot.token);
    },
  },
  {
    name: "ArchivesSpace's cancel: the thread is free when the cancel is asked for",
    table: (client, process, world) =>
      clientOf(async (command) => {
        const answer = await sendOf(client)(command);
        const asked = partsOf(nameOf(command), command.input).find(({ part }) => sets(part, 'cancelRequested'));
        const job = world.invariants.jobs.get(Number(asked?.part.Key?.['pk']?.S?.slice(4)));
        if (process.name === 'cancel' && job?.status === 'running') freeHoldsOf(world, job.token);
        return answer;
      }),
  },
  {
    name: "an execution that is started under a name that is not its run's alone",
    machine: (client) =>
      clientOf((command) => {
        const { name } = command.input as { name?: string };
        const other = { ...command.input, name: `${name?.slice(0, 60)}-${Math.floor(Math.random() * 1000)}` };
        return sendOf(client)(name === undefined ? command : remade(command, other));
      }),
  },
  {
    name: 'Solid Queue #761: a counter, and whoever ends a run gives back one',
    ...counter(),
  },
  {
    name: 'slot and lock freed when the token is revoked',
    end: async (world, ref, witness, end) => {
      await end(witness);
      freeHoldsOf(world, ref.token);
      return end(witness);
    },
  },
  {
    name: 'slot and lock freed after any error',
    end: (_world, _ref, witness, end) => end(witness?.error === undefined ? witness : { error: 'SomeError' }),
  },
  {
    name: 'slot and lock freed when an operator stops the execution',
    end: (_world, _ref, witness, end) => end(witness ?? {}),
  },
  {
    name: 'a sweep that does not wait for the deadline of a run that was lost sight of',
    table: (client, process) =>
      clientOf(async (command) => {
        const answer = await sendOf(client)(command);
        const { Item: item } = answer as { Item?: Stored };
        if (process.name !== 'sweep' || item?.['sk']?.S !== 'RUN') return answer;
        return { Item: { ...item, deadline: { N: '1' } } };
      }),
  },
  {
    name: 'a thawed watcher that kills the next job',
    watch:
      (watch) =>
      async (...given) => {
        await watch(...given);
        return { stop: async () => {} };
      },
  },
  {
    name: 'a sweep that ends what was merely not started',
    machine: (client, process) =>
      clientOf(async (command) => {
        if (process.name !== 'sweep') return sendOf(client)(command);
        if (command instanceof StartExecutionCommand)
          throw new ExecutionAlreadyExists({ message: 'not asked', $metadata: {} });
        return sendOf(client)(command).catch((error: unknown) => {
          if (command instanceof DescribeExecutionCommand && error instanceof ExecutionDoesNotExist)
            return { status: 'ABORTED' };
          throw error;
        });
      }),
  },
  {
    name: 'a repeated deduplication id',
    doorbell: (client) =>
      clientOf((command) => sendOf(client)(remade(command, { ...command.input, MessageDeduplicationId: 'look' }))),
  },
  {
    name: 'a dispatcher that reads an index in place of the table',
    table: (client, process) =>
      clientOf((command) => {
        const queue = (command.input as Part).ExpressionAttributeValues?.[':p']?.S?.startsWith('QUEUE#');
        const lags = process.name === 'dispatcher' && queue && nameOf(command) === 'Query';
        return sendOf(client)(lags ? remade(command, { ...command.input, ConsistentRead: false }) : command);
      }),
  },
  {
    name: 'reads that may lag in place of consistent ones',
    table: (client) =>
      clientOf((command) =>
        sendOf(client)(
          'ConsistentRead' in command.input ? remade(command, { ...command.input, ConsistentRead: false }) : command,
        ),
      ),
  },
  {
    name: 'a conflict taken for a refusal',
    table: (client) =>
      clientOf((command) =>
        sendOf(client)(command).catch((error: unknown) => {
          if (!(error instanceof TransactionCanceledException)) throw error;
          const reasons = error.CancellationReasons?.map((reason) =>
            reason.Code === 'TransactionConflict' ? { ...reason, Code: 'ConditionalCheckFailed' } : reason,
          );
          throw new TransactionCanceledException({ message: '', $metadata: {}, CancellationReasons: reasons ?? [] });
        }),
      ),
  },
  {
    name: 'a write without an answer taken for a failed one',
    table: (client) =>
      clientOf((command) =>
        sendOf(client)(command).catch((error: unknown) => {
          const { name } = error as Error;
          throw name === 'TimeoutError' || name === 'InternalServerError'
            ? new Error('failed', { cause: error })
            : error;
        }),
      ),
  },
  {
    name: 'no sweep',
    noSweep: true,
  },
  {
    name: 'Kestra #14356: nothing but the last state of an execution gives a slot back',
    noSweep: true,
    noEvents: true,
    definition: (definition) => withoutCatch(definition),
  },
  {
    name: "ArchivesSpace's dead thread: a runner that crashed is never seen to have ended",
    noEvents: true,
    definition: (definition) => withoutCatch(definition),
    machine: (client, process) =>
      clientOf((command) =>
        sendOf(client)(command).catch((error: unknown) => {
          if (process.name === 'sweep' && error instanceof ExecutionAlreadyExists) return {};
          throw error;
        }),
      ),
  },
  {
    name: "ArchivesSpace's poison job: a pass fails at a job whose type is gone",
    table: (client, _process, world) =>
      clientOf(async (command) => {
        const answer = await sendOf(client)(command);
        const type = (command.input as Part).ExpressionAttributeValues?.[':p']?.S?.replace('QUEUE#', '') ?? '';
        const isGone = world.invariants.settings?.types[type]?.retired !== undefined;
        if (isGone && (answer as { Items?: Stored[] }).Items?.length) throw new Error('no runner for this type');
        return answer;
      }),
  },
  {
    name: 'pg-boss #535: a blocked type at the head blocks all',
    table: (client, _process, world) =>
      clientOf(async (command) => {
        const answer = await sendOf(client)(command);
        const pk = (command.input as Part).ExpressionAttributeValues?.[':p']?.S;
        if (nameOf(command) !== 'Query' || !pk?.startsWith('QUEUE#')) return answer;
        const oldest = Math.min(...world.invariants.rows.keys());
        const { Items: items } = answer as { Items: Stored[] };
        return { Items: items.filter((item) => Number(item['sk']?.S) === oldest) };
      }),
  },
  {
    name: 'a run closed as if it broke off, wherever it stands by now',
    table: (client, process, world) =>
      rewriting((part) => {
        if (!isInterrupt(part)) return;
        strip(part, ['segment', 'open', 'interruptions']);
        // A second finisher that saw the same comes as late as it likes.
        if (Math.random() < 0.2) sendLater(world, part, 20_000);
      })(client, process, world),
  },
  {
    name: 'interruptions that are not counted',
    table: rewriting((part) => {
      if (isInterrupt(part)) valueIn(part, 'interruptions').N = '1';
    }),
  },
  {
    name: 'attempts that are not counted',
    seldom: true,
    table: rewriting((part) => {
      if (keyOf(part).endsWith(' RUN') && sets(part, 'attempt')) valueIn(part, 'attempt').N = '1';
    }),
  },
  {
    name: 'a checkpoint without its files',
    table: rewriting((part) => {
      const files = isCheckpoint(part) ? valueIn(part, 'ends').M : undefined;
      if (files) files['files'] = { N: '0' };
    }),
  },
  {
    name: 'a checkpoint that comes late, from a process that died',
    seldom: true,
    table: (client, process, world) =>
      rewriting((part) => {
        if (!isCheckpoint(part)) return;
        strip(part);
        if (Math.random() > 0.02) return;
        sendLater(world, part, 20_000);
        world.invariants.mayFail(process.token ?? '', 'killed by the platform');
        process.kill('exit');
      })(client, process, world),
  },
  {
    name: 'a checkpoint that comes late, after others of its segment',
    table: (client, process, world) =>
      rewriting((part) => {
        if (!isCheckpoint(part)) return;
        strip(part, ['saves']);
        if (Math.random() < 0.1) sendLater(world, part, 20_000);
      })(client, process, world),
  },
  {
    name: 'an output file that is not written over by the segment after it broke off',
    table: (client) =>
      clientOf(async (command) => {
        const [put] = partsOf(nameOf(command), command.input);
        const isOver = put && / FILE#/.test(keyOf(put.part)) && !put.part.ConditionExpression?.includes('not_exists');
        return isOver ? {} : sendOf(client)(command);
      }),
  },
  {
    name: 'a segment number that is not carried round the loop',
    definition: ({ StartAt, States }) => ({
      StartAt,
      States: {
        ...States,
        Run: {
          ...(States['Run'] as Definition['States'][string]),
          Catch:
            States['Run']?.Catch?.map((one) => (one.Next === 'Finish' ? one : { ...one, ResultPath: '$.elsewhere' })) ??
            [],
        },
      },
    }),
  },
  {
    name: 'a sweep that repairs no torn queue',
    seldom: true,
    table: (client, process) =>
      clientOf(async (command) => {
        const part = command.input as Part;
        if (process.name === 'sweep' && nameOf(command) === 'GetItem' && part.Key?.['pk']?.S?.startsWith('QUEUE#'))
          return { Item: part.Key };
        return sendOf(client)(command);
      }),
  },
  {
    name: 'a queue read from its young end',
    table: (client) =>
      clientOf((command) => {
        const { ExpressionAttributeValues: values } = command.input as Part;
        const queue = values?.[':p']?.S?.startsWith('QUEUE#') && nameOf(command) === 'Query';
        return sendOf(client)(queue ? remade(command, { ...command.input, ScanIndexForward: false }) : command);
      }),
  },
];

function withoutCatch({ StartAt, States }: Definition): Definition {
  const run = States['Run'] as Definition['States'][string];
  const Catch = (run.Catch ?? []).filter(({ ErrorEquals }) => !ErrorEquals.includes('States.ALL'));
  return { StartAt, States: { ...States, Run: { ...run, Catch } } };
}
