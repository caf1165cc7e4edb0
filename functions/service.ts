import { randomBytes } from 'node:crypto';
import type { Table } from '../aws/dynamo.ts';
import type { StateMachine } from '../aws/executions.ts';

/** Structured log lines: an object of fields and a sentence. */
export interface Log {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** What dispatching and ending work with. Clock and tokens are here so that a simulation can give its own. */
export interface Service {
  readonly table: Table;
  readonly machine: StateMachine;
  readonly log: Log;
  /** Milliseconds since 1970. */
  now(): number;
  /** A fencing token nobody had before. */
  newToken(): string;
}

/** 96 random bits: a token is part of an execution's name, at most 80 characters of 0-9A-Za-z_-. */
export const newToken = () => randomBytes(12).toString('hex');
