import { wire } from '../../schemas/wire.ts';
import { type Example, examples } from './openapi-examples.ts';
import { answerHeaders, type Described, headers, operations, queries } from './openapi-operations.ts';
import { type Route, routes } from './routes.ts';

type Json = Readonly<Record<string, unknown>>;

/** Why an answer is not 200. Every one has the same body. */
const refusals = {
  400: 'A parameter or the body is wrong',
  401: 'The token was not accepted',
  403: 'Not permitted; `missing_permissions` says what it takes',
  404: 'There is none, or not in this repository',
  409: 'Not as things are',
  412: 'The session is gone, or has expired',
  413: 'More than can be sent',
  429: 'Too many failed logins; `Retry-After` says when to try again',
  503: 'Something that this needs does not answer',
} as const;
const without = { 303: 'See `Location`', 304: 'What you have still holds' } as const;

/** The API in OpenAPI 3.1: the table of routes, what is said about each, the shapes, and the examples. */
export function describeApi(): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes as readonly Route[]) {
    const path = paths[route.path] ?? {};
    paths[route.path] = path;
    path[route.method.toLowerCase()] = operationOf(route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Background jobs',
      version: '0.1.0',
      summary: 'The job routes of an ArchivesSpace backend, and some more',
      description:
        'The examples are one story in order, on a fresh `npm start`; a test tells it. Times, drawn ids and addresses are others each time.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'Where this was read' }],
    tags: [
      { name: 'ArchivesSpace', description: 'As ArchivesSpace has it; docs/differences.md says what differs.' },
      { name: 'Beyond', description: 'Ours: docs/extensions.md.' },
    ],
    security: [{ session: [] }, { token: [] }],
    paths,
    components: {
      securitySchemes: {
        session: { type: 'apiKey', in: 'header', name: 'X-ArchivesSpace-Session' },
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'Where an issuer is set.' },
      },
      schemas: wire,
    },
  };
}

function operationOf(route: Route): Json {
  const { operation, path, permission } = route;
  const described: Described = operations[operation as keyof typeof operations];
  const { summary, text, beyond, body, query = [], headers: sent = [] } = described;
  const own = examples.filter((example) => example.operation === operation);
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const parameters = [
    ...names.map((name) => ({
      name,
      in: 'path',
      required: true,
      schema: name === 'username' ? { type: 'string' } : { type: 'integer', minimum: 0 },
      ...shown(own, ({ path: given = {} }) => given[name]),
    })),
    ...query.map((key) => {
      const { schema, text: description, name = key } = queries[key] as Parameter;
      const form = schema['type'] === 'array' && { style: 'form', explode: name.endsWith('[]') };
      return { name, in: 'query', description, schema, ...form, ...shown(own, ({ query: given = {} }) => given[name]) };
    }),
    ...sent.map((name) => {
      const { schema, text: description } = headers[name];
      return { name, in: 'header', description, schema, ...shown(own, ({ headers: given = {} }) => given[name]) };
    }),
  ];
  return {
    operationId: operation.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase()),
    tags: [beyond ? 'Beyond' : 'ArchivesSpace'],
    summary,
    description: [text, permission && `Needs \`${permission}\` in the repository.`].filter(Boolean).join(' '),
    ...(permission === undefined && { security: [{}, { session: [] }, { token: [] }] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        required: true,
        content: { [body.type]: { schema: ref(body.schema), ...shown(own, sentBy) } },
      },
    }),
    responses: responsesOf(route, described, own),
  };
}

function responsesOf({ path, permission }: Route, described: Described, own: readonly Example[]): Json {
  const { answer, answerHeaders: named = [], also = [], body, query = [] } = described;
  const [type, schema] =
    typeof answer === 'string' ? ['application/json', ref(answer)] : [answer.bytes, { type: 'string' }];
  const statuses = new Set<number>([401, 412, 503, ...also]);
  if (path.includes('{') || query.length > 0 || body) statuses.add(400);
  if (permission) statuses.add(403);
  if (/\{id\}/.test(path)) statuses.add(404);
  const said = (status: number) =>
    shown(
      own.filter((example) => example.status === status),
      ({ answer: body }) => body,
    );
  const others = [...statuses]
    .sort((a, b) => a - b)
    .map((status) => {
      if (status in without) return [status, { description: without[status as keyof typeof without] }] as const;
      const description = refusals[status as keyof typeof refusals];
      return [
        status,
        { description, content: { 'application/json': { schema: ref('Error'), ...said(status) } } },
      ] as const;
    });
  const fields = named.map((name) => {
    const { schema: of, text: description } = answerHeaders[name];
    return [name, { description, schema: of }] as const;
  });
  return Object.fromEntries([
    [
      200,
      {
        description: 'Done',
        ...(fields.length > 0 && { headers: Object.fromEntries(fields) }),
        content: { [type]: { schema, ...said(200) } },
      },
    ],
    ...others,
  ]);
}

interface Parameter {
  readonly name?: string;
  readonly schema: Json;
  readonly text: string;
}

const ref = (name: keyof typeof wire) => ({ $ref: `#/components/schemas/${name}` });
/** The same name for the parts of one example. */
const keyOf = ({ name }: Example) => name.toLowerCase().replaceAll(' ', '-');

/** What the examples have here, by name; nothing when none has anything. */
function shown(own: readonly Example[], part: (example: Example) => unknown): Json {
  const found = own
    .map((example) => [keyOf(example), { summary: example.name, value: part(example) }] as const)
    .filter(([, { value }]) => value !== undefined);
  return found.length > 0 ? { examples: Object.fromEntries(found) } : {};
}

function sentBy({ json, form, files = {} }: Example): unknown {
  if (!form) return json;
  return { ...form, ...Object.fromEntries(Object.entries(files).map(([field, { content }]) => [field, content])) };
}
