import { setTimeout as pause } from 'node:timers/promises';
import { DynamoDBClient, GetItemCommand, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { marshall } from '@aws-sdk/util-dynamodb';

interface Invocation {
  readonly job: number;
  readonly type: string;
  readonly token: string;
  readonly last: { readonly Cause: string };
}

const client = new DynamoDBClient({});
const TableName = process.env['TABLE'];
const options = { allowImpreciseNumbers: true, removeUndefinedValues: true } as const;

/** The run's item; everything that a runner may write is below its partition. */
const pkOf = ({ job, type }: Invocation) => `RUN#${type}#${job}`;

async function set(invocation: Invocation, values: Record<string, unknown>): Promise<void> {
  const names = Object.keys(values);
  await client.send(
    new UpdateItemCommand({
      TableName,
      Key: marshall({ pk: pkOf(invocation), sk: 'RUN' }),
      UpdateExpression: `SET ${names.map((_, i) => `#n${i} = :v${i}`).join(', ')}`,
      ExpressionAttributeNames: Object.fromEntries(names.map((name, i) => [`#n${i}`, name])),
      ExpressionAttributeValues: marshall(
        Object.fromEntries(Object.values(values).map((value, i) => [`:v${i}`, value])),
        options,
      ),
    }),
  );
}

const put = (invocation: Invocation, sk: string, values: Record<string, unknown>) =>
  client.send(
    new PutItemCommand({
      TableName,
      Item: marshall({ pk: pkOf(invocation), sk, v: 1, token: invocation.token, segment: 1, ...values }, options),
    }),
  );

const line = (text: string) => ({ bytes: new TextEncoder().encode(text), size: text.length });
const place = (n: number) => String(n).padStart(12, '0');
const done = { open: false, end: { outcome: 'completed' }, ends: { log: 6, files: 1, records: 0 } };

const deeds: Readonly<Record<string, (invocation: Invocation) => Promise<unknown>>> = {
  'return nonsense': async () => ({ statusCode: 200, body: ['nonsense', { deep: null }] }),
  'throw nonsense': async () => {
    throw { not: 'an error' };
  },
  'throw a wall of text': async () => {
    throw new Error('<script>alert(1)</script> '.repeat(1_000));
  },
  'throw more than the state machine takes': async () => {
    throw new Error('x'.repeat(300_000));
  },
  'go on without a number': async () => {
    throw Object.assign(new Error('banana'), { name: 'JobWait' });
  },
  'say an unknown end': async (invocation) => {
    await set(invocation, { segment: 1, open: false, end: { outcome: 'exploded', failure: 7 }, ends: 'none' });
  },
  'say numbers that are none': async (invocation) => {
    await put(invocation, `LOG#${place(0)}`, { bytes: 'text', size: 'long' });
    await put(invocation, 'LOG#9999999999999999999999', line('far'));
    await put(invocation, `RECORD#${place(0)}`, { created: 7, modified: [null, { ref: 1 }, '/subjects/1'] });
    await set(invocation, {
      segment: 'one',
      open: 'yes',
      deadline: 1e60,
      graceSeconds: -1,
      progress: { done: 'x' },
      ends: { log: -1, files: 1e60, records: '3' },
    });
  },
  'take another token': async (invocation) => {
    await set(invocation, { token: 'of its own', segment: 1, open: true });
  },
  'write after the end': async (invocation) => {
    await set(invocation, { segment: 1, open: true });
    await put(invocation, `LOG#${place(0)}`, line('before'));
    await file(invocation, 0, 'before.txt');
    await set(invocation, done);
    await put(invocation, `LOG#${place(6)}`, line(' and after'));
    await put(invocation, `RECORD#${place(0)}`, { created: ['/repositories/2/resources/1'], modified: [] });
    await file(invocation, 1, 'after.txt');
    await set(invocation, { progress: { done: 100, total: 1 } });
  },
  'name files as paths': async (invocation) => {
    const names = ['../../x', 'a"; filename="b.exe', '', 'C:\\Windows\\x.dll', `${'x'.repeat(1_000)}.txt`];
    for (const [n, name] of names.entries()) await file(invocation, n, name, 'text/html\r\nset-cookie: a=b');
    await set(invocation, { ...done, segment: 1, ends: { log: 0, files: names.length, records: 0 } });
  },
  'never look at a cancel': async (invocation) => {
    await set(invocation, { segment: 1, open: true, deadline: Date.now() + 8_000 });
    for (;;) await pause(100);
  },
};

async function file(invocation: Invocation, n: number, name: string, contentType = 'text/plain'): Promise<void> {
  const { job, type, token } = invocation;
  await new S3Client({ forcePathStyle: true }).send(
    new PutObjectCommand({ Bucket: process.env['BUCKET'], Key: `runs/${type}/${job}/${token}/1/${n}`, Body: 'bytes' }),
  );
  await put(invocation, `FILE#${place(n)}`, { name, contentType, size: 5 });
}

/** It is asked for by name, and never called. */
export const run = undefined;

export const handler = async (invocation: Invocation): Promise<unknown> => {
  const { does } = JSON.parse(String(await params(invocation))) as { does: string };
  return deeds[does]?.(invocation);
};

async function params(invocation: Invocation): Promise<unknown> {
  const { Item } = await client.send(
    new GetItemCommand({ TableName, Key: marshall({ pk: pkOf(invocation), sk: 'RUN' }), ConsistentRead: true }),
  );
  return Item?.['params']?.S;
}
