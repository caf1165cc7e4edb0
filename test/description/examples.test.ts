import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Example, examples } from '../../functions/api/openapi-examples.ts';
import { operations } from '../../functions/api/openapi-operations.ts';
import { type Route, routes } from '../../functions/api/routes.ts';
import { wire } from '../../schemas/wire.ts';
import { type Person, useService } from '../helpers/stack.ts';

interface Described {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
}
interface OperationObject {
  readonly operationId: string;
  readonly parameters?: readonly { readonly examples?: object }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly examples?: object }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly examples?: object }>> }>
  >;
}
const text = readFileSync('docs/openapi.yaml', 'utf8');
const described = parse(text) as Described;

/** Every shape with nothing in it that it does not name: what is answered and not described would be seen. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inside = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return 'properties' in inside ? { additionalProperties: false, ...inside } : inside;
}
const ajv = new Ajv2020({ allErrors: true, strict: false });
addFormats.default(ajv);
ajv.addSchema({ $id: 'api', components: { schemas: closed(wire) } });
const check = (shape: keyof typeof wire) => ajv.getSchema(`api#/components/schemas/${shape}`);

/** What differs each time: by the names of fields; and times, by their look. */
const drawn = new Set(['session', 'upload_id', 'url', 'link', 'next', 'staff_url']);
const times = [/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/];
/** What stood in the examples → what it is this time. */
const thisTime = new Map<string, string>();
const now = (value: string) => {
  let said = value;
  for (const [example, actual] of thisTime) said = said.replaceAll(example, actual);
  return said;
};

/** The actual answer, with the example's words where it differs as it must. */
function likened(actual: unknown, example: unknown, partly: boolean, field = ''): unknown {
  if (typeof actual === 'string' && typeof example === 'string') {
    if (times.some((time) => time.test(actual) && time.test(example))) return example;
    if (!drawn.has(field) || actual.startsWith('/')) return partly ? actual.slice(0, example.length) : actual;
    thisTime.set(example, actual);
    return example;
  }
  if (Array.isArray(actual) && Array.isArray(example)) {
    const some = partly ? actual.slice(0, example.length) : actual;
    return some.map((entry, i) => likened(entry, example[i], partly));
  }
  if (typeof actual !== 'object' || typeof example !== 'object' || actual === null || example === null) return actual;
  const shown = Object.entries(actual).filter(([name]) => !partly || name in example);
  return Object.fromEntries(
    shown.map(([name, value]) => [name, likened(value, (example as Record<string, unknown>)[name], partly, name)]),
  );
}

function bodyOf({ json, form, files }: Example) {
  if (files) {
    const body = new FormData();
    for (const [name, value] of Object.entries(form ?? {})) body.set(name, now(value));
    for (const [name, { name: file, content }] of Object.entries(files))
      body.set(name, new Blob([content], { type: 'application/xml' }), file);
    return body;
  }
  if (form) return new URLSearchParams(form);
  return json === undefined ? undefined : now(JSON.stringify(json));
}

describe('the examples of the description, in order on one stack', () => {
  const started = useService({ plugins: ['jobs_example'] });

  test.each(examples.map((example) => [example.name, example] as const))('%s', async (_, example) => {
    const route = routes.find(({ operation }) => operation === example.operation) as Route;
    const { answer: shape, answerHeaders = [] } = operations[example.operation] as {
      readonly answer: keyof typeof wire | { readonly bytes: string };
      readonly answerHeaders?: readonly string[];
    };
    const asking: Person | undefined = example.as === undefined ? undefined : await started.as(example.as);
    if (example.once) {
      const [job, status] = example.once;
      await (await started.as('admin')).until(`/repositories/2/jobs/${job}`, status);
    }
    const path = route.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => String(example.path?.[name]));
    const query = new URLSearchParams(
      Object.entries(example.query ?? {}).map(([name, value]): [string, string] => [name, now(value)]),
    );
    const body = bodyOf(example);
    const given = Object.entries(example.headers ?? {}).map(([name, value]) => [name, now(value)]);
    const response = await fetch(`${started.service.apiUrl}${path}?${query}`, {
      method: route.method,
      headers: { ...asking?.headers(), ...Object.fromEntries(given) },
      ...(body !== undefined && { body }),
    });
    const said = await response.text();

    expect(response.status, said).toBe(example.status);
    for (const [name, value] of Object.entries(example.answerHeaders ?? {})) {
      const actual = response.headers.get(name) ?? '';
      if (name === 'ETag') thisTime.set(value, actual);
      expect(now(value), name).toBe(actual);
    }
    if (example.status === 304) return;
    for (const name of answerHeaders)
      if (example.status === 200 && name !== 'Idempotency-Replayed')
        expect(response.headers.has(name), name).toBe(true);
    const isJson = response.headers.get('content-type') === 'application/json';
    const actual = isJson ? (JSON.parse(said) as unknown) : said;
    const expected = example.status === 200 ? shape : 'Error';
    if (typeof expected === 'string') {
      const validate = check(expected);
      expect(validate?.(actual), JSON.stringify(validate?.errors)).toBe(true);
    } else if (expected.bytes !== '*/*') expect(response.headers.get('content-type')).toContain(expected.bytes);
    if (example.answer !== undefined)
      expect(likened(actual, example.answer, example.partly ?? false)).toEqual(example.answer);
    if (example.thenSend !== undefined) {
      const { method, url, headers } = actual as { method: string; url: string; headers: Record<string, string> };
      const sent = await fetch(url, { method, headers, body: example.thenSend });
      expect(sent.status).toBe(200);
    }
  });

  test('The page has all of it, and runs nothing', async () => {
    const { text: html, headers } = await (await started.as('viewer')).get('/docs');
    for (const { method, path } of routes) expect(html).toContain(`<code>${method} ${path}</code>`);
    for (const { name } of examples) expect(html.includes(`<summary>${name}</summary>`), name).toBe(true);
    expect(html).not.toMatch(/<script|javascript:|https?:\/\/(?!bucket\.example|127\.0\.0\.1)/);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'; style-src 'sha256-");
  });

  test('What is served is what docs/openapi.yaml says', async () => {
    expect((await (await started.as('viewer')).get('/openapi.json')).body).toEqual(described);
  });
});

describe('docs/openapi.yaml', () => {
  const all = Object.entries(described.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ route: `${method.toUpperCase()} ${path}`, operation })),
  );

  test('describes every route, and none that there is not', () => {
    expect(all.map(({ route }) => route).sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort());
    expect(new Set(all.map(({ operation }) => operation.operationId)).size).toBe(routes.length);
  });

  test('has an example of every route, and only those that are executed', () => {
    const told = new Set(examples.map(({ name }) => name));
    expect(told.size).toBe(examples.length);
    for (const { route, operation } of all) {
      expect(
        examples.some(
          (example) => routes.find((one) => `${one.method} ${one.path}` === route)?.operation === example.operation,
        ),
        route,
      ).toBe(true);
      const places = [
        ...(operation.parameters ?? []),
        ...Object.values(operation.requestBody?.content ?? {}),
        ...Object.values(operation.responses).flatMap(({ content = {} }) => Object.values(content)),
      ];
      for (const { examples: shown = {} } of places)
        for (const { summary } of Object.values(shown) as { summary: string }[]) expect(told).toContain(summary);
    }
    expect(text).not.toMatch(/^ *example:/m);
  });

  test('names no shape that there is not, and has none that nothing names', () => {
    const named = new Set([...text.matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name));
    expect([...named].sort()).toEqual(Object.keys(wire).sort());
  });
});
