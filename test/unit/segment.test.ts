// One segment of a runner's body: how it ends, and what its context refuses.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isFileName } from '../../core/file-names.ts';
import { noEnds } from '../../core/job.ts';
import { type JobContext, type Run, StopReason } from '../../runners/sdk/context.ts';
import type { Journal } from '../../runners/sdk/journal.ts';
import { runSegment, type Segment, savingMs } from '../../runners/sdk/segment.ts';
import { runForTest } from '../../runners/sdk/testing.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function harness(more: Partial<Segment> = {}) {
  const written: { log: string; state?: string; closed?: string; ended?: unknown; files: string[]; records: string[] } =
    {
      log: '',
      files: [],
      records: [],
    };
  const journal: Journal = {
    async log(offset, bytes) {
      written.log += Buffer.from(bytes).toString();
      return offset + bytes.length;
    },
    async records(n, created, modified) {
      written.records.push(...created.map((uri) => `+${uri}`), ...modified.map((uri) => `~${uri}`));
      return n + 1;
    },
    async file(_, { name, contentType, bytes }) {
      written.files.push(`${name} ${contentType} ${bytes.length}`);
    },
    async progress() {},
    async state({ state = '' }) {
      written.state = state;
    },
    async close({ state = '' }) {
      written.closed = state;
    },
    async end(end) {
      written.ended = end;
    },
  };
  const stop = new AbortController();
  const segment: Segment = {
    job: { id: 7, type: 'a_job', repository: '/repositories/2', owner: 'archivist', attempt: 1, segment: 1 },
    params: { times: '3' },
    files: [],
    state: undefined,
    ends: noEnds,
    archivesspace: undefined,
    journal,
    stop: stop.signal,
    remainingMs: 900_000,
    now: () => Date.now(),
    ...more,
  };
  const cancel = (why: 'canceled' | 'time_limit' = 'canceled') => stop.abort(new StopReason(why, 'Stop.'));
  return { segment, written, cancel, run: (body: Run) => runSegment(body, segment) };
}

/** Resolves when the signal fires. */
const stopped = ({ signal }: JobContext) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
const ended = (outcome: string, failure?: object) => ({ kind: 'ended', end: { outcome, ...(failure && { failure }) } });

describe('a body that', () => {
  test('returns has completed its job', async () => {
    const { run, written } = harness();

    expect(await run(async (ctx) => ctx.log('hello'))).toEqual(ended('completed'));
    expect(written).toMatchObject({ log: 'hello\n', ended: { outcome: 'completed' } });
  });

  test('throws has failed, and its message is what staff read, in the log too', async () => {
    const { run, written } = harness();

    const end = await run(async () => {
      throw new Error('The file has no title.');
    });

    expect(end).toEqual(ended('failed', { kind: 'runner_error', reason: 'The file has no title.' }));
    expect(written.log).toBe('The job failed: The file has no title.\n');
  });

  test.each<[thrown: unknown, reason: string]>([
    ['a word', 'a word'],
    [undefined, 'undefined'],
    [new TypeError(), 'TypeError'],
    [new Error('x'.repeat(1_000)), 'x'.repeat(500)],
  ])('throws %o gives a reason', async (thrown, reason) => {
    const { run } = harness();

    const end = await run(async () => {
      throw thrown;
    });

    expect(end).toMatchObject({ end: { failure: { kind: 'runner_error', reason } } });
  });

  test('throws before it awaits anything has failed as well', async () => {
    const { run } = harness();

    const end = await run((() => {
      throw new Error('early');
    }) as Run);

    expect(end).toMatchObject({ end: { outcome: 'failed', failure: { reason: 'early' } } });
  });

  test.each<[name: string, body: Run]>([
    ['returns', async (ctx) => stopped(ctx)],
    ['throws the reason', async (ctx) => stopped(ctx).then(() => ctx.signal.throwIfAborted())],
    [
      'throws something else',
      async (ctx) => {
        await stopped(ctx);
        throw new Error('connection reset');
      },
    ],
  ])('%s after a cancel was canceled', async (_, body) => {
    const { run, cancel, written } = harness();
    const end = run(body);
    cancel();

    expect(await end).toEqual(ended('canceled'));
    expect(written.log).toBe('');
  });

  test('returns after its time limit has failed for it', async () => {
    const { run, cancel } = harness();
    const end = run(stopped);
    cancel('time_limit');

    expect(await end).toEqual(
      ended('failed', {
        kind: 'time_limit',
        reason: 'The job took longer than its type allows and was stopped.',
      }),
    );
  });

  test('sees why it is to stop', async () => {
    const { run, cancel } = harness();
    const reasons: unknown[] = [];
    const end = run(async (ctx) => {
      await stopped(ctx);
      reasons.push(ctx.signal.reason);
    });
    cancel('time_limit');
    await end;

    expect(reasons).toEqual([expect.objectContaining({ name: 'StopReason', why: 'time_limit' })]);
  });
});

describe('near the deadline', () => {
  test.each([
    [900_000, 60_000],
    [300_000, 60_000],
    [10_000, 2_000],
  ])('of an invocation of %i ms, %i ms are kept for saving', (invocationMs, keptMs) => {
    expect(savingMs(invocationMs)).toBe(keptMs);
  });

  test('the signal fires', async () => {
    const { run } = harness();
    const reasons: unknown[] = [];
    const end = run(async (ctx) => {
      await stopped(ctx);
      reasons.push((ctx.signal.reason as StopReason).why, Date.now() - startedAt);
    });
    const startedAt = Date.now();
    await vi.advanceTimersByTimeAsync(840_000);

    expect(await end).toEqual(ended('completed'));
    expect(reasons).toEqual(['deadline', 840_000]);
  });

  test('a body is not told to stop, unless its job is canceled then', async () => {
    const { run, cancel } = harness();
    const seen: boolean[] = [];
    const end = run(async (ctx) => {
      await stopped(ctx);
      seen.push(ctx.stopping);
      cancel();
      seen.push(ctx.stopping);
    });
    await vi.advanceTimersByTimeAsync(840_000);

    expect(await end).toEqual(ended('canceled'));
    expect(seen).toEqual([false, true]);
  });

  test('a body that throws the signal’s reason has failed for want of a checkpoint', async () => {
    const { run } = harness({ remainingMs: 10_000 });
    const end = run(async (ctx) => stopped(ctx).then(() => ctx.signal.throwIfAborted()));
    await vi.advanceTimersByTimeAsync(8_000);

    expect(await end).toMatchObject({ end: { outcome: 'failed', failure: { kind: 'timed_out' } } });
  });

  test('a checkpoint leaves: the next segment goes on from its state', async () => {
    const { run, written } = harness({ remainingMs: 10_000 });
    let after = false;
    const end = run(async (ctx) => {
      ctx.log('before');
      await stopped(ctx);
      await ctx.checkpoint({ done: 5 });
      after = true;
    });
    await vi.advanceTimersByTimeAsync(8_000);

    expect(await end).toEqual({ kind: 'continue' });
    expect(after).toBe(false);
    expect(written).toMatchObject({ log: 'before\n', closed: '{"done":5}' });
    expect(written.ended).toBeUndefined();
  });

  test('what the left body says afterwards is dropped', async () => {
    const { run, written } = harness({ remainingMs: 10_000 });
    const end = run(async (ctx) => {
      setTimeout(() => ctx.log('leftover'), 20_000);
      await stopped(ctx);
      await ctx.checkpoint(1);
    });
    await vi.advanceTimersByTimeAsync(8_000);
    await end;
    await vi.advanceTimersByTimeAsync(60_000);

    expect(written.log).toBe('');
  });
});

describe('a checkpoint', () => {
  test('in good time saves and goes on', async () => {
    const { run, written } = harness();

    const end = await run(async (ctx) => {
      await ctx.checkpoint({ done: 1 });
      ctx.log('on');
    });

    expect(end).toEqual(ended('completed'));
    expect(written).toMatchObject({ state: '{"done":1}', log: 'on\n' });
  });

  test('of more than 64 KB is refused', async () => {
    const { run } = harness();

    expect(await run((ctx) => ctx.checkpoint('x'.repeat(64 * 1024)))).toMatchObject({
      end: { outcome: 'failed', failure: { reason: 'A checkpoint is at most 65536 bytes of JSON.' } },
    });
    expect(await harness().run((ctx) => ctx.checkpoint('x'.repeat(64 * 1024 - 2)))).toEqual(ended('completed'));
  });

  test.each([undefined, null, { a: [1, 'b'] }, 'text'])(
    'of %j is what the next segment resumes from',
    async (state) => {
      const { run, written } = harness();
      await run((ctx) => ctx.checkpoint(state));
      const seen: unknown[] = [];
      await harness({ state: written.state }).run(async (ctx) => {
        seen.push(ctx.resumed);
      });

      expect(seen).toEqual([state ?? null]);
    },
  );

  test('that was never made leaves nothing to resume from', async () => {
    const seen: unknown[] = [];
    await harness().run(async (ctx) => {
      seen.push(ctx.resumed);
    });

    expect(seen).toEqual([undefined]);
  });
});

describe('a wait', () => {
  test('leaves, for whole seconds', async () => {
    const { run, written } = harness();

    expect(await run((ctx) => ctx.wait(1.2, { n: 1 }))).toEqual({ kind: 'wait', seconds: 2 });
    expect(written.closed).toBe('{"n":1}');
  });

  test('may ask that a cancel meanwhile is told to the next segment', async () => {
    const { run, written } = harness();

    expect(await run((ctx) => ctx.wait(5, {}, { onCancel: 'resume' }))).toEqual({
      kind: 'wait',
      seconds: 5,
      heedsCancel: true,
    });
    expect(written.closed).toBe('{}');
  });

  test.each(['end', 'resume'] as const)(
    'during which the job is canceled, in a test of a runner: %s',
    async (onCancel) => {
      const body: Run = async (ctx) => {
        if (ctx.signal.aborted) ctx.log('told');
        else await ctx.wait(5, null, { onCancel });
      };

      const { outcome, log, segments } = await runForTest(body, { cancel: { duringWait: 1 } });

      expect({ outcome, log, segments }).toEqual(
        onCancel === 'resume'
          ? { outcome: 'canceled', log: 'told\n', segments: 2 }
          : { outcome: 'canceled', log: '', segments: 1 },
      );
    },
  );

  test.each([0, 0.5, 3_601, Number.NaN, -1])('of %d seconds is refused', async (seconds) => {
    const { run, written } = harness();

    expect(await run((ctx) => ctx.wait(seconds, {}))).toMatchObject({
      end: { failure: { reason: `A job waits 1 to 3600 seconds, not ${seconds}.` } },
    });
    expect(written.closed).toBeUndefined();
  });

  test('of a canceled job does not happen', async () => {
    const { run, cancel, written } = harness();
    cancel();

    expect(await run((ctx) => ctx.wait(60, {}))).toEqual(ended('canceled'));
    expect(written.closed).toBeUndefined();
  });
});

describe('a file', () => {
  test('is stored with its name and type', async () => {
    const { run, written } = harness();
    await run(async (ctx) => {
      await ctx.addFile('bericht ä.csv', 'a;b', { contentType: 'text/csv; charset=utf-8' });
      await ctx.addFile('raw', new Uint8Array(3));
    });

    expect(written.files).toEqual(['bericht ä.csv text/csv; charset=utf-8 3', 'raw application/octet-stream 3']);
  });

  test.each<[name: string, reason: string]>([
    ['', '"" is not a file\'s name: 1 to 255 characters, no path, no control characters.'],
    ['a/b', '"a/b" is not a file\'s name: 1 to 255 characters, no path, no control characters.'],
    ['..', '".." is not a file\'s name: 1 to 255 characters, no path, no control characters.'],
    ['a\nb', '"a\\nb" is not a file\'s name: 1 to 255 characters, no path, no control characters.'],
  ])('called %j is refused', async (name, reason) => {
    const { run, written } = harness();

    expect(await run((ctx) => ctx.addFile(name, 'x'))).toMatchObject({ end: { failure: { reason } } });
    expect(written.files).toEqual([]);
  });

  test.each(['text', 'text/html\r\nX: y', 'text/html;"', ''])('of type %j is refused', async (contentType) => {
    const { run, written } = harness();

    expect(await run((ctx) => ctx.addFile('a', 'x', { contentType }))).toMatchObject({
      end: { failure: { reason: `${JSON.stringify(contentType)} is not a content type.` } },
    });
    expect(written.files).toEqual([]);
  });
});

describe('a name of a file', () => {
  test.each<[name: string, ok: boolean]>([
    ['a.csv', true],
    ['.hidden', true],
    ['...', true],
    ['ä ö.xml', true],
    ['x'.repeat(255), true],
    ['x'.repeat(256), false],
    ['', false],
    ['.', false],
    ['..', false],
    ['a/b', false],
    ['a\\b', false],
    ['a\0', false],
    ['a\u0085', false],
    ['a\r\n', false],
  ])('%j: %s', (name, ok) => {
    expect(isFileName(name)).toBe(ok);
  });

  test('is never a path, nor ends a line', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '.', '/', '\\', '\0', '\r', '\n', 'ä', '\ud800') }),
        (name) => {
          if (isFileName(name)) expect(name).not.toMatch(/[/\\\r\n\0]|^\.{0,2}$/);
        },
      ),
    );
  });
});

describe('a record', () => {
  test('is noted by its URI', async () => {
    const { run, written } = harness();
    await run(async (ctx) => {
      ctx.recordCreated('/repositories/2/resources/1');
      ctx.recordModified('/agents/people/4');
    });

    expect(written.records).toEqual(['+/repositories/2/resources/1', '~/agents/people/4']);
  });

  test.each(['', '/', 'resources/1', '/repositories', '//evil/1', '/repositories/2/resources/x'])(
    'at %j is refused',
    async (uri) => {
      const { run, written } = harness();

      expect(await run(async (ctx) => ctx.recordCreated(uri))).toMatchObject({
        end: { failure: { reason: expect.stringContaining('is not the URI of a record') } },
      });
      expect(written.records).toEqual([]);
    },
  );
});

test('a runner without ArchivesSpace that asks for it is told what to do', async () => {
  const { run } = harness();

  expect(await run(async (ctx) => void ctx.archivesspace)).toMatchObject({
    end: { failure: { reason: expect.stringMatching(/say `archivesspace: true` in its manifest/) } },
  });
});

test('a segment whose end cannot be written fails, instead of passing for done', async () => {
  const { segment } = harness();
  const broken: Journal = {
    ...segment.journal,
    end: async () => {
      throw new Error('table gone');
    },
  };

  await expect(runSegment(async () => {}, { ...segment, journal: broken })).rejects.toThrow('table gone');
});

test('a segment whose log cannot be written fails, instead of losing lines', async () => {
  const { segment, written } = harness();
  const broken: Journal = {
    ...segment.journal,
    log: async () => {
      throw new Error('revoked');
    },
  };

  await expect(runSegment(async (ctx) => ctx.log('x'), { ...segment, journal: broken })).rejects.toThrow('revoked');
  expect(written.ended).toBeUndefined();
});
