// `npm start`: the service on this machine, until Ctrl-C.
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildPage } from './built-page.ts';
import { startService } from './service.ts';

const { values } = parseArgs({
  options: {
    fresh: { type: 'boolean', default: false },
    state: { type: 'string', default: '.local' },
    verbose: { type: 'boolean', default: false },
    plugin: { type: 'string', multiple: true, default: [] },
    watch: { type: 'boolean', default: true },
    'invocation-seconds': { type: 'string' },
    help: { type: 'boolean', default: false },
  },
  allowNegative: true,
});
if (values.help) {
  console.log(`npm start                       the service with the example plugins, state kept in .local/
npm start -- --fresh            forget what was kept
npm start -- --state <folder>   keep the state there
npm start -- --plugin <path>    another plugin's folder as well; one with a cdk.json is run as a stack of its own
npm start -- --no-watch         leave running what ran at the start, whatever is edited in a plugin's folder
npm start -- --invocation-seconds <n>
                                at most so long does one invocation of a runner take, in place of up to 900
npm start -- --verbose          what the functions print
PORT, JOB_THREAD_COUNT          other than 8089 and 2
ARCHIVESSPACE_URL, ARCHIVESSPACE_USERNAME, ARCHIVESSPACE_PASSWORD
                                a real ArchivesSpace, and a user of it with the permission become_user`);
  process.exit(0);
}

const wholeNumber = (name: string, text: string, least: number, most: number): number => {
  if (!/^\d+$/.test(text) || Number(text) < least || Number(text) > most)
    fail(`${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}.`);
  return Number(text);
};
const port = wholeNumber('PORT', process.env['PORT'] ?? '8089', 0, 65_535);
const jobThreadCount = wholeNumber('JOB_THREAD_COUNT', process.env['JOB_THREAD_COUNT'] ?? '2', 0, 100);
const seconds = values['invocation-seconds'];
const invocationSeconds = seconds === undefined ? undefined : wholeNumber('--invocation-seconds', seconds, 3, 900);
const { ARCHIVESSPACE_URL: url, ARCHIVESSPACE_USERNAME: username, ARCHIVESSPACE_PASSWORD: password } = process.env;
if (url && !(username && password))
  fail(
    'ARCHIVESSPACE_URL needs ARCHIVESSPACE_USERNAME and ARCHIVESSPACE_PASSWORD, of a user with the permission become_user.',
  );

// Absolute: the runners' processes have working directories of their own.
const stateDir = resolve(values.state);
if (values.fresh) rmSync(stateDir, { recursive: true, force: true });
const starting = startService({
  jobThreadCount,
  plugins: ['jobs_example', 'csv_check', ...values.plugin],
  port,
  portMayMove: process.env['PORT'] === undefined,
  stateDir,
  watch: values.watch,
  ...(invocationSeconds !== undefined && { invocationSeconds }),
  page: buildPage(),
  ...(url && username && password && { archivesspace: { url, username, password } }),
  log: (line) => {
    if (values.verbose || /"level":"(WARN|ERROR)"|Error/.test(line)) console.error(line);
  },
  tell: (text) => console.log(text),
});

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping) process.exit(1);
    stopping = true;
    console.log('\nStopping. What runs goes on at the next start.');
    starting
      .then((service) => service.stop())
      .then(
        () => process.exit(0),
        () => process.exit(1),
      );
  });
}

const service = await starting.catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
console.log(`
Background jobs:  ${service.apiUrl}/ui/
API:              ${service.apiUrl}  (described at /docs)
ArchivesSpace:    ${service.archivesspaceUrl}${url ? '' : '  (a stand-in)'}
Plugins:          ${service.plugins.map(({ name, isApp }) => (isApp ? `${name} (a CDK app of its own)` : name)).join(', ')}${
  values.watch ? '\n                  edit one: its next job runs the new code' : ''
}
${
  url
    ? ''
    : `
Users (password = name)            may, in repository 2
  admin                            everything
  archivist                        create, cancel and import
  manager                          cancel
  data-entry                       create
  viewer                           look
`
}
Try:
  TOKEN=$(curl -s -d password=archivist ${service.apiUrl}/users/archivist/login | sed 's/.*"session":"\\([^"]*\\).*/\\1/')
  curl -s -H "X-ArchivesSpace-Session: $TOKEN" ${service.apiUrl}/repositories/2/jobs \\
    -d '{"job":{"jsonmodel_type":"slow_nothing_job","times":"3","seconds":2}}'
  curl -s -H "X-ArchivesSpace-Session: $TOKEN" ${service.apiUrl}/repositories/2/jobs/1/log

npm run demo imports a finding aid. Ctrl-C stops.`);

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
