import { openDoorbell, openTable } from '../../aws/clients.ts';
import { apiCancelEnv, readEnv } from '../env.ts';
import { cancelJob } from './cancel-job.ts';
import { api } from './http.ts';
import { Sessions } from './sessions.ts';
import { Types } from './types.ts';

const env = readEnv(apiCancelEnv);
const table = openTable(env.TABLE);

/** What stops jobs. */
export const handler = api('cancel', new Sessions(env.ARCHIVESSPACE_URL), {
  'cancel-job': cancelJob(table, openDoorbell(env.QUEUE_URL, env.LANES), new Types(table)),
});
