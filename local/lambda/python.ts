// Which Python runs functions of the runtime `python3.…` here.
import { spawn } from 'node:child_process';

/** Lambda's runtime brings boto3, so functions count on it. */
const probe = 'import sys, boto3; assert sys.version_info >= (3, 11); print(sys.executable)';

/** What a machine without it is told, once at the start and by every invocation. */
export const pythonMissing =
  'There is no python3 (3.11 or newer) with boto3 on this machine, so functions in Python do not run (Debian: apt install python3 python3-boto3)';

let found: Promise<string | undefined> | undefined;

/** The path of the interpreter itself: `python3` may be a script that starts it. Undefined when there is none of use. */
export function findPython(): Promise<string | undefined> {
  found ??= new Promise((resolve) => {
    const env = { PATH: process.env['PATH'] ?? '' };
    const python = spawn('python3', ['-c', probe], { env, stdio: ['ignore', 'pipe', 'ignore'] });
    let path = '';
    python.stdout.on('data', (chunk: Buffer) => (path += chunk.toString()));
    python.once('error', () => resolve(undefined));
    python.once('close', (status) => resolve(status === 0 ? path.trim() : undefined));
  });
  return found;
}
