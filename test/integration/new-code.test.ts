// A plugin is edited while the service runs, as its author does: in folders outside this checkout.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { afterAll, describe, expect, test } from 'vitest';
import { type LocalService, startService } from '../../local/service.ts';
import { items, person, useService } from '../helpers/stack.ts';

const folder = mkdtempSync(join(tmpdir(), 'new-code-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const gate = join(folder, 'gate');
const plugin = join(folder, 'edited');
const app = join(folder, 'separate');

/** As editors save: another file takes the place of the old one. */
function save(path: string, text: string): void {
  writeFileSync(`${path}~`, text);
  renameSync(`${path}~`, path);
}

/** Has a segment each second until the gate is open. */
const runner = (word: string) => `
import { existsSync } from 'node:fs';
import { runner } from ${JSON.stringify(resolve('runners/sdk/run.ts'))};

export const run = async (ctx) => {
  if (ctx.resumed === undefined) ctx.log('${word} begins');
  if (ctx.params.waits && !existsSync(${JSON.stringify(gate)})) await ctx.wait(1, {});
  ctx.log('${word} ends');
};

export const handler = runner(run);
`;

const manifest = (options: object) =>
  `export const manifest = ${JSON.stringify({ types: { edited_job: { run_concurrently: true, ...options } } })};`;

const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'edited_job',
  title: 'Edited',
  type: 'object',
  properties: { jsonmodel_type: { const: 'edited_job' }, waits: { type: 'boolean' } },
};

/** Writes an assembly of a function that says a word, and the name of the service's table. */
const cdkApp = (word: string) => `
import { mkdirSync, writeFileSync } from 'node:fs';
const out = process.env.CDK_OUTDIR;
const { stage } = JSON.parse(process.env.CDK_CONTEXT_JSON);
const write = (name, content) => {
  mkdirSync(out + '/asset.${word}', { recursive: true });
  writeFileSync(out + '/' + name, typeof content === 'string' ? content : JSON.stringify(content));
};
write('asset.${word}/index.mjs', "export const handler = async () => ['${word}', process.env.TABLE];");
const code = { S3Bucket: 'assets', S3Key: '${word}' };
write('Separate.assets.json', { files: { a: { source: { path: 'asset.${word}' }, destinations: { a: { objectKey: '${word}' } } } } });
write('Separate.template.json', { Resources: { Fn: { Type: 'AWS::Lambda::Function', Properties: {
  FunctionName: 'separate', Code: code, Handler: 'index.handler', Runtime: 'nodejs24.x', Timeout: 10, MemorySize: 256,
  Environment: { Variables: { TABLE: { 'Fn::ImportValue': 'background-jobs-' + stage + ':table' } } } } } } });
write('manifest.json', { artifacts: {
  assets: { type: 'cdk:asset-manifest', properties: { file: 'Separate.assets.json' } },
  Separate: { type: 'aws:cloudformation:stack', properties: { templateFile: 'Separate.template.json' } } } });
`;

mkdirSync(join(plugin, 'schemas'), { recursive: true });
writeFileSync(join(plugin, 'manifest.ts'), manifest({}));
writeFileSync(join(plugin, 'schemas', 'edited_job.json'), JSON.stringify(schema));
writeFileSync(join(plugin, 'runner.ts'), runner('old'));
mkdirSync(app);
writeFileSync(join(app, 'cdk.json'), JSON.stringify({ app: 'node app.mjs', context: { stage: 'prod' } }));
writeFileSync(join(app, 'app.mjs'), cdkApp('old'));

/** The service as `npm start` starts it, with this state. */
const startKept = (stateDir: string) =>
  startService({ jobThreadCount: 2, plugins: [plugin], port: 0, stateDir, log: () => undefined });

const told: string[] = [];
const stack = useService({ plugins: [plugin, app], watch: true, tell: (text) => told.push(text) });

const untilTold = (text: string) =>
  expect.poll(() => told.splice(0).join('\n'), { timeout: 60_000, interval: 50 }).toContain(text);

describe('a plugin that is edited while one of its jobs runs', () => {
  test('runs its new code in the next job; the job that runs ends with the code that it began with', async () => {
    const archivist = await stack.as('archivist');
    const running = await archivist.create('edited_job', { waits: true });
    await expect.poll(() => archivist.log(running)).toBe('old begins\n');

    save(join(plugin, 'runner.ts'), runner('new'));
    await untilTold(`${plugin}: new code, from the next job on`);

    const next = await archivist.create('edited_job');
    await archivist.until(next, 'completed');
    expect(await archivist.log(next)).toBe('new begins\nnew ends\n');
    writeFileSync(gate, '');
    await archivist.until(running, 'completed');
    expect(await archivist.log(running)).toBe('old begins\nold ends\n');
  });

  test('goes on as it was after a mistake, which is said, and takes what puts it right', async () => {
    const archivist = await stack.as('archivist');

    save(join(plugin, 'manifest.ts'), manifest({ run_concurently: true }));
    await untilTold('run_concurently');
    save(join(plugin, 'runner.ts'), 'export const run = async (ctx => {;');
    await untilTold('runner.ts');
    const meanwhile = await archivist.create('edited_job');
    await archivist.until(meanwhile, 'completed');
    expect(await archivist.log(meanwhile)).toBe('new begins\nnew ends\n');

    save(join(plugin, 'manifest.ts'), manifest({}));
    save(join(plugin, 'runner.ts'), runner('newest'));
    await untilTold('new code, from the next job on');
    const next = await archivist.create('edited_job');
    await archivist.until(next, 'completed');
    expect(await archivist.log(next)).toBe('newest begins\nnewest ends\n');
  });
});

/** A segment has just ended: a stop in the middle of one would kill it, and with it the job. */
async function betweenSegments(service: LocalService): Promise<void> {
  const runOf = async () => (await items(service)).find(({ sk, type }) => sk === 'RUN' && type === 'edited_job');
  const seen = Number((await runOf())?.['segment']);
  await expect
    .poll(async () => {
      const run = await runOf();
      return Number(run?.['segment']) > seen && run?.['open'] === false;
    })
    .toBe(true);
}

test('after a restart with new code a job goes on with the code that it began with', async () => {
  const stateDir = join(folder, 'state');
  rmSync(gate, { force: true });
  save(join(plugin, 'runner.ts'), runner('before'));
  const first = await startKept(stateDir);
  const running = await (await person(first.apiUrl, 'archivist')).create('edited_job', { waits: true });
  await expect.poll(async () => (await person(first.apiUrl, 'archivist')).log(running)).toBe('before begins\n');
  await betweenSegments(first);
  await first.stop();
  save(join(plugin, 'runner.ts'), runner('after'));
  const unused = join(stateDir, 'cdk.out', 'asset.unused');
  mkdirSync(unused);

  const second = await startKept(stateDir);
  try {
    expect(existsSync(unused)).toBe(false);
    // Versions have it in their environment.
    expect(second.archivesspaceUrl).toBe(first.archivesspaceUrl);
    const archivist = await person(second.apiUrl, 'archivist');
    const next = await archivist.create('edited_job');
    await archivist.until(next, 'completed');
    expect(await archivist.log(next)).toBe('after begins\nafter ends\n');
    writeFileSync(gate, '');
    await archivist.until(running, 'completed');
    expect(await archivist.log(running)).toBe('before begins\nbefore ends\n');
  } finally {
    await second.stop();
  }
});

test('a folder with a cdk.json is a stack of its own, by its own command, and is watched as well', async () => {
  const { service } = stack;
  const client = new LambdaClient({
    region: service.stack.region,
    endpoint: service.stack.endpoints.lambda,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const say = async (): Promise<unknown> => {
    const { Payload } = await client.send(new InvokeCommand({ FunctionName: 'separate' }));
    return JSON.parse(Payload?.transformToString() ?? '');
  };
  const table = expect.stringMatching(/^background-jobs-local-Table/);
  expect(service.plugins).toMatchObject([
    { name: plugin, isApp: false },
    { name: app, isApp: true },
  ]);
  expect(await say()).toEqual(['old', table]);

  save(join(app, 'app.mjs'), cdkApp('new'));
  await untilTold(`${basename(app)}: new code`);
  expect(await say()).toEqual(['new', table]);

  save(join(app, 'app.mjs'), `throw new Error('no stack today');`);
  await untilTold('no stack today');
  expect(await say()).toEqual(['new', table]);
});
