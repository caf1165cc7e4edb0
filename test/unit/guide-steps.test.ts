import { describe, expect, test } from 'vitest';
import { changed, hasLines, stepsOf } from '../guide/steps.ts';

const fence = '```';
const guide = `# A guide

## Before

### 0. No step

## In ten minutes

### 1. Make it

${fence}sh
make it
${fence}

### 2. Run it

Words.

${fence}sh title="first terminal"
start
## no heading

go on
${fence}

## After

${fence}sh
not this
${fence}
`;

describe('a guide', () => {
  test('has its steps by heading, each with its blocks as they stand', () => {
    expect(stepsOf(guide, 'In ten minutes')).toEqual([
      {
        heading: '1. Make it',
        blocks: [expect.objectContaining({ language: 'sh', title: undefined, text: 'make it' })],
      },
      {
        heading: '2. Run it',
        blocks: [expect.objectContaining({ title: 'first terminal', text: 'start\n## no heading\n\ngo on', line: 19 })],
      },
    ]);
  });

  test('without the part is an error', () => {
    expect(() => stepsOf(guide, 'In a minute')).toThrow('There is no part "In a minute".');
  });
});

describe('a change', () => {
  const file = 'one\n  two\n\nthree\n';

  test('takes lines away and puts lines in', () => {
    expect(changed(file, ' one\n-  two\n+  2\n+  2b\n\n three')).toBe('one\n  2\n  2b\n\nthree\n');
  });

  test.each([
    ['whose lines are others', ' one\n-  too', 'not in the file'],
    ['whose lines are indented in another way', '-two', 'not in the file'],
    ['of lines that are there twice', '-three', 'more than once'],
  ])('%s is an error', (_, diff, message) => {
    expect(() => changed(`${file}three\n`, diff)).toThrow(message);
  });
});

test('lines are found whatever their indentation, one below the other', () => {
  const file = 'a\n  b {\n    c\n  }\n';

  expect(hasLines(file, 'b {\n  c\n}')).toBe(true);
  expect(hasLines(file, 'b {\n}')).toBe(false);
  expect(hasLines(file, 'b')).toBe(false);
});
