// The whole service on one machine: the CDK app is synthesized, as a deployment would, and its template is run here,
// with a stand-in for an ArchivesSpace backend unless a real one is named.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { OnJob } from './archivesspace/jobs.ts';
import { startArchivesSpace } from './archivesspace/server.ts';
import type { Page } from './page.ts';
import { type Stack, startStack } from './stack.ts';
import { synthesize } from './synthesize.ts';
import { createWatch } from './watch.ts';

export interface ServiceOptions {
  /** How many jobs run at once. */
  readonly jobThreadCount: number;
  /** Names below plugins/, or paths. A folder with a cdk.json is an app of its own, and becomes a stack of its own. */
  readonly plugins: readonly string[];
  /** Runs new code from the next job on when files of a plugin have changed. @default false */
  readonly watch?: boolean;
  /** At most so long does one invocation of a runner take, to try what a longer job does at its limit. */
  readonly invocationSeconds?: number;
  /** Loads every function before it is asked for. @default true */
  readonly warm?: boolean;
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
  /** Gets what the watch has done, for who edits the plugin. @default log */
  readonly tell?: (text: string) => void;
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
  readonly plugins: readonly Plugin[];
  /**
   * Synthesizes again and brings what runs up to date: running jobs end with the code that they began with.
   * @returns the logical ids of what is new, changed or gone
   * @throws when something does not synthesize or cannot be deployed; what ran before goes on
   */
  deploy(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

export interface Plugin {
  /** As it was given; `plugins/<name>` for a name. */
  readonly name: string;
  /** Absolute. */
  readonly folder: string;
  /** It has a cdk.json. */
  readonly isApp: boolean;
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
    const plugins = options.plugins.map(findPlugin);
    const watch = createWatch(options.watch ? plugins.map(({ folder }) => folder) : []);
    const context = {
      stage: 'local',
      // Served by this process: there is no edge here.
      page: 'off',
      job_thread_count: String(options.jobThreadCount),
      plugins: JSON.stringify(plugins.flatMap(({ isApp, name }) => (isApp ? [] : [name]))),
      ...(backend && { archivesspace_url: backend.url, archivesspace_secret_arn: secretArn }),
      // The stand-in shows records by itself.
      ...(backend && options.archivesspace === undefined && { staff_url: backend.url }),
      ...options.settings,
    };
    const assemblyDir = join(scratch, 'cdk.out');
    const apps = plugins.filter(({ isApp }) => isApp);
    const outDirs = new Map(apps.map(({ folder }) => [folder, join(scratch, 'apps', folderKey(folder))]));
    const synthesizeAll = async (folders: ReadonlySet<string>): Promise<void> => {
      const isOurs = plugins.some(({ isApp, folder }) => !isApp && folders.has(folder));
      if (isOurs || folders.has(root)) await synthesize(root, assemblyDir, context);
      for (const [folder, dir] of outDirs) if (folders.has(folder)) await synthesize(folder, dir, { stage: 'local' });
    };
    const everything = new Set([root, ...outDirs.keys()]);
    await synthesizeAll(everything);
    const page = await options.page;
    const stack = await startStack({
      assemblyDir,
      furtherAssemblyDirs: [...outDirs.values()],
      ...(options.stateDir !== undefined && { stateDir: join(options.stateDir, 'aws') }),
      ...(options.invocationSeconds !== undefined && { invocationSeconds: options.invocationSeconds }),
      ...(options.warm !== undefined && { warm: options.warm }),
      port: options.port,
      portMayMove: options.portMayMove ?? false,
      page,
      secrets: backend
        ? { [secretName]: JSON.stringify({ username: backend.username, password: backend.password }) }
        : {},
      log: options.log,
    });
    closers.push(() => stack.stop());
    for (const dir of [assemblyDir, ...outDirs.values()]) removeOldCode(dir, stack.codeDirs());
    let deploying: Promise<unknown> = Promise.resolve();
    /** One after the other: they write the same assemblies. */
    const deploy = (folders: ReadonlySet<string>): Promise<readonly string[]> => {
      const done = deploying.then(async () => {
        await synthesizeAll(folders);
        return stack.deploy();
      });
      deploying = done.catch(() => undefined);
      return done;
    };
    const { tell = options.log } = options;
    watch.start(async (changed) => {
      const names = plugins.flatMap(({ folder, name }) => (changed.includes(folder) ? [name] : [])).join(', ');
      try {
        const isNew = (await deploy(new Set(changed))).length > 0;
        tell(isNew ? `${names}: new code, from the next job on` : `${names}: nothing that runs has changed`);
      } catch (error) {
        tell(`${names}: not taken over, what ran before goes on. ${error instanceof Error ? error.message : error}`);
      }
    });
    closers.push(() => watch.close());
    return {
      apiUrl: stack.apiUrl,
      archivesspaceUrl: backend?.url ?? '',
      stack,
      plugins,
      deploy: () => deploy(everything),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Where npm runs scripts. */
const root = resolve('.');

function findPlugin(given: string): Plugin {
  const name = /[\\/]/.test(given) ? given : `plugins/${given}`;
  const folder = resolve(root, name);
  return { name, folder, isApp: existsSync(join(folder, 'cdk.json')) };
}

/** Each edit leaves a bundle behind, which only a version still runs. */
function removeOldCode(assemblyDir: string, used: ReadonlySet<string>): void {
  for (const entry of readdirSync(assemblyDir, { withFileTypes: true })) {
    const path = join(assemblyDir, entry.name);
    if (entry.isDirectory() && entry.name.startsWith('asset.') && !used.has(path)) rmSync(path, { recursive: true });
  }
}

/** Two folders of the same name have different keys. */
const folderKey = (folder: string): string =>
  `${basename(folder)}-${createHash('sha256').update(folder).digest('hex').slice(0, 8)}`;

async function standIn(options: ServiceOptions, closers: (() => Promise<void> | void)[]) {
  const serviceUser = { name: 'background-jobs', password: randomBytes(16).toString('hex') };
  const start = (port: number) =>
    startArchivesSpace({
      port,
      serviceUser,
      ...(options.stateDir !== undefined && { stateDir: join(options.stateDir, 'archivesspace') }),
      ...(options.onBackendJob && { onJob: options.onBackendJob }),
      ...(options.onBackendRequest && {
        onRequest: async (method: string, path: string) => options.onBackendRequest?.(method, path),
      }),
    });
  // The address is in the environment of runners, whose versions outlive this process: it stays if it can.
  const portFile = options.stateDir && join(options.stateDir, 'archivesspace-port');
  const lastPort = portFile && existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) : 0;
  const standing = await start(lastPort).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE' && lastPort !== 0) return start(0);
    throw error;
  });
  closers.push(() => standing.close());
  if (portFile) writeFileSync(portFile, new URL(standing.url).port);
  return { url: standing.url, username: serviceUser.name, password: serviceUser.password };
}
