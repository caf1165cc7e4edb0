// Runs an assembly in a process of its own, for tests that kill it (SIGKILL) or stop it (SIGTERM): `node assembly-main.ts <assembly> <state>`.
// Prints what a client needs, as one line of JSON.
import { startStack } from '../../local/stack.ts';

const [assemblyDir = '', stateDir = ''] = process.argv.slice(2);
const stack = await startStack({ assemblyDir, stateDir, port: 0, log: () => undefined });
const { apiUrl, region, endpoints } = stack;
console.log(JSON.stringify({ apiUrl, region, endpoints }));
// No process.exit: it ends when nothing is left open.
process.once('SIGTERM', () => void stack.stop());
