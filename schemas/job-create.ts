/**
 * The body of `POST /repositories/:repo_id/jobs` (archivesspace: common/schemas/job.rb). What clients send besides,
 * such as `status` or `owner`, is read-only and ignored. The inner `job` is checked against the schema of its type.
 */
export const jobCreateSchema = {
  $id: 'job-create',
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  required: ['job'],
  properties: {
    jsonmodel_type: { const: 'job' },
    job: {
      type: 'object',
      required: ['jsonmodel_type'],
      properties: { jsonmodel_type: { type: 'string', pattern: '^[0-9A-Za-z_-]{1,64}$' } },
    },
    job_params: { type: 'string', maxLength: 32768 },
    // Ours: files that were sent before, by the ids that POST …/jobs/uploads gave.
    uploads: { type: 'array', maxItems: 100, items: { type: 'string', pattern: '^[0-9A-Za-z_-]{1,64}$' } },
  },
} as const;
