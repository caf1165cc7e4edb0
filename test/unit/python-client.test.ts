import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { findPython, pythonMissing } from '../../local/lambda/python.ts';

const python = await findPython();
if (!python) console.warn(`Skipped: ${pythonMissing}`);

test.skipIf(!python)('the Python client passes its own tests', async () => {
  const tests = ['-B', '-m', 'unittest', 'discover', 'examples/python_lines/tests'];

  const { stderr } = await promisify(execFile)(python ?? '', tests);

  expect(stderr).toMatch(/^Ran [1-9]\d* tests[\s\S]*^OK$/m);
});
