import { afterEach, describe, expect, test } from 'vitest';
import { address, as, endAll, idOf, jobs, useBrowser } from './helpers.ts';

const browser = useBrowser();
afterEach(endAll);

describe('watching a job', () => {
  test('log and progress grow while it runs, without a reload', async () => {
    const archivist = await as('archivist');
    const uri = await archivist.create('quick_job', { steps: 10, say: '<b>čaj 茶</b>' });
    const page = await browser.at(uri);
    const log = page.locator('.log-box');
    await log.getByText('step 1 in segment 1').waitFor();
    await page.getByText(/^\d of 10 \(\d0%\) – step \d$/).waitFor();
    expect(await page.title()).toMatch(/^\d0% quick_job \d+ – /);
    await page.getByText('Completed', { exact: true }).first().waitFor();
    await log.getByText(/^end \d+$/).waitFor();

    const lines = await log.locator('.line').allTextContents();
    expect(lines.join('\n')).toBe((await archivist.log(uri)).trimEnd());
    expect(lines).toContain('<b>čaj 茶</b>');
    await page
      .getByRole('button', { name: /^Download what was said\.txt/ })
      .first()
      .waitFor();
    await page.getByText('2 records').waitFor();
    expect(await page.title()).toMatch(/^Completed: /);
  });

  test('a hundred thousand lines stay smooth and can be searched', async () => {
    const archivist = await as('archivist');
    const uri = await archivist.create('quick_job', { lines: 100_000 });
    await archivist.until(uri, 'completed', 40_000);
    const page = await browser.at(uri);
    await page.getByText('100,002 lines').waitFor();
    await page
      .locator('.log-box')
      .getByText(/^end \d+$/)
      .waitFor();

    expect(await page.locator('.line').count()).toBeLessThan(150);
    await page.getByPlaceholder('Search in log').fill('line 50000 of');
    await page.getByText('1 of 1', { exact: true }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByText('line 50000 of 100000: čaj 茶').waitFor();
    const slowestMs = await page.evaluate(async () => {
      const box = document.querySelector('.log-box');
      let slowest = 0;
      for (let turn = 0; turn < 30; turn++) {
        const began = performance.now();
        if (box) box.scrollTop = (box.scrollHeight / 30) * turn;
        await new Promise((resolve) => requestAnimationFrame(resolve));
        slowest = Math.max(slowest, performance.now() - began);
      }
      return slowest;
    });
    expect(slowestMs).toBeLessThan(500);
  });

  test('a job that waits says why, and who holds what', async () => {
    const archivist = await as('archivist');
    const first = await archivist.create('serial_a_job', { seconds: 60 });
    await archivist.until(first, 'running');
    const second = await archivist.create('serial_a_job');
    const page = await browser.at(second);
    await page.getByText('This job is next in the queue.').waitFor();
    await page.getByText('Only one job of its type runs at a time, and one is running:').waitFor();
    await page.getByRole('link', { name: new RegExp(` ${idOf(first)}, since `) }).click();
    await page.waitForURL(`**${first}`);
  });

  test('a queued job is canceled, and never starts', async () => {
    const archivist = await as('archivist');
    await archivist.create('serial_a_job', { seconds: 60 });
    const uri = await archivist.create('serial_a_job');
    const page = await browser.at(uri);
    await page.getByRole('button', { name: 'Cancel Job' }).click();
    await page.getByText('It has not started, and will not start any more.').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel Job' }).click();
    await page.getByText('Canceled', { exact: true }).first().waitFor();
    expect(await archivist.show(uri)).not.toHaveProperty('time_started');

    await page.getByRole('button', { name: 'Delete Job' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete Job' }).click();
    await page.getByRole('heading', { level: 1, name: 'Background Jobs' }).waitFor();
    expect((await archivist.get(uri)).status).toBe(404);
  });

  test('a running job is stopping until it has stopped', async () => {
    const archivist = await as('archivist');
    const uri = await archivist.create('slow_nothing_job', { times: '50', seconds: 20 });
    await archivist.until(uri, 'running');
    const page = await browser.at(uri);
    const seen: string[] = [];
    await page.exposeFunction('note', (text: string) => seen.push(text));
    await page.locator('.badge').waitFor();
    await page.evaluate(() => {
      const tell = (globalThis as unknown as { note(text: string): void }).note;
      new MutationObserver(() => tell(document.querySelector('.badge')?.textContent ?? '')).observe(document.body, {
        subtree: true,
        childList: true,
        characterData: true,
      });
    });
    await page.getByRole('button', { name: 'Cancel Job' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel Job' }).click();
    await page.getByText('Canceled', { exact: true }).first().waitFor();
    await page.getByText("Oh gee, I've been canceled").waitFor();

    expect([...new Set(seen)].filter((text) => text !== 'Running')).toEqual(['Stopping…', 'Canceled']);
    await page.getByText('Canceling was asked for by archivist').waitFor();
  });

  test('who may not cancel reads why', async () => {
    const admin = await as('admin');
    const uri = await admin.create('slow_nothing_job', { times: '50', seconds: 20 });
    const viewer = await browser.at(uri, 'viewer');
    await viewer
      .getByText('Only someone with the permission “cancel_job” in this repository may cancel this job.')
      .waitFor();
    expect(await viewer.getByRole('button', { name: /Cancel|Run Again|Delete/ }).count()).toBe(0);

    const { body } = await admin.upload(
      { jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: ['a.xml'] },
      [{ field: 'files[0]', name: 'a.xml', content: '<ead/>' }],
    );
    const page = await browser.at(body.uri);
    const { status } = await admin.show(body.uri);
    if (status === 'queued' || status === 'running')
      await page
        .getByText(/cancel_importer_job.*No default group has it; ask your ArchivesSpace administrator/)
        .waitFor();
  });

  test('a job that disappears while it is watched says so', async () => {
    const archivist = await as('archivist');
    await archivist.create('serial_a_job', { seconds: 60 });
    const uri = await archivist.create('serial_a_job');
    const page = await browser.at(uri);
    await page.getByText('Why it waits').waitFor();
    await archivist.delete(uri);
    await page.getByText('This job was deleted while you were looking at it').waitFor();

    await page.goto(`${address}/ui${jobs}/999999`);
    await page.getByText('This job does not exist').waitFor();
  });

  test('without a connection it says so, and goes on when it is back', async () => {
    const archivist = await as('archivist');
    const uri = await archivist.create('slow_nothing_job', { times: '60', seconds: 1 });
    const page = await browser.at(uri);
    await page.locator('.log-box').getByText('Doing nothing, 1 of 60').waitFor();
    await page.context().setOffline(true);
    await page.getByText('No connection.').waitFor();
    await page.context().setOffline(false);
    await page.getByText('The connection is back.').waitFor({ timeout: 20_000 });
    await archivist.cancel(uri);
    await page.getByText('Canceled', { exact: true }).first().waitFor();
  });

  test.each([
    [429, 'There are too many requests at the moment.'],
    [503, 'The service is not available at the moment.'],
    [500, 'Something went wrong on our side.'],
    [403, 'You may not do this.'],
  ])('a list that is answered with %d says so, and is tried again', async (status, text) => {
    const page = await browser.at(`${jobs}/new`);
    await page.getByText('What should the job do?').waitFor();
    await page.route(/jobs\/browse/, (route) => route.fulfill({ status, contentType: 'application/json', body: '{}' }));
    await page.getByRole('link', { name: 'Browse Background Jobs' }).click();
    await page.getByText(text).waitFor();
    await page.unroute(/jobs\/browse/);
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('heading', { name: 'Finished' }).waitFor();
  });

  test('whoever wants to is told when it ends', async () => {
    const archivist = await as('archivist');
    const uri = await archivist.create('quick_job', { seconds: 3 });
    const page = await browser.at(uri);
    await page.evaluate(() => {
      const told: string[] = [];
      class Told {
        static requestPermission = async () => 'granted';
        constructor(text: string) {
          told.push(text);
        }
      }
      Object.assign(globalThis, { Notification: Told, told });
    });
    await page.getByRole('button', { name: 'Tell me when it ends' }).click();
    await page.getByText('You will be told when it ends').waitFor();
    await page.getByText('Completed', { exact: true }).first().waitFor();

    expect(await page.evaluate(() => (globalThis as unknown as { told: string[] }).told)).toEqual([
      'quick_job: Completed',
    ]);
  });

  test('filters are in the address', async () => {
    const archivist = await as('archivist');
    const uri = await archivist.create('faulty_job', { fault: 'throw' });
    await archivist.until(uri, 'failed');
    const page = await browser.at(`${jobs}?status=failed&type=faulty_job`);
    await page.getByText('The cupboard is bare.').first().waitFor();
    expect(await page.getByRole('heading', { name: 'Running' }).count()).toBe(0);

    await page.getByLabel('Owner (username)').fill('nobody');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('No job matches these filters').waitFor();
    expect(new URL(page.url()).search).toBe('?status=failed&type=faulty_job&owner=nobody');
  });
});
