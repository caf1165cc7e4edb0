import { expect, test } from 'vitest';
import { pairOf } from '../../functions/api/login.ts';

const same = (one: string, other: string) => pairOf('ada', one) === pairOf('ada', other);

test.each([
  ['192.0.2.1', '192.0.2.1', true],
  ['192.0.2.1', '192.0.2.2', false],
  ['2001:db8:0:7::1', '2001:db8:0:7:ffff:ffff:ffff:ffff', true],
  ['2001:db8:0:7::1', '2001:0DB8:0000:0007:0:0:0:2', true],
  ['2001:db8:0:7::1', '2001:db8:0:8::1', false],
  ['2001:db8::1', '2001:db8:0:0:1::', true],
  ['::1', '::2', true],
  ['::1', '1::', false],
  ['::ffff:192.0.2.1', '192.0.2.1', true],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.2', false],
])('attempts from %s and %s are counted together: %s', (one, other, together) => {
  expect(same(one, other)).toBe(together);
});

test('attempts of another user are counted apart', () => {
  expect(pairOf('ada', '192.0.2.1')).not.toBe(pairOf('bob', '192.0.2.1'));
  expect(pairOf('ada', '192.0.2.1')).toMatch(/^[0-9a-f]{64}$/);
});
