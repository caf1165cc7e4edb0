import { openTable } from '../../aws/clients.ts';
import { openDoorbell } from '../../aws/doorbell.ts';
import { apiCancelEnv, readEnv } from '../env.ts';
import { cancelJob } from './cancel-job.ts';
import { deleteJob } from './delete-job.ts';
import { api } from './http.ts';
import { Sessions } from './sessions.ts';
import { Types } from './types.ts';

const env = readEnv(apiCancelEnv);
const table = openTable(env.TABLE);
const types = new Types(table);

/** What stops jobs, and takes them away. */
export const handler = api('cancel', new Sessions(env), {
  'cancel-job': cancelJob(table, openDoorbell(env.QUEUE_URL, env.LANES), types),
  'delete-job': deleteJob(table, types),
});
