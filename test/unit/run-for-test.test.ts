// What plugin authors test their runners with.
import { describe, expect, test } from 'vitest';
import { FinalFailure, type Run, StopReason } from '../../runners/sdk/context.ts';
import * as sdk from '../../runners/sdk/index.ts';
import { runner } from '../../runners/sdk/run.ts';
import { killAtEachCheckpoint, runForTest } from '../../runners/sdk/testing.ts';

describe('runForTest', () => {
  test('gives what the job would have left behind', async () => {
    const result = await runForTest(
      async (ctx) => {
        ctx.log(`${ctx.job.type} of ${ctx.job.owner}: ${JSON.stringify(ctx.params)}`);
        ctx.progress(1, 2, 'half');
        ctx.recordCreated('/repositories/2/resources/1');
        ctx.recordModified('/agents/people/4');
        await ctx.addFile('a.csv', 'a;b', { contentType: 'text/csv' });
      },
      { params: { times: '1' }, job: { owner: 'manager' } },
    );

    expect(result).toEqual({
      outcome: 'completed',
      reason: undefined,
      log: 'test_job of manager: {"times":"1"}\n',
      created: ['/repositories/2/resources/1'],
      modified: ['/agents/people/4'],
      files: [{ name: 'a.csv', contentType: 'text/csv', bytes: new TextEncoder().encode('a;b') }],
      progress: { done: 1, total: 2, message: 'half' },
      segments: 1,
      checkpoints: 0,
      waits: [],
    });
  });

  test('gives the reason of a failure', async () => {
    const result = await runForTest(async () => {
      throw new Error('No title.');
    });

    expect(result).toMatchObject({ outcome: 'failed', reason: 'No title.', log: 'The job failed: No title.\n' });
  });

  test('opens files again and again', async () => {
    const texts: string[] = [];
    await runForTest(
      async (ctx) => {
        for (const file of [...ctx.files, ...ctx.files])
          texts.push(`${file.name} ${file.size} ${Buffer.concat(await Array.fromAsync(await file.open())).toString()}`);
      },
      { files: [{ name: 'a', content: 'ä' }] },
    );

    expect(texts).toEqual(['a 2 ä', 'a 2 ä']);
  });

  test('opens a file from the byte that a segment has come to', async () => {
    const result = await runForTest(
      async (ctx) => {
        const [file] = ctx.files;
        const from = (ctx.resumed as number | undefined) ?? 0;
        for await (const bytes of (await file?.open({ from })) ?? []) ctx.log(Buffer.from(bytes).toString());
        if (from < 6) await ctx.checkpoint(from + 3);
      },
      { files: [{ name: 'a', content: 'abcdef' }], invocationMs: 0 },
    );

    expect(result).toMatchObject({ outcome: 'completed', log: 'abcdef\ndef\n' });
  });

  test.each([-1, 7, 0.5, Number.NaN])('does not open a file of 6 bytes from %d', async (from) => {
    const result = await runForTest(async (ctx) => void (await ctx.files[0]?.open({ from })), {
      files: [{ name: 'a', content: 'abcdef' }],
    });

    expect(result.reason).toBe(`a has 6 bytes; it cannot be opened from ${from}.`);
  });

  const listens: Run = async (ctx) => {
    for (let i = 1; i <= 3 && !ctx.signal.aborted; i++) ctx.log(`step ${i}`);
  };
  test('cancels at once', async () => {
    expect(await runForTest(listens, { cancel: 'at once' })).toMatchObject({ outcome: 'canceled', log: '' });
  });

  test('cancels when a line is logged', async () => {
    const result = await runForTest(listens, { cancel: { whenLogged: 'step 2' } });

    expect(result).toMatchObject({ outcome: 'canceled', log: 'step 1\nstep 2\n' });
  });

  test('goes on from checkpoint to checkpoint, in as many segments as it takes', async () => {
    const result = await runForTest(
      async (ctx) => {
        let n = (ctx.resumed as number | undefined) ?? 0;
        while (n < 3) {
          ctx.log(`${ctx.job.segment}: ${n}`);
          await ctx.checkpoint(++n);
        }
      },
      { invocationMs: 0 },
    );

    expect(result).toMatchObject({ outcome: 'completed', segments: 4, log: '1: 0\n2: 1\n3: 2\n' });
  });

  test('does not wait, and tells for how long the job would have', async () => {
    const result = await runForTest(async (ctx) => {
      if (ctx.resumed === undefined) await ctx.wait(3_600, 1);
      if (ctx.resumed === 1) await ctx.wait(5, 2);
    });

    expect(result).toMatchObject({ outcome: 'completed', segments: 3, waits: [3_600, 5] });
  });

  test('answers requests to ArchivesSpace, which it knows nothing of otherwise', async () => {
    const asked: unknown[] = [];
    const run: Run = async (ctx) => {
      const response = await ctx.archivesspace.request('/repositories/2/resources', { method: 'POST', body: '{}' });
      ctx.log(await response.text());
    };
    const result = await runForTest(run, {
      archivesspace(request) {
        asked.push(request);
        return new Response('made');
      },
    });

    expect(asked).toEqual([{ method: 'POST', path: '/repositories/2/resources', body: '{}' }]);
    expect(result.log).toBe('made\n');
    expect(await runForTest(run)).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('no ArchivesSpace'),
    });
  });

  test('refuses what the service refuses', async () => {
    expect(await runForTest((ctx) => ctx.addFile('../a', 'x'))).toMatchObject({ outcome: 'failed', files: [] });
    expect(await runForTest(async (ctx) => ctx.recordCreated('resources/1'))).toMatchObject({ created: [] });
  });
});

/** Makes three records and two files, each step behind a checkpoint. */
const careful: Run = async (ctx) => {
  let done = (ctx.resumed as number | undefined) ?? 0;
  while (done < 3) {
    ctx.log(`step ${done + 1}`);
    ctx.recordCreated(`/repositories/2/resources/${done + 1}`);
    if (done > 0) await ctx.addFile(`part-${done}.txt`, 'text');
    done++;
    await ctx.checkpoint(done);
  }
};

describe('a run that is killed', () => {
  test('when a checkpoint has been saved goes on behind it, and says so in its log', async () => {
    const result = await runForTest(careful, { kill: { checkpoint: 2, saved: true } });

    expect(result).toMatchObject({ outcome: 'completed', segments: 2, checkpoints: 3 });
    expect(result.log).toBe(
      'step 1\nstep 2\n' +
        "The job was interrupted. The runner's process was killed.\nIt goes on from its last checkpoint.\nstep 3\n",
    );
    expect(result.created).toHaveLength(3);
  });

  test('just before a checkpoint does the step before it again, and its file is there once', async () => {
    const result = await runForTest(careful, { kill: { checkpoint: 2, saved: false } });

    expect(result.created).toEqual([1, 2, 2, 3].map((n) => `/repositories/2/resources/${n}`));
    expect(result.files.map(({ name }) => name)).toEqual(['part-1.txt', 'part-2.txt']);
  });

  test('at each of its checkpoints in turn leaves the same files behind', async () => {
    const results = await killAtEachCheckpoint(careful);

    expect(results).toHaveLength(1 + 2 * 3);
    for (const { outcome, files } of results) {
      expect(outcome).toBe('completed');
      expect(files.map(({ name }) => name)).toEqual(['part-1.txt', 'part-2.txt']);
    }
  });
});

describe('a run whose type has retries', () => {
  test('tries again from its last checkpoint, after ten seconds and then longer', async () => {
    const seen: unknown[] = [];
    const result = await runForTest(
      async (ctx) => {
        seen.push([ctx.job.attempt, ctx.resumed]);
        if (ctx.resumed === undefined) await ctx.checkpoint({ half: true });
        if (ctx.job.attempt < 3) throw new Error('The other system is busy.');
      },
      { retries: 2 },
    );

    expect(result).toMatchObject({ outcome: 'completed', waits: [10, 40], segments: 3 });
    expect(seen).toEqual([
      [1, undefined],
      [2, { half: true }],
      [3, { half: true }],
    ]);
    expect(result.log).toContain('Attempt 1 of 3 failed: The other system is busy.\nThe job is tried again in 10 s.\n');
  });

  test('fails with the last reason when they are used up', async () => {
    let tries = 0;
    const result = await runForTest(
      async () => {
        throw new Error(`No answer, ${++tries}.`);
      },
      { retries: 1 },
    );

    expect(result).toMatchObject({ outcome: 'failed', reason: 'No answer, 2.', waits: [10] });
  });

  test('fails at once for what another attempt cannot mend', async () => {
    const result = await runForTest(
      async () => {
        throw new FinalFailure('The file is no finding aid.');
      },
      { retries: 5 },
    );

    expect(result).toMatchObject({ outcome: 'failed', reason: 'The file is no finding aid.', waits: [] });
  });

  test('is not tried again when it was canceled', async () => {
    const result = await runForTest(
      async (ctx) => {
        ctx.signal.throwIfAborted();
      },
      { retries: 5, cancel: 'at once' },
    );

    expect(result).toMatchObject({ outcome: 'canceled', waits: [] });
  });
});

test('the package gives out all that a runner throws, catches and calls', () => {
  expect({ ...sdk }).toEqual({ FinalFailure, StopReason, runner });
});
