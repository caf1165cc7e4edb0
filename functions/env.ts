/**
 * The environment of each function, declared once: infra gives exactly these, and the function refuses to start
 * without them. This file is all that infra imports of a function.
 */
export type EnvSpec = Readonly<Record<string, 'string' | 'integer'>>;
export type EnvOf<S extends EnvSpec> = { readonly [K in keyof S]: S[K] extends 'integer' ? number : string };

const table = { TABLE: 'string' } as const;
const machine = { STATE_MACHINE_ARN: 'string' } as const;
/** Empty when the service has no ArchivesSpace. */
const archivesspace = { ARCHIVESSPACE_URL: 'string' } as const;
/** All empty when the service takes no tokens. Groups are JSON text (core/default-groups.ts). */
const oidc = {
  OIDC_ISSUER: 'string',
  OIDC_AUDIENCE: 'string',
  OIDC_USERNAME_CLAIM: 'string',
  OIDC_GROUPS_CLAIM: 'string',
  OIDC_GROUPS: 'string',
} as const;
/** How people are recognised. The session function is empty unless tokens meet an ArchivesSpace. */
export const signInEnv = { ...archivesspace, ...oidc, SESSION_FUNCTION: 'string' } as const satisfies EnvSpec;
const doorbell = { QUEUE_URL: 'string', LANES: 'integer' } as const;

/** STAFF_URL is empty when no staff interface of ArchivesSpace is set. */
export const apiReadEnv = { ...table, ...signInEnv, BUCKET: 'string', STAFF_URL: 'string' } as const satisfies EnvSpec;
export const apiCreateEnv = { ...table, ...signInEnv, ...doorbell, BUCKET: 'string' } as const satisfies EnvSpec;
export const apiCancelEnv = { ...table, ...signInEnv, ...doorbell } as const satisfies EnvSpec;
export const apiLoginEnv = { ...table, ...signInEnv } as const satisfies EnvSpec;
export const dispatcherEnv = { ...table, ...machine } as const satisfies EnvSpec;
export const finisherEnv = { ...table, ...machine } as const satisfies EnvSpec;
export const sweepEnv = { ...table, ...machine, BUCKET: 'string' } as const satisfies EnvSpec;
export const sessionEnv = {
  ...table,
  ...archivesspace,
  ...oidc,
  ARCHIVESSPACE_SECRET_ARN: 'string',
} as const satisfies EnvSpec;
/** STACK_ID is the service's own: by it a registration of another stack is told. */
export const registerEnv = { ...table, STACK_ID: 'string' } as const satisfies EnvSpec;

/** Reads a function's environment. Throws, naming the variable, when one is missing or not a whole number. */
export function readEnv<S extends EnvSpec>(
  spec: S,
  from: Readonly<Record<string, string | undefined>> = process.env,
): EnvOf<S> {
  return Object.fromEntries(
    Object.entries(spec).map(([name, kind]) => {
      const value = from[name];
      if (value === undefined) throw new Error(`The environment variable ${name} is not set.`);
      if (kind === 'string') return [name, value];
      if (!/^\d+$/.test(value))
        throw new Error(`The environment variable ${name} must be a whole number, not ${JSON.stringify(value)}.`);
      return [name, Number(value)];
    }),
  ) as EnvOf<S>;
}
