/** A fenced block of a guide. */
export interface Block {
  /** Behind the fence: `sh`, `ts`, `diff`, `text`, … */
  readonly language: string;
  /** Of its info string `title="…"`: a file, or a terminal. */
  readonly title: string | undefined;
  readonly text: string;
  /** Of its fence in the document, from 1. */
  readonly line: number;
}

export interface Step {
  readonly heading: string;
  readonly blocks: readonly Block[];
}

/**
 * The steps of a part of a document in Markdown: its headings of the third level, with their fenced blocks.
 *
 * @param part its heading, of the second level. Throws when there is none
 */
export function stepsOf(markdown: string, part: string): readonly Step[] {
  const steps: { readonly heading: string; readonly blocks: Block[] }[] = [];
  let isWithin = false;
  let wasFound = false;
  let open: (Omit<Block, 'text'> & { readonly lines: string[] }) | undefined;
  for (const [n, line] of markdown.split('\n').entries()) {
    const [, language, info = ''] = /^```(\w*)(.*)$/.exec(line) ?? [];
    if (open && language === '') {
      if (isWithin) steps.at(-1)?.blocks.push({ ...open, text: open.lines.join('\n') });
      open = undefined;
    } else if (open) open.lines.push(line);
    else if (language !== undefined)
      open = { language, title: /title="([^"]*)"/.exec(info)?.[1], line: n + 1, lines: [] };
    else if (line.startsWith('## ')) {
      isWithin = line === `## ${part}`;
      wasFound ||= isWithin;
    } else if (isWithin && line.startsWith('### ')) steps.push({ heading: line.slice(4), blocks: [] });
  }
  if (!wasFound) throw new Error(`There is no part "${part}".`);
  return steps;
}

/**
 * Makes a change that a guide shows as a diff without line numbers, as its reader would: what stands there with ` ` and
 * `-` has to be in the file, and once only. Throws when it is not.
 */
export function changed(content: string, diff: string): string {
  const lines = diff.split('\n');
  const side = (sign: string) =>
    lines
      .filter((line) => line === '' || line.startsWith(' ') || line.startsWith(sign))
      .map((line) => `${line.slice(1)}\n`)
      .join('');
  // From the beginning of a line on.
  const whole = `\n${content}`;
  const old = `\n${side('-')}`;
  const at = whole.indexOf(old);
  if (at < 0) throw new Error(`These lines are not in the file:${old}`);
  if (whole.includes(old, at + 1)) throw new Error(`These lines are in the file more than once:${old}`);
  return `${whole.slice(0, at)}\n${side('+')}${whole.slice(at + old.length)}`.slice(1);
}

/** Whether lines stand in a file in this order, one below the other, however they are indented. */
export function hasLines(content: string, lines: string): boolean {
  const trimmed = (text: string) => text.split('\n').map((line) => line.trim());
  return `\n${trimmed(content).join('\n')}\n`.includes(`\n${trimmed(lines).join('\n')}\n`);
}
