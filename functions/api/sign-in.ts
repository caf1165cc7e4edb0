import { openTable } from '../../aws/clients.ts';
import { apiLoginEnv, readEnv } from '../env.ts';
import { api } from './http.ts';
import { login } from './login.ts';
import { Sessions } from './sessions.ts';

const env = readEnv(apiLoginEnv);
const sessions = new Sessions(env);

/** What takes passwords. It reaches nothing in the table but its own counts of attempts. */
export const handler = api('sign-in', sessions, { login: login(openTable(env.TABLE), sessions) });
