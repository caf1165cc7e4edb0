// docs/plugins.md, "In ten minutes", followed to the letter in a fresh clone of what is committed: its commands are run,
// its changes made, what it says is printed has to be printed. What a reader would see is looked at besides.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { executablePath, launch } from '../browser/chromium.ts';
import { person } from '../helpers/stack.ts';
import { rolesOf, statementsOf } from '../infra/policies.ts';
import { type Block, changed, hasLines, stepsOf } from './steps.ts';
import { openTerminal, type Terminal } from './terminal.ts';

const guide = 'docs/plugins.md';
const type = 'count_lines_job';
const address = 'http://127.0.0.1:18990';

const folder = mkdtempSync(join(tmpdir(), 'guide-'));
const clone = join(folder, 'background-jobs');
/** As for somebody who has opened a terminal: without what npm and vitest have put there for this test. */
const env = Object.fromEntries(
  Object.entries({ ...process.env, NO_COLOR: '1' }).filter(
    ([name]) =>
      !/^(npm_(package|lifecycle|command|config_local)|INIT_CWD|VITEST|NODE_ENV$|NODE_OPTIONS$|TEST$|FORCE_COLOR)/.test(
        name,
      ),
  ),
);
const terminals = new Map<string, Terminal>();
const terminal = (name: string): Terminal => {
  const known = terminals.get(name) ?? openTerminal(clone, env);
  terminals.set(name, known);
  return known;
};
afterAll(async () => {
  await Promise.all([...terminals.values()].map((one) => one.close()));
  rmSync(folder, { recursive: true, force: true });
});

/** Does what a block says. Throws when it cannot be done, or does not come as it says. */
async function follow({ language, title, text, line }: Block): Promise<void> {
  try {
    switch (language) {
      case 'sh':
        if (title === 'first terminal') return terminal(title).begin(text);
        return await terminal(title ?? 'another terminal').run(text);
      case 'text': {
        const { until, printed } = terminal(title ?? 'another terminal');
        if (title === 'first terminal') for (const wanted of text.split('\n')) await until(wanted);
        else expect(printed()).toContain(text);
        return;
      }
      case 'diff': {
        const path = join(clone, String(title));
        return writeFileSync(path, changed(readFileSync(path, 'utf8'), text));
      }
      default:
        // What a file has.
        expect(hasLines(readFileSync(join(clone, String(title)), 'utf8'), text), 'these lines are in the file').toBe(
          true,
        );
    }
  } catch (error) {
    throw new Error(`${guide}, line ${line}: ${(error as Error).message}`, { cause: error });
  }
}

const clockFrom = performance.now();
const took = () => `${((performance.now() - clockFrom) / 1000).toFixed(1)} s`;

beforeAll(() => {
  const must = (command: string, args: readonly string[], cwd: string) => {
    const { status, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
  };
  must('git', ['clone', '--quiet', '.', clone], '.');
  must('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund'], clone);
  console.log(`Cloned and installed after ${took()}.`);
});
afterAll(() => console.log(`Done after ${took()}.`));

const steps = stepsOf(readFileSync(guide, 'utf8'), 'In ten minutes');

/** What the prose of a step promises, besides its blocks. */
const besides: Readonly<Record<string, readonly (readonly [promise: string, check: () => Promise<void>])[]>> = {
  '3. Run it': [
    ['its type is given out with its schema', givesOutItsType],
    ['its form is made from the schema', showsItsForm],
  ],
  '5. Deploy it': [['its Lambda may do its own work, and nothing else of the service', hasLeastPrivilege]],
};

test('the guide has the steps that this looks at', () => {
  expect(steps.map(({ heading }) => heading)).toEqual(expect.arrayContaining(Object.keys(besides)));
});

describe.each(steps.map((step) => [step.heading, step.blocks] as const))('%s', (heading, blocks) => {
  for (const block of blocks) {
    const [first = '', ...more] = block.text.split('\n');
    const what = block.language === 'diff' ? block.title : `${first.trim()}${more.length > 0 ? ' …' : ''}`;
    test(`line ${block.line}, ${block.language}: ${what}`, () => follow(block));
  }
  for (const [promise, check] of besides[heading] ?? []) test.skipIf(isSkipped(check))(promise, check);
});

function isSkipped(check: () => Promise<void>): boolean {
  const skips = check === showsItsForm && executablePath === undefined;
  if (skips) console.warn('There is no Chromium: the form is not looked at.');
  return skips;
}

async function givesOutItsType(): Promise<void> {
  const archivist = await person(address, 'archivist');

  const { body } = await archivist.get<{ types: object[] }>('/repositories/2/jobs/types');

  expect(body.types).toContainEqual(
    expect.objectContaining({
      type,
      title: 'Count lines',
      form: { text: { placeholder: 'Such as: error' } },
      schema: expect.objectContaining({
        $id: type,
        properties: expect.objectContaining({ ignore_case: expect.anything() }),
      }),
    }),
  );
}

async function showsItsForm(): Promise<void> {
  const browser = await launch();
  try {
    const page = await browser.newPage({ locale: 'en-US' });
    page.setDefaultTimeout(20_000);
    await page.goto(`${address}/ui/`);
    await page.getByLabel('Username').fill('archivist');
    await page.getByLabel('Password').fill('archivist');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Create Background Job' }).click();
    await page.getByRole('link', { name: 'Count lines', exact: true }).click();

    await page.getByRole('heading', { level: 1, name: 'Count lines' }).waitFor();
    await page.getByLabel('Only lines with this text').waitFor();
    await page.getByPlaceholder('Such as: error').waitFor();
    await page.getByLabel('Capital and small letters are the same').waitFor();
    await page.getByText('.txt, .csv, text/*').first().waitFor();
  } finally {
    await browser.close();
  }
}

async function hasLeastPrivilege(): Promise<void> {
  const { Resources } = JSON.parse(readFileSync(join(clone, 'cdk.out', 'BackgroundJobs.template.json'), 'utf8')) as {
    Resources: Record<string, { Type: string; Properties: Record<string, unknown> }>;
  };
  const stack = {
    all: (wanted: string) => Object.entries(Resources).filter(([, { Type }]) => Type === wanted),
  };
  const functions = stack.all('AWS::Lambda::Function').map(([id]) => id);
  const role = rolesOf(stack).find((name) => name.startsWith('RunnerCountLines')) ?? '';

  expect(functions).toContainEqual(expect.stringMatching(/^RunnerCountLines[0-9A-F]{8}$/));
  expect(statementsOf(stack, role)).toEqual([
    {
      actions: ['GetItem', 'PutItem', 'Query', 'UpdateItem'].map((action) => `dynamodb:${action}`),
      resources: ['<Table.Arn>'],
      condition: {
        'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': [`RUN#${type}#*`] },
        Null: { 'dynamodb:LeadingKeys': 'false' },
      },
    },
    { actions: ['s3:GetObject'], resources: [`<Files.Arn>/inputs/${type}/*`] },
    { actions: ['s3:GetObject', 's3:PutObject'], resources: [`<Files.Arn>/runs/${type}/*`] },
    { actions: ['logs:CreateLogStream', 'logs:PutLogEvents'], resources: ['<RunnerCountLinesLogs.Arn>'] },
  ]);
}
