import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { address, as, endAll, jobs, useBrowser } from './helpers.ts';

const browser = useBrowser();
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What WCAG 2.2 AA forbids and a machine can see. */
async function violations(page: Page): Promise<readonly string[]> {
  // By the debugger: the page's security policy lets no other script in.
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(options: object): Promise<AxeResults> } }).axe.run({
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }),
  );
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`),
  );
}

/** As `until` of a person, outside of a test. */
const reached = (uri: string, status: string) =>
  vi.waitFor(async () => expect((await (await as('archivist')).show(uri)).status).toBe(status), {
    timeout: 20_000,
    interval: 200,
  });

let uris: Readonly<Record<'running' | 'queued' | 'failed' | 'completed', string>>;
beforeAll(async () => {
  await endAll();
  const archivist = await as('archivist');
  const failed = await archivist.create('faulty_job', { fault: 'throw' });
  const completed = await archivist.create('quick_job', { say: 'done', steps: 1 });
  await reached(failed, 'failed');
  await reached(completed, 'completed');
  const running = await archivist.create('slow_serial_job', { times: '900', seconds: 1 });
  await reached(running, 'running');
  uris = { running, queued: await archivist.create('slow_serial_job', { times: '1' }), failed, completed };
});
afterAll(endAll);

/** Each view, with what tells that it is there. */
const views: Readonly<Record<string, (page: Page) => Promise<void>>> = {
  'sign in': async (page) => {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Enter your username.').waitFor();
  },
  'list of jobs': async (page) => {
    await page.goto(`${address}/ui${jobs}`);
    await page.getByRole('heading', { name: 'Finished' }).waitFor();
    await page.getByText('Filter', { exact: true }).click();
  },
  'menu of types': async (page) => {
    await page.goto(`${address}/ui${jobs}/new`);
    await page.getByText('What should the job do?').waitFor();
  },
  'form with problems': async (page) => {
    await page.goto(`${address}/ui${jobs}/new/import_job`);
    await page.getByLabel('Files').setInputFiles('examples/novak-tanaka.xml');
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.getByText('One field needs your attention').waitFor();
  },
  'running job': async (page) => {
    await page.goto(`${address}/ui${uris.running}`);
    await page.locator('.log-box').waitFor();
  },
  'queued job': async (page) => {
    await page.goto(`${address}/ui${uris.queued}`);
    await page.getByText('Why it waits').waitFor();
  },
  'failed job': async (page) => {
    await page.goto(`${address}/ui${uris.failed}`);
    await page.getByRole('heading', { name: 'The job failed' }).waitFor();
    await page.locator('.log-box').waitFor();
  },
  'completed job': async (page) => {
    await page.goto(`${address}/ui${uris.completed}`);
    await page.getByText('2 records').waitFor();
    await page.getByPlaceholder('Search in log').fill('done');
    await page.getByText('1 of 1', { exact: true }).waitFor();
  },
  dialog: async (page) => {
    await page.goto(`${address}/ui${uris.queued}`);
    await page.getByRole('button', { name: 'Cancel Job' }).click();
    await page.getByRole('dialog').waitFor();
  },
  'no such job': async (page) => {
    await page.goto(`${address}/ui${jobs}/999999`);
    await page.getByText('This job does not exist').waitFor();
  },
};

describe.each(['light', 'dark'] as const)('in %s, nothing that WCAG 2.2 AA forbids', (scheme) => {
  test.each(Object.keys(views))('%s', async (name) => {
    const page = await browser.at(jobs, 'archivist', { scheme });
    await page.getByRole('heading', { level: 1 }).waitFor();
    await views[name]?.(page);

    expect(await violations(page)).toEqual([]);
  });
});

test.each([
  ['a phone', 360],
  ['200 % zoom of a small screen', 640],
  ['400 % zoom', 320],
])('on %s nothing is wider than the screen', async (_, width) => {
  const page = await browser.at(jobs, 'archivist', { width });
  await page.getByRole('heading', { level: 1 }).waitFor();
  for (const [name, go] of Object.entries(views).toReversed()) {
    await go(page);
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(wider, name).toBeLessThanOrEqual(0);
  }
});

test('no text is left in the code: in a locale that nobody speaks all of it is in brackets', async () => {
  const page = await browser.at(jobs, 'archivist', { words: 'pseudo' });
  const bare = () =>
    page.evaluate(() => {
      // What comes from people, schemas and jobs, and what the browser writes.
      const data =
        'td, dd, time, .name, .log-box, .types, option, #parameters + dl dt, .help, .reason, .files, .drop-list, .records, h1';
      const found: string[] = [];
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const text = walker.currentNode.textContent?.trim() ?? '';
        const parent = walker.currentNode.parentElement;
        if (/\p{L}/u.test(text) && !text.includes('⟦') && !parent?.closest(data)) found.push(text);
      }
      return found;
    });
  await page.getByText('⟦Finished⟧').waitFor();
  expect(await bare()).toEqual([]);
  await page.goto(`${address}/ui${uris.queued}`);
  await page.getByText('⟦Why it waits⟧').waitFor();
  await page.getByText('⟦Parameters⟧').waitFor();
  expect(await bare()).toEqual([]);
});

test('the first view is there within a second of the page, and is small', async () => {
  const page = await browser.at(jobs);
  await page.getByRole('heading', { name: 'Finished' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Finished' }).waitFor();
  const { ms, bytes } = await page.evaluate(() => {
    const [loaded] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
    const scripts = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
    return {
      ms: performance.now() - (loaded?.responseEnd ?? 0),
      bytes: scripts
        .filter(({ name }) => name.includes('/assets/'))
        .reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0),
    };
  });
  console.log(`The list was there ${Math.round(ms)} ms after the page; ${bytes} bytes unpacked.`);
  // Two cores shared with whatever else runs: the target is a second.
  expect(ms).toBeLessThan(3_000);
  expect(bytes).toBeLessThan(500_000);
});
