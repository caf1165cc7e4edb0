import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { commit, type Table } from '../aws/dynamo.ts';
import { readTypes } from '../aws/reads.ts';
import { maxThreadCount } from '../core/limits.ts';
import { firstSettings, registerType, retireType, setLimit } from '../core/table.ts';

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
}

export interface Registration {
  /** Who registers: the name of the runner's folder, or of a stack. */
  readonly owner: string;
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

/**
 * Registers an owner's types and retires those it no longer has. Throws, before anything is written, when a type
 * belongs to another owner (the message names both) or a schema is none.
 *
 * @param now milliseconds since 1970
 */
export async function registerTypes(table: Table, registration: Registration, now: number): Promise<void> {
  const { owner, runner, types } = registration;
  const owners = new Map((await readTypes(table)).map((known) => [known.type, known.owner]));
  for (const { type, schema } of types) {
    const other = owners.get(type);
    if (other !== undefined && other !== owner) throw taken(type, owner, other);
    const problem = schemaProblem(schema);
    if (problem) throw new Error(`The schema of job type ${type} is not a JSON Schema (2020-12): ${problem}.`);
  }
  for (const { type, schema, version, hidden, createPermissions, cancelPermissions, ...options } of types) {
    const { concurrent, graceSeconds, timeLimitSeconds } = options;
    const known = owners.get(type);
    const written = await commit(
      table,
      registerType(
        {
          type,
          schema: JSON.stringify(schema),
          version,
          hidden,
          createPermissions,
          cancelPermissions,
          owner,
          dispatch: {
            runner,
            concurrent,
            graceSeconds,
            version,
            ...(timeLimitSeconds !== undefined && { timeLimitSeconds }),
          },
        },
        known === undefined ? undefined : { owner: known },
      ),
    );
    if (written.done) continue;
    const [standing, settings] = written.refused;
    if (settings === null) {
      throw new Error('The table has no settings yet: the resource that sets the limit must be created first.');
    }
    throw taken(type, owner, String(standing?.['owner'] ?? 'nobody any more'));
  }
  await retireTypes(
    table,
    owner,
    types.map(({ type }) => type),
    now,
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

const taken = (type: string, owner: string, other: string) =>
  new Error(
    `Job type ${type} of ${owner} is registered by ${other} already. Rename one of them, or remove ${other} first.`,
  );

/** Compiled as the API compiles it at a type's first use: what cannot be, must not be registered. */
function schemaProblem(schema: Readonly<Record<string, unknown>>): string | undefined {
  const ajv = new Ajv2020({ strict: false, logger: false });
  addFormats.default(ajv);
  const { $id: _id, ...rest } = schema;
  try {
    ajv.compile(rest);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
