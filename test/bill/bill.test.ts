import { expect, test } from 'vitest';
import { billOfOneJob, printed } from './bill.ts';

/** Design, section 6: at list prices, without the runner's own time and without CloudWatch. */
const mostUsdFor1000 = 0.08;

test.each([
  ['a serial type among 14', 14, false],
  ['a concurrent type among 14', 14, true],
  ['a serial type among 3', 3, false],
])('1,000 no-op jobs of %s cost at most 8 cents', async (title, types, concurrent) => {
  const bill = await billOfOneJob(types, concurrent);

  console.log(printed(title, bill));
  expect(bill.total).toBeLessThanOrEqual(mostUsdFor1000);
});

test('a serial job among 14 types asks the table for this, and for no more', async () => {
  const { steps } = await billOfOneJob(14, false);

  expect(steps).toEqual([
    { step: 'create', units: { requests: 2, writes: 7, reads: 0 } },
    { step: 'dispatch', units: { requests: 16, writes: 13, reads: 15 } },
    { step: 'run', units: { requests: 4, writes: 3, reads: 1 } },
    { step: 'finish', units: { requests: 17, writes: 8, reads: 16 } },
  ]);
});
