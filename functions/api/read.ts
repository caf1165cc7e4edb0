import { openTable } from '../../aws/clients.ts';
import { apiReadEnv, readEnv } from '../env.ts';
import { activeJobs } from './active-jobs.ts';
import { browseJobs } from './browse-jobs.ts';
import { api } from './http.ts';
import { importTypes } from './import-types.ts';
import { jobEvents } from './job-events.ts';
import { fileLink, jobFiles } from './job-files.ts';
import { jobLog } from './job-log.ts';
import { jobRecords } from './job-records.ts';
import { jobStatus } from './job-status.ts';
import { jobTypes } from './job-types.ts';
import { archivedJobs, listJobs } from './list-jobs.ts';
import { listTypes } from './list-types.ts';
import { logout } from './logout.ts';
import { outputFile } from './output-file.ts';
import { outputFiles } from './output-files.ts';
import { showPage } from './page.ts';
import { Resolver } from './resolve.ts';
import { Sessions } from './sessions.ts';
import { docs, openapi } from './show-description.ts';
import { showJob } from './show-job.ts';
import { showQueue } from './show-queue.ts';
import { Types } from './types.ts';
import { version } from './version.ts';

const env = readEnv(apiReadEnv);
const table = openTable(env.TABLE);
const types = new Types(table);
const sessions = new Sessions(env);
const listing = { table, types, resolver: new Resolver(sessions) };

/** Everything that writes nothing. */
export const handler = api('read', sessions, {
  logout: logout(sessions),
  version,
  'job-types': jobTypes(types),
  'import-types': importTypes(types),
  'list-jobs': listJobs(listing),
  'active-jobs': activeJobs(listing),
  'archived-jobs': archivedJobs(listing),
  'show-job': showJob(listing),
  'job-log': jobLog(table),
  'job-records': jobRecords(listing),
  'output-files': outputFiles(table),
  'output-file': outputFile(table, { bucket: env.BUCKET }),
  openapi,
  docs,
  page: showPage(sessions, env.STAFF_URL),
  'list-types': listTypes(types),
  'browse-jobs': browseJobs(table),
  'show-queue': showQueue(table),
  'job-status': jobStatus(table),
  'job-events': jobEvents(table),
  'job-files': jobFiles(table),
  'file-link': fileLink(table, { bucket: env.BUCKET }),
});
