import { describe, expect, test } from 'vitest';
import { killAtEachCheckpoint, runForTest, type TestResult } from '../../runners/sdk/testing.ts';
import { run } from './runner.ts';

/** Every 4,000th row has no title; one title has a line break, a quote and a comma. */
function csv(rows: number): string {
  const lines = Array.from({ length: rows }, (_, n) =>
    n === 7 ? `${n},"A ""long"",\r\ntitle",x` : `${n},${n % 4_000 === 1 ? '' : `Títle ${n}`},x`,
  );
  return `\ufeffid,title,extent\r\n${lines.join('\r\n')}\r\n`;
}
const check = (content: string | Uint8Array, more: Parameters<typeof runForTest>[1] = {}) =>
  runForTest(run, { params: { required_columns: ['title'] }, files: [{ name: 'rows.csv', content }], ...more });
const contents = ({ files }: TestResult) => files.map(({ name, bytes }) => [name, Buffer.from(bytes).toString()]);

describe('a spreadsheet', () => {
  test('without problems says so', async () => {
    expect(await check('id,title\n1,A\n2,B\n')).toMatchObject({
      outcome: 'completed',
      log: 'Columns: id, title\n2 rows, 0 problems\nNo problems found.\n',
      files: [],
    });
  });

  test('has its problems listed, by the rows that a spreadsheet shows', async () => {
    const bytes = Buffer.concat([
      Buffer.from('id,title\n1,A\n2,\n3\n4,D,E\n5,'),
      Uint8Array.of(0xe4),
      Buffer.from('\n'),
    ]);
    const result = await check(bytes);

    expect(contents(result)).toEqual([
      [
        'problems-from-row-2.csv',
        [
          '"row","problem"',
          '"3","title is empty"',
          '"4","1 cells in place of 2"',
          '"4","title is empty"',
          '"5","3 cells in place of 2"',
          '"6","title has characters that are not UTF-8"',
          '',
        ].join('\r\n'),
      ],
    ]);
  });

  test.each([
    ['', 'The file is empty.'],
    ['id,name\n1,A\n', 'The file has no column title.'],
    ['id,title\n1,"A\n', 'This is not a CSV file: '],
  ])('of %j fails with a sentence for staff', async (content, reason) => {
    const result = await check(content);

    expect(result).toMatchObject({ outcome: 'failed' });
    expect(result.reason).toContain(reason);
  });

  test('is left when the job is canceled', async () => {
    expect(await check(csv(20_000), { cancel: { whenLogged: '5000 rows' } })).toMatchObject({
      outcome: 'canceled',
      log: expect.stringMatching(/Stopped after 5000 rows\.\n$/),
    });
  });
});

describe('a spreadsheet that takes many invocations', () => {
  test('gives the log and the files of one go', async () => {
    const content = csv(40_000);
    const [once, often] = [await check(content), await check(content, { invocationMs: 1 })];

    expect(once.segments).toBe(1);
    expect(often.segments).toBe(8);
    expect(often.log).toBe(once.log);
    expect(contents(often)).toEqual(contents(once));
    expect(often.progress).toEqual(once.progress);
    expect(once.log).toContain('40000 rows, 10 problems\n');
  });

  test('gives the same files when it is killed at any checkpoint', async () => {
    const [unharmed, ...killed] = await killAtEachCheckpoint(run, {
      params: { required_columns: ['title'] },
      files: [{ name: 'rows.csv', content: csv(20_000) }],
    });

    expect(killed).toHaveLength(6);
    for (const result of killed) {
      expect(result.outcome).toBe('completed');
      expect(contents(result)).toEqual(unharmed && contents(unharmed));
    }
  });
});
