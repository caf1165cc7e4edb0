import { describe, expect, test } from 'vitest';
import {
  type Attempts,
  attemptsKey,
  attemptsWindowMs,
  countAttempt,
  forgetAttempts,
  mostAttempts,
  readAttempts,
  uncountAttempt,
} from '../../core/login-attempts.ts';
import { holds, type Item } from '../../core/writes.ts';

const now = 1_800_000_000_000;

/** Counts one after the other, as the table would store it. */
function counting(times: number, from: number): { item: Item | undefined; allowed: boolean[] } {
  let item: Item | undefined;
  const allowed = Array.from({ length: times }, () => {
    const counted = countAttempt('p', readAttempts(item), from);
    if (counted.allowed && counted.write.op === 'put' && holds(item, counted.write.when)) item = counted.write.item;
    return counted.allowed;
  });
  return { item, allowed };
}

test('five attempts are allowed, and the sixth is told when to come again', () => {
  const { item, allowed } = counting(mostAttempts, now);

  expect(allowed).toEqual([true, true, true, true, true]);
  expect(countAttempt('p', readAttempts(item), now + 60_000)).toEqual({ allowed: false, retryAfterSeconds: 14 * 60 });
});

test('the window begins with the first attempt and is not moved by later ones', () => {
  const { item } = counting(3, now);
  const later = countAttempt('p', readAttempts(item), now + attemptsWindowMs - 1);

  expect(later).toMatchObject({ allowed: true, now: { count: 4, until: now + attemptsWindowMs } });
});

test('after the window the count begins anew, though the table has not forgotten the item', () => {
  const { item } = counting(mostAttempts, now);
  const seen = readAttempts(item) as Attempts;
  const counted = countAttempt('p', seen, seen.until);

  expect(counted).toMatchObject({ allowed: true, now: { count: 1, until: seen.until + attemptsWindowMs } });
  expect(counted.allowed && holds(item, counted.write.when)).toBe(true);
});

describe('of two attempts that saw the same count', () => {
  test.each([0, 1, 4])('(%i) one is written', (before) => {
    const { item } = counting(before, now);
    const seen = readAttempts(item);
    const [one, two] = [countAttempt('p', seen, now), countAttempt('p', seen, now)];
    if (!one.allowed || !two.allowed || one.write.op !== 'put') throw new Error('Both were to be allowed.');

    expect(holds(item, one.write.when)).toBe(true);
    expect(holds(one.write.item, two.write.when)).toBe(false);
  });
});

test('an attempt that came to no answer is taken back, unless another was counted since', () => {
  const { item } = counting(2, now);
  const back = uncountAttempt('p', readAttempts(item) as Attempts);

  expect(back).toMatchObject({ op: 'put', item: { count: 1 } });
  expect(holds(item, back.when)).toBe(true);
  expect(holds(counting(3, now).item, back.when)).toBe(false);
});

test('each pair of user and address has a count of its own, found after a deploy where it was', () => {
  expect(attemptsKey('p')).toEqual({ pk: 'LOGIN#p', sk: 'ATTEMPTS' });
  expect(attemptsKey('q')).not.toEqual(attemptsKey('p'));
});

test.each<[name: string, item: Item | undefined]>([
  ['is not there', undefined],
  ['has no count', { until: now }],
  ['has no end', { count: 3 }],
  ['has words for numbers', { count: '3', until: 'soon' }],
])('an item that %s counts nothing', (_, item) => {
  expect(readAttempts(item)).toBeUndefined();
});

test('counts expire in the table, by themselves, and are forgotten whatever they were', () => {
  const { item } = counting(1, now);

  expect(item?.['expires']).toBe((now + attemptsWindowMs) / 1000);
  expect(forgetAttempts('p')).toEqual({ op: 'delete', key: attemptsKey('p'), when: [] });
});
