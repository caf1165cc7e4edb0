import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutAt, LogText, linesWith } from '../../ui/lib/log-text.ts';

const linesOf = (text: string) => (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');

describe('a log that comes in parts', () => {
  test('has the same lines, wherever the parts are cut, also inside a character', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }),
        fc.array(fc.nat({ max: 12 })),
        (lines, cuts) => {
          const text = `${lines.map((line) => line.replaceAll('\n', ' ')).join('\n')}x\n`;
          const bytes = new TextEncoder().encode(text);
          const log = new LogText();
          let at = 0;
          for (const length of [...cuts, bytes.length]) {
            expect(log.push(bytes.subarray(at, at + length), at)).toBe(true);
            at = Math.min(bytes.length, at + length);
          }
          log.finish();

          expect(log.offset).toBe(bytes.length);
          expect(log.lines).toEqual(linesOf(text));
        },
      ),
    );
  });

  test('takes nothing twice, and nothing when bytes between are missing', () => {
    const bytes = new TextEncoder().encode('日本語\nzwei\n');
    const log = new LogText();

    log.push(bytes.subarray(0, 5), 0);
    log.push(bytes.subarray(0, 12), 0);

    expect(log.push(bytes.subarray(13), 13)).toBe(false);
    expect(log.push(bytes.subarray(4), 4)).toBe(true);
    expect(log.lines).toEqual(['日本語', 'zwei']);
  });

  test('a line without an end is shown, and grows', () => {
    const log = new LogText();
    log.push(new TextEncoder().encode('one\ntw'), 0);
    expect(log.lines).toEqual(['one', 'tw']);

    log.push(new TextEncoder().encode('o\n\nthree'), 6);
    expect(log.lines).toEqual(['one', 'two', '', 'three']);
  });

  test('what is left of a broken character shows when the log has ended', () => {
    const log = new LogText();
    log.push(new Uint8Array([0x61, 0xe6, 0x97]), 0);
    expect(log.lines).toEqual(['a']);

    log.finish();
    expect(log.lines).toEqual(['a\ufffd']);
  });

  test('a hundred thousand lines are taken within a second', () => {
    const bytes = new TextEncoder().encode(
      Array.from({ length: 100_000 }, (_, i) => `Zeile ${i} – ünïcode\n`).join(''),
    );
    const log = new LogText();
    const began = performance.now();

    for (let at = 0; at < bytes.length; at += 65_536) log.push(bytes.subarray(at, at + 65_536), at);

    expect(log.lines).toHaveLength(100_000);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

describe('searching', () => {
  test('finds lines whatever the case, and cuts them at each match', () => {
    expect(linesWith(['Straße', 'other', 'STRAND'], 'stra')).toEqual([0, 2]);
    expect(cutAt('abcABC', 'b')).toEqual(['a', 'b', 'cA', 'B', 'C']);
    expect(cutAt('nothing', 'b')).toEqual(['nothing']);
  });

  test('what is cut is the line again when it is put together', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ minLength: 1, maxLength: 2 }), (line, wanted) => {
        expect(cutAt(line, wanted).join('')).toBe(line);
      }),
    );
  });
});
