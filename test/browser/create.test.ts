import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { address, as, endAll, idOf, jobs, useBrowser } from './helpers.ts';

const browser = useBrowser();
beforeAll(endAll);
afterAll(endAll);

const numbersOfJobs = async () => (await (await as('archivist')).get<readonly number[]>(`${jobs}?all_ids=true`)).body;

describe('creating a job', () => {
  test('from a file, to the records that it made', async () => {
    const page = await browser.at(jobs);
    await page.getByRole('link', { name: 'Create Background Job' }).click();
    await page.getByRole('link', { name: 'Import data' }).click();
    await page.getByText('Yours starts right away.').waitFor();
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.getByText('2 fields need your attention').waitFor();
    await page.getByText('Choose a file.').waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('field-filenames');

    await page.getByLabel('Files').setInputFiles('examples/novak-tanaka.xml');
    await page.getByLabel('Import type').selectOption({ label: 'Import EAD records from an XML file' });
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.waitForURL(/jobs\/\d+$/);
    await page.getByText('Completed', { exact: true }).first().waitFor();
    await page.getByText('246 records').waitFor();
    await page.getByText('Imported 231 archival objects').waitFor();
    expect(await page.title()).toMatch(/^Completed: Import data \d+ – Background Jobs$/);

    const [record] = await Promise.all([
      page.context().waitForEvent('page'),
      page.getByRole('link', { name: /^Novák and Tanaka Family Papers/ }).click(),
    ]);
    await record.getByRole('heading', { name: 'Novák and Tanaka Family Papers' }).waitFor();

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: /^Download novak-tanaka\.xml/ }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('novak-tanaka.xml');
  });

  test('again, with something changed and the same file', async () => {
    const archivist = await as('archivist');
    const { body } = await archivist.upload(
      { jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: ['a b – ž.xml'] },
      [{ field: 'files[0]', name: 'a b – ž.xml', content: '<not-ead/>' }],
    );
    await archivist.until(body.uri, 'failed');
    const page = await browser.at(body.uri);
    await page.getByRole('heading', { name: 'The job failed' }).waitFor();
    await page.getByText('What to do:').waitFor();

    await page.getByRole('button', { name: 'Run Again' }).click();
    await page.getByRole('link', { name: 'Change something first' }).click();
    await page.getByText(`from job ${idOf(body.uri)}`, { exact: true }).waitFor();
    await page.getByLabel('Import events').check();
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.waitForURL((url) => /jobs\/\d+$/.test(url.pathname) && !url.pathname.endsWith(body.uri));
    const uri = new URL(page.url()).pathname.slice('/ui'.length);

    expect((await archivist.show(uri))['job']).toMatchObject({ import_events: '1', filenames: ['a b – ž.xml'] });
    expect((await archivist.get(`${uri}/files`)).body).toMatchObject({ files: [{ name: 'a b – ž.xml', size: 10 }] });
  });

  test('a type of a plugin has a form without any code of the page', async () => {
    const page = await browser.at(`${jobs}/new`);
    await page.getByRole('link', { name: 'quick_job' }).click();
    await page.getByLabel('Steps').fill('many');
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.getByText('Enter a whole number.').waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('field-steps');

    await page.getByLabel('Steps').fill('');
    await page.getByLabel('Say').fill('žluťoučký kůň');
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.waitForURL(/jobs\/\d+$/);
    await page.getByLabel('Log', { exact: true }).last().getByText('žluťoučký kůň').waitFor();
  });

  test('a type that is translated is read in the language of the browser, each text by itself', async () => {
    const page = await browser.at(`${jobs}/new`, 'archivist', { locale: 'de-AT' });
    const link = page.getByRole('link', { name: 'Tabellen prüfen' });
    expect(await link.getAttribute('lang')).toBe('de');
    await link.click();
    await page.getByRole('heading', { name: 'Tabellen prüfen' }).waitFor();
    await page.getByText('Looks at spreadsheets.').waitFor();
    expect(await page.getByText('Wie genau?').getAttribute('lang')).toBe('de');
    const remark = page.getByLabel('Bemerkung');
    expect(await remark.getAttribute('placeholder')).toBe('Etwa: alle Kartons');
    expect(await remark.evaluate(({ tagName }) => tagName)).toBe('TEXTAREA');

    await page.getByLabel('Sheets').setInputFiles({ name: 'a.csv', mimeType: 'text/csv', buffer: Buffer.from('a') });
    await page.getByLabel('Wie genau?').selectOption({ label: 'Gründlich' });
    await remark.fill('Zeile\nZeile');
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.waitForURL(/jobs\/\d+$/);
    await page.getByRole('heading', { name: 'Tabellen prüfen' }).waitFor();
    await page.getByText('Gründlich', { exact: true }).waitFor();

    await page.getByRole('link', { name: 'Browse Background Jobs' }).click();
    await page.getByRole('link', { name: 'Tabellen prüfen' }).first().waitFor();
  });

  test('what few need is folded away, until it is wrong', async () => {
    const page = await browser.at(`${jobs}/new/sheet_job`);
    await page.getByLabel('Sheets').setInputFiles({ name: 'a.csv', mimeType: 'text/csv', buffer: Buffer.from('a') });
    expect(await page.getByLabel('Steps').isVisible()).toBe(false);
    await page.getByText('More options').click();
    await page.getByLabel('Steps').fill('some');
    await page.getByText('More options').click();
    expect(await page.getByLabel('Steps').isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.getByText('Enter a whole number.').waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('field-steps');
  });

  test('files that the type does not take are refused before they are sent, and the page says why', async () => {
    const page = await browser.at(`${jobs}/new/sheet_job`);
    const sheets = page.getByLabel('Sheets');
    const file = (name: string, size = 1) => ({ name, mimeType: '', buffer: Buffer.alloc(size, 'a') });
    expect(await sheets.getAttribute('accept')).toBe('.csv,text/csv');
    await page.getByText('Allowed are: .csv, text/csv. 2 files at most. At most 1 kB together.').waitFor();

    await sheets.setInputFiles(file('scan.pdf'));
    const problem = page.locator('#field-filenames-problem');
    expect(await problem.textContent()).toBe('“scan.pdf” cannot be used here. Allowed are: .csv, text/csv.');
    expect(await page.locator('.drop-list').count()).toBe(0);

    await sheets.setInputFiles([file('a.csv'), file('b.csv', 2_000), file('c.csv')]);
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.getByText('One field needs your attention').waitFor();
    expect(await problem.textContent()).toBe(
      '2 files at most can be used here. Take the others away. ' +
        'All files together may have at most 1 kB, and these have 2 kB. The largest is “b.csv”.',
    );
    await page.getByRole('button', { name: 'Remove b.csv' }).click();
    await expect.poll(() => problem.count()).toBe(0);
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.waitForURL(/jobs\/\d+$/);
  });

  test('a double click makes one job', async () => {
    const page = await browser.at(`${jobs}/new/quick_job`);
    await page.getByRole('button', { name: 'Start Job' }).waitFor();
    const before = await numbersOfJobs();
    await page.getByRole('button', { name: 'Start Job' }).dblclick();
    await page.waitForURL(/jobs\/\d+$/);

    expect(await numbersOfJobs()).toHaveLength(before.length + 1);
  });

  test('an answer that was lost makes no second job', async () => {
    const page = await browser.at(`${jobs}/new/quick_job`);
    await page.getByRole('button', { name: 'Start Job' }).waitFor();
    const before = await numbersOfJobs();
    let lost = 0;
    await page.route(`${address}${jobs}`, async (route) => {
      if (route.request().method() !== 'POST' || lost > 0) return route.continue();
      lost++;
      await route.fetch();
      await route.abort();
    });
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.getByText('it will not be created twice').waitFor();
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.waitForURL(/jobs\/\d+$/);

    expect(lost).toBe(1);
    expect(await numbersOfJobs()).toHaveLength(before.length + 1);
  });

  test('a file that could not be sent is sent again', async () => {
    const page = await browser.at(`${jobs}/new/import_job`);
    await page
      .getByLabel('Files')
      .setInputFiles({ name: '<img src=x>.xml', mimeType: 'text/xml', buffer: Buffer.from('<ead/>') });
    await page.getByText('<img src=x>.xml').waitFor();
    await page.getByLabel('Import type').selectOption({ index: 1 });
    let broken = true;
    await page.route(/uploads\//, (route) =>
      broken && route.request().method() === 'PUT' ? route.abort() : route.continue(),
    );
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.getByText('Could not be sent').waitFor();
    broken = false;
    await page.getByRole('button', { name: /^Send .* again$/ }).click();
    await page.getByText('Sent', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.waitForURL(/jobs\/\d+$/);
    await page.getByRole('button', { name: /<img src=x>\.xml/ }).waitFor();
  });
});

describe('who may create', () => {
  test.each([
    ['admin', ['Import data', 'Slow nothing', 'Generate slugs in bulk'], []],
    ['archivist', ['Import data', 'Slow nothing'], ['Generate slugs in bulk']],
    ['data-entry', ['Slow nothing', 'Trim whitespace'], ['Import data']],
  ])('%s', async (user, may, mayNot) => {
    const page = await browser.at(`${jobs}/new`, user);
    await page.getByText('What should the job do?').waitFor();
    const links = await page.locator('.types a').allTextContents();

    expect(links).toEqual(expect.arrayContaining(may));
    for (const title of mayNot) {
      expect(links).not.toContain(title);
      await page.getByText(`${title}: needs`).waitFor();
    }
  });

  test.each(['manager', 'viewer'])('%s may not, and reads why', async (user) => {
    const page = await browser.at(`${jobs}/new`, user);
    await page.getByText('This needs the permission “create_job” in this repository.').waitFor();
  });
});
