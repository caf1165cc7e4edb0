import { describe, expect, test } from 'vitest';
import { board, mostAtOnce, spans, useService } from '../helpers/stack.ts';

const stack = useService();
const byBegin = <T extends { readonly begin: number }>(all: readonly T[]) => all.toSorted((a, b) => a.begin - b.begin);

describe('a job', () => {
  test('goes the whole way: created, queued, started, logged, completed', async () => {
    const archivist = await stack.as('archivist');

    const uri = await archivist.create('quick_job', { say: 'Dobrý den' });
    const job = await archivist.until(uri, 'completed');

    expect(job).toMatchObject({
      job_type: 'quick_job',
      owner: 'archivist',
      has_modified_records: true,
      inactive_record: false,
    });
    expect(await archivist.log(uri)).toMatch(/^begin \d+\nDobrý den\nend \d+\n$/);
    await expect.poll(() => board(stack.service)).toEqual([]);
  });
});

describe('the queue', () => {
  test('never runs more than two jobs at once, and starts them in creation order', async () => {
    const archivist = await stack.as('archivist');

    const uris: string[] = [];
    for (let n = 0; n < 8; n++) uris.push(await archivist.create('quick_job', { seconds: 1 }));
    for (const uri of uris) await archivist.until(uri, 'completed', 30_000);

    const ran = await spans(archivist, uris);
    expect(mostAtOnce(ran)).toBe(2);
    const started = await Promise.all(uris.map(async (uri) => String((await archivist.show(uri))['time_started'])));
    expect(started).toEqual(started.toSorted());
    // Bodies of the two slots begin together; a job two places later begins later.
    const begins = ran.map(({ begin }) => begin);
    for (let n = 2; n < begins.length; n++) expect(begins[n]).toBeGreaterThan(begins[n - 2] ?? Number.NaN);
  }, 40_000);

  test('never runs two jobs of a type that may not run concurrently, and lets others pass them', async () => {
    const archivist = await stack.as('archivist');
    const order = ['serial_a_job', 'serial_a_job', 'serial_b_job', 'serial_a_job', 'serial_b_job', 'serial_a_job'];

    const uris: string[] = [];
    for (const type of order) uris.push(await archivist.create(type, { seconds: 1 }));
    for (const uri of uris) await archivist.until(uri, 'completed', 30_000);

    const ran = await spans(archivist, uris);
    const ofType = (type: string) => ran.filter((_, n) => order[n] === type);
    expect(mostAtOnce(ofType('serial_a_job'))).toBe(1);
    expect(mostAtOnce(ofType('serial_b_job'))).toBe(1);
    expect(mostAtOnce(ran)).toBe(2);
    for (const type of ['serial_a_job', 'serial_b_job']) expect(byBegin(ofType(type))).toEqual(ofType(type));
    const [firstOfB] = ofType('serial_b_job');
    const [, secondOfA] = ofType('serial_a_job');
    expect(firstOfB?.begin).toBeLessThan(secondOfA?.begin ?? Number.NaN);
  }, 40_000);

  test('tells each queued job how many are before it', async () => {
    const archivist = await stack.as('archivist');
    const running = [
      await archivist.create('quick_job', { seconds: 2 }),
      await archivist.create('quick_job', { seconds: 2 }),
    ];
    for (const uri of running) await archivist.until(uri, 'running');

    const uris = [
      await archivist.create('serial_a_job'),
      await archivist.create('quick_job'),
      await archivist.create('serial_a_job'),
    ];

    const positions = await Promise.all(uris.map(async (uri) => (await archivist.show(uri)).queue_position));
    expect(positions).toEqual([0, 1, 2]);
    for (const uri of [...running, ...uris]) await archivist.until(uri, 'completed');
  });
});
