// The registry of job types: what runners may say, and what is refused with a message that names both parties or the fix.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Collected, collect, type RunnerSource } from '../../core/registry.ts';
import type { TypeOptions } from '../../schemas/runner-manifest.ts';

/** A runner as a careless author may write it. */
interface Given {
  readonly folder?: string;
  readonly types?: Readonly<Record<string, object>>;
  readonly schemas?: Readonly<Record<string, unknown>>;
  readonly exports?: readonly string[];
  readonly manifest?: object;
  readonly language?: 'node' | 'python';
}

function source({ folder = 'plugins/a', types = { a_job: {} }, ...given }: Given = {}): RunnerSource {
  return {
    folder,
    manifest: { types, ...given.manifest },
    manifestFile: 'manifest.ts',
    language: given.language ?? 'node',
    schemas: given.schemas ?? Object.fromEntries(Object.keys(types).map((type) => [type, { type: 'object' }])),
    exports: given.exports ?? ['run', 'handler'],
  };
}

function problems(collected: Collected): readonly string[] {
  return collected.ok ? [] : collected.problems;
}

describe('a type has', () => {
  test('ArchivesSpace’s defaults when its manifest says nothing', () => {
    expect(collect([source()])).toStrictEqual({
      ok: true,
      types: [
        {
          type: 'a_job',
          folder: 'plugins/a',
          schema: { type: 'object' },
          hidden: false,
          runConcurrently: false,
          createPermissions: [],
          cancelPermissions: [],
          graceSeconds: 30,
          resumable: false,
          retries: 0,
        },
      ],
    });
  });

  test('what its manifest says, a permission as a value or a list', () => {
    const said = {
      hidden: true,
      run_concurrently: true,
      create_permissions: 'import_records',
      cancel_permissions: ['cancel_importer_job', 'manage_repository'],
      grace_seconds: 2,
      time_limit_seconds: 3600,
    };

    expect(collect([source({ types: { a_job: said } })])).toMatchObject({
      ok: true,
      types: [
        {
          hidden: true,
          runConcurrently: true,
          createPermissions: ['import_records'],
          cancelPermissions: ['cancel_importer_job', 'manage_repository'],
          graceSeconds: 2,
          timeLimitSeconds: 3600,
        },
      ],
    });
  });

  test('a site’s options in place of those of its manifest, and the others as they were', () => {
    const said = { hidden: true, create_permissions: 'import_records', grace_seconds: 5 };

    const collected = collect([source({ types: { a_job: said, b_job: {} } })], {
      a_job: { create_permissions: ['manage_repository'], hidden: false },
    });

    expect(collected).toMatchObject({
      types: [
        { type: 'a_job', hidden: false, createPermissions: ['manage_repository'], graceSeconds: 5 },
        { type: 'b_job', createPermissions: [] },
      ],
    });
  });

  test('a schema with its name, or with none', () => {
    expect(problems(collect([source({ schemas: { a_job: { $id: 'a_job' } } })]))).toEqual([]);
  });
});

describe('allowed is', () => {
  test.each<[option: string, value: unknown]>([
    ['grace_seconds', 0],
    ['grace_seconds', 600],
    ['time_limit_seconds', 1],
    ['time_limit_seconds', 2_592_000],
    ['create_permissions', []],
  ])('%s %j of a type', (option, value) => {
    expect(problems(collect([source({ types: { a_job: { [option]: value } } })]))).toEqual([]);
  });

  test.each<[option: string, value: unknown]>([
    ['memory_mb', 128],
    ['memory_mb', 10_240],
    ['timeout_seconds', 3],
    ['timeout_seconds', 900],
    ['archivesspace', true],
    ['archivesspace', false],
    ['archivesspace', []],
    ['archivesspace', ['/subjects', '/agents/corporate_entities']],
  ])('%s %j of a runner', (option, value) => {
    expect(problems(collect([source({ manifest: { [option]: value } })]))).toEqual([]);
  });
});

test('types of several runners come together, in their order', () => {
  const collected = collect([
    source({ types: { b_job: {}, a_job: {} } }),
    source({ folder: 'runners/import_job', types: { import_job: {} } }),
  ]);

  expect(collected.ok && collected.types.map(({ type, folder }) => `${type} of ${folder}`)).toEqual([
    'b_job of plugins/a',
    'a_job of plugins/a',
    'import_job of runners/import_job',
  ]);
});

describe('refused is', () => {
  test.each<[name: string, sources: RunnerSource[], problem: string]>([
    [
      'a type registered twice, naming both runners',
      [source(), source({ folder: 'plugins/b' })],
      "Job type a_job is registered twice: by plugins/a and by plugins/b. Rename one of them, or let the one that is to have it say so: `replaces: 'plugins/a'` among its options of the type.",
    ],
    [
      'a runner without run',
      [source({ exports: ['handler'] })],
      'plugins/a/runner.ts exports no `run`: export an async function run(ctx) that does the work.',
    ],
    [
      'a runner without handler',
      [source({ exports: ['run'] })],
      'plugins/a/runner.ts exports no `handler`: add `export const handler = runner(run)`.',
    ],
    [
      'a plugin’s type without schema, naming the file to add',
      [source({ schemas: {} })],
      'plugins/a/manifest.ts, type a_job: there is no schema for it. Add plugins/a/schemas/a_job.json, a JSON Schema (2020-12) of its parameters.',
    ],
    [
      'a built-in type without schema, naming the file to add',
      [source({ folder: 'runners/a', schemas: {} })],
      'runners/a/manifest.ts, type a_job: there is no schema for it. Add schemas/a_job.json, a JSON Schema (2020-12) of its parameters.',
    ],
    [
      'a schema that is no object',
      [source({ schemas: { a_job: [] } })],
      'plugins/a/manifest.ts, type a_job: there is no schema for it. Add plugins/a/schemas/a_job.json, a JSON Schema (2020-12) of its parameters.',
    ],
    [
      'a schema file that says null',
      [source({ schemas: { a_job: null } })],
      'plugins/a/manifest.ts, type a_job: there is no schema for it. Add plugins/a/schemas/a_job.json, a JSON Schema (2020-12) of its parameters.',
    ],
    [
      'a schema file whose name is no type of the manifest',
      [source({ schemas: { a_job: {}, b_job: {} } })],
      'plugins/a/schemas/b_job.json: no type of plugins/a/manifest.ts is called b_job. The schema must have the name of its type.',
    ],
    [
      'a schema whose $id is not the name of its type',
      [source({ schemas: { a_job: { $id: 'A_Job' } } })],
      'plugins/a/schemas/a_job.json: its $id is "A_Job", but a schema has the name of its type: a_job.',
    ],
    [
      'a name that ArchivesSpace would not take',
      [source({ types: { 'a.job': {} } })],
      "plugins/a/manifest.ts, type a.job: a type's name has letters, digits, _ and -, at most 64 of them.",
    ],
    [
      'a name that is too long',
      [source({ types: { ['x'.repeat(65)]: {} } })],
      `plugins/a/manifest.ts, type ${'x'.repeat(65)}: a type's name has letters, digits, _ and -, at most 64 of them.`,
    ],
    [
      'a runner without types',
      [source({ types: {} })],
      'plugins/a/manifest.ts registers no job type: name at least one in `types`.',
    ],
    [
      'an unknown option of a type, naming the nearest',
      [source({ types: { a_job: { run_concurently: true } } })],
      'plugins/a/manifest.ts, type a_job: unknown option run_concurently. Did you mean run_concurrently?',
    ],
    [
      'an unknown option of a runner, naming the known ones',
      [source({ manifest: { cpu: 2 } })],
      'plugins/a/manifest.ts: unknown option cpu. Known are types, archivesspace, memory_mb, timeout_seconds.',
    ],
    ...(
      [
        ['hidden', 'yes', 'must be true or false, not "yes"'],
        ['run_concurrently', 1, 'must be true or false, not 1'],
        [
          'create_permissions',
          'Import Records',
          'must be a permission such as "import_records", or a list of them, not "Import Records"',
        ],
        [
          'cancel_permissions',
          ['ok', 3],
          'must be a permission such as "import_records", or a list of them, not ["ok",3]',
        ],
        ['cancel_permissions', [null], 'must be a permission such as "import_records", or a list of them, not [null]'],
        [
          'create_permissions',
          'import_records, create_job',
          'must be a permission such as "import_records", or a list of them, not "import_records, create_job"',
        ],
        ['grace_seconds', 601, 'must be a whole number of seconds from 0 to 600, not 601'],
        ['grace_seconds', -1, 'must be a whole number of seconds from 0 to 600, not -1'],
        ['grace_seconds', 1.5, 'must be a whole number of seconds from 0 to 600, not 1.5'],
        ['time_limit_seconds', 0, 'must be a whole number of seconds from 1 to 2592000, not 0'],
      ] as const
    ).map(([option, value, problem]): [string, RunnerSource[], string] => [
      `${option} ${JSON.stringify(value)}`,
      [source({ types: { a_job: { [option]: value } } })],
      `plugins/a/manifest.ts, type a_job: ${option} ${problem}.`,
    ]),
    ...(
      [
        ['memory_mb', 64, 'must be a whole number of MB from 128 to 10240, not 64'],
        ['memory_mb', 10_241, 'must be a whole number of MB from 128 to 10240, not 10241'],
        ['timeout_seconds', 901, 'must be a whole number of seconds from 3 to 900, not 901'],
        [
          'archivesspace',
          ['subjects'],
          'must be true, false, or a list of paths such as "/subjects", not ["subjects"]',
        ],
        ['archivesspace', ['/../x'], 'must be true, false, or a list of paths such as "/subjects", not ["/../x"]'],
        ...(
          [['/subjects', 'agents'], ['/subjects?all=true'], ['/subjects/1'], [['/subjects']], '/subjects'] as const
        ).map(
          (paths) =>
            [
              'archivesspace',
              paths,
              `must be true, false, or a list of paths such as "/subjects", not ${JSON.stringify(paths)}`,
            ] as const,
        ),
      ] as const
    ).map(([option, value, problem]): [string, RunnerSource[], string] => [
      `${option} ${JSON.stringify(value)}`,
      [source({ manifest: { [option]: value } })],
      `plugins/a/manifest.ts: ${option} ${problem}.`,
    ]),
  ])('%s', (_, sources, problem) => {
    expect(problems(collect(sources))).toEqual([problem]);
  });

  test('a site’s options for a type that nobody registers', () => {
    expect(problems(collect([source()], { b_job: { hidden: true } }))).toEqual([
      'type_options names b_job, but no runner registers that type. Did you mean a_job?',
    ]);
  });

  test('a site’s option that is unknown', () => {
    const overrides = { a_job: { priority: 1 } as TypeOptions };

    expect(problems(collect([source()], overrides))).toEqual([expect.stringContaining('unknown option priority')]);
  });

  test('everything that is wrong, at once', () => {
    const wrong = source({ types: { a_job: { hidden: 0, x: 1 } }, exports: [], schemas: {} });

    expect(problems(collect([wrong]))).toHaveLength(5);
  });

  test('every option that is not known, by name', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }).filter((name) => !Object.hasOwn(options, name) && name !== '__proto__'),
        (name) => {
          const [problem, ...more] = problems(collect([source({ types: { a_job: { [name]: true } } })]));
          expect(problem).toContain(`type a_job: unknown option ${name}.`);
          expect(more).toEqual([]);
        },
      ),
    );
  });
});

/** One right value for each option. */
const options: Required<TypeOptions> = {
  hidden: true,
  run_concurrently: true,
  create_permissions: 'import_records',
  cancel_permissions: [],
  grace_seconds: 5,
  time_limit_seconds: 60,
  resumable: true,
  retries: 3,
  replaces: 'plugins/b',
  title: 'Count lines',
  description: 'Counts the lines of files.',
  form: {
    notes: { multiline: true, placeholder: 'Such as: all boxes', advanced: true },
    'inner/depth': { placeholder: '3' },
  },
  translations: {
    de: {
      title: 'Zeilen zählen',
      properties: {
        notes: { title: 'Anmerkungen', description: 'Frei', placeholder: 'Etwa: alle Kartons' },
        kind: { values: { all: 'Alle', '2': 'Zwei' } },
        several: { values: { a: 'Das A' } },
      },
    },
    'fr-CA': { description: 'Compte les lignes.' },
  },
  files: { max: 2, max_bytes: 1_000, types: ['.xml', 'text/csv', 'image/*', '.tar.gz'] },
};

const schema = {
  type: 'object',
  properties: {
    jsonmodel_type: { const: 'a_job' },
    notes: { type: 'string' },
    kind: { enum: ['all', 2] },
    several: { type: 'array', items: { enum: ['a', 'b'] } },
    sure: { type: 'boolean' },
    day: { type: 'string', format: 'date' },
    inner: { type: 'object', properties: { depth: { type: 'integer' } } },
  },
};
const problemsOf = (given: object, name = 'a_job') =>
  problems(collect([source({ types: { [name]: given }, schemas: { [name]: schema } })]));

test('every option reaches the type', () => {
  const { replaces: _, ...own } = options;

  expect(collect([source({ types: { a_job: own }, schemas: { a_job: schema } })])).toStrictEqual({
    ok: true,
    types: [
      {
        type: 'a_job',
        folder: 'plugins/a',
        schema,
        hidden: true,
        runConcurrently: true,
        createPermissions: ['import_records'],
        cancelPermissions: [],
        graceSeconds: 5,
        timeLimitSeconds: 60,
        resumable: true,
        retries: 3,
        title: own.title,
        description: own.description,
        form: own.form,
        translations: own.translations,
        files: own.files,
      },
    ],
  });
});

describe('what is wrong inside an option names the place and the fix', () => {
  test.each<[given: object, problem: string]>([
    [{ resumable: 1 }, 'resumable must be true or false, not 1.'],
    [{ resumable: true, retries: 11 }, 'retries must be a whole number from 0 to 10, not 11.'],
    [{ retries: 1 }, 'retries needs `resumable: true`, since a job is tried again from its last checkpoint.'],
    [{ title: '' }, 'title must be a text of 1 to 1000 characters, not "".'],
    [{ description: ['a'] }, 'description must be a text of 1 to 1000 characters, not ["a"].'],
    [{ replaces: true }, 'replaces must be the folder of a runner, such as "runners/import_job", not true.'],
    [{ form: [] }, 'form must be an object by property of the schema, not [].'],
    [{ form: { nots: {} } }, 'form.nots: the schema has no property nots. Did you mean notes?'],
    [
      { form: { 'inner/dept': {} } },
      'form.inner/dept: the schema has no property inner/dept. Did you mean inner/depth?',
    ],
    [{ form: { notes: null } }, 'form.notes must be an object, not null.'],
    [{ form: { notes: { multline: true } } }, 'form.notes has no option multline. Did you mean multiline?'],
    [
      { form: { notes: { colour: 'red' } } },
      'form.notes has no option colour. Known are multiline, placeholder, advanced.',
    ],
    [{ form: { notes: { advanced: 'yes' } } }, 'form.notes.advanced must be true or false, not "yes".'],
    [
      { form: { kind: { multiline: true } } },
      'form.kind.multiline: only a string without `enum` or `format` can be a field of several lines. Leave it out.',
    ],
    [
      { form: { sure: { placeholder: 'x' } } },
      'form.sure.placeholder: no text is typed into this field, so that nobody would see a placeholder. Leave it out.',
    ],
    [{ translations: 'de' }, 'translations must be an object by language tag, not "de".'],
    [{ translations: { de_DE: {} } }, 'translations: de_DE is not a language tag (BCP 47). Did you mean de-DE?'],
    [
      { translations: { german: {} } },
      'translations: german is not a language tag (BCP 47). It is one such as de or fr-CA.',
    ],
    [{ translations: { de: {}, DE: {} } }, 'translations: DE is there twice. Keep one of them.'],
    [{ translations: { de: { titel: 'x' } } }, 'translations.de has no option titel. Did you mean title?'],
    [
      { translations: { de: { properties: { note: {} } } } },
      'translations.de.properties.note: the schema has no property note. Did you mean notes?',
    ],
    [
      { translations: { de: { properties: { kind: { values: { al: 'Alle' } } } } } },
      'translations.de.properties.kind.values: the `enum` of the property has no value al. Did you mean all?',
    ],
    [
      { translations: { de: { properties: { notes: { values: { a: 'A' } } } } } },
      'translations.de.properties.notes.values: the property has no `enum`, whose values have labels.',
    ],
    [
      { translations: { de: { properties: { kind: { values: { all: 1 } } } } } },
      'translations.de.properties.kind.values.all must be a text of 1 to 1000 characters, not 1.',
    ],
    [
      { translations: { de: { properties: { day: { placeholder: 'x' } } } } },
      'translations.de.properties.day.placeholder: no text is typed into this field, so that nobody would see a placeholder. Leave it out.',
    ],
    [{ files: { max: 101 } }, 'files.max must be a whole number from 0 to 100, not 101.'],
    [{ files: { max_bytes: 0 } }, 'files.max_bytes must be a whole number of bytes from 1 to 4294967296, not 0.'],
    [{ files: { maximum: 1 } }, 'files has no option maximum. Known are min, max, max_bytes, types.'],
    [{ files: { min: 2, max: 1 } }, 'files.min is 2 and files.max is 1: no job could have both. Correct one of them.'],
    ...[[], 'text/csv', ['xml'], ['*/*'], ['text/'], [1]].map((types): [object, string] => [
      { files: { types } },
      `files.types must be a list of types such as ".xml", "text/csv" or "image/*", not ${JSON.stringify(types)}.`,
    ]),
  ])('%j', (given, problem) => {
    expect(problemsOf(given)).toEqual([`plugins/a/manifest.ts, type a_job: ${problem}`]);
  });

  test('of an option that a site sets, which names the setting', () => {
    const overrides = { a_job: { files: { max: -1 }, replaces: 'plugins/b' } };

    expect(problems(collect([source()], overrides))).toEqual([
      'type_options, type a_job: files.max must be a whole number from 0 to 100, not -1.',
      'type_options, type a_job: a site cannot set replaces. The manifest of the runner that takes over says it.',
    ]);
  });

  test('a site may make a type resumable whose manifest has the retries, or take that away', () => {
    const retried = source({ types: { a_job: { resumable: true, retries: 2 } } });

    expect(collect([retried], { a_job: { retries: 5 } })).toMatchObject({ types: [{ retries: 5 }] });
    expect(problems(collect([retried], { a_job: { resumable: false } }))).toEqual([
      expect.stringContaining('retries needs `resumable: true`'),
    ]);
  });
});

describe('a type that another runner has', () => {
  const builtIn = source({ folder: 'runners/import_job', types: { import_job: {}, other_job: {} } });
  const taking = (folder: string, replaces: string) => source({ folder, types: { import_job: { replaces } } });
  const twoWays = (...sources: RunnerSource[]) => [sources, sources.toReversed()].map((given) => collect(given));

  test('is taken over by one that says so, whoever comes first', () => {
    for (const collected of twoWays(builtIn, taking('plugins/a', 'runners/import_job')))
      expect(collected.ok && collected.types.map(({ type, folder }) => `${type} of ${folder}`).sort()).toEqual([
        'import_job of plugins/a',
        'other_job of runners/import_job',
      ]);
  });

  test('is not taken over from one that does not have it', () => {
    for (const collected of twoWays(builtIn, taking('plugins/a', 'runners/imports')))
      expect(problems(collected)).toEqual([
        'plugins/a/manifest.ts, type import_job: replaces names runners/imports, which does not register this type; runners/import_job does.',
      ]);
    expect(problems(collect([taking('plugins/a', 'runners/imports')]))).toEqual([
      'plugins/a/manifest.ts, type import_job: replaces names runners/imports, which does not register this type; nobody else here does, so leave it out.',
    ]);
  });

  test.each([
    ['twice', 'runners/import_job'],
    ['in a chain', 'plugins/a'],
  ])('is not taken over %s', (_, second) => {
    for (const collected of twoWays(builtIn, taking('plugins/a', 'runners/import_job'), taking('plugins/b', second)))
      expect(problems(collected)).toEqual([
        expect.stringMatching(
          /^Job type import_job is taken over twice: by plugins\/[ab], which replaces .*plugins\/[ab]/,
        ),
      ]);
  });

  test('stays a type of two, when a third one takes it over from one of them', () => {
    const third = source({ folder: 'plugins/c', types: { import_job: {} } });

    expect(problems(collect([builtIn, third, taking('plugins/a', 'runners/import_job')]))).toEqual([
      expect.stringContaining('Job type import_job is registered twice: by plugins/c and by plugins/a.'),
    ]);
  });
});

test('a runner in Python has a handler, and need not export run', () => {
  expect(problems(collect([source({ language: 'python', exports: ['handler'] })]))).toEqual([]);
  expect(problems(collect([source({ language: 'python', exports: [] })]))).toEqual([
    'plugins/a/runner.py has no `handler` at its top level: add `def handler(event, context):`, or `handler = …`.',
  ]);
});

describe('whatever stands in a manifest, its problems are said and nothing is thrown', () => {
  const collectJunk = (manifest: unknown, schemas: unknown, overrides: unknown) =>
    collect(
      [{ ...source(), manifest, schemas: Object(schemas) as Record<string, unknown> }],
      Object(overrides) as Record<string, TypeOptions>,
    );

  test.each([
    [[], 'plugins/a/manifest.ts must be an object such as {"types": {"a_job": {}}}, not [].'],
    [null, 'plugins/a/manifest.ts must be an object such as {"types": {"a_job": {}}}, not null.'],
    [
      { types: null },
      'plugins/a/manifest.ts: types must be an object of options by job type, such as {"a_job": {}}, not null.',
    ],
    [
      { types: ['a_job'] },
      'plugins/a/manifest.ts: types must be an object of options by job type, such as {"a_job": {}}, not ["a_job"].',
    ],
    [
      { types: { a_job: 'hidden' } },
      'plugins/a/manifest.ts, type a_job: its options must be an object, {} for none, not "hidden".',
    ],
  ])('%j', (manifest, problem) => {
    expect(problems(collectJunk(manifest, { a_job: {} }, {})).filter((one) => !one.includes('schemas/'))).toEqual([
      problem,
    ]);
  });

  test('any JSON at all, at any place of one that is right', () => {
    const junk = fc.jsonValue({ maxDepth: 3 });
    const withJunk = fc.oneof(
      junk,
      fc.tuple(fc.constantFrom(...Object.keys(options), 'types'), junk).map(([option, value]) => ({
        types: { a_job: { ...options, [option]: value } },
      })),
      fc.tuple(fc.constantFrom('de', 'x', '__proto__', 'toString'), junk).map(([name, value]) => ({
        types: {
          a_job: {
            form: { [name]: value, notes: value },
            translations: { [name]: value, de: { properties: { notes: value, [name]: value } } },
            files: { types: value },
          },
          [name]: value,
        },
      })),
    );
    const schemas = fc.oneof(
      junk,
      junk.map((value) => ({ a_job: value })),
      junk.map((value) => ({ a_job: { properties: { notes: value, kind: { enum: value, items: value } } } })),
    );
    fc.assert(
      fc.property(withJunk, schemas, fc.oneof(junk, fc.record({ a_job: junk })), (manifest, given, overrides) => {
        const collected = collectJunk(manifest, given, overrides);
        for (const problem of problems(collected)) expect(problem).toMatch(/^(plugins\/a|type_options|Job type)/);
      }),
      { numRuns: 2_000 },
    );
  });

  test('values that JSON has not', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    for (const value of [circle, 1n, Symbol('s'), () => 0, undefined, Object.create(null)])
      for (const option of Object.keys(options))
        expect(problemsOf({ [option]: value }).join()).not.toContain('TypeError');
  });
});
