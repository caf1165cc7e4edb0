import { killAtEachCheckpoint, runForTest } from 'background-jobs-sdk/testing';
import { expect, test } from 'vitest';
import { run } from './runner.ts';

const files = [
  { name: 'a.txt', content: 'One fish two fish\n' },
  { name: 'b.txt', content: 'Red fish, blue FISH: größer!\n' },
];

test('counts the words of all files, the most frequent first', async () => {
  const { outcome, files: made, progress } = await runForTest(run, { params: {}, files });

  expect(outcome).toBe('completed');
  expect(Buffer.from(made[0]?.bytes ?? []).toString()).toBe(
    'word,count\r\nfish,4\r\nblue,1\r\ngrößer,1\r\none,1\r\nred,1\r\ntwo,1\r\n',
  );
  expect(progress).toMatchObject({ done: 2, total: 2 });
});

test('leaves out what comes less often', async () => {
  const { files: made } = await runForTest(run, { params: { at_least: 2 }, files });

  expect(Buffer.from(made[0]?.bytes ?? []).toString()).toBe('word,count\r\nfish,4\r\n');
});

test('gives the same when its process dies, before or after any of its checkpoints', async () => {
  const [unharmed, ...killed] = await killAtEachCheckpoint(run, { params: {}, files });

  expect(killed).toHaveLength(2);
  for (const { files: made } of killed) expect(made).toEqual(unharmed?.files);
});

test('stops between two files when it is canceled', async () => {
  const { outcome, files: made } = await runForTest(run, { params: {}, files, cancel: { whenLogged: 'a.txt' } });

  expect(outcome).toBe('canceled');
  expect(made).toEqual([]);
});
