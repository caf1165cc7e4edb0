// The S3 emulator, as AWS documents S3 (API reference; user guide, "conditional requests", "checking object
// integrity", "presigned URLs"); nothing here was compared with AWS itself.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Sha256 } from '@aws-crypto/sha256-js';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectTaggingCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { SignatureV4 } from '@smithy/signature-v4';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startS3 } from '../../local/s3/server.ts';
import { makeFolder, startChild, startOn } from './emulator-process.ts';

const Bucket = 'files';
const credentials = { accessKeyId: 'any', secretAccessKey: 'local' };

function clientOf(endpoint: string): S3Client {
  const client = new S3Client({ endpoint, region: 'eu-west-1', credentials, maxAttempts: 1 });
  onTestFinished(() => client.destroy());
  return client;
}

async function startWithBucket(): Promise<{ endpoint: string; client: S3Client }> {
  const server = await startS3({ region: 'eu-west-1' });
  onTestFinished(() => server.close());
  const client = clientOf(server.endpoint);
  await client.send(new CreateBucketCommand({ Bucket }));
  return { endpoint: server.endpoint, client };
}

const put = (client: S3Client, Key: string, Body: string | Readable, more: Partial<PutObjectCommandInput> = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));

const get = async (client: S3Client, Key: string) =>
  (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString();

const sha256 = (text: string) => createHash('sha256').update(text).digest('base64');

interface Presigning {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly query?: Record<string, string>;
  readonly expiresIn?: number;
  readonly signedAt?: Date;
}

/** Signs a URL as the service does it: with the headers that the client will have to send. */
async function presign(endpoint: string, key: string, options: Presigning = {}): Promise<string> {
  const { hostname, port } = new URL(endpoint);
  const signer = new SignatureV4({
    credentials,
    region: 'eu-west-1',
    service: 's3',
    sha256: Sha256,
    uriEscapePath: false,
  });
  const path = `/${Bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
  const names = Object.keys(options.headers ?? {});
  const signed = await signer.presign(
    {
      method: options.method ?? 'GET',
      protocol: 'http:',
      hostname,
      port: Number(port),
      path,
      query: options.query ?? {},
      headers: { host: `${hostname}:${port}`, 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD', ...options.headers },
    },
    {
      expiresIn: options.expiresIn ?? 60,
      signingDate: options.signedAt ?? new Date(),
      unhoistableHeaders: new Set(names),
      signableHeaders: new Set(['host', ...names]),
      unsignableHeaders: new Set(),
    },
  );
  const query = new URLSearchParams(signed.query as Record<string, string>);
  return `${endpoint}${path}?${query.toString().replaceAll('+', '%20')}`;
}

test('an object comes back as it was put, with type, metadata and tags', async () => {
  const { client } = await startWithBucket();
  const key = 'runs/ä b+c/1&2.txt';
  await put(client, key, 'grüße', { ContentType: 'text/plain', Metadata: { job: '7' }, Tagging: 'a=b%20c' });

  const object = await client.send(new GetObjectCommand({ Bucket, Key: key }));

  expect(await object.Body?.transformToString()).toBe('grüße');
  expect(object).toMatchObject({ ContentType: 'text/plain', Metadata: { job: '7' }, ContentLength: 7, TagCount: 1 });
  expect(object.ETag).toBe(`"${createHash('md5').update('grüße').digest('hex')}"`);
  const { TagSet } = await client.send(new GetObjectTaggingCommand({ Bucket, Key: key }));
  expect(TagSet).toEqual([{ Key: 'a', Value: 'b c' }]);
});

test('a stream is stored without the framing in which the SDK sends it', async () => {
  const { client } = await startWithBucket();
  const parts = ['x'.repeat(70_000), 'y'.repeat(130_000), 'z'];

  await put(client, 'stream', Readable.from(parts.map((part) => Buffer.from(part))), { ContentLength: 200_001 });

  expect(await get(client, 'stream')).toBe(parts.join(''));
});

test.each([
  ['bytes=2-4', 'cde', 'bytes 2-4/10'],
  ['bytes=7-', 'hij', 'bytes 7-9/10'],
  ['bytes=-2', 'ij', 'bytes 8-9/10'],
  ['bytes=8-100', 'ij', 'bytes 8-9/10'],
])('the range %s is %s', async (Range, body, ContentRange) => {
  const { client } = await startWithBucket();
  await put(client, 'letters', 'abcdefghij');

  const object = await client.send(new GetObjectCommand({ Bucket, Key: 'letters', Range }));

  expect(await object.Body?.transformToString()).toBe(body);
  expect(object.ContentRange).toBe(ContentRange);
});

test('what is not there has its own errors', async () => {
  const { client } = await startWithBucket();
  await put(client, 'a', 'abc');
  const head = (Key: string) => client.send(new HeadObjectCommand({ Bucket, Key }));

  await expect(head('none')).rejects.toMatchObject({ name: 'NotFound' });
  await expect(get(client, 'none')).rejects.toMatchObject({ name: 'NoSuchKey' });
  await expect(put(client, 'a', 'x', { Bucket: 'nobody' })).rejects.toMatchObject({ name: 'NoSuchBucket' });
  const beyond = client.send(new GetObjectCommand({ Bucket, Key: 'a', Range: 'bytes=3-' }));
  await expect(beyond).rejects.toMatchObject({ name: 'InvalidRange' });
});

test('objects are deleted one by one or many at once, there or not', async () => {
  const { client } = await startWithBucket();
  for (const key of ['a', 'b', '<c>&']) await put(client, key, key);

  await client.send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
  const { Deleted: deleted } = await client.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: '<c>&' }, { Key: 'none' }] } }),
  );

  expect(deleted?.map((one) => one.Key)).toEqual(['<c>&', 'none']);
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket }));
  expect(Contents?.map((object) => object.Key)).toEqual(['b']);
});

test('a copy has the metadata of its source, or its own', async () => {
  const { client } = await startWithBucket();
  await put(client, 'ä', 'body', { Metadata: { from: 'source' }, ContentType: 'text/plain' });
  const source = { Bucket, CopySource: `${Bucket}/${encodeURIComponent('ä')}` };

  await client.send(new CopyObjectCommand({ ...source, Key: 'same' }));
  await client.send(
    new CopyObjectCommand({ ...source, Key: 'own', MetadataDirective: 'REPLACE', Metadata: { from: 'copy' } }),
  );
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'ä' }));

  const head = (Key: string) => client.send(new HeadObjectCommand({ Bucket, Key }));
  expect(await head('same')).toMatchObject({ Metadata: { from: 'source' }, ContentType: 'text/plain' });
  expect(await head('own')).toMatchObject({ Metadata: { from: 'copy' } });
  expect(await get(client, 'own')).toBe('body');
});

test('a listing is sorted by bytes, cut by prefix and delimiter, and paged', async () => {
  const { client } = await startWithBucket();
  for (const key of ['runs/b/1', 'runs/a/1', 'runs/a/2', 'runs/Z', 'runs/z', 'other']) await put(client, key, 'x');
  const list = async (delimiter: string | undefined) => {
    const found: (string | undefined)[] = [];
    let ContinuationToken: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket,
        Prefix: 'runs/',
        Delimiter: delimiter,
        MaxKeys: 2,
        ContinuationToken,
      });
      const page = await client.send(command);
      expect(page.KeyCount).toBeLessThanOrEqual(2);
      const keys = [
        ...(page.Contents ?? []).map((object) => object.Key),
        ...(page.CommonPrefixes ?? []).map((common) => common.Prefix),
      ];
      found.push(...keys.sort());
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    return found;
  };

  expect(await list(undefined)).toEqual(['runs/Z', 'runs/a/1', 'runs/a/2', 'runs/b/1', 'runs/z']);
  expect(await list('/')).toEqual(['runs/Z', 'runs/a/', 'runs/b/', 'runs/z']);
});

test('tags are changed without touching the object', async () => {
  const { client } = await startWithBucket();
  await put(client, 'a', 'body');

  await client.send(
    new PutObjectTaggingCommand({ Bucket, Key: 'a', Tagging: { TagSet: [{ Key: 'keep', Value: 'yes' }] } }),
  );

  expect(await get(client, 'a')).toBe('body');
  expect((await client.send(new HeadObjectCommand({ Bucket, Key: 'a' }))).TagCount).toBe(1);
});

describe('If-None-Match: *', () => {
  test('refuses to replace an object', async () => {
    const { client } = await startWithBucket();
    await put(client, 'a', 'first', { IfNoneMatch: '*' });

    const second = put(client, 'a', 'second', { IfNoneMatch: '*' });

    await expect(second).rejects.toMatchObject({ name: 'PreconditionFailed' });
    expect(await get(client, 'a')).toBe('first');
  });

  test('lets one of many at once win', async () => {
    const { client } = await startWithBucket();

    const puts = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => put(client, 'a', `body ${i}`, { IfNoneMatch: '*' })),
    );

    const winners = puts.flatMap((one, i) => (one.status === 'fulfilled' ? [`body ${i}`] : []));
    expect(winners).toHaveLength(1);
    expect(await get(client, 'a')).toBe(winners[0]);
  });
});

test('a wrong checksum is refused, a right one is kept', async () => {
  const { client } = await startWithBucket();
  await put(client, 'right', 'abc', { ChecksumSHA256: sha256('abc') });

  const wrong = put(client, 'wrong', 'abc', { ChecksumSHA256: sha256('abd') });

  await expect(wrong).rejects.toMatchObject({ name: 'BadDigest' });
  await expect(get(client, 'wrong')).rejects.toMatchObject({ name: 'NoSuchKey' });
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'right', ChecksumMode: 'ENABLED' }));
  expect(head.ChecksumSHA256).toBe(sha256('abc'));
});

describe('an upload in parts', () => {
  test('becomes one object', async () => {
    const { client } = await startWithBucket();
    const bodies = ['x'.repeat(5 * 1024 * 1024), 'end'];
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ Bucket, Key: 'a', ContentType: 'text/plain' }),
    );
    const Parts = [];
    for (const [i, Body] of bodies.entries()) {
      const part = { Bucket, Key: 'a', UploadId, PartNumber: i + 1, Body };
      Parts.push({ PartNumber: i + 1, ETag: (await client.send(new UploadPartCommand(part))).ETag });
    }
    const listed = await client.send(new ListPartsCommand({ Bucket, Key: 'a', UploadId }));

    const completed = await client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key: 'a', UploadId, MultipartUpload: { Parts } }),
    );

    expect(listed.Parts?.map((part) => part.Size)).toEqual([5 * 1024 * 1024, 3]);
    expect(completed.ETag).toMatch(/^"[0-9a-f]{32}-2"$/);
    expect(await get(client, 'a')).toBe(bodies.join(''));
    expect((await client.send(new HeadObjectCommand({ Bucket, Key: 'a' }))).ContentType).toBe('text/plain');
    const again = client.send(new ListPartsCommand({ Bucket, Key: 'a', UploadId }));
    await expect(again).rejects.toMatchObject({ name: 'NoSuchUpload' });
  });

  test('needs parts of 5 MiB but for the last', async () => {
    const { client } = await startWithBucket();
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'a' }));
    const Parts = [];
    for (const PartNumber of [1, 2]) {
      const part = { Bucket, Key: 'a', UploadId, PartNumber, Body: 'small' };
      Parts.push({ PartNumber, ETag: (await client.send(new UploadPartCommand(part))).ETag });
    }

    const completing = client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key: 'a', UploadId, MultipartUpload: { Parts } }),
    );

    await expect(completing).rejects.toMatchObject({ name: 'EntityTooSmall' });
  });
});

describe('a presigned URL', () => {
  const body = 'the file';
  const uploadHeaders = {
    'content-length': String(body.length),
    'content-type': 'text/xml',
    'if-none-match': '*',
    'x-amz-checksum-sha256': sha256(body),
  };
  /** `fetch` sends the length by itself. */
  const send = (url: string, text: string, headers: Record<string, string>) => {
    const { 'content-length': _, ...rest } = headers;
    return fetch(url, { method: 'PUT', body: text, headers: rest });
  };
  const uploadUrl = (endpoint: string) => presign(endpoint, 'in/1', { method: 'PUT', headers: uploadHeaders });

  test('takes exactly the file that it was signed for, once', async () => {
    const { endpoint, client } = await startWithBucket();
    const url = await uploadUrl(endpoint);

    const first = await send(url, body, uploadHeaders);
    const second = await send(url, body, uploadHeaders);

    expect([first.status, second.status]).toEqual([200, 412]);
    expect(await get(client, 'in/1')).toBe(body);
  });

  test.each([
    ['another length', `${body}!`, uploadHeaders, 403],
    ['another body of that length', 'THE FILE', uploadHeaders, 400],
    ['another checksum', 'THE FILE', { ...uploadHeaders, 'x-amz-checksum-sha256': sha256('THE FILE') }, 403],
    ['another type', body, { ...uploadHeaders, 'content-type': 'text/html' }, 403],
    ['metadata that nobody signed', body, { ...uploadHeaders, 'x-amz-meta-more': '1' }, 403],
    ['the condition left out', body, { 'content-type': 'text/xml', 'x-amz-checksum-sha256': sha256(body) }, 403],
  ])('refuses %s and stores nothing', async (_what, text, headers, status) => {
    const { endpoint, client } = await startWithBucket();

    const response = await send(await uploadUrl(endpoint), text, headers);

    expect(response.status).toBe(status);
    await expect(get(client, 'in/1')).rejects.toMatchObject({ name: 'NoSuchKey' });
  });

  test.each([
    ['another key', (url: string) => url.replace('/in/1?', '/in/2?')],
    ['another signature', (url: string) => url.replace(/(X-Amz-Signature=)..../, '$10000')],
    ['a longer life', (url: string) => url.replace('X-Amz-Expires=60', 'X-Amz-Expires=600')],
    ['no signature', (url: string) => url.slice(0, url.indexOf('?'))],
  ])('refuses %s', async (_what, alter) => {
    const { endpoint, client } = await startWithBucket();
    await put(client, 'in/1', body);
    await put(client, 'in/2', body);
    const url = await presign(endpoint, 'in/1');

    expect((await fetch(url)).status).toBe(200);
    expect((await fetch(alter(url))).status).toBe(403);
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(403);
  });

  test('is refused when its time is over', async () => {
    const { endpoint, client } = await startWithBucket();
    await put(client, 'in/1', body);

    const url = await presign(endpoint, 'in/1', { expiresIn: 60, signedAt: new Date(Date.now() - 62_000) });
    const response = await fetch(url);

    expect(response.status).toBe(403);
    expect(await response.text()).toContain('Request has expired');
  });

  test('says how the browser is to take the file', async () => {
    const { endpoint, client } = await startWithBucket();
    await put(client, 'in/ä 1', body, { ContentType: 'text/html' });
    const query = {
      'response-content-disposition': `attachment; filename="a b.txt"; filename*=UTF-8''%C3%A4.txt`,
      'response-content-type': 'application/octet-stream',
    };

    const response = await fetch(await presign(endpoint, 'in/ä 1', { query }));

    expect(response.headers.get('content-disposition')).toBe(query['response-content-disposition']);
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    expect(await response.text()).toBe(body);
  });

  test('may be used by a page of another origin', async () => {
    const { endpoint } = await startWithBucket();
    const origin = 'http://127.0.0.1:8089';
    const url = await uploadUrl(endpoint);

    const preflight = await fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'content-type,if-none-match,x-amz-checksum-sha256',
      },
    });
    const upload = await send(url, body, { ...uploadHeaders, origin });

    expect(preflight.status).toBe(200);
    expect(preflight.headers.get('access-control-allow-methods')).toContain('PUT');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('x-amz-checksum-sha256');
    expect(upload.status).toBe(200);
    expect(upload.headers.get('access-control-allow-origin')).toBe('*');
  });
});

test('what it does not know is refused rather than taken for something else', async () => {
  const { endpoint, client } = await startWithBucket();
  await put(client, 'a', 'body');

  const response = await fetch(await presign(endpoint, 'a', { method: 'PUT', query: { acl: '' } }), {
    method: 'PUT',
    body: 'not a body',
  });

  expect(response.status).toBe(501);
  expect(await get(client, 'a')).toBe('body');
});

test('after a kill it has every object that was acknowledged, whole', async () => {
  const dir = await makeFolder();
  const child = await startChild('s3', dir);
  const before = clientOf(child.endpoint);
  await before.send(new CreateBucketCommand({ Bucket }));
  await put(before, 'replaced', 'old');
  await put(before, 'replaced', 'new', { Metadata: { v: '2' } });
  const acknowledged: string[] = [];
  let stop = () => {};
  const enough = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const write = async (lane: number) => {
    for (let n = lane; ; n += 4) {
      await put(before, `n/${n}`, `${n} `.repeat(20_000));
      acknowledged.push(`n/${n}`);
      if (acknowledged.length > 20) stop();
    }
  };
  const writing = Promise.allSettled([0, 1, 2, 3].map(write));
  await enough;

  await child.kill();
  await writing;

  const client = clientOf(await startOn('s3', dir));
  expect(await get(client, 'replaced')).toBe('new');
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'n/' }));
  const keys = (Contents ?? []).map((object) => String(object.Key));
  expect(acknowledged.filter((key) => !keys.includes(key))).toEqual([]);
  for (const key of keys) expect(await get(client, key)).toBe(`${key.slice(2)} `.repeat(20_000));
});
