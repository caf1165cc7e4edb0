import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { list } from '../../aws/objects.ts';
import { type Route, routes } from '../../functions/api/routes.ts';
import { person } from '../helpers/stack.ts';
import { context, idOf, runThrough, useApi } from './service.ts';

// Whatever is sent, the answer is 4xx in the documented form, tells nothing of the inside, and nothing is stored.

const api = useApi();
const runs = 500;
let session = '';
let job = 0;
beforeAll(async () => {
  const admin = await person(api.service.url, 'admin');
  session = admin.headers()['x-archivesspace-session'] ?? '';
  const uri = await admin.create('plain_job');
  await runThrough(api.service, uri);
  job = idOf(uri);
});

/** Everything of the table that a request could have made; not the counter, whose numbers may have gaps. */
async function stored(): Promise<unknown> {
  const { client, name } = api.service.table;
  const { Items = [] } = await client.send(new ScanCommand({ TableName: name, ConsistentRead: true }));
  const items = Items.map((item) => unmarshall(item)).filter(
    ({ pk }) => pk !== 'COUNTER' && !String(pk).startsWith('LOGIN#'),
  );
  return {
    items: items.map(({ pk, sk }) => `${pk} ${sk}`).sort(),
    objects: [
      ...(await list(api.service.objects, 'inputs/', 1000)),
      ...(await list(api.service.objects, 'runs/', 1000)),
    ],
  };
}

interface Sent {
  readonly path: Readonly<Record<string, string>>;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly encoded: boolean;
}

async function send(route: Route, { path, query, headers, body, encoded }: Sent) {
  const event = {
    version: '2.0',
    routeKey: `${route.method} ${route.path}`,
    rawPath: '/',
    rawQueryString: query,
    headers,
    pathParameters: path,
    requestContext: { requestId: 'request-1', http: { method: route.method, path: '/', sourceIp: '127.0.0.1' } },
    ...(body.length > 0 && { body: encoded ? body.toString('base64') : body.toString('utf8') }),
    isBase64Encoded: body.length > 0 && encoded,
  } as unknown as APIGatewayProxyEventV2;
  const answer = await api.service.handlers[route.function](event, context);
  return {
    status: Number(answer.statusCode),
    headers: answer.headers ?? {},
    body: answer.isBase64Encoded ? Buffer.from(answer.body ?? '', 'base64').toString('utf8') : (answer.body ?? ''),
  };
}

type Answer = Awaited<ReturnType<typeof send>>;

/** The forms of docs/differences.md and ArchivesSpace's exceptions.rb. */
function expectRefused({ status, headers, body }: Answer, sent: unknown): void {
  const said = `${JSON.stringify(sent).slice(0, 600)} -> ${status} ${body.slice(0, 300)}`;
  expect(status, said).toBeGreaterThanOrEqual(400);
  expect(status, said).toBeLessThan(500);
  expect(headers['content-type'], said).toBe('application/json');
  const { error } = JSON.parse(body) as { error: unknown };
  if (typeof error === 'string') expect(error.length, said).toBeGreaterThan(3);
  else
    for (const [name, messages] of Object.entries(error as object)) {
      expect(name.length, said).toBeGreaterThan(0);
      expect(Array.isArray(messages) && messages.every((one) => typeof one === 'string'), said).toBe(true);
    }
  expect(body, said).not.toMatch(/\n\s+at |node_modules|\.ts:\d|file:\/\/|dynamodb|lambda/i);
  expect(body.length, said).toBeLessThan(200_000);
  for (const value of Object.values(headers)) expect(String(value), said).not.toMatch(/[\r\n]/);
}

const nasty = fc.constantFrom(
  '',
  ' ',
  '0x1',
  '-1',
  '1.5',
  '1e3',
  'NaN',
  'null',
  'undefined',
  'true',
  '١',
  '１',
  '1 OR 1=1',
  "'; DROP TABLE job; --",
  '../../etc/passwd',
  '..%2f..',
  '%00',
  '\0',
  '\r\nX: y',
  '<script>',
  '__proto__',
  'constructor',
  'toString',
  '{}',
  '[]',
  '9'.repeat(16),
  '9'.repeat(400),
  '\u202e1',
  '😀',
  'é'.normalize('NFD'),
  'a'.repeat(9_000),
  '1,2',
  '1\n',
  '\ud800',
);
const word = fc.oneof(nasty, fc.string({ maxLength: 40, unit: 'binary' }), fc.string({ maxLength: 12 }));
const notANumber = word.filter((text) => !/^\d{1,15}$/.test(text));
const json = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  word,
  fc.constantFrom<unknown>(null, true, 0, -1, 1e308, [], {}, [[]], { '': '' }),
);

const goodPath = () => ({ repo_id: '2', id: String(job), file_id: '1', username: 'archivist' });
const own = (route: Route) => [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
const numbered = (route: Route) => own(route).filter((name) => name !== 'username');
const asAdmin = () => ({ 'x-archivesspace-session': session });
const nothing = Buffer.alloc(0);

/** A path with a number that is none, a repository, job or file that is not there. */
const badPath = (route: Route) =>
  fc
    .constantFrom(...numbered(route))
    .chain((name) =>
      fc
        .oneof(notANumber, fc.constantFrom('0', '999999', '999999999999999'))
        .map((value) => ({ path: { ...goodPath(), [name]: value }, query: 'page=1', body: nothing })),
    );

const encode = encodeURIComponent;
const pair = (name: string, value: string) => `${encode(name)}=${encode(value.toWellFormed())}`;
const badNumber = (name: string) =>
  notANumber.filter((text) => !/^\s*\d{1,15}\s*$/.test(text)).map((value) => pair(name, value));

/** Queries that a listing, or whatever takes `resolve` or an offset, must refuse. */
const badQuery = (route: Route): fc.Arbitrary<string> | undefined => {
  const resolve = word.map((value) => `page=1&${pair('resolve', value)}`);
  switch (route.operation) {
    case 'list-jobs':
    case 'archived-jobs':
    case 'job-records':
      return fc.oneof(
        resolve,
        badNumber('page'),
        badNumber('page_size').map((size) => `page=1&${size}`),
        fc.constantFrom('page=0', 'page=1&page_size=0', 'all_ids=false', 'id_set=', 'id_set[]=', 'Page=1', 'page%00=1'),
        fc.array(fc.nat(), { minLength: 251, maxLength: 300 }).map((ids) => `id_set=${ids.join(',')}`),
        word
          .filter((text) => text !== '' && !/^\s*\d*\s*(,\s*\d*\s*)*$/.test(text))
          .map((text) => pair('id_set[]', text)),
        notANumber.filter((text) => !/^-?\d+$/.test(text)).map((text) => `page=1&${pair('modified_since', text)}`),
        word
          .filter((text) => text !== 'asc' && text !== 'desc')
          .map((text) => `page=1&${pair('sort_direction', text)}`),
        fc.constant(''),
      );
    case 'active-jobs':
    case 'show-job':
      return resolve;
    case 'job-log':
      return badNumber('offset');
    default:
      return undefined;
  }
};

const good = { jsonmodel_type: 'job', job: { jsonmodel_type: 'plain_job', source: 'x' } };
const notAString = fc.constantFrom<unknown>(5, true, [1], ['a'], { a: 'b' }, [[]], 1.5, { a: { b: [null, 1] } });
const deep = (depth: number) => `{"job":{"jsonmodel_type":"plain_job","x":${'['.repeat(depth)}${']'.repeat(depth)}}}`;

/** Wrappers of a job that none can be. */
const badWrapper = (): fc.Arbitrary<Buffer> =>
  fc.oneof(
    // Not JSON, or cut off, or not UTF-8.
    fc.nat({ max: 60 }).map((at) => Buffer.from(JSON.stringify(good).slice(0, at))),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.concat([Buffer.from([0xff, 0xfe]), bytes])),
    word.filter((text) => !isJson(text)).map((text) => Buffer.from(text.toWellFormed())),
    // JSON, but no wrapper.
    json.filter((value) => !hasJob(value)).map((value) => Buffer.from(JSON.stringify(value) ?? '')),
    fc
      .oneof(
        notAString.filter((value) => !isMap(value)),
        fc.constantFrom<unknown>('', null, 'plain_job', {}),
      )
      .map((value) => asJson({ job: value })),
    // A type that is none.
    fc
      .oneof(
        notAString,
        word.filter((text) => !['plain_job', 'gone_job'].includes(text)),
      )
      .map((type) => asJson({ job: { jsonmodel_type: type } })),
    // Parameters that do not fit.
    notAString.filter((value) => !isEmpty(value)).map((source) => asJson({ job: { ...good.job, source } })),
    word.map((count) => asJson({ job: { ...good.job, count: count || 'x' } })),
    notAString.filter((value) => !isEmpty(value)).map((value) => asJson({ ...good, job_params: value })),
    fc.constant(asJson({ ...good, job_params: 'x'.repeat(40_000) })),
    fc.constantFrom('a', '', ' ').map((find) => asJson({ job: { jsonmodel_type: 'replace_job', find } })),
    // Too deep, too long.
    fc.constantFrom(33, 100, 1_000, 60_000).map((depth) => Buffer.from(deep(depth))),
    fc
      .constantFrom(140_000, 300_000, 1_000_000)
      .map((size) => asJson({ job: { ...good.job, source: 'x'.repeat(size) } })),
    fc.constant(
      asJson({
        job: {
          jsonmodel_type: 'import_job',
          import_type: 'ead_xml',
          filenames: Array.from({ length: 20_000 }, () => 1),
        },
      }),
    ),
  );

const asJson = (value: unknown) => Buffer.from(JSON.stringify(value) ?? 'null');
const isMap = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isEmpty = (value: unknown) => isMap(value) && Object.keys(value as object).length === 0;
const hasJob = (value: unknown) => isMap(value) && isMap((value as { job?: unknown }).job);
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const boundary = 'bOuNdArY';
const part = (headers: string, content: string | Buffer) =>
  Buffer.concat([Buffer.from(`--${boundary}\r\n${headers}\r\n\r\n`), Buffer.from(content), Buffer.from('\r\n')]);
const named = (name: string, content: string | Buffer, more = '') =>
  part(`Content-Disposition: form-data; name="${name}"${more}`, content);
const fileOf = (name: string) => named(name, 'x', '; filename="a.xml"');
const close = Buffer.from(`--${boundary}--\r\n`);
const jobPart = named('job', JSON.stringify(good));
const form = (...parts: readonly Buffer[]) => Buffer.concat([...parts, close]);

/** Forms that are damaged, or lack what must be in them. */
const badForm = (): fc.Arbitrary<Buffer> =>
  fc.oneof(
    fc
      .nat({ max: form(jobPart, fileOf('files[0]')).length - 6 })
      .map((at) => form(jobPart, fileOf('files[0]')).subarray(0, at)),
    fc.constantFrom(form(jobPart), form(fileOf('files[0]')), form(), form(jobPart, fileOf('files')), close),
    fc
      .constantFrom(
        'files[x]',
        'files[-1]',
        'files[1e9]',
        'files[0][0]',
        'file[0]',
        'FILES[0]',
        'files[9999999]',
        'files[ 0]',
      )
      .map((name) => form(jobPart, fileOf(name))),
    fc.constantFrom(
      form(jobPart, fileOf('files[0]'), fileOf('files[0]')),
      form(jobPart, ...Array.from({ length: 120 }, (_, n) => fileOf(`files[${n}]`))),
    ),
    badWrapper()
      .filter((bytes) => !bytes.includes('--'))
      .map((bytes) => form(named('job', bytes), fileOf('files[0]'))),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    word.map((text) =>
      form(jobPart, part(`Content-Disposition: ${text.toWellFormed().replaceAll(/[\r\n]/g, ' ')}`, 'x')),
    ),
    fc.constant(form(jobPart, named('files[0]', Buffer.alloc(4_400_000), '; filename="a"'))),
  );
const contentTypes = fc.oneof(
  { weight: 8, arbitrary: fc.constant(`multipart/form-data; boundary=${boundary}`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '',
      'text/plain',
      'application/json',
      'multipart/form-data',
      'multipart/form-data; boundary=',
      'multipart/form-data; boundary=other',
      'multipart/mixed; boundary=x',
      `multipart/form-data; boundary="${'x'.repeat(300)}"`,
    ),
  },
);

/** Sessions that are none. */
const badSession = word
  .filter((text) => text.trim() !== '')
  .map((text) => ({ 'x-archivesspace-session': text.replaceAll(/[\r\n\0]/g, '?') }));

/** Everything that is wrong with a request to this route. */
function malformed(route: Route): fc.Arbitrary<Sent> {
  const arbitraries: fc.Arbitrary<Sent>[] = [
    badSession.map((headers) => ({ path: goodPath(), query: 'page=1', headers, body: nothing, encoded: false })),
  ];
  if (numbered(route).length)
    arbitraries.push(badPath(route).map((bad) => ({ ...bad, headers: asAdmin(), encoded: false })));
  const queries = badQuery(route);
  if (queries)
    arbitraries.push(
      queries.map((query) => ({ path: goodPath(), query, headers: asAdmin(), body: nothing, encoded: false })),
    );
  if (route.operation === 'create-job')
    arbitraries.push(
      badWrapper()
        .chain((body) => fc.boolean().map((encoded) => ({ body, encoded })))
        .map(({ body, encoded }) => ({
          path: goodPath(),
          query: '',
          headers: { ...asAdmin(), 'content-type': 'application/json' },
          body,
          encoded,
        })),
    );
  if (route.operation === 'create-job-with-files')
    arbitraries.push(
      fc.tuple(badForm(), contentTypes).map(([body, type]) => ({
        path: goodPath(),
        query: '',
        headers: { ...asAdmin(), 'content-type': type },
        body,
        encoded: true,
      })),
    );
  if (route.operation === 'login')
    arbitraries.push(
      fc
        .tuple(
          fc.oneof(
            json.map(asJson),
            word.map((text) => Buffer.from(text.toWellFormed())),
            word.map((text) => Buffer.from(pair('password', text))),
          ),
          fc.constantFrom(
            '',
            'application/json',
            'application/x-www-form-urlencoded',
            'multipart/form-data; boundary=x',
          ),
          word,
        )
        .map(([body, type, username]) => ({
          path: { username },
          query: '',
          headers: { 'content-type': type },
          body,
          encoded: true,
        })),
    );
  if (route.operation === 'create-upload')
    arbitraries.push(
      fc
        .oneof(
          json.map(asJson),
          word.map((text) => Buffer.from(text.toWellFormed())),
          fc.constant(Buffer.alloc(20_000, 32)),
        )
        .map((body) => ({
          path: goodPath(),
          query: '',
          headers: asAdmin(),
          body,
          encoded: true,
        })),
    );
  // A route's own malformed requests outweigh those that every route has.
  const [first, ...others] = arbitraries;
  return first && others.length
    ? fc.oneof({ weight: 1, arbitrary: first }, ...others.map((arbitrary) => ({ weight: 4, arbitrary })))
    : (first ?? fc.constant({ path: goodPath(), query: '', headers: {}, body: nothing, encoded: false }));
}

describe(`${runs} malformed requests to each route are refused in the documented form, and store nothing`, () => {
  test.each(routes.map((route: Route) => route))(
    '$method $path',
    async (route) => {
      const before = await stored();

      await fc.assert(
        fc.asyncProperty(malformed(route), async (sent) =>
          expectRefused(await send(route, sent), { ...sent, body: sent.body.subarray(0, 300).toString('latin1') }),
        ),
        { numRuns: runs, seed: 4, endOnFailure: true },
      );

      expect(await stored()).toEqual(before);
    },
    60_000,
  );
});
