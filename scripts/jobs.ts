// `npm run jobs -- …`: jobs from the command line. docs/command-line.md
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import type {
  BrowseReply,
  CreatedReply,
  FilesReply,
  JobBrief,
  StatusReply,
  TypesReply,
} from '../schemas/extensions.ts';
import { Client } from './jobs/client.ts';
import { bodyWith, download } from './jobs/files.ts';
import { follow, readLog, writer } from './jobs/follow.ts';
import { parametersOf, type Schema } from './jobs/parameters.ts';
import { exitCodes, Stop } from './jobs/stop.ts';

const usage = `npm run jobs -- <command>

  types                             types of jobs and their parameters
  create <type> [key=value …]       creates a job; --file <path> (several), --params <json or @file>,
                                    --job-params <text>, --key <idempotency key>, --follow
  list                              newest first; --status, --type, --owner, --from, --to, --limit (20)
  show <job>                        one job
  log <job>                         its log; --follow goes on until it ends
  cancel <job>                      cancels it; --follow waits until it has stopped
  download <job> [file id …]        its output files, or these; --into <folder>
  login [user]                      prints a session, for JOBS_SESSION

A job is a number or an address (/repositories/2/jobs/7).
  --json                            one JSON document on stdout, logs on stderr
  --repo <number>                   repository, else JOBS_REPO, else 2

JOBS_URL (http://127.0.0.1:8089), JOBS_SESSION or JOBS_TOKEN or JOBS_USER and JOBS_PASSWORD

Ends with 0 done (followed: completed), 1 failed, 2 usage, 3 canceled, 4 not permitted or not signed in, 5 not found,
6 not available, 7 refused for another reason.`;

const options = {
  json: { type: 'boolean', default: false },
  repo: { type: 'string' },
  file: { type: 'string', multiple: true, default: [] as string[] },
  params: { type: 'string' },
  'job-params': { type: 'string' },
  key: { type: 'string' },
  follow: { type: 'boolean', default: false },
  status: { type: 'string' },
  type: { type: 'string' },
  owner: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  limit: { type: 'string', default: '20' },
  into: { type: 'string', default: '.' },
  help: { type: 'boolean', short: 'h', default: false },
} satisfies ParseArgsOptionsConfig;

async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  const [command = '', ...words] = positionals;
  if (values.help || command === '' || command === 'help') {
    console.log(usage);
    return command === '' && !values.help ? exitCodes.usage : 0;
  }
  const repo = values.repo ?? process.env['JOBS_REPO'] ?? '2';
  if (!/^\d{1,15}$/.test(repo)) throw new Stop('usage', `A repository is a number, not ${repo}`);
  const run = commands[command];
  if (!run) throw new Stop('usage', `There is no command ${command}.\n\n${usage}`);
  const client =
    command === 'login'
      ? new Client(process.env['JOBS_URL'] ?? 'http://127.0.0.1:8089', {})
      : await Client.of(process.env);
  return run({ client, repo, words, values });
}

function readArguments() {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new Stop('usage', `${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
}

interface Call {
  readonly client: Client;
  readonly repo: string;
  readonly words: readonly string[];
  readonly values: ReturnType<typeof readArguments>['values'];
}

const commands: Readonly<Record<string, (call: Call) => Promise<number>>> = {
  types,
  create,
  list,
  show,
  log,
  cancel,
  download: downloadFiles,
  login,
};

async function types({ client, repo, values }: Call): Promise<number> {
  const { types: known } = await client.json<TypesReply>(`/repositories/${repo}/jobs/types`);
  print(values, known, () =>
    known
      .filter(({ hidden }) => !hidden)
      .map(({ type, schema }) => `${type}\n${parameterLines(schema as Schema)}`)
      .join('\n'),
  );
  return 0;
}

function parameterLines({ properties = {}, required }: Schema): string {
  const must = new Set([required].flat());
  return Object.entries(properties)
    .filter(([name]) => name !== 'jsonmodel_type')
    .map(([name, { type, description = '' }]) => {
      const kind = [type ?? 'any'].flat().join('|');
      return `  ${name}: ${kind}${must.has(name) ? ', required' : ''}${description && `. ${description}`}\n`;
    })
    .join('');
}

async function create({ client, repo, words: [type, ...words], values }: Call): Promise<number> {
  if (type === undefined) throw new Stop('usage', 'Of which type? npm run jobs -- types');
  const { types: known } = await client.json<TypesReply>(`/repositories/${repo}/jobs/types`);
  const schema = known.find((one) => one.type === type)?.schema as Schema | undefined;
  if (!schema) throw new Stop('notFound', `There is no type ${type}. npm run jobs -- types`);
  const parameters: Record<string, unknown> = {
    ...named(schema, values.file),
    ...parametersOf(type, schema, words, values.params),
    jsonmodel_type: type,
  };
  const wrapper = {
    jsonmodel_type: 'job',
    job: parameters,
    ...(values['job-params'] !== undefined && { job_params: values['job-params'] }),
  };
  const { path, body } = await bodyWith(client, repo, wrapper, values.file);
  const created = await client.json<CreatedReply>(path, {
    method: 'POST',
    // A key in any case: an answer that got lost can be asked for again.
    headers: { 'idempotency-key': values.key ?? randomUUID() },
    body,
  });
  if (values.follow) {
    if (!values.json) console.error(created.uri);
    return ended(client, created.uri, values, true);
  }
  print(values, created, () => `${created.uri}\n`);
  return 0;
}

/** Types that take files have a list of their names, in this order, or one name. */
function named({ properties = {} }: Schema, paths: readonly string[]) {
  const names = paths.map((path) => path.split(/[/\\]/).at(-1) ?? path);
  if (names.length === 0) return {};
  if (properties['filenames']) return { filenames: names };
  return properties['filename'] ? { filename: names[0] } : {};
}

async function list({ client, repo, values }: Call): Promise<number> {
  const limit = Number(values.limit);
  if (!Number.isInteger(limit) || limit < 1) throw new Stop('usage', `--limit must be a number, not ${values.limit}`);
  const { status, type, owner, from, to } = values;
  const filters = Object.entries({ status, type, owner, from, to }).filter(([, value]) => value !== undefined);
  const jobs: JobBrief[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined && jobs.length < limit; ) {
    const size = String(Math.min(100, limit - jobs.length));
    const query: URLSearchParams = new URLSearchParams([...filters, ['page_size', size]] as [string, string][]);
    if (cursor) query.set('cursor', cursor);
    const page: BrowseReply = await client.json<BrowseReply>(`/repositories/${repo}/jobs/browse?${query}`);
    jobs.push(...page.results);
    cursor = page.next;
  }
  print(values, jobs, () => {
    const rows = jobs.map((job) => [String(job.id), job.status, job.job_type, job.owner, job.time_submitted]);
    const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
    return rows.map((row) => `${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}\n`).join('');
  });
  return 0;
}

async function show({ client, repo, words, values }: Call): Promise<number> {
  const uri = jobOf(words, repo);
  const [job, state] = await Promise.all([
    client.json<Record<string, unknown>>(uri),
    client.json<StatusReply>(`${uri}/status`),
  ]);
  const whole = { ...job, ...(state.queue && { queue: state.queue }) };
  print(values, whole, () =>
    Object.entries(whole)
      .map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}\n`)
      .join(''),
  );
  return 0;
}

async function log({ client, repo, words, values }: Call): Promise<number> {
  const uri = jobOf(words, repo);
  if (values.follow) return ended(client, uri, values, true);
  const chunks: Uint8Array[] = [];
  const end = await readLog(client, uri, 0, (bytes) => void chunks.push(bytes));
  const bytes = Buffer.concat(chunks);
  if (values.json) print(values, { log: bytes.toString('utf8'), ...end }, () => '');
  else await writer(process.stdout)(bytes);
  return 0;
}

async function cancel({ client, repo, words, values }: Call): Promise<number> {
  const uri = jobOf(words, repo);
  const updated = await client.json<object>(`${uri}/cancel`, { method: 'POST' });
  if (!values.follow) {
    print(values, updated, () => `${uri}\n`);
    return 0;
  }
  // Stopped is what was asked for.
  const code = await ended(client, uri, values, false);
  return code === exitCodes.canceled ? 0 : code;
}

async function downloadFiles({ client, repo, words: [job, ...ids], values }: Call): Promise<number> {
  const uri = jobOf([job ?? ''], repo);
  const { files } = await client.json<FilesReply>(`${uri}/files`);
  const wanted = files.filter(({ id, kind }) => (ids.length > 0 ? ids.includes(String(id)) : kind === 'output'));
  const missing = ids.filter((id) => !files.some((file) => String(file.id) === id));
  if (missing.length > 0 || wanted.length === 0)
    throw new Stop(
      'notFound',
      `${uri} has ${missing.length > 0 ? `no file ${missing.join(', ')}` : 'no output files'}.`,
    );
  const paths: string[] = [];
  for (const file of wanted) paths.push(await download(client, uri, file, values.into));
  print(values, paths, () => `${paths.join('\n')}\n`);
  return 0;
}

async function login({ client, words: [user = process.env['JOBS_USER']], values }: Call): Promise<number> {
  if (!user) throw new Stop('usage', 'Who? npm run jobs -- login <user>');
  const reply = await client.login(user, process.env['JOBS_PASSWORD'] ?? (await askPassword(user)));
  print(values, reply, () => `${reply.session}\n`);
  return 0;
}

/** From the terminal without showing it, or the first line of what is piped in. */
async function askPassword(user: string): Promise<string> {
  process.stderr.write(process.stdin.isTTY ? `Password of ${user}: ` : '');
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: process.stdin.isTTY });
  const [password] = (await once(lines, 'line')) as [string];
  lines.close();
  if (process.stdin.isTTY) process.stderr.write('\n');
  return password;
}

/** Waits for the end of a job, shows its log meanwhile if that is wanted, and says by its code how it ended. */
async function ended(client: Client, uri: string, values: Call['values'], showLog: boolean): Promise<number> {
  const take = showLog ? writer(values.json ? process.stderr : process.stdout) : () => {};
  const state = await follow(client, uri, take);
  const { status, failure } = state;
  if (values.json) print(values, state, () => '');
  else console.error(failure ? `${status}: ${failure.reason}` : status);
  return status === 'completed' ? 0 : status === 'canceled' ? exitCodes.canceled : exitCodes.failed;
}

function jobOf([word = '']: readonly string[], repo: string): string {
  if (/^\d{1,15}$/.test(word)) return `/repositories/${repo}/jobs/${word}`;
  if (/^\/repositories\/\d{1,15}\/jobs\/\d{1,15}$/.test(word)) return word;
  throw new Stop('usage', word ? `A job is a number or /repositories/…/jobs/…, not ${word}` : 'Which job?');
}

function print({ json }: { readonly json: boolean }, value: unknown, text: () => string): void {
  process.stdout.write(json ? `${JSON.stringify(value)}\n` : text());
}

process.exitCode = await main().catch((error: unknown) => {
  if (!(error instanceof Stop)) throw error;
  console.error(error.message);
  return error.code;
});
