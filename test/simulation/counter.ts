import type { Stored } from './expressions.ts';
import {
  clientOf,
  freeHoldsOf,
  keyOf,
  type Mutant,
  nameOf,
  type Part,
  partsOf,
  placeholder,
  remade,
  sendOf,
} from './planting.ts';
import type { World } from './world.ts';

/** The board as a number: a claim adds one below the limit, and each end takes one away. */
export function counter(): Pick<Mutant, 'table' | 'end'> {
  const counts = new WeakMap<World, number>();
  const countOf = (world: World) => counts.get(world) ?? 0;
  return {
    table: (client, _process, world) =>
      clientOf(async (command) => {
        const input = structuredClone(command.input);
        const parts = partsOf(nameOf(command), input);
        const claimed = parts.find(({ kind, part }) => kind === 'Put' && keyOf(part).startsWith('BOARD SLOT#'));
        if (claimed?.part.Item) {
          // Where it stands no longer matters: any place that is free.
          let n = 0;
          while (world.invariants.slots.has(n)) n++;
          claimed.part.Item = { ...claimed.part.Item, sk: { S: `SLOT#${n}` }, n: { N: String(n) } };
          const job = parts[0]?.part;
          const slot = placeholder(job?.ExpressionAttributeNames ?? {}, 'slot');
          const value = new RegExp(`${slot} = (:\\w+)`).exec(job?.UpdateExpression ?? '')?.[1];
          if (job?.ExpressionAttributeValues && value) job.ExpressionAttributeValues[value] = { N: String(n) };
        }
        const answer = await sendOf(client)(remade(command, input));
        if (claimed) counts.set(world, countOf(world) + 1);
        const pk = (input as Part).ExpressionAttributeValues?.[':p']?.S;
        if (nameOf(command) !== 'Query' || pk !== 'BOARD') return answer;
        const { Items: items } = answer as { Items: Stored[] };
        const counted = Array.from({ length: Math.max(0, countOf(world)) }, (_, n) => ({
          pk: { S: 'BOARD' },
          sk: { S: `SLOT#${n}` },
          n: { N: String(n) },
          job: { N: '0' },
          type: { S: '' },
          token: { S: 'counted' },
          since: { N: '0' },
        }));
        return { Items: [...items.filter((item) => !item['sk']?.S?.startsWith('SLOT#')), ...counted] };
      }),
    end: async (world, ref, witness, end) => {
      const board = await end(witness);
      const run = world.invariants.runs.get(ref.job);
      if (witness === undefined && run?.open) return board;
      freeHoldsOf(world, ref.token);
      counts.set(world, countOf(world) - 1);
      return end(witness);
    },
  };
}
