// What a deployment writes: the limit, and its types.
import { describe, expect, test } from 'vitest';
import { read, type Table } from '../../aws/dynamo.ts';
import { readBoard, readTypes } from '../../aws/reads.ts';
import { Fault } from '../../core/errors.ts';
import { keys } from '../../core/table.ts';
import {
  type Registration,
  registerTypes,
  retireTypes,
  type TypeRegistration,
  writeLimit,
} from '../../functions/registration.ts';
import { openTestTable } from './service-helpers.ts';

const aJob: TypeRegistration = {
  type: 'a_job',
  schema: { type: 'object' },
  version: 'v1',
  hidden: false,
  createPermissions: ['import_records'],
  cancelPermissions: [],
  graceSeconds: 30,
  concurrent: false,
};
const of = (owner: string, ...types: TypeRegistration[]): Registration => ({ owner, runner: `arn:${owner}`, types });
const settings = (table: Table) => read(table, keys.settings);

describe('the limit', () => {
  test('makes the settings, and changes nothing but itself after that', async () => {
    const table = await openTestTable();
    await writeLimit(table, 2);
    await registerTypes(table, of('plugins/a', aJob), 5);

    await writeLimit(table, 4);

    expect(await settings(table)).toMatchObject({
      limit: 4,
      paused: false,
      types: { a_job: { runner: 'arn:plugins/a', concurrent: false, graceSeconds: 30, version: 'v1' } },
    });
  });

  test.each([-1, 101, 1.5, Number.NaN])('is not %s', async (limit) => {
    const table = await openTestTable();

    await expect(writeLimit(table, limit)).rejects.toThrow(
      `The limit must be a whole number from 0 to 100, not ${limit}.`,
    );
    expect(await settings(table)).toBeUndefined();
  });
});

describe('a registration', () => {
  async function deployed(): Promise<Table> {
    const table = await openTestTable();
    await writeLimit(table, 2);
    await registerTypes(table, of('plugins/a', aJob), 5);
    return table;
  }

  test('gives the types their schema and permissions', async () => {
    const table = await deployed();

    expect(await readTypes(table)).toEqual([
      expect.objectContaining({
        type: 'a_job',
        owner: 'plugins/a',
        schema: '{"type":"object"}',
        createPermissions: ['import_records'],
      }),
    ]);
  });

  test('gives the page its words and the dispatcher its options, and nothing for what is not said', async () => {
    const table = await deployed();
    const presentation = { title: 'A job', translations: { de: { title: 'Ein Auftrag' } } };
    const files = { max: 1, types: ['.xml'] };
    const said = { ...aJob, type: 'b_job', presentation, files, resumable: true, retries: 2 };

    await registerTypes(table, of('plugins/b', said, { ...aJob, type: 'c_job', resumable: false, retries: 0 }), 9);

    const [a, b] = await readTypes(table);
    expect(Object.keys(a ?? {})).not.toContain('presentation');
    expect(JSON.parse(b?.presentation ?? '')).toEqual(presentation);
    expect(b?.files).toEqual(files);
    const { types } = (await settings(table)) as { types: Record<string, object> };
    expect(types['b_job']).toMatchObject({ resumable: true, retries: 2 });
    expect(Object.keys(types['c_job'] ?? {})).toEqual(expect.not.arrayContaining(['resumable', 'retries']));
  });

  test('made again, changes what is new and retires what is gone', async () => {
    const table = await deployed();

    await registerTypes(table, of('plugins/a', { ...aJob, type: 'b_job', timeLimitSeconds: 60 }), 9);

    expect((await readTypes(table)).map(({ type }) => type)).toEqual(['b_job']);
    expect(await settings(table)).toMatchObject({
      types: { a_job: { retired: 9 }, b_job: { timeLimitSeconds: 60 } },
    });
  });

  test('takes back a type that was retired', async () => {
    const table = await deployed();
    await retireTypes(table, 'plugins/a', [], 9);

    await registerTypes(table, of('plugins/b', aJob), 10);

    expect(await settings(table)).toMatchObject({ types: { a_job: { runner: 'arn:plugins/b' } } });
    expect((await settings(table))?.['types']).not.toHaveProperty('a_job.retired');
  });

  test('leaves the types of others alone', async () => {
    const table = await deployed();

    await registerTypes(table, of('plugins/b', { ...aJob, type: 'b_job' }), 9);

    expect((await readTypes(table)).map(({ type }) => type)).toEqual(['a_job', 'b_job']);
  });

  test('of a type that another stack has is refused, naming both, before anything is written', async () => {
    const table = await deployed();
    const both = { ...of('stack b: runner', { ...aJob, type: 'b_job' }, aJob), stack: 'arn:stack/b' };

    await expect(registerTypes(table, both, 9)).rejects.toThrow(
      "Job type a_job of stack b: runner is registered already by plugins/a of the service's own stack.",
    );
    expect((await readTypes(table)).map(({ type, owner }) => `${type} ${owner}`)).toEqual(['a_job plugins/a']);
  });

  test('of a type that changes hands in the same moment is made all the same', async () => {
    const table = await deployed();
    const interfered = new Proxy(table.client, {
      get(client, name) {
        if (name !== 'send') return Reflect.get(client, name);
        return async (command: { input: { TransactItems?: unknown } }) => {
          // Once, between the read and the write: the old owner's own registration retires the type.
          if (command.input.TransactItems && !retired) {
            retired = true;
            await retireTypes(table, 'plugins/a', [], 8);
          }
          return client.send(command as never);
        };
      },
    });
    let retired = false;

    await registerTypes({ ...table, client: interfered }, of('plugins/b', aJob), 9);

    expect((await readTypes(table)).map(({ type, owner }) => `${type} ${owner}`)).toEqual(['a_job plugins/b']);
    expect(retired).toBe(true);
  });

  test('of a schema that is none is refused with what is wrong about it', async () => {
    const table = await deployed();
    const wrong = of('plugins/b', { ...aJob, type: 'b_job', schema: { type: 'strnig' } });

    await expect(registerTypes(table, wrong, 9)).rejects.toThrow(
      /^The schema of job type b_job is not a JSON Schema \(2020-12\): .*type/,
    );
  });

  test('before the limit is set says what must come first', async () => {
    const table = await openTestTable();

    await expect(registerTypes(table, of('plugins/a', aJob), 5)).rejects.toThrow(
      'The table has no settings yet: the resource that sets the limit must be created first.',
    );
    expect(await readTypes(table)).toEqual([]);
  });
});

test('a service without settings is a fault', async () => {
  const table = await openTestTable();

  await expect(readBoard(table)).rejects.toThrow(Fault);
});
