import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, inject, vi } from 'vitest';
import { type Person, person } from '../helpers/stack.ts';
import { launch } from './chromium.ts';

export const address = inject('address');
export const jobs = '/repositories/2/jobs';

export interface Look {
  readonly scheme?: 'light' | 'dark';
  readonly width?: number;
  readonly words?: 'pseudo';
  /** @default 'en-US' */
  readonly locale?: string;
}

/** A browser for the tests of one file; each page has a context of its own, and no error in its console. */
export function useBrowser() {
  let browser: Browser;
  const contexts: BrowserContext[] = [];
  const errors: string[] = [];
  beforeAll(async () => {
    browser = await launch();
  });
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close();
    expect(errors.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
  });

  async function blank(look: Look = {}): Promise<Page> {
    const { scheme = 'light', width = 1200, words, locale = 'en-US' } = look;
    const context = await browser.newContext({
      viewport: { width, height: 850 },
      colorScheme: scheme,
      locale,
      timezoneId: 'Europe/Prague',
    });
    contexts.push(context);
    if (words) await context.addInitScript((kind) => localStorage.setItem('background-jobs-words', kind), words);
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      // Answers that are refusals are written there by the browser itself.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) errors.push(message.text());
    });
    return page;
  }
  return {
    blank,
    /** Somebody who is signed in, at an address of the page below /ui. */
    async at(path: string, user = 'archivist', look: Look = {}): Promise<Page> {
      const page = await blank(look);
      const session = await sessionOf(user);
      await page.context().addInitScript(
        ([place, text]) => {
          if (sessionStorage.getItem('begun') === null) localStorage.setItem(place, text);
          sessionStorage.setItem('begun', 'yes');
        },
        ['background-jobs-session', JSON.stringify({ kind: 'password', secret: session, username: user })] as const,
      );
      await page.goto(`${address}/ui${path}`);
      return page;
    },
  };
}

export async function sessionOf(user: string): Promise<string> {
  const one = await person(address, user);
  return one.headers()['x-archivesspace-session'] ?? '';
}

const people = new Map<string, Promise<Person>>();
export const as = (user: string): Promise<Person> => {
  const known = people.get(user) ?? person(address, user);
  people.set(user, known);
  return known;
};

/** Ends what was left running, so that the next test finds free places. */
export async function endAll(): Promise<void> {
  const admin = await as('admin');
  const { body } = await admin.get<readonly { uri: string }[]>(`${jobs}/active`);
  for (const { uri } of body) await admin.cancel(uri);
  await vi.waitFor(async () => expect((await admin.get<readonly unknown[]>(`${jobs}/active`)).body).toEqual([]), {
    timeout: 20_000,
    interval: 200,
  });
}

export const idOf = (uri: string): string => uri.slice(uri.lastIndexOf('/') + 1);
