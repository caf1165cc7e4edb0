import type { TestOptions } from '../../runners/sdk/testing.ts';

type Ask = Parameters<NonNullable<TestOptions['archivesspace']>>[0];
type Look = Partial<{
  status: string;
  started: boolean;
  finished: boolean;
  position: number;
  /** All of the log by then. */
  log: string | Uint8Array;
}>;

export const uri = '/repositories/2/jobs/71';
export const json = (body: unknown, status = 200) => new Response(`${JSON.stringify(body)}\n`, { status });
export const completed: Look = { status: 'completed', started: true, finished: true };
export const running: Look = { status: 'running', started: true };

/**
 * ArchivesSpace with one job, which is at each look as the next of `looks` says; the last of them stays. `answers`
 * take the place of its own answers: by `<method> <path>`, the first ones for the first requests, undefined for its own.
 */
export function backend(
  looks: readonly Look[],
  more: {
    readonly files?: Readonly<Record<number, string | Uint8Array<ArrayBuffer>>>;
    /** Newest first, as they are answered. */
    readonly records?: readonly string[];
    readonly answers?: Readonly<Record<string, readonly (Response | Error | undefined)[]>>;
    /** The job from a cancel on. */
    readonly onCancel?: readonly Look[];
  } = {},
) {
  const asked: Ask[] = [];
  const turns = new Map<string, number>();
  let coming = [...looks];
  let now: Look = {};
  const look = () => {
    now = { log: now.log ?? '', ...(coming.length > 1 ? coming.shift() : coming[0]) };
    return now;
  };
  const answer = (ask: Ask): Response => {
    asked.push(ask);
    const key = `${ask.method} ${ask.path.split('?')[0]}`;
    const turn = turns.get(key) ?? 0;
    turns.set(key, turn + 1);
    const own = more.answers?.[key]?.[turn];
    if (own instanceof Error) throw own;
    if (own) return own;
    switch (key) {
      case 'POST /repositories/2/jobs':
      case 'POST /repositories/2/jobs_with_files':
        return json({ status: 'Created', id: 71, lock_version: 0, stale: null, uri, warnings: [] });
      case `GET ${uri}`: {
        const { status = 'queued', started, finished, position } = look();
        return json({
          status,
          ...(position !== undefined && { queue_position: position }),
          ...(started && { time_started: '2026-08-20 13:45:58 UTC' }),
          ...(finished && { time_finished: '2026-08-20 13:46:31 UTC' }),
        });
      }
      case `GET ${uri}/log`: {
        const from = Number(new URLSearchParams(ask.path.split('?')[1]).get('offset'));
        return new Response(new Uint8Array(Buffer.from(now.log ?? '')).subarray(from));
      }
      case `GET ${uri}/output_files`:
        return json(Object.keys(more.files ?? {}).map(Number));
      case `GET ${uri}/records`:
        return records(more.records ?? [], new URLSearchParams(ask.path.split('?')[1]));
      case `POST ${uri}/cancel`:
        if (more.onCancel) coming = [...more.onCancel];
        return json({ status: 'Updated', id: 71, lock_version: 2, stale: null });
      default: {
        const file = more.files?.[Number(/output_files\/(\d+)$/.exec(key)?.[1])];
        return file === undefined ? json({ error: 'Sinatra::NotFound' }, 404) : new Response(file);
      }
    }
  };
  return {
    answer,
    asked,
    /** The requests of this method and path. */
    to: (key: string) => asked.filter(({ method, path }) => `${method} ${path.split('?')[0]}` === key),
  };
}

function records(all: readonly string[], query: URLSearchParams): Response {
  const page = Number(query.get('page'));
  const size = Number(query.get('page_size'));
  return json({
    first_page: 1,
    last_page: Math.max(1, Math.ceil(all.length / size)),
    this_page: page,
    total: all.length,
    results: all.slice((page - 1) * size, page * size).map((ref) => ({ record: { ref } })),
  });
}
