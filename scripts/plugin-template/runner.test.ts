// In memory, by the harness that the SDK brings: no table, no Lambda, no waiting.
import { describe, expect, test } from 'vitest';
import { exampleParams, killAtEachCheckpoint, runForTest, type TestResult } from '../../runners/sdk/testing.ts';
import { run } from './runner.ts';
import schema from './schemas/new_plugin_job.json' with { type: 'json' };

const files = [
  { name: 'a.txt', content: 'one\ntwo\n' },
  { name: 'b.txt', content: 'three\nno line break' },
  { name: 'c.txt', content: '' },
];
const contents = (result: TestResult) => result.files.map(({ name, bytes }) => [name, Buffer.from(bytes).toString()]);
const all = [['counts.txt', 'a.txt: 2\nb.txt: 2\nc.txt: 0\n']];

describe('the lines of files', () => {
  test('are counted, all of them', async () => {
    const result = await runForTest(run, { files });

    expect(result).toMatchObject({ outcome: 'completed', progress: { done: 3, total: 3 } });
    expect(result.log).toContain('a.txt: 2 lines\nb.txt: 2 lines\nc.txt: 0 lines\n');
    expect(contents(result)).toEqual(all);
  });

  test('are counted where they have a text', async () => {
    const result = await runForTest(run, { files, params: { text: 'o' } });

    expect(contents(result)).toEqual([['counts.txt', 'a.txt: 2\nb.txt: 1\nc.txt: 0\n']]);
  });

  test('are counted with whatever parameters the schema allows', async () => {
    const { valid } = exampleParams(schema);

    expect(valid.length).toBeGreaterThan(0);
    for (const params of valid)
      expect(await runForTest(run, { files, params })).toMatchObject({ outcome: 'completed' });
  });
});

describe('a job', () => {
  test('stops when it is canceled, and leaves no result', async () => {
    const result = await runForTest(run, { files, cancel: { whenLogged: 'a.txt' } });

    expect(result).toMatchObject({ outcome: 'canceled', files: [] });
    expect(result.log).toMatch(/^Stopped in b\.txt\.$/m);
  });

  test('that takes several invocations gives what it gives in one', async () => {
    const often = await runForTest(run, { files, invocationMs: 0 });

    expect(often).toMatchObject({ outcome: 'completed', segments: 3 });
    expect(contents(often)).toEqual(all);
  });

  test('that is killed at any checkpoint gives the same', async () => {
    const [, ...killed] = await killAtEachCheckpoint(run, { files });

    expect(killed).toHaveLength(4);
    for (const result of killed) {
      expect(result.outcome).toBe('completed');
      expect(contents(result)).toEqual(all);
    }
  });
});
