import { readBody } from '../loopback.ts';
import { notImplemented, S3Error } from './errors.ts';
import { type Exchange, sendXml } from './exchange.ts';
import { element, findAll, findText, raw, toXml } from './xml.ts';

const MAX_KEYS = 1000;
/** Sorts after every key that starts with the text before it. */
const LAST_CHARACTER = '\u{10FFFF}';

export function listBuckets({ response, objects }: Exchange): void {
  const buckets = objects
    .buckets()
    .map(({ name, createdMs }) => raw('Bucket', element('Name', name), element('CreationDate', toIso(createdMs))));
  sendXml(response, 200, toXml('ListAllMyBucketsResult', raw('Buckets', ...buckets)));
}

/** Requests without a key: a bucket's life, listing, and deleting several objects. */
export async function answerBucket(exchange: Exchange): Promise<void> {
  const { request, response, bucket, query, objects } = exchange;
  switch (request.method) {
    case 'PUT':
      objects.createBucket(bucket, Date.now());
      response.writeHead(200, { location: `/${bucket}` }).end();
      return;
    case 'HEAD':
      objects.findBucket(bucket);
      response.writeHead(200).end();
      return;
    case 'DELETE':
      objects.deleteBucket(bucket);
      response.writeHead(204).end();
      return;
    case 'GET':
      if (query.get('list-type') !== '2') throw notImplemented('ListObjects; use ListObjectsV2');
      listObjects(exchange);
      return;
    case 'POST':
      if (!query.has('delete')) throw notImplemented('POST on a bucket');
      await deleteObjects(exchange);
      return;
    default:
      throw new S3Error('MethodNotAllowed', 405, 'The specified method is not allowed against this resource.');
  }
}

function listObjects({ response, bucket, query, objects }: Exchange): void {
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const max = Math.min(Number(query.get('max-keys') ?? MAX_KEYS), MAX_KEYS);
  const token = query.get('continuation-token');
  const after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString();

  const contents: string[] = [];
  const prefixes = new Set<string>();
  let last = after;
  let isTruncated = false;
  for (const object of objects.list(bucket, prefix, after)) {
    const end = delimiter === '' ? -1 : object.key.indexOf(delimiter, prefix.length);
    const common = end === -1 ? undefined : object.key.slice(0, end + delimiter.length);
    if (common !== undefined && prefixes.has(common)) continue;
    if (contents.length + prefixes.size >= max) {
      isTruncated = true;
      break;
    }
    last = common === undefined ? object.key : common + LAST_CHARACTER;
    if (common !== undefined) prefixes.add(common);
    else {
      contents.push(
        raw(
          'Contents',
          element('Key', object.key),
          element('LastModified', toIso(object.modifiedMs)),
          element('ETag', object.etag),
          element('Size', object.size),
          element('StorageClass', 'STANDARD'),
        ),
      );
    }
  }
  const xml = toXml(
    'ListBucketResult',
    element('Name', bucket),
    element('Prefix', prefix),
    element('MaxKeys', max),
    element('KeyCount', contents.length + prefixes.size),
    element('IsTruncated', String(isTruncated)),
    ...(isTruncated ? [element('NextContinuationToken', Buffer.from(last).toString('base64url'))] : []),
    ...contents,
    ...[...prefixes].map((common) => raw('CommonPrefixes', element('Prefix', common))),
  );
  sendXml(response, 200, xml);
}

async function deleteObjects({ request, response, bucket, objects }: Exchange): Promise<void> {
  const xml = (await readBody(request)).toString();
  const keys = findAll(xml, 'Object').map((object) => findText(object, 'Key') ?? '');
  if (keys.length === 0 || keys.length > MAX_KEYS) {
    throw new S3Error('MalformedXML', 400, 'The XML you provided was not well-formed or did not validate.');
  }
  for (const key of keys) objects.delete(bucket, key);
  const isQuiet = findText(xml, 'Quiet') === 'true';
  const deleted = isQuiet ? [] : keys.map((key) => raw('Deleted', element('Key', key)));
  sendXml(response, 200, toXml('DeleteResult', ...deleted));
}

export const toIso = (ms: number) => new Date(ms).toISOString();
