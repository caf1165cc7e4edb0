import { readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { describeApi } from '../functions/api/openapi.ts';

// Writes docs/openapi.yaml out of the table of routes. With --check it only says whether the committed file is current.

const file = 'docs/openapi.yaml';
const text = `# Made by scripts/openapi.ts. Do not edit.\n${stringify(describeApi(), { lineWidth: 0, compat: 'yaml-1.1', aliasDuplicateObjects: false })}`;

if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== text) {
    console.error(`${file} is not current: run npm run generate.`);
    process.exit(1);
  }
} else writeFileSync(file, text);
