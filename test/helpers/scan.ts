import { paginateScan } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import type { Table } from '../../aws/dynamo.ts';
import type { Item } from '../../core/writes.ts';

/** All items of a table. */
export async function items({ client, name }: Table): Promise<readonly Item[]> {
  const found: Item[] = [];
  for await (const { Items = [] } of paginateScan({ client }, { TableName: name, ConsistentRead: true }))
    found.push(...Items.map((item) => unmarshall(item) as Item));
  return found;
}
