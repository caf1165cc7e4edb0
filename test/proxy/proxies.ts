// nginx and Apache with the files of docs/proxy/, on loopback, as children of the test.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

export interface ProxyServer {
  readonly url: string;
  stop(): Promise<void>;
}
export type ProxyName = keyof typeof programs;

const programs = {
  nginx: {
    command: 'nginx',
    args: (dir: string) => ['-p', dir, '-c', join(dir, 'main.conf'), '-e', 'stderr'],
    main: (dir: string) => `daemon off;
master_process off;
pid ${dir}/pid;
error_log stderr;
events {}
http {
  access_log off;
${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${dir}/${name};`).join('\n')}
  include ${dir}/proxy.conf;
}
`,
    file: 'docs/proxy/nginx.conf',
  },
  apache: {
    command: 'apache2',
    args: (dir: string) => ['-X', '-d', dir, '-f', join(dir, 'main.conf')],
    main: (dir: string) => `ServerName proxy.test
User www-data
Group www-data
PidFile ${dir}/pid
DefaultRuntimeDir ${dir}
Mutex file:${dir} default
ErrorLog ${dir}/error.log
${['mpm_event', 'authz_core', 'socache_shmcb', 'ssl', 'proxy', 'proxy_http'].map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
Include ${dir}/proxy.conf
`,
    file: 'docs/proxy/apache.conf',
  },
} as const;

export const isInstalled = (name: ProxyName) => !spawnSync(programs[name].command, ['-v']).error;

/** @throws with what it printed, when it does not start to listen. */
export async function startProxy(name: ProxyName, jobsUrl: string, backendUrl: string): Promise<ProxyServer> {
  const { command, args, main, file } = programs[name];
  const dir = mkdtempSync(join(tmpdir(), `proxy-${name}-`));
  const port = await freePort();
  const placed: Readonly<Record<string, string>> = {
    LISTEN: `127.0.0.1:${port}`,
    RESOLVER: '127.0.0.1',
    JOBS_SERVICE_URL: jobsUrl,
    ARCHIVESSPACE_BACKEND_URL: backendUrl,
  };
  const text = readFileSync(file, 'utf8').replaceAll(/__([A-Z_]+?)__/g, (all, word: string) => placed[word] ?? all);
  writeFileSync(join(dir, 'proxy.conf'), text);
  writeFileSync(join(dir, 'main.conf'), main(dir));
  const child = spawn(command, args(dir), { stdio: ['ignore', 'ignore', 'pipe'] });
  let printed = '';
  child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const stop = async () => {
    await ended(child);
    rmSync(dir, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; !(await answers(url)); tries++) {
    if (tries > 100 || child.exitCode !== null) {
      const logged = existsSync(join(dir, 'error.log')) ? readFileSync(join(dir, 'error.log'), 'utf8') : '';
      await stop();
      throw new Error(`${name} does not listen:\n${printed}${logged}`);
    }
    await pause(50);
  }
  return { url, stop };
}

const answers = (url: string) =>
  fetch(url).then(
    (response) => response.arrayBuffer().then(() => true),
    () => false,
  );

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
