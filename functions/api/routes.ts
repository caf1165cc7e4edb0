/** The API as a table: what the gateway routes, what is checked before an operation, which function serves it. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: `/${string}`;
  /** The file beside this one that does it. */
  readonly operation: string;
  /** Functions are cut by what they may write. */
  readonly function: 'read' | 'create' | 'cancel' | 'sign-in';
  /** Needed in the repository of the path. */
  readonly permission?: 'view_repository' | 'create_job' | 'cancel_job';
  /** Why a route needs no permission. A route has the one or the other. */
  readonly open?: string;
}

const asOriginal = 'as in ArchivesSpace';

/** ArchivesSpace's job routes (backend/app/controllers/job.rb) and its login (controllers/user.rb). */
export const routes = [
  {
    method: 'POST',
    path: '/users/{username}/login',
    operation: 'login',
    function: 'sign-in',
    open: 'how one becomes somebody',
  },
  { method: 'POST', path: '/logout', operation: 'logout', function: 'read', open: asOriginal },
  { method: 'GET', path: '/version', operation: 'version', function: 'read', open: asOriginal },
  { method: 'GET', path: '/job_types', operation: 'job-types', function: 'read', open: asOriginal },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/import_types',
    operation: 'import-types',
    function: 'read',
    open: asOriginal,
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs',
    operation: 'list-jobs',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/active',
    operation: 'active-jobs',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/archived',
    operation: 'archived-jobs',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/{id}',
    operation: 'show-job',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/{id}/log',
    operation: 'job-log',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/{id}/records',
    operation: 'job-records',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/{id}/output_files',
    operation: 'output-files',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/{id}/output_files/{file_id}',
    operation: 'output-file',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'POST',
    path: '/repositories/{repo_id}/jobs',
    operation: 'create-job',
    function: 'create',
    permission: 'create_job',
  },
  {
    method: 'POST',
    path: '/repositories/{repo_id}/jobs_with_files',
    operation: 'create-job-with-files',
    function: 'create',
    permission: 'create_job',
  },
  {
    method: 'POST',
    path: '/repositories/{repo_id}/jobs/{id}/cancel',
    operation: 'cancel-job',
    function: 'cancel',
    permission: 'cancel_job',
  },
  {
    method: 'DELETE',
    path: '/repositories/{repo_id}/jobs/{id}',
    operation: 'delete-job',
    function: 'cancel',
    permission: 'cancel_job',
  },
  // Beyond ArchivesSpace: docs/extensions.md
  { method: 'GET', path: '/openapi.json', operation: 'openapi', function: 'read', open: 'says what anybody may read' },
  { method: 'GET', path: '/docs', operation: 'docs', function: 'read', open: 'says what anybody may read' },
  { method: 'GET', path: '/page', operation: 'page', function: 'read', open: 'says how one signs in' },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/types',
    operation: 'list-types',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/browse',
    operation: 'browse-jobs',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/queue',
    operation: 'show-queue',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/{id}/status',
    operation: 'job-status',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/{id}/events',
    operation: 'job-events',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/{id}/files',
    operation: 'job-files',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'GET',
    path: '/repositories/{repo_id}/jobs/{id}/files/{file_id}',
    operation: 'file-link',
    function: 'read',
    permission: 'view_repository',
  },
  {
    method: 'POST',
    path: '/repositories/{repo_id}/jobs/uploads',
    operation: 'create-upload',
    function: 'create',
    permission: 'create_job',
  },
  {
    method: 'POST',
    path: '/repositories/{repo_id}/jobs/{id}/rerun',
    operation: 'rerun-job',
    function: 'create',
    permission: 'create_job',
  },
] as const satisfies readonly Route[];

export type Operation<F extends Route['function']> = Extract<(typeof routes)[number], { function: F }>['operation'];
