// Builds the page into ui/dist, unless it is there already and nothing it is made of has changed.
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { build } from 'vite';

// Whoever starts this may be a test; the page is not.
process.env['NODE_ENV'] = 'production';

const mark = 'ui/dist/.made-of';
const sources = globSync(
  ['ui/**/*.{ts,tsx,css,html,json}', 'core/*.ts', 'schemas/*.ts', 'package-lock.json', 'scripts/build-ui.ts'],
  {
    exclude: (path) => path === 'ui/dist' || path.startsWith('ui/dist/'),
  },
).sort();
const hash = createHash('sha256');
for (const path of sources) hash.update(`${path}\n`).update(readFileSync(path));
const madeOf = hash.digest('hex');
if (!existsSync(mark) || readFileSync(mark, 'utf8') !== madeOf) {
  await build({ configFile: 'ui/vite.config.ts' });
  writeFileSync(mark, madeOf);
}
