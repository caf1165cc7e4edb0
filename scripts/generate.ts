import { readFileSync, writeFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import standalone from 'ajv/dist/standalone/index.js';
import addFormats from 'ajv-formats';
import { jobCreateSchema } from '../schemas/job-create.ts';

// Compiles the schemas of the types that every deployment runs by itself, and the wrapper of a new job. All those of
// schemas/ would make the function that creates jobs 27 KB larger (365 KB); the others are compiled at their first use.
// With --check it only says whether the committed file is current.

const builtIn = ['import_job'];
const file = 'functions/api/validators.generated.js';
const schemas: Record<string, object> = { 'job-create': jobCreateSchema };
for (const name of builtIn) schemas[name] = JSON.parse(readFileSync(`schemas/${name}.json`, 'utf8')) as object;

const exportName = (name: string) => `validate_${name.replaceAll('-', '$')}`;
const ajv = new Ajv2020({ allErrors: true, strict: false, code: { source: true, esm: true, lines: true } });
addFormats.default(ajv);
for (const [name, schema] of Object.entries(schemas)) ajv.addSchema({ ...schema, $id: name });
const code = standalone
  .default(ajv, Object.fromEntries(Object.keys(schemas).map((name) => [exportName(name), name])))
  // Ajv writes `require` even into modules (ajv issue 2209).
  .replaceAll(
    /const (\w+) = require\("([^"]+)"\)\.default;/g,
    'import $1_ from "$2.js";\nconst $1 = $1_.default ?? $1_;',
  )
  .replaceAll(
    /const (\w+) = require\("([^"]+)"\)\.(\w+)(\.[\w"[\]-]+)?;/g,
    'import $1_ from "$2.js";\nconst $1 = $1_.$3$4;',
  );
const entries = Object.entries(schemas).map(
  ([name, schema]) =>
    `  ${JSON.stringify(name)}: { validate: ${exportName(name)}, schema: ${JSON.stringify(JSON.stringify(schema))} },`,
);
const text = `// Made by scripts/generate.ts from schemas/. Do not edit.\n${code}\nexport default {\n${entries.join('\n')}\n};\n`;

if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== text) {
    console.error(`${file} is not current: run npm run generate.`);
    process.exit(1);
  }
} else writeFileSync(file, text);
