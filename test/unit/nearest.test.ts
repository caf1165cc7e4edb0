import { describe, expect, test } from 'vitest';
import { nearest, suggestion } from '../../core/nearest.ts';

const options = ['hidden', 'grace_seconds', 'time_limit_seconds', 'files', 'form'];

describe('a name that is not there', () => {
  test.each([
    ['hiden', 'hidden'],
    ['hiddden', 'hidden'],
    ['hiddem', 'hidden'],
    ['Hidden', 'hidden'],
    ['grace-seconds', 'grace_seconds'],
    ['graceSeconds', 'grace_seconds'],
    ['fils', 'files'],
  ])('%s most likely means %s', (given, meant) => {
    expect(nearest(given, options)).toBe(meant);
    expect(suggestion(given, options)).toBe(` Did you mean ${meant}?`);
  });

  test('means the one that is nearest, and of equal ones the first', () => {
    expect(nearest('abcd', ['abxx', 'abcx', 'abcy'])).toBe('abcx');
  });

  test.each(['memory', 'x', '', 'h'.repeat(101)])('%s means none of them, so that all are named', (given) => {
    expect(nearest(given, options)).toBeUndefined();
    expect(suggestion(given, options)).toBe(` Known are ${options.join(', ')}.`);
  });

  test('is not compared with a name that is too long to be meant', () => {
    expect(nearest('a'.repeat(100), ['a'.repeat(101)])).toBeUndefined();
    expect(nearest('a'.repeat(100), ['a'.repeat(100)])).toBe('a'.repeat(100));
  });

  test('is answered with forty others at most, and with nothing where there are none', () => {
    const many = (count: number) => Array.from({ length: count }, (_, n) => `option_${String(n).padStart(2, '0')}`);

    expect(suggestion('zzz', many(40))).toBe(` Known are ${many(40).join(', ')}.`);
    expect(suggestion('zzz', many(41))).toBe(` Known are ${many(40).join(', ')}, ….`);
    expect(suggestion('zzz', [])).toBe('');
  });
});
