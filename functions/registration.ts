import { commit, type Table } from '../aws/dynamo.ts';
import { readTypes } from '../aws/reads.ts';
import { fromItem } from '../core/job.ts';
import { maxThreadCount } from '../core/limits.ts';
import { typeName } from '../core/registry.ts';
import { firstSettings, registerType, retireType, setLimit } from '../core/table.ts';
import { schemaProblem } from '../schemas/compile.ts';
import type { FileRules, Presentation } from '../schemas/runner-manifest.ts';

/** A job type as a deployment registers it. */
export interface TypeRegistration {
  readonly type: string;
  /** JSON Schema (2020-12) of its parameters. */
  readonly schema: Readonly<Record<string, unknown>>;
  readonly version: string;
  readonly hidden: boolean;
  readonly createPermissions: readonly string[];
  readonly cancelPermissions: readonly string[];
  readonly graceSeconds: number;
  readonly timeLimitSeconds?: number;
  readonly concurrent: boolean;
  readonly resumable?: boolean;
  readonly retries?: number;
  readonly presentation?: Presentation;
  readonly files?: FileRules;
}

/** Who registers: a part of the service's own stack, or of a stack of its own. */
export interface Registrar {
  /** Names it in messages, and is nobody else's: the runner's folder, or the stack and the folder there. */
  readonly owner: string;
  /** The other stack's ARN without its last part, which is new each time that the stack is made; absent in the service's. */
  readonly stack?: string;
}

export interface Registration extends Registrar {
  /** ARN of the Lambda that runs jobs of these types. */
  readonly runner: string;
  readonly types: readonly TypeRegistration[];
}

/** Sets how many jobs run at once, and makes the settings when there are none yet. */
export async function writeLimit(table: Table, limit: number): Promise<void> {
  if (!Number.isInteger(limit) || limit < 0 || limit > maxThreadCount) {
    throw new Error(`The limit must be a whole number from 0 to ${maxThreadCount}, not ${limit}.`);
  }
  const first = await commit(table, firstSettings(limit));
  if (!first.done) await commit(table, setLimit(limit));
}

/** `arn:aws:cloudformation:eu-west-1:123456789012:stack/reports/<uuid>` → the same without the uuid. */
const withoutUuid = (stackId: string) => stackId.split('/').slice(0, 2).join('/');
const nameOf = (stack: string) => stack.split('/')[1] ?? stack;

/**
 * Who sent an event, by CloudFormation's word: a stack can say what it likes of itself, but its id it cannot choose.
 *
 * @param says the name of the runner's folder
 */
export function registrarOf(stackId: string, serviceStackId: string, says: string): Registrar {
  const stack = withoutUuid(stackId);
  return stack === withoutUuid(serviceStackId) ? { owner: says } : { owner: `stack ${nameOf(stack)}: ${says}`, stack };
}

/**
 * Registers an owner's types and retires those it no longer has. Within a stack a type may move from one owner to another:
 * synth has seen to it that only one has it. Throws, before anything is written, when a type belongs to another stack (the
 * message names both) or a schema is none.
 *
 * @param elsewhere types that the stack's other owners register: one of these is not retired, it has moved
 * @param now milliseconds since 1970
 */
export async function registerTypes(
  table: Table,
  registration: Registration,
  now: number,
  elsewhere: readonly string[] = [],
): Promise<void> {
  const { owner, types } = registration;
  const known = new Map((await readTypes(table)).map((type) => [type.type, type]));
  for (const { type, schema } of types) {
    // A path in the settings item has the name in it.
    if (!typeName.test(type))
      throw new Error(
        `${JSON.stringify(type)} is no name of a job type: letters, digits, _ and -, at most 64 of them.`,
      );
    mustBeOurs(registration, type, known.get(type));
    const problem = schemaProblem(schema);
    if (problem) throw new Error(`The schema of job type ${type} is not a JSON Schema (2020-12): ${problem}.`);
  }
  for (const type of types) await registerOne(table, registration, type, known.get(type.type));
  await retireTypes(table, owner, [...types.map(({ type }) => type), ...elsewhere], now);
}

/** How often a type may change hands while it is being registered: two owners of a deploy do so once. */
const mostTries = 5;

async function registerOne(
  table: Table,
  registration: Registration,
  { type, schema, version, hidden, createPermissions, cancelPermissions, ...options }: TypeRegistration,
  found: Registrar | undefined,
): Promise<void> {
  const { owner, stack, runner } = registration;
  const { concurrent, graceSeconds, timeLimitSeconds, resumable, retries, presentation, files } = options;
  const registered = {
    type,
    schema: JSON.stringify(schema),
    version,
    hidden,
    createPermissions,
    cancelPermissions,
    owner,
    ...(stack !== undefined && { stack }),
    ...(presentation && { presentation: JSON.stringify(presentation) }),
    ...(files && { files }),
    dispatch: {
      runner,
      concurrent,
      graceSeconds,
      version,
      ...(timeLimitSeconds !== undefined && { timeLimitSeconds }),
      ...(resumable && { resumable }),
      ...(retries && { retries }),
    },
  };
  let known = found;
  for (let tries = 0; tries < mostTries; tries++) {
    mustBeOurs(registration, type, known);
    const written = await commit(table, registerType(registered, known));
    if (written.done) return;
    const [standing, settings] = written.refused;
    if (settings === null) {
      throw new Error('The table has no settings yet: the resource that sets the limit must be created first.');
    }
    known = standing ? fromItem<Registrar>(standing) : undefined;
  }
  throw new Error(`Job type ${type} of ${owner} is being registered by others at the same time. Deploy again.`);
}

function mustBeOurs({ owner, stack }: Registrar, type: string, known: Registrar | undefined): void {
  if (!known || known.stack === stack) return;
  const [where, fix] =
    known.stack === undefined
      ? ["of the service's own stack", `take it out of that stack's setting \`plugins\` and deploy that first`]
      : [`in another stack`, `remove it there first (cdk destroy ${nameOf(known.stack)})`];
  throw new Error(
    `Job type ${type} of ${owner} is registered already by ${known.owner} ${where}. Give one of them another name, or ${fix}.`,
  );
}

/** Takes all types of an owner but `kept` out of the registry. Their queued jobs fail, and running ones run on. */
export async function retireTypes(table: Table, owner: string, kept: readonly string[], now: number): Promise<void> {
  for (const known of await readTypes(table)) {
    if (known.owner !== owner || kept.includes(known.type)) continue;
    // Refused when somebody else has registered the type meanwhile, or retired it: then it is not ours to retire.
    await commit(table, retireType(known.type, owner, now));
  }
}
