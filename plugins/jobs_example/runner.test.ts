// How a plugin tests its runner: in memory, by the harness that the SDK brings. No table, no Lambda, no waiting.
import { expect, test } from 'vitest';
import { runForTest } from '../../runners/sdk/testing.ts';
import { run } from './runner.ts';

test('does nothing as often as it is told to, and says so', async () => {
  const { outcome, log, progress } = await runForTest(run, { params: { times: '3', seconds: 0 } });

  expect(outcome).toBe('completed');
  expect(log.match(/^Doing nothing, \d of 3$/gm)).toHaveLength(3);
  expect(log.match(/^Memory: /gm)).toHaveLength(3);
  expect(log.trimEnd().endsWith("Phew, I'm done doing nothing!")).toBe(true);
  expect(progress).toMatchObject({ done: 3, total: 3 });
});

test('stops in the middle of a step when it is canceled', async () => {
  const { outcome, log } = await runForTest(run, {
    params: { times: '5', seconds: 60 },
    cancel: { whenLogged: 'Doing nothing, 1 of 5' },
  });

  expect(outcome).toBe('canceled');
  expect(log).toContain("Oh gee, I've been canceled");
  expect(log).not.toContain('2 of 5');
  expect(log).not.toContain('Phew');
});

test('goes on in another invocation when one is too short, and does no step twice or never', async () => {
  const { outcome, segments, log } = await runForTest(run, {
    params: { times: '4', seconds: 0.06 },
    invocationMs: 200,
  });

  expect(outcome).toBe('completed');
  expect(segments).toBeGreaterThan(1);
  expect([...new Set(log.match(/\d of 4/g))]).toEqual(['1 of 4', '2 of 4', '3 of 4', '4 of 4']);
  expect(log.match(/Phew/g)).toHaveLength(1);
});
