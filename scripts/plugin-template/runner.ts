/** Counts lines of uploaded files. Made by `npm run plugin:new`, as something that works: put your own work in its place. */
import type { InputFile, Run } from '../../runners/sdk/context.ts';
import { runner } from '../../runners/sdk/run.ts';

/** The parameters as the schema promises them: they were checked when the job was created. */
interface Params extends Readonly<Record<string, unknown>> {
  readonly text?: string;
}

/** What one invocation hands to the next: anything that JSON can say, up to 64 KB. */
interface State {
  /** Of the files that are done, in their order. */
  readonly counts: readonly number[];
}

/** The work. Returning means that the job is done; throwing that it failed, and staff read the error's message. */
export const run: Run<Params> = async (ctx) => {
  // A Lambda lasts 15 minutes. A longer job goes on in another one, from the top of `run`, with what was saved.
  let { counts } = (ctx.resumed as State | undefined) ?? { counts: [] };

  for (const file of ctx.files.slice(counts.length)) {
    let count = 0;
    for await (const line of linesOf(file)) {
      if (ctx.stopping) {
        // Canceled, or at its time limit: tidy up, and return. Who goes on regardless is killed after the grace time.
        ctx.log(`Stopped in ${file.name}.`);
        return;
      }
      if (isCounted(line, ctx.params)) count++;
    }
    counts = [...counts, count];
    ctx.log(`${file.name}: ${count} lines`);
    ctx.progress(counts.length, ctx.files.length, 'files');
    // Saves how far we are. Near the end of the Lambda's time it never returns: the next one begins.
    if (counts.length < ctx.files.length) await ctx.checkpoint({ counts } satisfies State);
  }
  const lines = ctx.files.map(({ name }, n) => `${name}: ${counts[n]}\n`);
  await ctx.addFile('counts.txt', lines.join(''), { contentType: 'text/plain' });
};

/** What the service calls. Every runner has this line. */
export const handler = runner(run);

const isCounted = (line: string, { text = '' }: Params): boolean => line.includes(text);

/** Its lines, one after the other, so that a file may be larger than the memory. */
async function* linesOf(file: InputFile): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of await file.open()) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  rest += decoder.decode();
  // A last line without a line break is one as well.
  if (rest !== '') yield rest;
}
