/**
 * What goes over the wire, as JSON Schema (2020-12): each shape once, under the name that docs/openapi.yaml gives it.
 * The shapes of our own routes are those of extensions.ts; the others are ArchivesSpace's.
 */
type Schema = Readonly<Record<string, unknown>>;
type Properties = Readonly<Record<string, Schema>>;

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const listOf = (items: Schema): Schema => ({ type: 'array', items });
const mapOf = (values: Schema): Schema => ({ type: 'object', additionalProperties: values });
const text: Schema = { type: 'string' };
const whole: Schema = { type: 'integer', minimum: 0 };
const yesOrNo: Schema = { type: 'boolean' };
const names: Schema = listOf(text);
/** An object with these properties, all of them there but those that are named. */
const object = (properties: Properties, ...optional: readonly string[]): Schema => ({
  type: 'object',
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  properties,
});

const time = ref('Time');
const auditTime: Schema = { type: 'string', format: 'date-time' };
const uri = ref('JobUri');

const createdProperties: Properties = {
  status: { const: 'Created' },
  id: whole,
  lock_version: { const: 0 },
  stale: { type: 'null' },
  uri,
  warnings: names,
};

const briefProperties: Properties = {
  id: whole,
  uri,
  job_type: text,
  status: ref('JobStatus'),
  owner: text,
  time_submitted: time,
  time_started: time,
  time_finished: time,
  progress: ref('Progress'),
  cancel_requested: {
    ...object({ by: text, time }),
    description: 'Somebody canceled it. While its status is `running`, it is stopping.',
  },
  failure: ref('Failure'),
  rerun_of: uri,
};
const briefOptional = ['time_started', 'time_finished', 'progress', 'cancel_requested', 'failure', 'rerun_of'];

const fileProperties: Properties = {
  id: { ...whole, description: 'As in `output_files`.' },
  name: { ...text, description: 'The original name.' },
  size: { ...whole, description: 'Bytes.' },
  content_type: text,
  kind: { enum: ['input', 'output'], description: 'Uploaded with the job, or made by it.' },
  url: { ...text, description: 'The path of the download in this API. Above 4 MiB it answers 303.' },
};

const pageOf = (items: Schema): Schema =>
  object({ first_page: whole, last_page: whole, this_page: whole, total: whole, results: listOf(items) });
const listing = (items: Schema): Schema => ({
  description: 'With `page` a page, with `id_set` a list, with `all_ids` a list of ids.',
  oneOf: [pageOf(items), listOf(items), listOf(whole)],
});

export const wire = {
  Time: {
    type: 'string',
    pattern: '^\\d{4}-\\d{2}-\\d{2} \\d{2}:\\d{2}:\\d{2} UTC$',
    description: 'As ArchivesSpace writes the times of jobs: `2026-08-20 13:45:55 UTC`.',
  },
  JobUri: { type: 'string', pattern: '^/repositories/\\d+/jobs/\\d+$' },
  JobStatus: { enum: ['queued', 'running', 'completed', 'failed', 'canceled'] },
  Progress: object(
    { done: { type: 'number' }, total: { type: 'number', description: '0: not known.' }, message: text },
    'message',
  ),
  Failure: object({
    kind: { ...text, description: '`runner_error`, `crashed`, `out_of_memory`, `timed_out`, …' },
    reason: { ...text, description: 'One sentence for staff.' },
  }),
  Error: object(
    {
      error: {
        description: 'A sentence, or what is wrong with each parameter or property.',
        oneOf: [text, { type: 'object', additionalProperties: names }],
      },
      code: { enum: ['SESSION_GONE', 'SESSION_EXPIRED'], description: 'Only with 401 and 412.' },
      missing_permissions: { ...names, description: 'Only with 403.' },
      warning: { description: 'As ArchivesSpace has it: always null.', type: 'null' },
      invalid_object: { ...text, description: 'What was refused by a schema.' },
    },
    'code',
    'missing_permissions',
    'warning',
    'invalid_object',
  ),
  Session: object(
    {
      session: { ...text, description: 'For the header `X-ArchivesSpace-Session`.' },
      user: { type: 'object', additionalProperties: true, description: 'The user, with `permissions` by repository.' },
      expire_after_seconds: { ...whole, description: 'Only with `expiring=false`.' },
    },
    'expire_after_seconds',
  ),
  Credentials: object(
    {
      password: text,
      expiring: { type: 'string', enum: ['true', 'false'], default: 'true', description: 'Ends after an idle hour.' },
    },
    'expiring',
  ),
  LoggedOut: object({ status: { const: 'session_logged_out' } }),
  JobTypes: {
    type: 'object',
    description: 'By name of the type; hidden types are left out.',
    additionalProperties: object({ create_permissions: names, cancel_permissions: names }),
  },
  ImportTypes: listOf(object({ name: text, description: text })),
  JobToCreate: {
    ...object(
      {
        jsonmodel_type: { const: 'job' },
        job: {
          ...object({ jsonmodel_type: { type: 'string', pattern: '^[0-9A-Za-z_-]{1,64}$' } }),
          additionalProperties: true,
          description:
            'The name of the type, and its parameters: `GET /repositories/{repo_id}/jobs/types` has their schemas.',
        },
        job_params: { type: 'string', maxLength: 32_768, description: 'Free text beside them.' },
        uploads: {
          type: 'array',
          maxItems: 100,
          items: { type: 'string', pattern: '^[0-9A-Za-z_-]{1,64}$' },
          description: 'Files that were sent before, as `upload_id`.',
        },
      },
      'jsonmodel_type',
      'job_params',
      'uploads',
    ),
    additionalProperties: true,
    description: 'What clients send besides (`status`, `owner`, …) is ignored.',
  },
  JobWithFiles: {
    type: 'object',
    required: ['job'],
    properties: {
      job: { type: 'string', contentMediaType: 'application/json', contentSchema: ref('JobToCreate') },
    },
    patternProperties: {
      '^files\\[\\d{0,6}\\]$': {
        type: 'string',
        contentMediaType: 'application/octet-stream',
        description: '`files[0]`, `files[1]`, … in the order of their numbers, or several `files[]`.',
      },
    },
  },
  Created: object(createdProperties),
  RerunCreated: object({ ...createdProperties, rerun_of: uri }),
  Updated: object({ status: { const: 'Updated' }, id: whole, lock_version: whole, stale: { type: 'null' } }),
  Deleted: object({ status: { const: 'Deleted' }, id: whole }),
  Job: object(
    {
      lock_version: whole,
      job_params: { ...text, description: 'What was sent, encoded as JSON once more.' },
      time_submitted: time,
      time_started: time,
      time_finished: time,
      status: ref('JobStatus'),
      queue_position: { ...whole, description: 'While it is queued: how many queued jobs are older.' },
      created_by: text,
      last_modified_by: text,
      create_time: auditTime,
      system_mtime: auditTime,
      user_mtime: auditTime,
      job_type: text,
      inactive_record: { ...yesOrNo, description: 'Its type is no longer registered.' },
      has_modified_records: yesOrNo,
      jsonmodel_type: { const: 'job' },
      job: {
        description: 'The parameters; only the name of the type when that is no longer registered.',
        oneOf: [{ type: 'object', required: ['jsonmodel_type'], additionalProperties: true }, text],
      },
      owner: text,
      uri,
      repository: object(
        {
          ref: text,
          _resolved: { type: 'object', additionalProperties: true, description: 'With `resolve[]=repository`.' },
        },
        '_resolved',
      ),
      failure: ref('Failure'),
      progress: ref('Progress'),
      rerun_of: uri,
      cancel_requested: { const: true, description: 'It is stopping.' },
    },
    'job_params',
    'time_started',
    'time_finished',
    'queue_position',
    'failure',
    'progress',
    'rerun_of',
    'cancel_requested',
  ),
  JobListing: listing(ref('Job')),
  ActiveJobs: listOf(ref('Job')),
  RecordOfJob: object({
    record: object(
      {
        ref: text,
        _resolved: { type: 'object', additionalProperties: true, description: 'With `resolve[]=record`.' },
      },
      '_resolved',
    ),
  }),
  RecordListing: listing(ref('RecordOfJob')),
  FileIds: listOf(whole),
  JobBrief: object(briefProperties, ...briefOptional),
  JobState: object(
    {
      ...briefProperties,
      lock_version: { ...whole, description: 'Grows with each change of the job itself, not with progress.' },
      queue: object({
        position: { ...whole, description: 'How many queued jobs are older. Exact to 1,000.' },
        more: { ...yesOrNo, description: 'There are more than that.' },
        slots: ref('Slots'),
        waiting_for: listOf(ref('WaitingFor')),
      }),
    },
    ...briefOptional,
    'queue',
  ),
  Slots: object({
    limit: { ...whole, description: 'How many jobs run at once at most.' },
    free: whole,
    paused: yesOrNo,
  }),
  WaitingFor: object(
    {
      reason: {
        enum: ['paused', 'limit_is_zero', 'unregistered_type', 'type_is_running', 'no_free_slot', 'older_jobs_first'],
      },
      holders: { ...listOf(ref('Holder')), description: 'Who has the slots, or the type.' },
    },
    'holders',
  ),
  Holder: object(
    {
      visible: { ...yesOrNo, description: 'False: a job of a repository that the reader may not view.' },
      id: whole,
      uri,
      job_type: text,
      since: time,
    },
    'id',
    'uri',
  ),
  Queue: object(
    {
      slots: ref('Slots'),
      queued: { ...whole, description: 'Exact to 1,000.' },
      more: { ...yesOrNo, description: 'There are more than that.' },
      by_type: { type: 'object', additionalProperties: whole },
      running: listOf(ref('Holder')),
      waiting_for: { ...listOf(ref('WaitingFor')), description: 'Only with `type`.' },
    },
    'waiting_for',
  ),
  JobsFound: object(
    {
      results: listOf(ref('JobBrief')),
      next: { ...text, description: 'The cursor of the next page. Absent: this was the last one.' },
    },
    'next',
  ),
  Events: object({ events: listOf(ref('Event')) }),
  Event: object(
    {
      event: { enum: ['created', 'started', 'cancel_requested', 'finished', 'deleted'] },
      time,
      by: text,
      rerun_of: uri,
      status: { enum: ['completed', 'failed', 'canceled'] },
      failure: ref('Failure'),
    },
    'by',
    'rerun_of',
    'status',
    'failure',
  ),
  Files: object({ files: listOf(ref('File')) }),
  File: object(fileProperties),
  FileLink: object({
    ...fileProperties,
    link: { type: 'string', format: 'uri', description: 'Good for anybody who has it, for a minute.' },
    expires: time,
  }),
  UploadToCreate: object(
    {
      name: text,
      size: { ...whole, description: 'Bytes, at most 2 GiB.' },
      sha256: { ...text, description: 'Of the content, as base64 or as 64 hex digits.' },
      content_type: { ...text, default: 'application/octet-stream' },
    },
    'content_type',
  ),
  Upload: {
    ...object({
      upload_id: text,
      method: { const: 'PUT' },
      url: { type: 'string', format: 'uri' },
      headers: { type: 'object', additionalProperties: text },
      expires: time,
    }),
    description: 'Send the content by `PUT` to `url` with exactly these headers.',
  },
  Types: object({
    types: listOf(
      object(
        {
          type: text,
          hidden: yesOrNo,
          create_permissions: names,
          cancel_permissions: names,
          title: text,
          description: text,
          form: {
            ...mapOf(
              object(
                { multiline: yesOrNo, placeholder: text, advanced: yesOrNo },
                'multiline',
                'placeholder',
                'advanced',
              ),
            ),
            description: 'How a page shows fields, by property of the schema; one inside a group as `group/property`.',
          },
          translations: {
            ...mapOf(ref('Translation')),
            description: 'Its texts in other languages, by language tag (BCP 47).',
          },
          files: {
            ...object({ min: whole, max: whole, max_bytes: whole, types: names }, 'min', 'max', 'max_bytes', 'types'),
            description:
              'Which files a job takes: how many, how many bytes together, and of which types, as in HTML’s `accept`.',
          },
          schema: {
            type: 'object',
            additionalProperties: true,
            description: 'JSON Schema (2020-12) of the parameters.',
          },
        },
        'title',
        'description',
        'form',
        'translations',
        'files',
      ),
    ),
  }),
  Translation: object(
    {
      title: text,
      description: text,
      properties: mapOf(
        object(
          { title: text, description: text, placeholder: text, values: mapOf(text) },
          'title',
          'description',
          'placeholder',
          'values',
        ),
      ),
    },
    'title',
    'description',
    'properties',
  ),
  PageStart: object(
    {
      sign_in: {
        oneOf: [
          object({ kind: { const: 'password' } }),
          object({ kind: { const: 'oidc' }, issuer: text, client_id: text }),
        ],
      },
      staff_url: { ...text, description: 'Where staff see records.' },
      user: object({
        username: text,
        permissions: { type: 'object', additionalProperties: names },
        repositories: listOf(object({ id: whole, name: text })),
      }),
    },
    'staff_url',
    'user',
  ),
} as const satisfies Readonly<Record<string, Schema>>;

export type WireName = keyof typeof wire;
