import { openTable } from '../../aws/clients.ts';
import { openDoorbell } from '../../aws/doorbell.ts';
import { apiCreateEnv, readEnv } from '../env.ts';
import { createJob } from './create-job.ts';
import { createJobWithFiles } from './create-job-with-files.ts';
import { createUpload } from './create-upload.ts';
import { api } from './http.ts';
import { rerunJob } from './rerun-job.ts';
import { Sessions } from './sessions.ts';
import { Types } from './types.ts';

const env = readEnv(apiCreateEnv);
const table = openTable(env.TABLE);
const sessions = new Sessions(env);
const creation = {
  table,
  doorbell: openDoorbell(env.QUEUE_URL, env.LANES),
  objects: { bucket: env.BUCKET },
  types: new Types(table),
};

/** What makes jobs and stores their files. */
export const handler = api('create', sessions, {
  'create-job': createJob(creation),
  'create-job-with-files': createJobWithFiles(creation),
  'create-upload': createUpload(creation),
  'rerun-job': rerunJob(creation),
});
