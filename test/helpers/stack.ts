import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import { afterAll, beforeAll, expect } from 'vitest';
import { type LocalService, type ServiceOptions, startService } from '../../local/service.ts';

/** A job as the API returns it, as far as tests look at it. */
export interface WireJob {
  readonly uri: string;
  readonly status: string;
  readonly job_type: string;
  readonly queue_position?: number;
  readonly failure?: { readonly kind: string; readonly reason: string };
  readonly progress?: { readonly done: number; readonly total: number; readonly message?: string };
  readonly [field: string]: unknown;
}

export interface Answer<Body = unknown> {
  readonly status: number;
  readonly body: Body;
  readonly text: string;
  readonly headers: Headers;
}

/** One user of the API. */
export interface Person {
  get<Body = unknown>(path: string): Promise<Answer<Body>>;
  post<Body = unknown>(path: string, body?: unknown): Promise<Answer<Body>>;
  delete(path: string): Promise<Answer>;
  /** Creates a job in repository 2 and returns its uri. */
  create(type: string, params?: Record<string, unknown>): Promise<string>;
  upload(
    job: Record<string, unknown>,
    files: readonly {
      readonly field: string;
      readonly name: string;
      readonly content: string | Uint8Array<ArrayBuffer>;
    }[],
  ): Promise<Answer<{ uri: string; error?: unknown }>>;
  show(uri: string): Promise<WireJob>;
  cancel(uri: string): Promise<Answer>;
  log(uri: string, offset?: number): Promise<string>;
  /** The session header, for requests of one's own. */
  headers(): Record<string, string>;
  /** Waits until the job has this status; fails at once when it ended in another. */
  until(uri: string, status: string, withinMs?: number): Promise<WireJob>;
}

const ended = ['completed', 'failed', 'canceled'];

export async function person(api: string, username: string): Promise<Person> {
  const login = await fetch(`${api}/users/${username}/login`, {
    method: 'POST',
    body: new URLSearchParams({ password: username }),
  });
  const { session } = (await login.json()) as { session: string };
  return withSession(api, session);
}

export function withSession(api: string, session: string | undefined): Person {
  const headers: Record<string, string> = { ...(session !== undefined && { 'x-archivesspace-session': session }) };
  const send = async <Body>(path: string, init: RequestInit = {}): Promise<Answer<Body>> => {
    const response = await fetch(`${api}${path}`, { ...init, headers: { ...headers, ...init.headers } });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json');
    return {
      status: response.status,
      body: (isJson ? JSON.parse(text) : text) as Body,
      text,
      headers: response.headers,
    };
  };
  const self: Person = {
    get: (path) => send(path),
    delete: (path) => send(path, { method: 'DELETE' }),
    post: (path, body) =>
      send(path, {
        method: 'POST',
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    async create(type, params = {}) {
      const { status, body, text } = await self.post<{ uri: string }>('/repositories/2/jobs', {
        job: { jsonmodel_type: type, ...params },
      });
      expect(status, text).toBe(200);
      return body.uri;
    },
    upload(job, files) {
      const form = new FormData();
      form.set('job', JSON.stringify({ job }));
      for (const { field, name, content } of files) form.append(field, new Blob([content]), name);
      return send('/repositories/2/jobs_with_files', { method: 'POST', body: form });
    },
    show: async (uri) => (await self.get<WireJob>(uri)).body,
    cancel: (uri) => self.post(`${uri}/cancel`),
    log: async (uri, offset = 0) => (await self.get<string>(`${uri}/log?offset=${offset}`)).text,
    headers: () => headers,
    async until(uri, status, withinMs = 15_000) {
      let job = await self.show(uri);
      await expect
        .poll(
          async () => {
            job = await self.show(uri);
            if (ended.includes(job.status) && job.status !== status)
              throw new Error(`${uri} is ${job.status}: ${JSON.stringify(job.failure)}`);
            return job.status;
          },
          { timeout: withinMs, interval: 100 },
        )
        .toBe(status);
      return job;
    },
  };
  return self;
}

/** The physical id of the one resource whose logical id is like this. */
export function physical({ stack }: LocalService, logicalId: RegExp): string {
  const found = Object.entries(stack.resources).filter(([id]) => logicalId.test(id));
  if (found.length !== 1) throw new Error(`${found.length} resources are called like ${logicalId}.`);
  return found[0]?.[1] ?? '';
}

/** What the table holds, by partition and sort key; for what no route shows. */
export async function items(service: LocalService): Promise<readonly Record<string, unknown>[]> {
  const { stack } = service;
  const client = new DynamoDBClient({
    endpoint: stack.endpoints.dynamodb,
    region: stack.region,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  try {
    const { Items = [] } = await client.send(
      new ScanCommand({ TableName: physical(service, /^Table[0-9A-F]{8}$/), ConsistentRead: true }),
    );
    return Items.map((item) => unmarshall(item));
  } finally {
    client.destroy();
  }
}

export const board = async (service: LocalService) =>
  (await items(service)).filter(({ pk, sk }) => pk === 'BOARD' && sk !== 'SETTINGS');

/** Starts a stack for the tests of one file. */
export function useService(options: Partial<ServiceOptions> = {}) {
  let service: LocalService;
  const printed: string[] = [];
  const people = new Map<string, Person>();
  beforeAll(async () => {
    service = await startService({
      jobThreadCount: 2,
      plugins: ['jobs_example', 'test/plugins/jobs_test'],
      port: 0,
      // Most tests ask few of the functions.
      warm: false,
      log: (line) => printed.push(line),
      ...options,
    });
  });
  afterAll(async () => {
    await service?.stop();
  });
  return {
    get service() {
      return service;
    },
    /** What the functions printed. */
    printed,
    async as(username: string): Promise<Person> {
      const known = people.get(username) ?? (await person(service.apiUrl, username));
      people.set(username, known);
      return known;
    },
  };
}

/** When the bodies of some jobs ran, by their own word: `begin` and `end` in their logs, in milliseconds. */
export async function spans(
  person: Person,
  uris: readonly string[],
): Promise<readonly { readonly uri: string; readonly begin: number; readonly end: number }[]> {
  return Promise.all(
    uris.map(async (uri) => {
      const log = await person.log(uri);
      return { uri, begin: Number(/begin (\d+)/.exec(log)?.[1]), end: Number(/end (\d+)/.exec(log)?.[1]) };
    }),
  );
}

/** How many of these ran at once at most. */
export function mostAtOnce(running: readonly { readonly begin: number; readonly end: number }[]): number {
  return Math.max(
    0,
    ...running.map(({ begin }) => running.filter((other) => other.begin <= begin && begin < other.end).length),
  );
}
