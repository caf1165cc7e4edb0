// Runs a CDK app as `cdk synth` does: its own command, context in, a cloud assembly out.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

interface CdkJson {
  readonly app?: string;
  readonly context?: Readonly<Record<string, unknown>>;
}

/**
 * Synthesizes the app of a folder with a cdk.json. Other code of that folder is not looked at.
 * @param outDir where the assembly goes
 * @param context over that of cdk.json
 * @throws with what the app has printed, when it fails or cdk.json names none
 */
export async function synthesize(
  folder: string,
  outDir: string,
  context: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { app, context: own } = readCdkJson(folder);
  if (!app) throw new Error(`${join(folder, 'cdk.json')} has no "app": the command that synthesizes.`);
  const { status, said } = await run(app, folder, {
    ...process.env,
    CDK_OUTDIR: outDir,
    CDK_CONTEXT_JSON: JSON.stringify({ ...own, ...context }),
    // Its rules are CloudFormation's, which does not see this template, and take longer than all the rest.
    CDK_VALIDATION: 'false',
    // `node` is the one that runs this, unless the app brings its own.
    PATH: [join(folder, 'node_modules', '.bin'), dirname(process.execPath), process.env['PATH']].join(delimiter),
  });
  if (status !== 0) throw new Error(`The CDK app in ${folder} did not synthesize (${app}):\n${readable(said)}`);
}

function readCdkJson(folder: string): CdkJson {
  const path = join(folder, 'cdk.json');
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as CdkJson;
  } catch (error) {
    throw new Error(`${path} cannot be read: ${(error as Error).message}`);
  }
}

function run(
  command: string,
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly status: number | null; readonly said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, { cwd, env, shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, said }));
  });
}

/** Without what Node prints around an exception: the line that throws, and the trace. A line that cannot be parsed stays. */
function readable(said: string): string {
  const noise = /^\s+at |^node:internal\/|^\s+triggerUncaughtException\(|^\s+\^\s*$|^Node\.js v/;
  const thrown = said.replace(/^\S+:\d+\n.*\bthrow\b.*\n/gm, '');
  const lines = thrown.split('\n').filter((line) => !noise.test(line));
  return lines
    .join('\n')
    .replace(/\n{2,}/g, '\n')
    .trim();
}
