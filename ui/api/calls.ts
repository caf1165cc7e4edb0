import type {
  BrowseReply,
  CreatedReply,
  EventsReply,
  FileLink,
  FilesReply,
  PageReply,
  QueueReply,
  RerunReply,
  StatusReply,
  TypesReply,
  UploadReply,
  UploadRequest,
} from '../../schemas/extensions.ts';
import { askJson } from './http.ts';

/** A job as ArchivesSpace shows it, as far as the page reads it. */
export interface ShownJob {
  readonly uri: string;
  readonly job_type: string;
  readonly owner: string;
  readonly status: string;
  /** The parameters; only the name of the type when that is not installed any more. */
  readonly job: string | Readonly<Record<string, unknown>>;
}

export interface MadeRecord {
  readonly record: {
    readonly ref: string;
    readonly _resolved?: { readonly title?: string; readonly display_string?: string };
  };
}

/** How many records are asked for at once: each is looked up in ArchivesSpace. */
export const recordsAtOnce = 25;

const jobs = (repo: number) => `/repositories/${repo}/jobs`;

/** The API, by what the page asks of it. All throw `ApiError`. */
export const calls = {
  page: (signal?: AbortSignal) => askJson<PageReply>('/page', { signal }),
  signInWays: () => askJson<PageReply>('/page', { anonymous: true }),
  login: (username: string, password: string) =>
    askJson<{ readonly session: string; readonly user: { readonly username: string } }>(
      `/users/${encodeURIComponent(username)}/login`,
      { method: 'POST', form: new URLSearchParams({ password }), anonymous: true },
    ),
  logout: () => askJson('/logout', { method: 'POST' }),
  types: (repo: number, signal?: AbortSignal) => askJson<TypesReply>(`${jobs(repo)}/types`, { signal }),
  queue: (repo: number, signal?: AbortSignal) => askJson<QueueReply>(`${jobs(repo)}/queue`, { signal }),
  browse: (repo: number, query: URLSearchParams, signal?: AbortSignal) =>
    askJson<BrowseReply>(`${jobs(repo)}/browse?${query}`, { signal }),
  show: (repo: number, id: number, signal?: AbortSignal) => askJson<ShownJob>(`${jobs(repo)}/${id}`, { signal }),
  status: (repo: number, id: number, signal?: AbortSignal) =>
    askJson<StatusReply>(`${jobs(repo)}/${id}/status`, { signal }),
  events: (repo: number, id: number, signal?: AbortSignal) =>
    askJson<EventsReply>(`${jobs(repo)}/${id}/events`, { signal }),
  files: (repo: number, id: number, signal?: AbortSignal) =>
    askJson<FilesReply>(`${jobs(repo)}/${id}/files`, { signal }),
  fileLink: (repo: number, id: number, file: number) => askJson<FileLink>(`${jobs(repo)}/${id}/files/${file}`),
  recordCount: async (repo: number, id: number, signal?: AbortSignal) =>
    (await askJson<{ readonly total: number }>(`${jobs(repo)}/${id}/records?page=1&page_size=1`, { signal })).total,
  /** The first that were made come first: those that the others belong to. They are numbered from 1. */
  records: async (repo: number, id: number, first: number, signal?: AbortSignal) => {
    const ids = Array.from({ length: recordsAtOnce }, (_, i) => first + i).join(',');
    const path = `${jobs(repo)}/${id}/records?id_set=${ids}&resolve[]=record`;
    return (await askJson<readonly MadeRecord[]>(path, { signal })).toReversed();
  },
  upload: (repo: number, file: UploadRequest) =>
    askJson<UploadReply>(`${jobs(repo)}/uploads`, { method: 'POST', json: file }),
  create: (repo: number, job: Readonly<Record<string, unknown>>, uploads: readonly string[], key: string) =>
    askJson<CreatedReply>(jobs(repo), {
      method: 'POST',
      json: { job, ...(uploads.length > 0 && { uploads }) },
      headers: { 'idempotency-key': key },
    }),
  rerun: (repo: number, id: number, key: string) =>
    askJson<RerunReply>(`${jobs(repo)}/${id}/rerun`, { method: 'POST', headers: { 'idempotency-key': key } }),
  cancel: (repo: number, id: number) => askJson(`${jobs(repo)}/${id}/cancel`, { method: 'POST' }),
  remove: (repo: number, id: number) => askJson(`${jobs(repo)}/${id}`, { method: 'DELETE' }),
};
