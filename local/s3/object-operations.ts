import { open, rm } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { readBody } from '../loopback.ts';
import { receiveBody } from './body.ts';
import { toIso } from './buckets.ts';
import { notImplemented, preconditionFailed, S3Error } from './errors.ts';
import { type Exchange, sendXml } from './exchange.ts';
import type { Description, StoredObject } from './objects.ts';
import { element, findAll, findText, raw, toXml } from './xml.ts';

const KEPT_HEADERS = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-language',
  'content-encoding',
  'expires',
];

/** Requests with a key: the object, its tags, and uploads in parts. */
export async function answerObject(exchange: Exchange): Promise<void> {
  const { request, query } = exchange;
  const subresource = ['tagging', 'uploads', 'uploadId'].find((name) => query.has(name)) ?? 'object';
  switch (`${request.method} ${subresource}`) {
    case 'GET object':
    case 'HEAD object':
      return getObject(exchange);
    case 'PUT object':
      return exchange.headers['x-amz-copy-source'] === undefined ? putObject(exchange) : copyObject(exchange);
    case 'DELETE object':
      exchange.objects.delete(exchange.bucket, exchange.key);
      exchange.response.writeHead(204).end();
      return;
    case 'GET tagging':
      return getTags(exchange);
    case 'PUT tagging':
      return putTags(exchange);
    case 'DELETE tagging':
      setTags(exchange, {});
      exchange.response.writeHead(204).end();
      return;
    case 'POST uploads':
      return startUpload(exchange);
    case 'PUT uploadId':
      return putPart(exchange);
    case 'GET uploadId':
      return listParts(exchange);
    case 'POST uploadId':
      return completeUpload(exchange);
    case 'DELETE uploadId': {
      const { objects, bucket, key, response } = exchange;
      objects.findUpload(bucket, key, query.get('uploadId') ?? '');
      objects.endUpload(query.get('uploadId') ?? '');
      response.writeHead(204).end();
      return;
    }
    default:
      throw notImplemented(`${request.method} of ${subresource}`);
  }
}

async function putObject(exchange: Exchange): Promise<void> {
  const { request, response, bucket, key, headers, objects } = exchange;
  objects.findBucket(bucket);
  const onlyIfAbsent = mayNotExist(headers);
  const file = objects.newFile();
  try {
    const { size, md5, checksum } = await receiveBody(request, headers, file);
    const etag = `"${md5.toString('hex')}"`;
    const description = { ...describe(headers), checksum };
    objects.put(bucket, { key, file, size, etag, description }, { onlyIfAbsent, nowMs: Date.now() });
    response.writeHead(200, {
      etag,
      ...(checksum === undefined ? {} : { [`x-amz-checksum-${checksum.name}`]: checksum.value }),
    });
    response.end();
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}

async function copyObject({ response, bucket, key, headers, objects }: Exchange): Promise<void> {
  const [sourceBucket = '', ...rest] = decodeURIComponent(String(headers['x-amz-copy-source']))
    .replace(/^\//, '')
    .split('/');
  objects.findBucket(bucket);
  const source = objects.find(sourceBucket, rest.join('/'));
  mustMatch(headers['x-amz-copy-source-if-match'], source.etag);
  const onlyIfAbsent = mayNotExist(headers);
  const isReplacing = headers['x-amz-metadata-directive'] === 'REPLACE';
  const { checksum, tags } = source.description;
  const description = isReplacing ? { ...describe(headers), checksum, tags } : source.description;
  const file = await objects.copyBody(source);
  const nowMs = Date.now();
  objects.put(bucket, { ...source, key, file, description }, { onlyIfAbsent, nowMs });
  sendXml(
    response,
    200,
    toXml('CopyObjectResult', element('ETag', source.etag), element('LastModified', toIso(nowMs))),
  );
}

async function getObject({ request, response, bucket, key, query, headers, objects }: Exchange): Promise<void> {
  const object = objects.find(bucket, key);
  mustMatch(headers['if-match'], object.etag);
  const range = parseRange(headers.range, object.size);
  const { start, end } = range ?? { start: 0, end: object.size - 1 };
  const { checksum } = object.description;
  const isChecked = range === undefined && String(headers['x-amz-checksum-mode']).toUpperCase() === 'ENABLED';
  const answerHeaders = {
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
    ...object.description.headers,
    ...overrides(query),
    ...metadataHeaders(object),
    ...(isChecked && checksum !== undefined ? { [`x-amz-checksum-${checksum.name}`]: checksum.value } : {}),
    ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${object.size}` }),
    'content-length': end - start + 1,
    etag: object.etag,
    'last-modified': new Date(object.modifiedMs).toUTCString(),
  };
  if (request.method === 'HEAD' || end < start) {
    response.writeHead(200, answerHeaders).end();
    return;
  }
  // Open before the headers are sent: the object may be replaced while it is read.
  const handle = await open(object.file);
  response.writeHead(range === undefined ? 200 : 206, answerHeaders);
  await pipeline(handle.createReadStream({ start, end }), response).catch((error: unknown) => {
    if (!response.destroyed) throw error;
  });
}

function getTags({ response, bucket, key, objects }: Exchange): void {
  const { tags } = objects.find(bucket, key).description;
  const set = Object.entries(tags).map(([name, value]) => raw('Tag', element('Key', name), element('Value', value)));
  sendXml(response, 200, toXml('Tagging', raw('TagSet', ...set)));
}

async function putTags(exchange: Exchange): Promise<void> {
  const xml = (await readBody(exchange.request)).toString();
  const tags = findAll(xml, 'Tag').map((tag) => [findText(tag, 'Key') ?? '', findText(tag, 'Value') ?? ''] as const);
  setTags(exchange, Object.fromEntries(tags));
  exchange.response.writeHead(200).end();
}

function setTags({ bucket, key, objects }: Exchange, tags: Readonly<Record<string, string>>): void {
  objects.describe(bucket, key, { ...objects.find(bucket, key).description, tags });
}

function startUpload({ response, bucket, key, headers, objects }: Exchange): void {
  const id = objects.startUpload(bucket, key, describe(headers));
  const names = [element('Bucket', bucket), element('Key', key), element('UploadId', id)];
  sendXml(response, 200, toXml('InitiateMultipartUploadResult', ...names));
}

async function putPart({ request, response, bucket, key, query, headers, objects }: Exchange): Promise<void> {
  if (headers['x-amz-copy-source'] !== undefined) throw notImplemented('UploadPartCopy');
  const id = query.get('uploadId') ?? '';
  const number = Number(query.get('partNumber'));
  if (!(number >= 1 && number <= 10_000)) {
    throw new S3Error('InvalidArgument', 400, 'Part number must be an integer between 1 and 10000, inclusive');
  }
  objects.findUpload(bucket, key, id);
  const file = objects.newFile();
  try {
    const received = await receiveBody(request, headers, file);
    objects.findUpload(bucket, key, id);
    response.writeHead(200, { etag: objects.putPart(id, number, file, received, Date.now()) }).end();
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}

function listParts({ response, bucket, key, query, objects }: Exchange): void {
  const id = query.get('uploadId') ?? '';
  objects.findUpload(bucket, key, id);
  const parts = objects
    .parts(id)
    .map(({ number, size, etag, modifiedMs }) =>
      raw(
        'Part',
        element('PartNumber', number),
        element('LastModified', toIso(modifiedMs)),
        element('ETag', etag),
        element('Size', size),
      ),
    );
  const names = [element('Bucket', bucket), element('Key', key), element('UploadId', id)];
  sendXml(response, 200, toXml('ListPartsResult', ...names, element('IsTruncated', 'false'), ...parts));
}

async function completeUpload({ request, response, bucket, key, query, headers, objects }: Exchange): Promise<void> {
  const id = query.get('uploadId') ?? '';
  const description = objects.findUpload(bucket, key, id);
  const onlyIfAbsent = mayNotExist(headers);
  const parts = findAll((await readBody(request)).toString(), 'Part').map((part) => ({
    number: Number(findText(part, 'PartNumber')),
    etag: findText(part, 'ETag') ?? '',
  }));
  if (parts.length === 0) {
    throw new S3Error('MalformedXML', 400, 'The XML you provided was not well-formed or did not validate.');
  }
  const joined = await objects.joinParts(id, parts);
  try {
    objects.put(bucket, { key, description, ...joined }, { onlyIfAbsent, nowMs: Date.now() });
  } catch (error) {
    await rm(joined.file, { force: true });
    throw error;
  }
  objects.endUpload(id);
  const names = [element('Bucket', bucket), element('Key', key), element('ETag', joined.etag)];
  sendXml(response, 200, toXml('CompleteMultipartUploadResult', ...names));
}

/** Whether the client asks for a new object only; other conditions on writes are refused rather than ignored. */
function mayNotExist(headers: IncomingHttpHeaders): boolean {
  const condition = headers['if-none-match'];
  if (headers['if-match'] !== undefined || (condition !== undefined && condition !== '*')) {
    throw notImplemented('a condition on a write other than If-None-Match: *');
  }
  return condition === '*';
}

/** Throws `PreconditionFailed` when the client names ETags and the object has none of them. */
function mustMatch(named: string | string[] | undefined, etag: string): void {
  if (named === undefined) return;
  const bare = (text: string) => text.trim().replaceAll('"', '');
  if (
    !String(named)
      .split(',')
      .map(bare)
      .some((one) => one === '*' || one === bare(etag))
  )
    throw preconditionFailed();
}

function describe(headers: IncomingHttpHeaders): Description {
  const kept = KEPT_HEADERS.map((name) => [name, String(headers[name] ?? '')] as const)
    .map(
      ([name, value]) => [name, name === 'content-encoding' ? value.replace(/aws-chunked,?\s*/, '') : value] as const,
    )
    .filter(([, value]) => value !== '');
  const metadata = Object.entries(headers)
    .filter(([name]) => name.startsWith('x-amz-meta-'))
    .map(([name, value]) => [name.slice('x-amz-meta-'.length), String(value)] as const);
  return {
    headers: Object.fromEntries(kept),
    metadata: Object.fromEntries(metadata),
    tags: Object.fromEntries(new URLSearchParams(String(headers['x-amz-tagging'] ?? ''))),
  };
}

function metadataHeaders({ description: { metadata, tags } }: StoredObject): Record<string, string> {
  const count = Object.keys(tags).length;
  return {
    ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])),
    ...(count > 0 ? { 'x-amz-tagging-count': String(count) } : {}),
  };
}

/** `response-content-disposition` and its like, by which a URL's signer says how the object is to be shown. */
function overrides(query: URLSearchParams): Record<string, string> {
  const given = [...query].filter(([name]) => name.startsWith('response-'));
  return Object.fromEntries(given.map(([name, value]) => [name.slice('response-'.length), value]));
}

/** A single range of bytes; one that S3 cannot read is ignored. Throws `InvalidRange` for one beyond the end. */
function parseRange(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const [, first = '', last = ''] = header?.match(/^bytes=(\d*)-(\d*)$/) ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (start < size && start <= end) return { start, end };
  throw new S3Error('InvalidRange', 416, 'The requested range is not satisfiable');
}
