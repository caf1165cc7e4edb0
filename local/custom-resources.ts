// Custom resources: CloudFormation's request to the function behind ServiceToken, and the answer that the function
// PUTs to ResponseURL. https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Service } from './control.ts';
import type { InvokeOutcome } from './lambda/lambdas.ts';
import type { Database } from './sqlite.ts';
import { isOfStack, resourceKey, type StackIdentity, stackId } from './template.ts';

const responsePath = '/cloudformation-responses/';
/** CloudFormation refuses a longer answer. */
const maxResponseBytes = 4096;
/** CloudFormation waits an hour; nobody wants to locally. */
const responseTimeoutMs = 60_000;
/** How long a function may take to return after its answer. */
const returnMs = 500;

export interface CustomResource {
  readonly physicalId: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface CustomResources {
  readonly service: Service;
  /** Begins to make the custom resources of a stack's template. */
  begin(stack: StackIdentity): Provision;
  /** Deletes what stacks made that are no more: all but those named. Failures are told. */
  keepOnly(stackNames: ReadonlySet<string>): Promise<void>;
}

/** The custom resources of one stack, while its template is made. */
export interface Provision {
  /**
   * Creates the resource, or updates it when its properties are not those of the last time.
   * @param properties resolved, with ServiceToken
   * @throws with the function's Reason when it says FAILED, or with its error
   */
  provide(logicalId: string, type: string, properties: Readonly<Record<string, unknown>>): Promise<CustomResource>;
  /**
   * Deletes what the stack made before and has not been asked for now. As in CloudFormation's own cleaning up, a delete
   * that fails is told and does not fail the start.
   */
  cleanUp(): Promise<void>;
}

interface Answer {
  readonly Status?: string;
  readonly Reason?: string;
  readonly PhysicalResourceId?: string;
  readonly Data?: Record<string, unknown>;
}

export interface CustomResourcesOptions {
  /** It has the table of `customResourcesSchema`. */
  readonly db: Database;
  /** Where stacks are that are no more. */
  readonly place: Pick<StackIdentity, 'region' | 'accountId'>;
  /** Of the server that `service` is part of; known when the first resource is provided. */
  readonly endpoint: () => string;
  readonly invoke: (functionArn: string, payload: string) => Promise<InvokeOutcome>;
  readonly log: (line: string) => void;
}

interface Row {
  readonly key: string;
  readonly type: string;
  readonly physicalId: string;
  readonly properties: string;
  readonly data: string;
}

/** The properties and the answer of the last time, by the resource's key (template.ts). */
export const customResourcesSchema = `CREATE TABLE IF NOT EXISTS custom_resources
  (logical_id TEXT PRIMARY KEY, type TEXT NOT NULL, physical_id TEXT NOT NULL, properties TEXT NOT NULL,
  data TEXT NOT NULL);`;

const select = 'SELECT logical_id AS key, type, physical_id AS physicalId, properties, data FROM custom_resources';

export function createCustomResources(options: CustomResourcesOptions): CustomResources {
  const { db, endpoint, invoke, log } = options;
  const waiting = new Map<string, (answer: Answer) => void>();
  /** Keys of those whose last update failed: nobody knows how much of it was done. */
  const unsure = new Set<string>();
  const rows = (): Row[] => db.all(select) as unknown as Row[];

  return {
    async service(request) {
      if (!request.path.startsWith(responsePath)) return undefined;
      const token = request.path.slice(responsePath.length);
      const settle = waiting.get(token);
      if (request.method !== 'PUT' || !settle) return { status: 403, headers: {}, body: '' };
      waiting.delete(token);
      settle(readAnswer(request.body));
      return { status: 200, headers: {}, body: '' };
    },
    begin(stack) {
      const provided = new Set<string>();
      const outdated: Row[] = [];
      return {
        async provide(logicalId, type, given) {
          const key = resourceKey(stack, logicalId);
          const properties = stringifyScalars(given) as Record<string, unknown>;
          const text = JSON.stringify(properties);
          provided.add(key);
          const known = db.one(`${select} WHERE logical_id = ?`, key) as Row | undefined;
          if (known?.properties === text && !unsure.has(key))
            return { physicalId: known.physicalId, data: JSON.parse(known.data) };
          const old = known
            ? { PhysicalResourceId: known.physicalId, OldResourceProperties: JSON.parse(known.properties) }
            : {};
          unsure.add(key);
          const asked = { RequestType: known ? 'Update' : 'Create', ...old };
          const answer = await request(stack, logicalId, type, properties, asked);
          unsure.delete(key);
          const physicalId = answer.PhysicalResourceId;
          if (!physicalId) throw new Error(`${logicalId} (${type}) failed: the answer has no PhysicalResourceId`);
          // Another id means another resource: the old one is deleted when everything else is made.
          if (known && known.physicalId !== physicalId) outdated.push(known);
          const data = answer.Data ?? {};
          db.run(
            'INSERT OR REPLACE INTO custom_resources VALUES (?, ?, ?, ?, ?)',
            ...[key, type, physicalId, text, JSON.stringify(data)],
          );
          return { physicalId, data };
        },
        async cleanUp() {
          for (const row of outdated.splice(0)) await remove(stack, row);
          for (const row of rows()) {
            if (!isOfStack(stack, row.key) || provided.has(row.key)) continue;
            await remove(stack, row);
            db.run('DELETE FROM custom_resources WHERE logical_id = ?', row.key);
          }
        },
      };
    },
    async keepOnly(stackNames) {
      for (const row of rows()) {
        const [stackName = '', logicalId] = row.key.split('/');
        if (logicalId === undefined || stackNames.has(stackName)) continue;
        await remove({ ...options.place, stackName, isMain: false }, row);
        db.run('DELETE FROM custom_resources WHERE logical_id = ?', row.key);
      }
    },
  };

  async function remove(stack: StackIdentity, { key, type, physicalId, properties }: Row): Promise<void> {
    const asked = { RequestType: 'Delete', PhysicalResourceId: physicalId };
    const logicalId = key.slice(key.indexOf('/') + 1);
    await request(stack, logicalId, type, JSON.parse(properties), asked).catch((error: Error) => log(error.message));
  }

  async function request(
    stack: StackIdentity,
    logicalId: string,
    type: string,
    properties: Readonly<Record<string, unknown>>,
    more: object,
  ): Promise<Answer> {
    const functionArn = String(properties['ServiceToken']);
    const token = randomUUID();
    const answered = Promise.withResolvers<Answer>();
    waiting.set(token, answered.resolve);
    const timer = setTimeout(
      () => answered.reject(new Error(`${logicalId}: no answer within ${responseTimeoutMs / 1000} s`)),
      responseTimeoutMs,
    );
    try {
      const payload = JSON.stringify({
        ResponseURL: `${endpoint()}${responsePath}${token}`,
        ServiceToken: functionArn,
        StackId: stackId(stack),
        RequestId: randomUUID(),
        LogicalResourceId: logicalId,
        ResourceType: type,
        ResourceProperties: properties,
        ...more,
      });
      const invocation = invoke(functionArn, payload);
      const invoked = invocation.then((outcome) => {
        if (outcome.kind === 'result') return answered.promise;
        const why =
          outcome.kind === 'error' ? `${outcome.error.errorType}: ${outcome.error.errorMessage}` : outcome.kind;
        throw new Error(`${logicalId}: its function ${functionArn} failed: ${why}`);
      });
      const answer = await Promise.race([invoked, answered.promise]);
      // The function returns in a moment, and the next resource finds its sandbox warm.
      await Promise.race([invocation, pause(returnMs, undefined, { ref: false })]);
      if (answer.Status === 'SUCCESS') return answer;
      throw new Error(`${logicalId} (${type}) failed: ${answer.Reason ?? 'the function gave no reason'}`);
    } finally {
      clearTimeout(timer);
      waiting.delete(token);
    }
  }
}

function readAnswer(body: Buffer): Answer {
  if (body.length > maxResponseBytes) return { Status: 'FAILED', Reason: 'Response object is too long.' };
  try {
    return JSON.parse(body.toString()) as Answer;
  } catch {
    return { Status: 'FAILED', Reason: 'Invalid response object: not JSON.' };
  }
}

/** CloudFormation hands numbers and booleans over as strings. */
function stringifyScalars(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stringifyScalars);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, stringifyScalars(inner)]));
  }
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}
