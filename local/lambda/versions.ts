// Published versions of functions: numbered once per function, kept with all that they run on.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html
import { existsSync } from 'node:fs';
import type { Database } from '../sqlite.ts';
import { type Lambdas, parseFunctionName } from './lambdas.ts';
import type { FunctionSpec } from './sandbox.ts';

/**
 * Without a spec a version is deleted; its row keeps the number from being given again. The resource is the one that
 * published it, and `on_delete` what its template says of the time when it is gone.
 */
export const versionsSchema = `CREATE TABLE IF NOT EXISTS lambda_versions
  (function TEXT NOT NULL, number INTEGER NOT NULL, resource TEXT, on_delete TEXT NOT NULL, published_ms INTEGER NOT NULL,
  spec TEXT, PRIMARY KEY (function, number));`;

/** The attribute DeletionPolicy of a resource. */
export type DeletionPolicy = 'Delete' | 'Retain' | 'RetainExceptOnCreate';

export interface Version {
  readonly number: string;
  readonly publishedMs: number;
  readonly spec: FunctionSpec;
}

export interface Versions {
  /** Brings back what was published of a function that has just been made. What has lost its code is forgotten. */
  restore(functionName: string): void;
  /**
   * The version that a resource published, or a new one of the function as it is now.
   * @param resource names the resource across stacks
   * @throws when there is no such function
   */
  publish(resource: string, functionNameOrArn: string, onDelete: DeletionPolicy): Version;
  /** In the order of their numbers. */
  list(functionName: string): readonly Version[];
  /** What runs of it ends undisturbed. Does nothing when there is no such version. */
  remove(functionName: string, number: string): void;
  /** The resources whose versions go with them. */
  owners(): readonly { readonly resource: string; readonly functionName: string; readonly number: string }[];
  /** Of all versions of all functions. */
  arns(): ReadonlySet<string>;
  /** Forgets all versions of a function that is no more. */
  forget(functionName: string): void;
}

interface Row {
  readonly number: number;
  readonly publishedMs: number;
  readonly spec: string;
}

const select = 'SELECT number, published_ms AS publishedMs, spec FROM lambda_versions';

/**
 * @param db has the table of `versionsSchema`
 * @param log is told of versions that cannot run any more
 */
export function createVersions(db: Database, lambdas: Lambdas, log: (line: string) => void): Versions {
  const read = ({ number, publishedMs, spec }: Row): Version => ({
    number: String(number),
    publishedMs,
    spec: JSON.parse(spec) as FunctionSpec,
  });
  const list = (name: string): Version[] =>
    (db.all(`${select} WHERE function = ? AND spec IS NOT NULL ORDER BY number`, name) as unknown as Row[]).map(read);

  const remove = (name: string, number: string): void => {
    const forget = 'UPDATE lambda_versions SET spec = NULL, resource = NULL WHERE function = ? AND number = ?';
    db.run(forget, name, Number(number));
    lambdas.removeVersion(name, number);
  };

  return {
    restore(functionName) {
      for (const { number, spec } of list(functionName)) {
        if (existsSync(spec.dir)) lambdas.addVersion(number, spec);
        else {
          remove(functionName, number);
          log(`Version ${number} of ${functionName} is forgotten: its code, ${spec.dir}, is gone.`);
        }
      }
    },
    publish(resource, functionNameOrArn, onDelete) {
      const latest = lambdas.find(parseFunctionName(functionNameOrArn).name);
      if (!latest) throw new Error(`A version is to be published of ${functionNameOrArn}, which is no function here.`);
      const { name } = latest;
      const known = db.one(`${select} WHERE function = ? AND resource = ?`, name, resource) as unknown as
        | Row
        | undefined;
      if (known) {
        db.run(
          'UPDATE lambda_versions SET on_delete = ? WHERE function = ? AND resource = ?',
          onDelete,
          name,
          resource,
        );
        return read(known);
      }
      const last = db.one('SELECT max(number) AS number FROM lambda_versions WHERE function = ?', name)?.['number'];
      const number = String(Number(last ?? 0) + 1);
      const spec: FunctionSpec = {
        ...latest,
        arn: `${latest.arn}:${number}`,
        environment: { ...latest.environment, AWS_LAMBDA_FUNCTION_VERSION: number },
      };
      const publishedMs = Date.now();
      db.run(
        'INSERT INTO lambda_versions VALUES (?, ?, ?, ?, ?, ?)',
        ...[name, Number(number), resource, onDelete, publishedMs, JSON.stringify(spec)],
      );
      lambdas.addVersion(number, spec);
      return { number, publishedMs, spec };
    },
    list,
    remove,
    owners: () =>
      db
        .all(
          `SELECT resource, function AS functionName, number FROM lambda_versions
           WHERE resource IS NOT NULL AND on_delete = 'Delete'`,
        )
        .map(({ resource, functionName, number }) => ({
          resource: String(resource),
          functionName: String(functionName),
          number: String(number),
        })),
    arns: () =>
      new Set(
        db
          .all("SELECT spec ->> 'arn' AS arn FROM lambda_versions WHERE spec IS NOT NULL")
          .map(({ arn }) => String(arn)),
      ),
    forget: (name) => void db.run('DELETE FROM lambda_versions WHERE function = ?', name),
  };
}
