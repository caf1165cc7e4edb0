// What a runner says is gathered, and written in few, ordered writes.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { noEnds } from '../../core/job.ts';
import type { Journal } from '../../runners/sdk/journal.ts';
import { maxLogBytes, Recorder } from '../../runners/sdk/recorder.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A journal in memory: its writes as words, and the log's chunks. */
function memory(options: { readonly fail?: string; readonly takesMs?: number } = {}) {
  const writes: string[] = [];
  const chunks: { readonly offset: number; readonly text: string }[] = [];
  let writing = 0;
  let most = 0;
  const note = async <T>(word: string, result: T): Promise<T> => {
    most = Math.max(most, ++writing);
    if (options.takesMs) await new Promise((resolve) => setTimeout(resolve, options.takesMs));
    writing--;
    if (options.fail && word.startsWith(options.fail)) throw new Error(`no ${options.fail}`);
    writes.push(word);
    return result;
  };
  const journal: Journal = {
    log(offset, bytes) {
      const text = Buffer.from(bytes).toString();
      return note(`log ${text.trim().slice(0, 40).replaceAll('\n', ', ')}`, offset + bytes.length).then((end) => {
        chunks.push({ offset, text });
        return end;
      });
    },
    records: (n, created, modified) => note(`records ${n}: +${created.length} ~${modified.length}`, n + 1),
    file: (n, file) => note(`file ${n} ${file.name}`, undefined),
    progress: ({ done, total }) => note(`progress ${done}/${total}`, undefined),
    state: ({ state }) => note(`state ${state}`, undefined),
    close: ({ state, ends }) => note(`close ${state} ${JSON.stringify(ends)}`, undefined),
    end: ({ outcome }, ends, progress) =>
      note(`end ${outcome} ${JSON.stringify(ends)}${progress ? ` ${progress.done}/${progress.total}` : ''}`, undefined),
  };
  return { journal, writes, chunks, mostAtOnce: () => most };
}
const text = (chunks: readonly { readonly text: string }[]) => chunks.map((chunk) => chunk.text).join('');
const start = (journal: Journal, from = noEnds) => new Recorder(journal, from, () => Date.now());

describe('a line', () => {
  test('is written a second later, with those that were said until then', async () => {
    const { journal, writes } = memory();
    const recorder = start(journal);
    recorder.log('one');
    await vi.advanceTimersByTimeAsync(999);
    recorder.log('two');
    expect(writes).toEqual([]);

    await vi.advanceTimersByTimeAsync(1);

    expect(writes).toEqual(['log one, two']);
  });

  test('is written where the log of the segment before ended', async () => {
    const { journal, chunks } = memory();
    const recorder = start(journal, { log: 100, files: 0, records: 0 });
    recorder.log('zwölf');
    await recorder.flush();
    recorder.log('b');
    await recorder.flush();

    expect(chunks).toEqual([
      { offset: 100, text: 'zwölf\n' },
      { offset: 107, text: 'b\n' },
    ]);
  });

  test('goes where the journal found room, and the next one after it', async () => {
    const { journal, chunks } = memory();
    const moved: Journal = { ...journal, log: (offset, bytes) => journal.log(offset === 0 ? 50 : offset, bytes) };
    const recorder = start(moved);
    recorder.log('a');
    await recorder.flush();
    recorder.log('b');
    await recorder.flush();

    expect(chunks.map(({ offset }) => offset)).toEqual([50, 52]);
  });

  test('that fills a chunk is written at once', async () => {
    const { journal, chunks } = memory();
    const recorder = start(journal);
    recorder.log('x'.repeat(32 * 1024));
    await vi.advanceTimersByTimeAsync(0);

    expect(chunks.map(({ text: chunk }) => chunk.length)).toEqual([32 * 1024, 1]);
  });

  test('of any length is stored in chunks of at most 32 KB, one after the other, none lost', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 80_000 }), { maxLength: 8 }), async (lengths) => {
        const { journal, chunks } = memory();
        const recorder = start(journal);
        for (const [i, length] of lengths.entries()) recorder.log(String(i).repeat(length));
        await recorder.close({ end: { outcome: 'completed' } });

        expect(text(chunks)).toBe(lengths.map((length, i) => `${String(i).repeat(length)}\n`).join(''));
        let end = 0;
        for (const { offset, text: chunk } of chunks) {
          expect(offset).toBe(end);
          expect(chunk.length).toBeLessThanOrEqual(32 * 1024);
          end += chunk.length;
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('a chatty runner', () => {
  test('costs one write a second', async () => {
    const { journal, writes } = memory();
    const recorder = start(journal);
    for (let i = 0; i < 1_000; i++) {
      recorder.log(`line ${i}`);
      await vi.advanceTimersByTimeAsync(10);
    }

    expect(writes.length).toBeLessThanOrEqual(11);
  });

  // Findings: until a write has answered, every further line is a write of its own.
  test('that says 100 KB in one go costs four writes', async () => {
    const { journal, writes, chunks } = memory();
    const recorder = start(journal);
    const lines = Array.from({ length: 2_000 }, (_, i) => `line ${String(i).padStart(44, '.')}`);
    for (const line of lines) recorder.log(line);
    await recorder.flush();

    expect(text(chunks)).toBe(`${lines.join('\n')}\n`);
    expect(writes.length).toBeLessThanOrEqual(4);
  });

  test('is cut off at 64 MB with one last line that says so', async () => {
    const { journal, chunks } = memory();
    const recorder = start(journal, { log: maxLogBytes - 5, files: 0, records: 0 });
    recorder.log('1234');
    recorder.log('5');
    recorder.log('6');
    await recorder.flush();
    recorder.log('7');
    await recorder.flush();

    expect(text(chunks)).toBe(`1234\nThe log is full at ${maxLogBytes} bytes; further lines are dropped.\n`);
  });
});

describe('progress', () => {
  test('is written at most each two seconds, and then as it is by then', async () => {
    const { journal, writes } = memory();
    const recorder = start(journal);
    for (let done = 1; done <= 100; done++) {
      recorder.progress({ done, total: 100 });
      await vi.advanceTimersByTimeAsync(100);
    }

    expect(writes.length).toBeLessThanOrEqual(6);
    expect(writes.length).toBeGreaterThanOrEqual(4);
    expect(writes).toEqual(writes.toSorted((a, b) => Number(a.slice(9, -4)) - Number(b.slice(9, -4))));
  });

  test('that does not change is not written again', async () => {
    const { journal, writes } = memory();
    const recorder = start(journal);
    recorder.progress({ done: 1, total: 2 });
    await vi.advanceTimersByTimeAsync(10_000);
    recorder.log('a');
    await recorder.flush();

    expect(writes).toEqual(['progress 1/2', 'log a']);
  });

  test('said last shows, within two seconds and a half', async () => {
    const { journal, writes } = memory();
    const recorder = start(journal);
    recorder.progress({ done: 1, total: 3 });
    await vi.advanceTimersByTimeAsync(1_000);
    recorder.progress({ done: 2, total: 3 });
    recorder.progress({ done: 3, total: 3 });
    await vi.advanceTimersByTimeAsync(2_500);

    expect(writes).toEqual(['progress 1/3', 'progress 3/3']);
  });

  test('said last is part of the end', async () => {
    const { journal, writes } = memory();
    const recorder = start(journal);
    recorder.progress({ done: 1, total: 3 });
    await recorder.flush();
    recorder.progress({ done: 3, total: 3 });
    await recorder.close({ end: { outcome: 'completed' } });

    expect(writes.at(-1)).toBe('end completed {"log":0,"records":0,"files":0} 3/3');
  });

  // Findings: a job that waits an hour shows the progress from before.
  test('said last shows while the job waits for its next segment', async () => {
    const { journal, writes } = memory();
    const recorder = start(journal);
    recorder.progress({ done: 1, total: 3 });
    await recorder.flush();
    recorder.progress({ done: 2, total: 3 });
    await recorder.close({ next: { state: '{}' } });

    expect(writes).toContain('progress 2/3');
  });
});

describe('records', () => {
  test('are written with the lines, a hundred in a chunk', async () => {
    const { journal, writes } = memory();
    const recorder = start(journal);
    for (let i = 0; i < 150; i++) recorder.record(i % 3 ? 'created' : 'modified', `/subjects/${i}`);
    recorder.log('made');
    await recorder.flush();

    expect(writes).toEqual(['records 0: +66 ~34', 'log made', 'records 1: +34 ~16']);
  });
});

describe('writes', () => {
  test('go one at a time, in the order in which things were said', async () => {
    const { journal, writes, mostAtOnce } = memory({ takesMs: 50 });
    const recorder = start(journal);
    recorder.log('a');
    recorder.record('created', '/subjects/1');
    const state = recorder.state({ state: '{"n":1}' });
    recorder.log('b');
    const file = recorder.file('a.csv', 'text/csv', new Uint8Array());
    await vi.advanceTimersByTimeAsync(10_000);
    await Promise.all([state, file]);

    expect(writes.filter((write) => !write.startsWith('log b') && !write.startsWith('file'))).toEqual([
      'log a',
      'records 0: +1 ~0',
      'state {"n":1}',
    ]);
    expect(mostAtOnce()).toBe(1);
  });

  // Findings: `file` says that it comes after everything that was said before it, and does not flush.
  test('of a file come after the lines that were said before it', async () => {
    const { journal, writes } = memory();
    const recorder = start(journal);
    recorder.log('writing the report');
    await recorder.file('a.csv', 'text/csv', new Uint8Array());
    await recorder.flush();

    expect(writes).toEqual(['log writing the report', 'file 0 a.csv']);
  });

  test('that fail make the next flush fail, and none follows', async () => {
    const { journal, writes } = memory({ fail: 'log' });
    const recorder = start(journal);
    recorder.log('a');
    await vi.advanceTimersByTimeAsync(1_000);
    recorder.record('created', '/subjects/1');

    await expect(recorder.flush()).rejects.toThrow('no log');
    await expect(recorder.state({ state: '{}' })).rejects.toThrow('no log');
    await expect(recorder.file('a', 'text/csv', new Uint8Array())).rejects.toThrow('no log');
    await expect(recorder.close({ end: { outcome: 'completed' } })).rejects.toThrow('no log');
    expect(writes).toEqual([]);
  });

  test.each(['state', 'file', 'records', 'progress', 'end', 'close'])(
    'of %s that fail are not taken for done',
    async (fail) => {
      const { journal } = memory({ fail });
      const recorder = start(journal);
      recorder.record('created', '/subjects/1');
      recorder.progress({ done: 1, total: 1 });
      const work = async () => {
        await recorder.state({ state: '{}' });
        await recorder.file('a', 'text/csv', new Uint8Array());
        await recorder.close(fail === 'end' ? { end: { outcome: 'completed' } } : { next: { state: '{}' } });
      };

      await expect(work()).rejects.toThrow(`no ${fail}`);
    },
  );
});

describe('a recorder that is closed', () => {
  test('has written everything, and said where it ends', async () => {
    const { journal, writes } = memory();
    const recorder = start(journal);
    recorder.log('12345');
    recorder.record('created', '/subjects/1');
    await recorder.file('a.csv', 'text/csv', new Uint8Array());
    await recorder.close({ next: { state: '{"n":1}' } });

    expect(writes.at(-1)).toBe('close {"n":1} {"log":6,"records":1,"files":1}');
  });

  test('takes nothing more: what a leftover of the run says is dropped', async () => {
    const { journal, writes } = memory();
    const recorder = start(journal);
    await recorder.close({ end: { outcome: 'completed' } });

    recorder.log('late'.repeat(10_000));
    recorder.record('created', '/subjects/1');
    recorder.progress({ done: 1, total: 1 });
    await recorder.file('late.csv', 'text/csv', new Uint8Array());
    await recorder.state({ state: '{}' });
    await vi.advanceTimersByTimeAsync(10_000);

    expect(writes).toEqual(['end completed {"log":0,"records":0,"files":0}']);
  });
});
