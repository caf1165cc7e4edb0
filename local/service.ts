// The whole service on one machine: the CDK app is synthesized, as a deployment would, and its template is run here,
// with a stand-in for an ArchivesSpace backend unless a real one is named.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OnJob } from './archivesspace/jobs.ts';
import { startArchivesSpace } from './archivesspace/server.ts';
import type { Page } from './page.ts';
import { type Stack, startStack } from './stack.ts';

export interface ServiceOptions {
  /** How many jobs run at once. */
  readonly jobThreadCount: number;
  /** Names below plugins/, or paths. */
  readonly plugins: readonly string[];
  /** Of the API; 0 = any free one. */
  readonly port: number;
  /** Takes the next free port when `port` is taken. */
  readonly portMayMove?: boolean;
  /** Kept across restarts; absent = nothing stays. */
  readonly stateDir?: string;
  /** A real backend in place of the stand-in, and its service user with the permission `become_user`. */
  readonly archivesspace?: { readonly url: string; readonly username: string; readonly password: string } | 'none';
  /** Served under /ui/ of the API; it may take a while to build. */
  readonly page?: Promise<Page>;
  /** Further settings, as CDK context: `oidc_issuer` and others. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
  /** Held back by tests: called before the stand-in answers. */
  readonly onBackendRequest?: (method: string, path: string) => Promise<void> | void;
  /** Held back or failed by tests: called while a job of the stand-in's own queue runs. */
  readonly onBackendJob?: OnJob;
}

export interface LocalService {
  readonly apiUrl: string;
  /** Empty without an ArchivesSpace. */
  readonly archivesspaceUrl: string;
  readonly stack: Stack;
  stop(): Promise<void>;
}

const secretName = 'archivesspace-service-user';
const secretArn = `arn:aws:secretsmanager:us-east-1:000000000000:secret:${secretName}`;

/** Synthesizes and starts everything. Throws, with everything stopped again, when any of it does not start. */
export async function startService(options: ServiceOptions): Promise<LocalService> {
  const scratch = options.stateDir ?? mkdtempSync(join(tmpdir(), 'background-jobs-'));
  mkdirSync(scratch, { recursive: true });
  const closers: (() => Promise<void> | void)[] = [];
  if (options.stateDir === undefined) closers.push(() => rmSync(scratch, { recursive: true, force: true }));
  const stop = async () => {
    for (let close = closers.pop(); close; close = closers.pop()) await close();
  };
  try {
    const backend =
      options.archivesspace === 'none' ? undefined : (options.archivesspace ?? (await standIn(options, closers)));
    const assemblyDir = join(scratch, 'cdk.out');
    await synthesize(assemblyDir, {
      stage: 'local',
      // Served by this process: there is no edge here.
      page: 'off',
      job_thread_count: String(options.jobThreadCount),
      plugins: JSON.stringify(options.plugins),
      ...(backend && { archivesspace_url: backend.url, archivesspace_secret_arn: secretArn }),
      // The stand-in shows records by itself.
      ...(backend && options.archivesspace === undefined && { staff_url: backend.url }),
      ...options.settings,
    });
    const page = await options.page;
    const stack = await startStack({
      assemblyDir,
      ...(options.stateDir !== undefined && { stateDir: join(options.stateDir, 'aws') }),
      port: options.port,
      portMayMove: options.portMayMove ?? false,
      page,
      secrets: backend
        ? { [secretName]: JSON.stringify({ username: backend.username, password: backend.password }) }
        : {},
      log: options.log,
    });
    closers.push(() => stack.stop());
    return { apiUrl: stack.apiUrl, archivesspaceUrl: backend?.url ?? '', stack, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function standIn(options: ServiceOptions, closers: (() => Promise<void> | void)[]) {
  const serviceUser = { name: 'background-jobs', password: randomBytes(16).toString('hex') };
  const standing = await startArchivesSpace({
    serviceUser,
    ...(options.stateDir !== undefined && { stateDir: join(options.stateDir, 'archivesspace') }),
    ...(options.onBackendJob && { onJob: options.onBackendJob }),
    ...(options.onBackendRequest && {
      onRequest: async (method: string, path: string) => options.onBackendRequest?.(method, path),
    }),
  });
  closers.push(() => standing.close());
  return { url: standing.url, username: serviceUser.name, password: serviceUser.password };
}

/** What `cdk synth` does, in a process of its own: context in, a cloud assembly out. */
function synthesize(outDir: string, context: Readonly<Record<string, string>>): Promise<void> {
  return new Promise((resolve, reject) => {
    const synth = spawn(process.execPath, ['infra/app.ts'], {
      env: { ...process.env, CDK_OUTDIR: outDir, CDK_CONTEXT_JSON: JSON.stringify(context) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [synth.stdout, synth.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    synth.once('error', reject);
    synth.once('close', (status) => {
      if (status === 0) resolve();
      else reject(new Error(`The CDK app did not synthesize:\n${said.trim()}`));
    });
  });
}
