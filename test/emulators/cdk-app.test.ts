// Expectations: https://docs.aws.amazon.com/cdk/v2/guide/context.html, and the variables that `cdk synth` sets.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { synthesize } from '../../local/synthesize.ts';
import { scratchDir } from './assembly.ts';

function app(cdkJson: object | string, files: Readonly<Record<string, string>> = {}): string {
  const dir = scratchDir();
  const all = { 'cdk.json': typeof cdkJson === 'string' ? cdkJson : JSON.stringify(cdkJson), ...files };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(join(dir, name, '..'), { recursive: true });
    writeFileSync(join(dir, name), text, { mode: 0o755 });
  }
  return dir;
}

describe('a CDK app', () => {
  test('is run by its own command, in its folder, with its own tools and context', async () => {
    const dir = app(
      { app: 'own-tool', context: { stage: 'prod', own: { deep: true } } },
      {
        'node_modules/.bin/own-tool': '#!/bin/sh\nnode app.mjs',
        'app.mjs': `import { writeFileSync } from 'node:fs';
          const { CDK_CONTEXT_JSON, CDK_OUTDIR } = process.env;
          writeFileSync(CDK_OUTDIR + '/seen.json', JSON.stringify({ context: JSON.parse(CDK_CONTEXT_JSON), node: process.version }));`,
      },
    );
    const outDir = scratchDir();

    await synthesize(dir, outDir, { stage: 'local' });

    expect(JSON.parse(readFileSync(join(outDir, 'seen.json'), 'utf8'))).toEqual({
      context: { stage: 'local', own: { deep: true } },
      node: process.version,
    });
  });

  test('that fails says what it has printed, without the trace', async () => {
    const dir = app(
      { app: 'node app.mjs' },
      { 'app.mjs': `console.log('at work');\nthrow new Error('no stack: name one');` },
    );

    await expect(synthesize(dir, scratchDir(), {})).rejects.toThrow(
      `The CDK app in ${dir} did not synthesize (node app.mjs):\nat work\nError: no stack: name one`,
    );
    const error = await synthesize(dir, scratchDir(), {}).catch(String);
    expect(error).not.toMatch(/\n\s+at |Node\.js v/);
  });

  test('that cannot be parsed says where', async () => {
    const dir = app({ app: 'node app.mjs' }, { 'app.mjs': 'const fine = 1;\nconst odd = (;' });

    await expect(synthesize(dir, scratchDir(), {})).rejects.toThrow(/app\.mjs:2\nconst odd = \(;\nSyntaxError/);
  });

  test('without a command, or with a cdk.json that is none, is refused', async () => {
    await expect(synthesize(app({}), scratchDir(), {})).rejects.toThrow('cdk.json has no "app"');
    await expect(synthesize(app('{'), scratchDir(), {})).rejects.toThrow(/cdk\.json cannot be read: /);
  });
});
