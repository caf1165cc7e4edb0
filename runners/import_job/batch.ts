/** ArchivesSpace's `POST …/batch_imports`: sends records that are saved all or not at all, and follows the streamed answer. */
import type { ArchivesSpaceSession } from '../sdk/context.ts';
import type { JsonRecord } from './records.ts';

/** How far the backend says it is. */
export interface BatchProgress {
  /** A phase that began or ended: `1. STARTED: Reading JSON records`. */
  phase(line: string): void;
  /** `ticks` of `total` in the phase of that label. */
  tick(ticks: number, total: number, label: string): void;
}

/** The backend refused the batch, and saved nothing of it. `lines` are what it said. */
export class BatchRefused extends Error {
  readonly lines: readonly string[];
  constructor(lines: readonly string[]) {
    super(lines[0] ?? 'no reason was given');
    this.name = 'BatchRefused';
    this.lines = lines;
  }
}

/** Longest part of an unexpected answer that is repeated in the log, in characters. */
const SHOWN_CHARACTERS = 2000;
const UNKNOWN = 'Look there whether the records of this batch were saved.';

/**
 * Sends `records` and waits for the end of the answer. Gives the real URI of each by its temporary one.
 * Throws `BatchRefused` when the backend answers with errors, and an error that says so when it is not known
 * whether the batch was saved.
 */
export async function sendBatch(
  archivesspace: ArchivesSpaceSession,
  repository: string,
  records: readonly JsonRecord[],
  progress: BatchProgress,
): Promise<ReadonlyMap<string, string>> {
  // No signal is passed: a request that is broken off may have been saved, and nobody would know its URIs.
  const response = await archivesspace.request(`${repository}/batch_imports`, {
    method: 'POST',
    body: JSON.stringify(records),
  });
  if (response.status >= 400 && response.status < 500) {
    throw new BatchRefused([`HTTP ${response.status}`, ...reasonsOf(parse(await response.text()))]);
  }
  if (response.status !== 200) {
    throw new Error(`ArchivesSpace answered with HTTP ${response.status}. ${UNKNOWN}`);
  }
  let label = '';
  let last: Readonly<Record<string, unknown>> = {};
  for await (const part of elementsOfArray(response.body ?? [])) {
    const message = fieldsOf(part);
    for (const status of Array.isArray(message['status']) ? message['status'].map(fieldsOf) : []) {
      label = String(status['label']);
      progress.phase(`${status['id']}. ${String(status['type']).toUpperCase()}: ${label}`);
    }
    if (typeof message['ticks'] === 'number' && typeof message['total'] === 'number') {
      progress.tick(message['ticks'], message['total'], label);
    }
    last = message;
  }
  if (Array.isArray(last['errors'])) {
    throw new BatchRefused(last['errors'].flatMap(reasonsOf));
  }
  const saved = fieldsOf(last['saved']);
  const uris = new Map(
    Object.entries(saved).map(([temporary, real]) => [temporary, String(Array.isArray(real) ? real[0] : real)]),
  );
  if (last['saved'] === undefined) {
    throw new Error(
      'The answer of ArchivesSpace ended early. Look there whether the records of this batch were saved.',
    );
  }
  const missing = records.find((record) => !uris.has(record.uri));
  if (missing !== undefined) {
    throw new Error(`ArchivesSpace saved the batch, but its answer does not name the record ${missing.uri}.`);
  }
  return uris;
}

/** What the backend says of an error: a text, or messages by field; in lines for a person. */
function reasonsOf(error: unknown): string[] {
  if (typeof error === 'string') {
    return error.slice(0, SHOWN_CHARACTERS).trimEnd().split('\n');
  }
  const fields = fieldsOf(error);
  const inner = fields['errors'] ?? fields['error'];
  if (typeof inner === 'string') {
    return reasonsOf(inner);
  }
  const byField = Object.entries(fieldsOf(inner));
  return byField.length > 0
    ? byField.map(
        ([field, messages]) => `${field}: ${Array.isArray(messages) ? messages.join(' -- ') : String(messages)}`,
      )
    : reasonsOf(JSON.stringify(error));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

/** The elements of a JSON array of objects, each as soon as it is complete. An array that is cut off gives those before. */
export async function* elementsOfArray(
  bytes: AsyncIterable<Uint8Array> | readonly Uint8Array[],
): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let element = '';
  let depth = 0;
  let isInString = false;
  let isEscaped = false;
  for await (const chunk of bytes) {
    const text = decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let at = 0; at < text.length; at += 1) {
      const character = text[at];
      if (isInString) {
        isInString = isEscaped || character !== '"';
        isEscaped = !isEscaped && character === '\\';
      } else if (character === '"') {
        isInString = true;
      } else if (character === '{') {
        depth += 1;
        start = depth === 1 ? at : start;
      } else if (character === '}') {
        depth -= 1;
        if (depth === 0) {
          yield JSON.parse(element + text.slice(start, at + 1));
          element = '';
          start = at + 1;
        }
      }
    }
    element += depth > 0 ? text.slice(start) : '';
  }
}
