import { describe, expect, test } from 'vitest';
import { board, items, useService } from '../helpers/stack.ts';

const stack = useService();
const failures = (uri: string) =>
  stack.as('archivist').then(async (archivist) => (await archivist.until(uri, 'failed', 15_000)).failure);

describe('a job that cannot end well', () => {
  test.each([
    ['throw', 'runner_error', /^The cupboard is bare\.$/],
    ['exit', 'crashed', /process ended unexpectedly/],
    ['memory', 'crashed', /process ended unexpectedly/],
    ['overtime', 'timed_out', /longer than one invocation may take/],
  ])(
    'fails with a reason that staff can read: %s',
    async (fault, kind, reason) => {
      const archivist = await stack.as('archivist');

      const uri = await archivist.create('faulty_job', { fault });

      expect(await failures(uri)).toEqual({ kind, reason: expect.stringMatching(reason) });
      await expect.poll(() => board(stack.service)).toEqual([]);
    },
    20_000,
  );

  test('says in its log why it failed, and keeps what it said before', async () => {
    const archivist = await stack.as('archivist');

    const uri = await archivist.create('faulty_job', { say: 'Příliš žluťoučký', fault: 'throw' });
    await failures(uri);

    expect(await archivist.log(uri)).toMatch(/^begin \d+\nPříliš žluťoučký\nThe job failed: The cupboard is bare\.\n$/);
  });

  test('fails when it takes longer than its type allows', async () => {
    const archivist = await stack.as('archivist');

    const uri = await archivist.create('limited_job', { seconds: 60 });

    expect(await failures(uri)).toMatchObject({ kind: 'time_limit' });
  });

  test('does not keep the next job of its type from running', async () => {
    const archivist = await stack.as('archivist');

    const failing = await archivist.create('serial_a_job', { fault: 'exit' });
    const next = await archivist.create('serial_a_job');

    await failures(failing);
    await archivist.until(next, 'completed');
  });
});

describe('output files and records', () => {
  test('are there when the job has ended, and only then', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('quick_job', { say: 'Tři kočky', seconds: 2 });
    await expect
      .poll(async () =>
        (await items(stack.service)).some(
          ({ sk, name }) => String(sk).startsWith('FILE#') && name === 'what was said.txt',
        ),
      )
      .toBe(true);

    expect((await archivist.get(`${uri}/output_files`)).body).toEqual([]);
    await archivist.until(uri, 'completed');

    expect((await archivist.get(`${uri}/output_files`)).body).toEqual([1]);
    const file = await archivist.get<string>(`${uri}/output_files/1`);
    expect(file.text).toBe('Tři kočky');
    expect(file.headers.get('content-disposition')).toBe(
      `attachment; filename="what was said.txt"; filename*=UTF-8''what%20was%20said.txt`,
    );
    expect((await archivist.get(`${uri}/records?page=1`)).body).toEqual({
      first_page: 1,
      last_page: 1,
      this_page: 1,
      total: 2,
      results: [{ record: { ref: '/subjects/7' } }, { record: { ref: '/repositories/2/resources/1' } }],
    });
  });
});

describe('a job of several segments', () => {
  test('goes on from its checkpoint, with one log, when an invocation is about to end', async () => {
    const archivist = await stack.as('archivist');

    const uri = await archivist.create('segments_job', { steps: 10 });
    await archivist.until(uri, 'completed', 20_000);

    const log = await archivist.log(uri);
    const steps = [...log.matchAll(/step (\d+) in segment (\d+)/g)].map(([, step, segment]) => ({
      step: Number(step),
      segment: Number(segment),
    }));
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 10 }, (_, n) => n + 1));
    expect(steps.at(-1)?.segment).toBeGreaterThan(1);
  }, 30_000);

  test('waits without an invocation when it asks to wait', async () => {
    const archivist = await stack.as('archivist');

    const uri = await archivist.create('segments_job', { steps: 3, wait: 1 });
    await archivist.until(uri, 'completed', 20_000);

    expect(await archivist.log(uri)).toMatch(/step 1 in segment 1\n.*step 2 in segment 2\n.*step 3 in segment 3\n/s);
  }, 30_000);
});

describe('the log', () => {
  test('is read by byte offset, so that text that is not ASCII stays whole', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('quick_job', { lines: 3000 });
    await archivist.until(uri, 'completed');

    const whole = Buffer.from(await archivist.log(uri));
    const pieces: Buffer[] = [];
    for (let offset = 0; offset < whole.length; offset += 7_919) {
      const response = await fetch(`${stack.service.apiUrl}${uri}/log?offset=${offset}`, {
        headers: archivist.headers(),
      });
      pieces.push(Buffer.from(await response.arrayBuffer()).subarray(0, 7_919));
    }

    expect(Buffer.concat(pieces).equals(whole)).toBe(true);
    expect(whole.toString()).toContain('line 3000 of 3000: čaj 茶\n');
    expect(await archivist.log(uri, whole.length + 5)).toBe('');
  });

  test('of a chatty job costs few writes', async () => {
    const archivist = await stack.as('archivist');
    const uri = await archivist.create('quick_job', { lines: 2000 });
    await archivist.until(uri, 'completed');

    const chunks = (await items(stack.service)).filter(
      ({ pk, sk }) => pk === `RUN#quick_job#${uri.split('/').at(-1)}` && String(sk).startsWith('LOG#'),
    );

    expect(chunks.length).toBeLessThan(5);
  });
});
