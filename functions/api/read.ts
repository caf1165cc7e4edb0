import { openTable } from '../../aws/clients.ts';
import { apiReadEnv, readEnv } from '../env.ts';
import { activeJobs } from './active-jobs.ts';
import { api } from './http.ts';
import { jobLog } from './job-log.ts';
import { jobRecords } from './job-records.ts';
import { jobTypes } from './job-types.ts';
import { listJobs } from './list-jobs.ts';
import { login } from './login.ts';
import { outputFile } from './output-file.ts';
import { outputFiles } from './output-files.ts';
import { Sessions } from './sessions.ts';
import { showJob } from './show-job.ts';
import { Types } from './types.ts';
import { version } from './version.ts';

const env = readEnv(apiReadEnv);
const table = openTable(env.TABLE);
const types = new Types(table);
const sessions = new Sessions(env.ARCHIVESSPACE_URL);

/** Everything that writes nothing. */
export const handler = api('read', sessions, {
  login: login(sessions),
  version,
  'job-types': jobTypes(types),
  'list-jobs': listJobs(table, types),
  'active-jobs': activeJobs(table, types),
  'show-job': showJob(table, types),
  'job-log': jobLog(table),
  'job-records': jobRecords(table),
  'output-files': outputFiles(table),
  'output-file': outputFile(table, { bucket: env.BUCKET }),
});
