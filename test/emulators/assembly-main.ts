// Runs an assembly in a process of its own, for tests that kill it: `node assembly-main.ts <assembly> <state>`.
// Prints what a client needs, as one line of JSON.
import { startStack } from '../../local/stack.ts';

const [assemblyDir = '', stateDir = ''] = process.argv.slice(2);
const { apiUrl, region, endpoints } = await startStack({ assemblyDir, stateDir, port: 0, log: () => undefined });
console.log(JSON.stringify({ apiUrl, region, endpoints }));
