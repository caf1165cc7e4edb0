import { createHash } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { address, as, endAll, jobs, useBrowser } from './helpers.ts';

const browser = useBrowser();
afterAll(endAll);

describe('signing in', () => {
  test('an address leads to the sign-in, and then where one wanted to go', async () => {
    const page = await browser.blank();
    await page.goto(`${address}/`);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Enter your username.').waitFor();
    expect(await page.getByLabel('Username').evaluate((field) => field === document.activeElement)).toBe(true);

    await page.getByLabel('Username').fill('archivist');
    await page.getByLabel('Password').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('Username or password is not right.').waitFor();

    await page.getByLabel('Password').fill('archivist');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Background Jobs' }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/ui/repositories/2/jobs');

    await page.reload();
    await page.getByRole('heading', { level: 1, name: 'Background Jobs' }).waitFor();
    await page.getByLabel('Repository').selectOption('Other Archives');
    await page.waitForURL('**/ui/repositories/3/jobs');

    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  });

  test('a session that ends does not lose a half-filled form', async () => {
    const page = await browser.at(`${jobs}/new/slow_nothing_job`);
    await page.getByLabel('How many times?').fill('2');
    await page.getByText('More options').click();
    await page.getByLabel('Seconds for each').fill('0');
    const secret = await page.evaluate(
      () => JSON.parse(localStorage.getItem('background-jobs-session') ?? '{}').secret as string,
    );
    await fetch(`${address}/logout`, { method: 'POST', headers: { 'x-archivesspace-session': secret } });

    await page.getByRole('button', { name: 'Start Job' }).click();
    const dialog = page.getByRole('dialog', { name: 'Sign in' });
    await dialog.getByLabel('Password').fill('archivist');
    await dialog.getByRole('button', { name: 'Sign in' }).click();
    await dialog.waitFor({ state: 'detached' });

    expect(await page.getByLabel('How many times?').inputValue()).toBe('2');
    await page.getByRole('button', { name: 'Start Job' }).click();
    await page.waitForURL(/jobs\/\d+$/);
  });

  test('the page and its parts say how they may be used and kept', async () => {
    const page = await fetch(`${address}/ui/repositories/2/jobs/1`);
    const html = await page.text();
    const script = /src="([^"]+\.js)"/.exec(html)?.[1] ?? '';
    const asset = await fetch(`${address}${script}`);

    expect(page.headers.get('cache-control')).toBe('no-cache');
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(page.headers.get('content-security-policy')).not.toMatch(/unsafe-(eval|inline)/);
    expect(asset.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect((await fetch(`${address}/ui/assets/none.js`)).status).toBe(404);
    expect((await fetch(`${address}/nothing`)).headers.get('content-type')).toBe('application/json');
  });
});

describe('at an issuer', () => {
  // The service's side of it is tested without a page (test/integration/auth-tokens.test.ts).
  test.each(['taken', 'refused'] as const)(
    'a code is exchanged with its proof, and the token is %s',
    async (outcome) => {
      const page = await browser.blank();
      const issuer = 'http://127.0.0.1:9';
      const cors = { 'access-control-allow-origin': address };
      const user = {
        username: 'ada',
        permissions: { '/repositories/2': ['view_repository'] },
        repositories: [{ id: 2, name: 'Two' }],
      };
      await page.route(`${address}/page`, (route) => {
        const isKnown = route.request().headers()['authorization'] === 'Bearer the-token';
        return route.fulfill({
          json: { sign_in: { kind: 'oidc', issuer, client_id: 'jobs' }, ...(isKnown && { user }) },
        });
      });
      await page.route(`${address}${jobs}/**`, (route) => route.fulfill({ json: { results: [], types: [] } }));
      await page.route(`${issuer}/.well-known/openid-configuration`, (route) =>
        route.fulfill({
          headers: cors,
          json: { authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` },
        }),
      );
      let challenge = '';
      await page.route(`${issuer}/authorize?*`, (route) => {
        const asked = new URL(route.request().url()).searchParams;
        challenge = asked.get('code_challenge') ?? '';
        const back = new URLSearchParams({ code: 'the-code', state: asked.get('state') ?? '' });
        return route.fulfill({ status: 302, headers: { location: `${asked.get('redirect_uri')}?${back}` } });
      });
      await page.route(`${issuer}/token`, (route) => {
        const given = new URLSearchParams(route.request().postData() ?? '');
        const proof = createHash('sha256')
          .update(given.get('code_verifier') ?? '')
          .digest('base64url');
        const isGood = outcome === 'taken' && given.get('code') === 'the-code' && proof === challenge;
        return route.fulfill({
          status: isGood ? 200 : 400,
          headers: cors,
          json: isGood ? { id_token: 'the-token' } : {},
        });
      });
      await page.goto(`${address}/ui${jobs}?status=failed`);
      await page.getByRole('button', { name: 'Sign in with your organization' }).click();

      if (outcome === 'refused') await page.getByText('The sign-in did not work: 400').waitFor();
      else await page.getByText('No job matches these filters').waitFor();
      expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe(`/ui${jobs}?status=failed`);
    },
  );
});

describe('by keyboard only', () => {
  test('sign in, create, watch and cancel', async () => {
    const page = await browser.blank();
    const tabTo = async (name: RegExp) => {
      for (let presses = 0; presses < 60; presses++) {
        await page.keyboard.press('Tab');
        const text = await page.evaluate(() => {
          const at = document.activeElement;
          const label = at instanceof HTMLInputElement ? at.labels?.[0]?.textContent : undefined;
          return at?.getAttribute('aria-label') ?? label ?? at?.textContent ?? '';
        });
        if (name.test(text)) return;
      }
      throw new Error(`The focus never came to ${name}.`);
    };
    await page.goto(`${address}/`);
    await page.getByLabel('Username').waitFor();
    await page.keyboard.type('archivist');
    await tabTo(/Password/);
    await page.keyboard.type('archivist');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Background Jobs' }).waitFor();

    await tabTo(/^Skip/);
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('content');
    await tabTo(/^Create a Background Job/);
    await page.keyboard.press('Enter');
    await page.getByText('What should the job do?').waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('content');
    await tabTo(/^Slow nothing$/);
    await page.keyboard.press('Enter');
    await tabTo(/^How many/);
    await page.keyboard.press('Control+A');
    await page.keyboard.type('100');
    await tabTo(/^More options/);
    await page.keyboard.press('Enter');
    await tabTo(/^Seconds/);
    await page.keyboard.press('Control+A');
    await page.keyboard.type('1');
    await tabTo(/^Start Job/);
    await page.keyboard.press('Enter');
    await page.waitForURL(/jobs\/\d+$/);
    await page.getByText('Running', { exact: true }).waitFor();

    await tabTo(/^Cancel Job/);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Cancel this job?' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Cancel Job');
    await page.keyboard.press('Enter');
    await tabTo(/^Cancel Job/);
    await page.keyboard.press('Enter');
    await page.getByText('Canceled', { exact: true }).first().waitFor();

    expect((await (await as('archivist')).show(new URL(page.url()).pathname.slice('/ui'.length))).status).toBe(
      'canceled',
    );
  });
});
