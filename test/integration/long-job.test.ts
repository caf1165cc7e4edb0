// A job longer than one invocation of its Lambda: plugins/csv_check, with invocations of a second and a half.
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../plugins/csv_check/runner.ts';
import { runForTest, type TestResult } from '../../runners/sdk/testing.ts';
import type { CreatedReply, FilesReply, UploadReply } from '../../schemas/extensions.ts';
import { items, type Person, physical, useService } from '../helpers/stack.ts';

const invocationSeconds = 1.5;
const stack = useService({ plugins: ['csv_check'], invocationSeconds });

const params = { required_columns: ['title'] };
const csv = (rows: number) =>
  `id,title\n${Array.from({ length: rows }, (_, n) => `${n},${n % 25_000 === 1 ? '' : `Title of ${n}`}`).join('\n')}\n`;
const check = (content: string) => runForTest(run, { params, files: [{ name: 'rows.csv', content }] });

/** As many rows as take this machine, now, several invocations. */
async function rowsToTakeLong(): Promise<number> {
  const rows = 50_000;
  const started = performance.now();
  await check(csv(rows));
  return Math.ceil((rows * 2.5 * invocationSeconds * 1000) / (performance.now() - started));
}

let content: string;
/** What the job leaves behind when nothing ends too early. */
let inOneGo: TestResult;
beforeAll(async () => {
  content = csv(await rowsToTakeLong());
  inOneGo = await check(content);
});

async function create(archivist: Person): Promise<string> {
  const bytes = Buffer.from(content);
  const sha256 = createHash('sha256').update(bytes).digest('base64');
  const { body: place } = await archivist.post<UploadReply>('/repositories/2/jobs/uploads', {
    name: 'rows.csv',
    content_type: 'text/csv',
    size: bytes.length,
    sha256,
  });
  expect((await fetch(place.url, { method: 'PUT', body: bytes, headers: place.headers })).status).toBe(200);
  const { body, text } = await archivist.post<CreatedReply>('/repositories/2/jobs', {
    job: { jsonmodel_type: 'csv_check_job', ...params },
    uploads: [place.upload_id],
  });
  expect(body.uri, text).toBeDefined();
  return body.uri;
}

async function outputs(archivist: Person, uri: string): Promise<Record<string, string>> {
  const { files } = (await archivist.get<FilesReply>(`${uri}/files`)).body;
  const read = files
    .filter(({ kind }) => kind === 'output')
    .map(async ({ name, url }) => [name, (await archivist.get(url)).text] as const);
  return Object.fromEntries(await Promise.all(read));
}

const runItem = async (uri: string) =>
  (await items(stack.service)).find(
    ({ pk, sk }) => sk === 'RUN' && pk === `RUN#csv_check_job#${uri.split('/').at(-1)}`,
  );

function expectedFiles(): Record<string, string> {
  const { files } = inOneGo;
  return Object.fromEntries(files.map(({ name, bytes }) => [name, Buffer.from(bytes).toString()]));
}

describe('a job that takes several invocations', () => {
  test('has the result and the log of one go, and its progress never goes back', async () => {
    const archivist = await stack.as('archivist');
    const uri = await create(archivist);
    const seen: number[] = [];

    await expect
      .poll(
        async () => {
          const { status, progress } = await archivist.show(uri);
          if (progress) seen.push(progress.done);
          return status;
        },
        { timeout: 60_000 },
      )
      .toBe('completed');

    expect(await archivist.log(uri)).toBe(inOneGo.log);
    expect(await outputs(archivist, uri)).toEqual(expectedFiles());
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect((await runItem(uri))?.['segment']).toBeGreaterThan(1);
  }, 80_000);

  test('survives that its process is killed, in whatever segment', async () => {
    const archivist = await stack.as('archivist');
    const uri = await create(archivist);
    const name = physical(stack.service, /^RunnerCsvCheck[0-9A-F]{8}$/);

    for (const segment of [1, 2, 3]) {
      // In the middle: it has saved something, and has something yet to save.
      await expect
        .poll(
          async () => {
            const item = await runItem(uri);
            return item?.['segment'] === segment && item['open'] === true && item['interruptions'] === undefined;
          },
          { timeout: 30_000, interval: 10 },
        )
        .toBe(true);
      for (const pid of stack.service.stack.pids(name)) process.kill(pid, 'SIGKILL');
      await expect
        .poll(async () => (await runItem(uri))?.['interruption'], { timeout: 15_000, interval: 10 })
        .toMatchObject({ segment });
    }
    await archivist.until(uri, 'completed', 60_000);

    expect(await outputs(archivist, uri)).toEqual(expectedFiles());
    const lines = (await archivist.log(uri)).split('\n');
    expect(lines.filter((line) => line === 'It goes on from its last checkpoint.').length).toBeGreaterThanOrEqual(2);
    // What the killed process had done since its last checkpoint was done, and said, again.
    const said = lines.filter((line) => !/^(The job was interrupted\. |It goes on from )/.test(line));
    expect([...new Set(said)]).toEqual([...new Set(inOneGo.log.split('\n'))]);
  }, 120_000);
});
