// Makes the pictures of docs/staff.md, on a service of its own: `npm run screenshots`.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { chromium, type Page } from 'playwright-core';

const port = 8197;
const address = `http://127.0.0.1:${port}`;
const folder = 'docs/images';
mkdirSync(folder, { recursive: true });

const service = spawn(process.execPath, ['local/start.ts', '--fresh', '--state', '.local/screenshots'], {
  env: { ...process.env, PORT: String(port) },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--force-device-scale-factor=1'],
});
try {
  await new Promise<void>((resolve, reject) => {
    let said = '';
    service.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('Ctrl-C stops')) resolve();
    });
    service.once('exit', () => reject(new Error(said)));
  });
  await takeAll();
} finally {
  await browser.close();
  service.kill('SIGTERM');
}

async function takeAll(): Promise<void> {
  const session = await signIn('archivist');
  const create = async (job: object) => {
    const response = await fetch(`${address}/repositories/2/jobs`, {
      method: 'POST',
      headers: { 'x-archivesspace-session': session },
      body: JSON.stringify({ job }),
    });
    return ((await response.json()) as { uri: string }).uri;
  };
  const form = new FormData();
  form.set(
    'job',
    JSON.stringify({ job: { jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: ['novak-tanaka.xml'] } }),
  );
  form.set('files[0]', new Blob([readFileSync('examples/novak-tanaka.xml')]), 'novak-tanaka.xml');
  const sent = await fetch(`${address}/repositories/2/jobs_with_files`, {
    method: 'POST',
    headers: { 'x-archivesspace-session': session },
    body: form,
  });
  const imported = ((await sent.json()) as { uri: string }).uri;
  const desktop = await open('archivist', session, 1100, 'light');
  await desktop.goto(`${address}/ui${imported}`);
  await desktop.getByText('246 records').waitFor({ timeout: 60_000 });
  await take(desktop, 'job-completed');
  const running = await create({ jsonmodel_type: 'slow_serial_job', times: '40', seconds: 1 });
  const waiting = await create({ jsonmodel_type: 'slow_serial_job', times: '5', seconds: 1 });
  await desktop.goto(`${address}/ui${running}`);
  await desktop.getByText(/^[2-9] of 40/).waitFor({ timeout: 60_000 });
  await take(desktop, 'job-running');
  await desktop.goto(`${address}/ui${waiting}`);
  await desktop.getByText('Why it waits').waitFor();
  await take(desktop, 'job-waits', 500);
  await desktop.goto(`${address}/ui/repositories/2/jobs`);
  await desktop.getByRole('heading', { name: 'Finished' }).waitFor();
  await take(desktop, 'jobs');
  await desktop.goto(`${address}/ui/repositories/2/jobs/new`);
  await desktop.getByText('Not available to you').waitFor();
  await take(desktop, 'create-menu');
  await desktop.goto(`${address}/ui/repositories/2/jobs/new/import_job`);
  await desktop.getByLabel('Files').setInputFiles('examples/novak-tanaka.xml');
  await desktop.getByLabel('Import type').selectOption({ index: 1 });
  await take(desktop, 'create-form');
  const phone = await open('archivist', session, 390, 'dark');
  await phone.goto(`${address}/ui${running}`);
  await phone
    .getByText(/ of 40/)
    .first()
    .waitFor();
  await take(phone, 'phone-dark', 844);
}

async function signIn(user: string): Promise<string> {
  const response = await fetch(`${address}/users/${user}/login`, {
    method: 'POST',
    body: new URLSearchParams({ password: user }),
  });
  return ((await response.json()) as { session: string }).session;
}

async function open(user: string, secret: string, width: number, colorScheme: 'light' | 'dark'): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width, height: 760 },
    colorScheme,
    locale: 'en-US',
    timezoneId: 'America/New_York',
  });
  await context.addInitScript(
    (text) => localStorage.setItem('background-jobs-session', text),
    JSON.stringify({ kind: 'password', secret, username: user }),
  );
  return context.newPage();
}

async function take(page: Page, name: string, height = 760): Promise<void> {
  const { width = 0 } = page.viewportSize() ?? {};
  await page.setViewportSize({ width, height });
  await page.screenshot({ path: `${folder}/${name}.png`, animations: 'disabled' });
  await page.setViewportSize({ width, height: 760 });
}
