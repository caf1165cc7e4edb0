// A stack in a process of its own, so that a test can kill it: prints its addresses as JSON, and stops on SIGTERM.
import { startService } from '../../local/service.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as { stateDir: string; jobThreadCount: number; plugins: string[] };
const service = await startService({ port: 0, log: (line) => console.error(line), ...options });
console.log(JSON.stringify({ apiUrl: service.apiUrl }));
process.on('SIGTERM', () => service.stop().then(() => process.exit(0)));
