// `npm run plugin:new -- <name> <type>`: a plugin that works, for its team to put its own work into. It is a copy of
// plugin-template/, which is checked and tested with everything else.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { typeName } from '../core/registry.ts';

const usage = `npm run plugin:new -- <name> <type>

Makes plugins/<name>: a manifest, a schema, a runner and its test. It works at once, and counts the lines of uploaded
files: put your own work in its place (docs/plugins.md).

  <name>  of its folder, such as count_lines: lower-case letters, digits and _, a letter in front, at most 64
  <type>  of its jobs, such as count_lines_job: letters, digits, _ and -, at most 64`;

const root = resolve(import.meta.dirname, '..');
const template = join(root, 'scripts', 'plugin-template');
const templateType = 'new_plugin_job';
const templateTitle = 'New plugin';

const { values, positionals } = readArguments();
if (values.help) {
  console.log(usage);
  process.exit(0);
}
const [name, type, ...more] = positionals;
if (name === undefined || type === undefined || more.length > 0) fail(usage);
if (!/^[a-z][a-z0-9_]{0,63}$/.test(name))
  fail(`The name ${JSON.stringify(name)} cannot be that of a plugin's folder. It must have lower-case letters, digits and _,
with a letter in front, and at most 64 of them, such as count_lines.`);
if (!typeName.test(type))
  fail(`The type ${JSON.stringify(type)} cannot be that of a job. It must have letters, digits, _ and -, and at most 64 of them,
such as ${name}_job.`);
const owner = ownerOf(type);
if (owner)
  fail(`The type ${type} is taken: ${owner} has it. Choose another name. To take a type over from its runner, see
"Replacing a type" in docs/plugins.md.`);

const folder = join(root, 'plugins', name);
try {
  mkdirSync(folder);
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  fail(`plugins/${name} is there already${typesIn(folder)}. Choose another name. Nothing was changed.`);
}
cpSync(template, folder, { recursive: true });
renameSync(join(folder, 'schemas', `${templateType}.json`), join(folder, 'schemas', `${type}.json`));
const files = ['manifest.ts', `schemas/${type}.json`, 'runner.ts', 'runner.test.ts'];
for (const file of files) {
  const path = join(folder, file);
  // A key with a dash needs quotes; the formatter takes away those that are not needed.
  const text = readFileSync(path, 'utf8')
    .replaceAll(`${templateType}: {`, `'${type}': {`)
    .replaceAll(templateType, type)
    .replaceAll(`"${templateTitle}"`, JSON.stringify(titleOf(type)));
  writeFileSync(path, text);
}
const { status } = spawnSync('npx', ['--no-install', 'biome', 'check', '--write', folder], { cwd: root });
if (status !== 0) console.error(`Run \`npm run format\`: the new files could not be formatted. Is \`npm ci\` done?`);
console.log(`Made plugins/${name}: ${files.join(', ')}

  npx vitest run plugins/${name}
        its test
  npm start -- --plugin plugins/${name}
        the service with it, here: its form, its jobs. What you edit runs in the next job
  docs/plugins.md
        what to change first, and all else`);

function readArguments() {
  try {
    return parseArgs({ options: { help: { type: 'boolean', short: 'h', default: false } }, allowPositionals: true });
  } catch (error) {
    return fail(`${(error as Error).message}\n\n${usage}`);
  }
}

/** Each type has a schema of its name, whatever else is wrong with its runner. */
function ownerOf(wanted: string): string | undefined {
  const plugins = readdirSync(join(root, 'plugins')).map((plugin) => `plugins/${plugin}/schemas`);
  return ['schemas', ...plugins]
    .map((schemas) => `${schemas}/${wanted}.json`)
    .find((file) => existsSync(join(root, file)));
}

/** For a message: the types of a plugin. */
function typesIn(path: string): string {
  const schemas = join(path, 'schemas');
  const types = existsSync(schemas) ? readdirSync(schemas).map((file) => file.replace(/\.json$/, '')) : [];
  return types.length === 0 ? '' : `, with ${types.join(' and ')}`;
}

/** `count_lines_job` → `Count lines`, to begin with. */
function titleOf(of: string): string {
  const words = of.replace(/_job$/, '').replace(/[_-]+/g, ' ').trim() || of;
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
