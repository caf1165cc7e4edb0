import type { WireName } from '../../schemas/wire.ts';
import type { routes } from './routes.ts';

/** What a route's line in the table does not say: for people, and for their tools. */
export interface Described {
  readonly summary: string;
  readonly text?: string;
  /** Ours, not ArchivesSpace's. */
  readonly beyond?: true;
  /** Of `queries` and `headers` below. */
  readonly query?: readonly QueryName[];
  readonly headers?: readonly HeaderName[];
  readonly body?: { readonly type: string; readonly schema: WireName };
  /** What 200 brings: a shape, or bytes of this type. */
  readonly answer: WireName | { readonly bytes: string };
  readonly answerHeaders?: readonly AnswerHeader[];
  /** Answers besides those that every route of its kind has. */
  readonly also?: readonly (303 | 304 | 400 | 403 | 404 | 409 | 413 | 429)[];
}

export type QueryName = keyof typeof queries;
export type HeaderName = keyof typeof headers;
export type AnswerHeader = keyof typeof answerHeaders;

const whole = { type: 'integer', minimum: 0 } as const;
const text = { type: 'string' } as const;

export const queries = {
  page: {
    schema: { type: 'integer', minimum: 1 },
    text: 'This page. Goes before `id_set`, and that before `all_ids`.',
  },
  page_size: { schema: { type: 'integer', minimum: 1, default: 10 }, text: 'Above 250 it counts as 250.' },
  id_set: { schema: text, text: 'These ids, by comma: at most 250.' },
  all_ids: { schema: { type: 'boolean' }, text: 'The ids of all.' },
  modified_since: { schema: whole, text: 'Only what changed in this second or later, in seconds since 1970.' },
  'resolve[]': {
    schema: { type: 'array', items: text },
    text: 'Embeds what is referred to: `repository` of jobs, `record` of records.',
  },
  offset: { schema: { ...whole, default: 0 }, text: 'From this byte on.' },
  status: {
    schema: { type: 'array', items: { $ref: '#/components/schemas/JobStatus' } },
    text: 'By comma, or repeated.',
  },
  type: { schema: text, text: 'Of this type.' },
  owner: { schema: text, text: 'Of this user.' },
  from: { schema: text, text: 'Submitted then or later: seconds since 1970, a day, or an ISO time.' },
  to: { schema: text, text: 'Submitted then or earlier.' },
  browse_size: { name: 'page_size', schema: { type: 'integer', minimum: 1, default: 20 }, text: 'At most 100.' },
  cursor: { schema: text, text: '`next` of the page before, with the same filters.' },
} as const;

export const headers = {
  'Idempotency-Key': { schema: { type: 'string', pattern: '^[!-~]{1,255}$' }, text: 'The same key is the same job.' },
  'If-None-Match': { schema: text, text: 'The ETag of an answer: 304 while it holds.' },
} as const;

export const answerHeaders = {
  ETag: { schema: text, text: 'For `If-None-Match`.' },
  'Idempotency-Replayed': { schema: { const: 'true' }, text: 'This is the answer to an earlier request.' },
  'X-Job-Log-Next': { schema: whole, text: 'The offset to ask for next.' },
  'X-Job-Log-End': { schema: whole, text: 'Where the log ends for now.' },
  'X-Job-Log-Complete': { schema: { enum: ['true', 'false'] }, text: 'Nothing will be added.' },
  'Content-Disposition': { schema: text, text: 'Always an attachment, with the original name.' },
} as const;

const paged = ['page', 'page_size', 'id_set', 'all_ids', 'modified_since', 'resolve[]'] as const;
const json = (schema: WireName) => ({ type: 'application/json', schema });
const created = { headers: ['Idempotency-Key'], answerHeaders: ['Idempotency-Replayed'] } as const;

export const operations = {
  login: {
    summary: 'Log in',
    text: 'Passed on to ArchivesSpace. Five failures of one user from one address in 15 minutes, then 429.',
    body: { type: 'application/x-www-form-urlencoded', schema: 'Credentials' },
    answer: 'Session',
    also: [400, 403, 404, 429],
  },
  logout: { summary: 'Log out', answer: 'LoggedOut' },
  version: { summary: 'What this is', answer: { bytes: 'text/plain' } },
  'job-types': { summary: 'Types of jobs, with their permissions', answer: 'JobTypes' },
  'import-types': { summary: 'What can be imported', answer: 'ImportTypes' },
  'list-jobs': { summary: 'Jobs, by status and id', query: paged, answer: 'JobListing', also: [413] },
  'active-jobs': {
    summary: 'Jobs that run, then those that wait',
    query: ['resolve[]'],
    answer: 'ActiveJobs',
    also: [413],
  },
  'archived-jobs': {
    summary: 'Jobs that have ended, the latest first',
    query: paged,
    answer: 'JobListing',
    also: [413],
  },
  'show-job': { summary: 'One job', query: ['resolve[]'], answer: 'Job' },
  'job-log': {
    summary: 'The log, from a byte on',
    text: 'At most 4 MiB at a time. May begin or end inside a character.',
    query: ['offset'],
    answer: { bytes: 'text/plain; charset=utf-8' },
    answerHeaders: ['X-Job-Log-Next', 'X-Job-Log-End', 'X-Job-Log-Complete'],
  },
  'job-records': {
    summary: 'Records that the job created or changed',
    query: paged,
    answer: 'RecordListing',
    also: [413],
  },
  'output-files': {
    summary: 'Ids of the files',
    text: 'Those that were uploaded, then those that the job made.',
    answer: 'FileIds',
  },
  'output-file': {
    summary: 'One file',
    text: 'Above 4 MiB: 303 to an address that is good for a minute.',
    answer: { bytes: '*/*' },
    answerHeaders: ['Content-Disposition'],
    also: [303],
  },
  'create-job': {
    ...created,
    summary: 'Create a job',
    body: json('JobToCreate'),
    answer: 'Created',
    also: [404, 409, 413],
  },
  'create-job-with-files': {
    ...created,
    summary: 'Create a job with files',
    text: 'At most 4 MiB in all; larger files are sent ahead: `POST …/jobs/uploads`.',
    body: { type: 'multipart/form-data', schema: 'JobWithFiles' },
    answer: 'Created',
    also: [404, 409, 413],
  },
  'cancel-job': {
    summary: 'Cancel a job',
    text: 'A queued one never starts; a running one is asked to stop. One that has ended stays as it is. Needs the permissions of the type too.',
    answer: 'Updated',
  },
  'delete-job': {
    summary: 'Delete a job that has ended',
    text: 'Needs the cancel permissions of the type too.',
    answer: 'Deleted',
    also: [409],
  },
  openapi: { beyond: true, summary: 'This description', answer: { bytes: 'application/json' } },
  docs: { beyond: true, summary: 'This description, to read', answer: { bytes: 'text/html; charset=utf-8' } },
  page: { beyond: true, summary: 'What a page needs to begin', answer: 'PageStart' },
  'list-types': {
    beyond: true,
    summary: 'Types with their schemas',
    headers: ['If-None-Match'],
    answer: 'Types',
    answerHeaders: ['ETag'],
    also: [304],
  },
  'browse-jobs': {
    beyond: true,
    summary: 'Jobs by filter, the newest first',
    text: 'A page may be shorter than asked for, even empty: go on while there is `next`.',
    query: ['status', 'type', 'owner', 'from', 'to', 'browse_size', 'cursor'],
    answer: 'JobsFound',
  },
  'show-queue': {
    beyond: true,
    summary: 'What a new job would wait for',
    query: ['type'],
    headers: ['If-None-Match'],
    answer: 'Queue',
    answerHeaders: ['ETag'],
    also: [304],
  },
  'job-status': {
    beyond: true,
    summary: 'How a job stands, and why it waits',
    text: 'Cheap enough to ask each second or two.',
    headers: ['If-None-Match'],
    answer: 'JobState',
    answerHeaders: ['ETag'],
    also: [304],
  },
  'job-events': {
    beyond: true,
    summary: 'Who did what',
    text: 'Of a deleted job too.',
    answer: 'Events',
  },
  'job-files': { beyond: true, summary: 'Names, sizes and types of the files', answer: 'Files' },
  'file-link': { beyond: true, summary: 'A link to one file', answer: 'FileLink' },
  'create-upload': {
    beyond: true,
    summary: 'A place to send one file to',
    body: json('UploadToCreate'),
    answer: 'Upload',
    also: [413],
  },
  'rerun-job': {
    ...created,
    beyond: true,
    summary: 'The same job again',
    text: 'Needs `view_repository` and the permissions of the type too.',
    answer: 'RerunCreated',
    also: [409],
  },
} as const satisfies Readonly<Record<(typeof routes)[number]['operation'], Described>>;
