// The registry of job types: what runners may say, and what is refused with a message that names both parties or the fix.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Collected, collect, type RunnerSource } from '../../core/registry.ts';
import type { RunnerManifest, TypeOptions } from '../../schemas/runner-manifest.ts';

/** A runner as a careless author may write it. */
interface Given {
  readonly folder?: string;
  readonly types?: Readonly<Record<string, object>>;
  readonly schemas?: Readonly<Record<string, unknown>>;
  readonly exports?: readonly string[];
  readonly manifest?: object;
}

function source({ folder = 'plugins/a', types = { a_job: {} }, ...given }: Given = {}): RunnerSource {
  return {
    folder,
    manifest: { types, ...given.manifest } as RunnerManifest,
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
      'Job type a_job is registered twice: by plugins/a and by plugins/b. Rename one of them.',
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
      'an unknown option of a type, naming the known ones',
      [source({ types: { a_job: { run_concurently: true } } })],
      'plugins/a/manifest.ts, type a_job: unknown option run_concurently. Known are hidden, run_concurrently, create_permissions, cancel_permissions, grace_seconds, time_limit_seconds.',
    ],
    [
      'an unknown option of a runner, naming the known ones',
      [source({ manifest: { memory: 512 } })],
      'plugins/a/manifest.ts: unknown option memory. Known are archivesspace, memory_mb, timeout_seconds, types.',
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
      'type_options names b_job, but no runner registers that type.',
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
    const known = [
      'hidden',
      'run_concurrently',
      'create_permissions',
      'cancel_permissions',
      'grace_seconds',
      'time_limit_seconds',
    ];
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }).filter((name) => !known.includes(name) && name !== '__proto__'),
        (name) => {
          const [problem, ...more] = problems(collect([source({ types: { a_job: { [name]: true } } })]));
          expect(problem).toContain(`unknown option ${name}.`);
          expect(more).toEqual([]);
        },
      ),
    );
  });
});
