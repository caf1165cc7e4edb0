import { Refusal } from '../../core/errors.ts';
import { mustFit } from './validate.ts';
import built from './validators.generated.js';

/** What a client asks for: the type's own parameters, its name among them, and the free text beside them. */
export interface Wanted {
  readonly type: string;
  readonly job: Readonly<Record<string, unknown>>;
  readonly jobParams: string | undefined;
}

/** JSON deeper than this is no job. */
const mostNested = 32;
const mostBytes = 256 * 1024;

/**
 * Reads the wrapper of a new job. As in ArchivesSpace, empty strings, nulls and empty maps count as missing
 * (common/jsonmodel.rb), and read-only fields are ignored. Throws `Refusal`.
 */
export function readWrapper(text: string): Wanted {
  if (Buffer.byteLength(text) > mostBytes)
    throw new Refusal({ code: 'too_large', message: `A job is at most ${mostBytes} bytes of JSON.` });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new Refusal({ code: 'unreadable', message: (error as SyntaxError).message });
  }
  const wrapper = stripped(parsed, 0) ?? {};
  mustFit(built['job-create'].validate, wrapper, 'job');
  const { job, job_params: jobParams } = wrapper as { job: Record<string, unknown>; job_params?: string };
  return { type: String(job['jsonmodel_type']), job, jobParams };
}

function stripped(value: unknown, depth: number): unknown {
  if (depth > mostNested)
    throw new Refusal({ code: 'unreadable', message: `it is nested more than ${mostNested} deep` });
  if (value === null || value === '') return undefined;
  if (Array.isArray(value))
    return value.map((entry) => stripped(entry, depth + 1)).filter((entry) => entry !== undefined);
  if (typeof value !== 'object') return value;
  const entries = Object.entries(value)
    .map(([name, entry]) => [name, stripped(entry, depth + 1)] as const)
    .filter(([, entry]) => entry !== undefined);
  // A map that was not empty before stays, so that what is missing in it can be named.
  return entries.length || Object.keys(value).length ? Object.fromEntries(entries) : undefined;
}
