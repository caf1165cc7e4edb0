import { createHash } from 'node:crypto';
import type { routes } from './routes.ts';

/** A request and its answer. */
export interface Example {
  readonly name: string;
  readonly operation: (typeof routes)[number]['operation'];
  /** Who asks; nobody in particular when it is absent. */
  readonly as?: string;
  /** What became of a job before. */
  readonly once?: readonly [job: number, status: string];
  readonly path?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, { readonly name: string; readonly content: string }>>;
  readonly status: number;
  /** JSON, or text. Absent: there is none. */
  readonly answer?: unknown;
  readonly answerHeaders?: Readonly<Record<string, string>>;
  /** The answer has more than this; if it is text, after this. */
  readonly partly?: true;
  /** Sends this to the address that was answered, before the next example. */
  readonly thenSend?: string;
}

const ead = (id: string) => `<ead xmlns="urn:isbn:1-931666-22-9"><eadheader><eadid>demo</eadid></eadheader>
<archdesc level="collection"><did><unittitle>Papers</unittitle><unitid>${id}</unitid>
<unitdate normal="1900/1910" type="inclusive">1900-1910</unitdate>
<physdesc><extent>2 linear feet</extent></physdesc>
<langmaterial><language langcode="eng"/></langmaterial></did></archdesc></ead>
`;
const papers = ead('MC 1');
const sha256 = createHash('sha256').update(papers).digest();

const repo = { repo_id: 2 };
const job = (id: number) => ({ ...repo, id });
const at = '2026-11-24 21:30:11 UTC';
const iso = '2026-11-24T21:30:11Z';
const uri = (id: number) => `/repositories/2/jobs/${id}`;
const archivist = { as: 'archivist' } as const;
const slow = { job: { jsonmodel_type: 'slow_serial_job', times: '1', seconds: 60 } };
const importing = { jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: ['papers.xml'] };
const created = (id: number) => ({ status: 'Created', id, lock_version: 0, stale: null, uri: uri(id), warnings: [] });
const etag = '"q1W2e3R4t5Y6u7I8o9P0aQ"';
const upload = 'rW2v5kq1LxXc0d3eYb7n9A';

const whole = (id: number, params: object, more: object) => ({
  lock_version: 0,
  time_submitted: at,
  status: 'queued',
  created_by: 'archivist',
  last_modified_by: 'archivist',
  create_time: iso,
  system_mtime: iso,
  user_mtime: iso,
  inactive_record: false,
  has_modified_records: false,
  jsonmodel_type: 'job',
  job: params,
  owner: 'archivist',
  uri: uri(id),
  repository: { ref: '/repositories/2' },
  ...more,
});
const running = whole(1, slow.job, {
  job_type: 'slow_serial_job',
  status: 'running',
  lock_version: 1,
  time_started: at,
});
const queued = whole(2, slow.job, { job_type: 'slow_serial_job', queue_position: 0 });
const imported = whole(3, importing, {
  job_type: 'import_job',
  status: 'completed',
  lock_version: 2,
  time_started: at,
  time_finished: at,
  has_modified_records: true,
});
const brief = (id: number, type: string, status: string, more: object = {}) => ({
  id,
  uri: uri(id),
  job_type: type,
  status,
  owner: 'archivist',
  time_submitted: at,
  ...more,
});
const holder = { visible: true, id: 1, uri: uri(1), job_type: 'slow_serial_job', since: at };
const slots = { limit: 2, free: 1, paused: false };
const waiting = [{ reason: 'type_is_running', holders: [holder] }];
const file = {
  id: 1,
  name: 'papers.xml',
  size: Buffer.byteLength(papers),
  content_type: 'application/xml',
  kind: 'input',
  url: `${uri(3)}/output_files/1`,
};
const required = ['Parameter required but no value provided'];

/**
 * One story, in order, on a fresh `npm start` with its example plugin and its users. test/description/ tells it: times,
 * ids that are drawn, and addresses are others there; all else is as it stands here.
 */
export const examples: readonly Example[] = [
  {
    name: 'Log in',
    operation: 'login',
    path: { username: 'archivist' },
    form: { password: 'archivist' },
    status: 200,
    answer: { session: '5d41402abc4b2a76b9719d911017c592', user: { username: 'archivist' } },
    partly: true,
  },
  {
    name: 'A wrong password',
    operation: 'login',
    path: { username: 'archivist' },
    form: { password: 'guess' },
    status: 403,
    answer: { error: 'Login failed' },
  },
  {
    name: 'Ask what this is',
    operation: 'version',
    status: 200,
    answer: 'Background jobs for ArchivesSpace (v0.1.0)\n',
  },
  {
    name: 'Read the description',
    operation: 'openapi',
    status: 200,
    answer: { openapi: '3.1.0', info: { title: 'Background jobs', version: '0.1.0' } },
    partly: true,
  },
  {
    name: 'Read it as a page',
    operation: 'docs',
    status: 200,
    answer: '<!doctype html>\n<html lang="en">',
    partly: true,
  },
  {
    name: 'Begin as nobody',
    operation: 'page',
    status: 200,
    answer: { sign_in: { kind: 'password' }, staff_url: 'http://127.0.0.1:8080' },
  },
  {
    name: 'List types and their permissions',
    operation: 'job-types',
    status: 200,
    answer: { import_job: { create_permissions: ['import_records'], cancel_permissions: ['cancel_importer_job'] } },
    partly: true,
  },
  {
    name: 'List what can be imported',
    operation: 'import-types',
    path: repo,
    status: 200,
    answer: [{ name: 'ead_xml', description: 'Import EAD records from an XML file' }],
  },
  {
    name: 'List types and their schemas',
    operation: 'list-types',
    ...archivist,
    path: repo,
    status: 200,
    answer: {
      types: [
        {
          type: 'bulk_archival_object_updater_job',
          hidden: false,
          create_permissions: ['update_resource_record'],
          cancel_permissions: [],
          title: 'Bulk archival object updater',
        },
      ],
    },
    partly: true,
  },
  {
    name: 'Create a job',
    operation: 'create-job',
    ...archivist,
    path: repo,
    json: slow,
    status: 200,
    answer: created(1),
  },
  {
    name: 'Create a job once',
    operation: 'create-job',
    once: [1, 'running'],
    ...archivist,
    path: repo,
    headers: { 'Idempotency-Key': 'nightly-42' },
    json: slow,
    status: 200,
    answer: created(2),
  },
  {
    name: 'Ask the same again',
    operation: 'create-job',
    ...archivist,
    path: repo,
    headers: { 'Idempotency-Key': 'nightly-42' },
    json: slow,
    status: 200,
    answer: created(2),
    answerHeaders: { 'Idempotency-Replayed': 'true' },
  },
  {
    name: 'Ask something else under the same key',
    operation: 'create-job',
    ...archivist,
    path: repo,
    headers: { 'Idempotency-Key': 'nightly-42' },
    json: { job: { jsonmodel_type: 'slow_serial_job', times: '2' } },
    status: 409,
    answer: { error: 'This Idempotency-Key was used for another request. Use a new key for a new job.' },
  },
  {
    name: 'Leave out a parameter',
    operation: 'create-job',
    ...archivist,
    path: repo,
    json: { job: { jsonmodel_type: 'slow_serial_job' } },
    status: 400,
    answer: {
      error: { times: ['Property is required but was missing'] },
      warning: null,
      invalid_object: '#<JSONModel(:slow_serial_job) {"jsonmodel_type":"slow_serial_job"}>',
    },
  },
  {
    name: 'Create a job without permission',
    operation: 'create-job',
    as: 'viewer',
    path: repo,
    json: slow,
    status: 403,
    answer: { error: 'Access denied', missing_permissions: ['create_job'] },
  },
  {
    name: 'Name a type that there is not',
    operation: 'create-job',
    ...archivist,
    path: repo,
    json: { job: { jsonmodel_type: 'coffee_job' } },
    status: 404,
    answer: { error: 'No runner found for coffee_job' },
  },
  { name: 'Show a job', operation: 'show-job', ...archivist, path: job(2), status: 200, answer: queued },
  {
    name: 'Show a job that there is not',
    operation: 'show-job',
    ...archivist,
    path: job(999),
    status: 404,
    answer: { error: 'Job not found' },
  },
  {
    name: 'Come with a session that is gone',
    operation: 'show-job',
    path: job(2),
    headers: { 'X-ArchivesSpace-Session': 'gone' },
    status: 412,
    answer: { code: 'SESSION_GONE', error: 'No session found' },
  },
  {
    name: 'Ask why a job waits',
    operation: 'job-status',
    ...archivist,
    path: job(2),
    status: 200,
    answer: {
      ...brief(2, 'slow_serial_job', 'queued'),
      lock_version: 0,
      queue: { position: 0, more: false, slots, waiting_for: waiting },
    },
    answerHeaders: { ETag: etag },
  },
  {
    name: 'Ask again',
    operation: 'job-status',
    ...archivist,
    path: job(2),
    headers: { 'If-None-Match': etag },
    status: 304,
  },
  {
    name: 'Ask what a new job would wait for',
    operation: 'show-queue',
    ...archivist,
    path: repo,
    query: { type: 'slow_serial_job' },
    status: 200,
    answer: {
      slots,
      queued: 1,
      more: false,
      by_type: { slow_serial_job: 1 },
      running: [holder],
      waiting_for: [...waiting, { reason: 'older_jobs_first' }],
    },
  },
  {
    name: 'List what runs and waits',
    operation: 'active-jobs',
    ...archivist,
    path: repo,
    status: 200,
    answer: [running, queued],
  },
  {
    name: 'Delete a job that runs',
    operation: 'delete-job',
    ...archivist,
    path: job(1),
    status: 409,
    answer: { error: 'The job is running. Cancel it first, and delete it when it has stopped.' },
  },
  {
    name: 'Cancel a job that waits',
    operation: 'cancel-job',
    ...archivist,
    path: job(2),
    status: 200,
    answer: { status: 'Updated', id: 2, lock_version: 1, stale: null },
  },
  {
    name: 'Cancel a job that runs',
    operation: 'cancel-job',
    ...archivist,
    path: job(1),
    status: 200,
    answer: { status: 'Updated', id: 1, stale: null },
    partly: true,
  },
  {
    name: 'Delete a job',
    operation: 'delete-job',
    once: [1, 'canceled'],
    ...archivist,
    path: job(2),
    status: 200,
    answer: { status: 'Deleted', id: 2 },
  },
  {
    name: 'Ask who deleted it',
    operation: 'job-events',
    ...archivist,
    path: job(2),
    status: 200,
    answer: {
      events: [
        { event: 'cancel_requested', time: at, by: 'archivist' },
        { event: 'deleted', time: at, by: 'archivist' },
      ],
    },
  },
  {
    name: 'Announce a file',
    operation: 'create-upload',
    ...archivist,
    path: repo,
    json: {
      name: 'papers.xml',
      size: Buffer.byteLength(papers),
      sha256: sha256.toString('hex'),
      content_type: 'application/xml',
    },
    status: 200,
    answer: {
      upload_id: upload,
      method: 'PUT',
      url: 'https://bucket.example/uploads/papers.xml?X-Amz-Signature=…',
      headers: { 'x-amz-checksum-sha256': sha256.toString('base64'), 'if-none-match': '*' },
      expires: at,
    },
    thenSend: papers,
  },
  {
    name: 'Create a job with a file that was sent',
    operation: 'create-job',
    ...archivist,
    path: repo,
    json: { job: importing, uploads: [upload] },
    status: 200,
    answer: created(3),
  },
  {
    name: 'Create a job with a file',
    operation: 'create-job-with-files',
    once: [3, 'completed'],
    ...archivist,
    path: repo,
    form: { job: JSON.stringify({ job: importing }) },
    files: { 'files[0]': { name: 'papers.xml', content: ead('MC 2') } },
    status: 200,
    answer: created(4),
  },
  {
    name: 'List all ids',
    operation: 'list-jobs',
    once: [4, 'completed'],
    ...archivist,
    path: repo,
    query: { all_ids: 'true' },
    status: 200,
    answer: [1, 3, 4],
  },
  {
    name: 'List a page',
    operation: 'list-jobs',
    ...archivist,
    path: repo,
    query: { page: '2', page_size: '1' },
    status: 200,
    answer: { first_page: 1, last_page: 3, this_page: 2, total: 3, results: [imported] },
  },
  {
    name: 'List some ids',
    operation: 'list-jobs',
    ...archivist,
    path: repo,
    query: { id_set: '3,12' },
    status: 200,
    answer: [imported],
  },
  {
    name: 'Name neither page nor ids',
    operation: 'list-jobs',
    ...archivist,
    path: repo,
    status: 400,
    answer: { error: { page: required, id_set: required, all_ids: required } },
  },
  {
    name: 'List what has ended',
    operation: 'archived-jobs',
    ...archivist,
    path: repo,
    query: { all_ids: 'true' },
    status: 200,
    answer: [4, 3, 1],
  },
  {
    name: 'Read the log from its tenth byte on',
    operation: 'job-log',
    ...archivist,
    path: job(3),
    query: { offset: '10' },
    status: 200,
    answer: `apers.xml
==================================================
papers.xml
==================================================
1. STARTED: Reading JSON records
1. DONE: Reading JSON records
2. STARTED: Validating records and checking links
2. DONE: Validating records and checking links
3. STARTED: Evaluating record relationships
3. DONE: Evaluating record relationships
4. STARTED: Saving records: cycle 1
4. DONE: Saving records: cycle 1
Imported 0 archival objects, 1 resource and 0 top containers from papers.xml
`,
    answerHeaders: { 'X-Job-Log-Complete': 'true' },
  },
  {
    name: 'List created records',
    operation: 'job-records',
    ...archivist,
    path: job(3),
    query: { page: '1' },
    status: 200,
    answer: {
      first_page: 1,
      last_page: 1,
      this_page: 1,
      total: 1,
      results: [{ record: { ref: '/repositories/2/resources/1' } }],
    },
  },
  { name: 'List files by id', operation: 'output-files', ...archivist, path: job(3), status: 200, answer: [1] },
  {
    name: 'Download a file',
    operation: 'output-file',
    ...archivist,
    path: { ...job(3), file_id: 1 },
    status: 200,
    answer: papers,
    answerHeaders: { 'Content-Disposition': `attachment; filename="papers.xml"; filename*=UTF-8''papers.xml` },
  },
  {
    name: 'List files',
    operation: 'job-files',
    ...archivist,
    path: job(3),
    status: 200,
    answer: { files: [file] },
  },
  {
    name: 'Get a link to a file',
    operation: 'file-link',
    ...archivist,
    path: { ...job(3), file_id: 1 },
    status: 200,
    answer: { ...file, link: 'https://bucket.example/import_job_3/in-0?X-Amz-Signature=…', expires: at },
  },
  {
    name: 'Create the same job again',
    operation: 'rerun-job',
    ...archivist,
    path: job(3),
    status: 200,
    answer: { ...created(5), rerun_of: uri(3) },
  },
  {
    name: 'Find jobs',
    operation: 'browse-jobs',
    once: [5, 'failed'],
    ...archivist,
    path: repo,
    query: { status: 'completed,failed', type: 'import_job', page_size: '1' },
    status: 200,
    answer: {
      results: [
        brief(5, 'import_job', 'failed', {
          time_started: at,
          time_finished: at,
          failure: {
            kind: 'runner_error',
            reason:
              "ArchivesSpace refused papers.xml: Server error: Problem creating 'Papers' (/repositories/2/resources/3): identifier: That ID is already in use",
          },
          rerun_of: uri(3),
        }),
      ],
      next: 'NC0xLTNmNGE1ZTZiN2M4ZA',
    },
  },
  {
    name: 'Find more',
    operation: 'browse-jobs',
    ...archivist,
    path: repo,
    query: { status: 'completed,failed', type: 'import_job', page_size: '1', cursor: 'NC0xLTNmNGE1ZTZiN2M4ZA' },
    status: 200,
    answer: {
      results: [brief(4, 'import_job', 'completed', { time_started: at, time_finished: at })],
      next: 'My0xLTlhOGI3YzZkNWU0Zg',
    },
  },
  { name: 'Log out', operation: 'logout', ...archivist, status: 200, answer: { status: 'session_logged_out' } },
];
