import { Refusal } from '../../core/errors.ts';
import { withoutNothing } from '../../core/without-nothing.ts';
import { mustFit } from './validate.ts';
import built from './validators.generated.js';

/** What a client asks for: the type's own parameters, its name among them, and the free text beside them. */
export interface Wanted {
  readonly type: string;
  /** As it was sent; `withoutNothing` makes it what the type's schema is about. */
  readonly job: Readonly<Record<string, unknown>>;
  readonly jobParams: string | undefined;
  /** Ids of files that were sent before. */
  readonly uploads: readonly string[];
}

const mostBytes = 256 * 1024;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads the wrapper of a new job; read-only fields in it are ignored. Throws `Refusal`.
 *
 * @param body JSON
 */
export function readWrapper(body: Uint8Array): Wanted {
  if (body.byteLength > mostBytes)
    throw new Refusal({ code: 'too_large', message: `A job is at most ${mostBytes} bytes of JSON.` });
  const parsed = parse(body);
  const wrapper = withoutNothing(parsed) ?? {};
  mustFit(built['job-create'].validate, wrapper, 'job');
  const {
    job,
    job_params: jobParams,
    uploads = [],
  } = wrapper as { job: Record<string, unknown>; job_params?: string; uploads?: string[] };
  return {
    type: String(job['jsonmodel_type']),
    job: (parsed as { job: Record<string, unknown> }).job,
    // The staff UI sends the word `null` for none, and ArchivesSpace keeps an empty string then.
    jobParams: jobParams === 'null' ? '' : jobParams,
    uploads,
  };
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(body));
  } catch (error) {
    throw new Refusal({
      code: 'unreadable',
      message: error instanceof SyntaxError ? error.message.slice(0, 200) : 'it is not UTF-8',
    });
  }
}
