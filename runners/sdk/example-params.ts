import fc from 'fast-check';
import { withoutNothing } from '../../core/without-nothing.ts';
import { compileSchema } from '../../schemas/compile.ts';
import { wrongsOf } from './nearly-valid.ts';
import type { Schema } from './schema-cases.ts';
import { valuesFor } from './valid-params.ts';

export type Params = Readonly<Record<string, unknown>>;

export interface NearlyValid {
  readonly params: Params;
  /** The one thing that is wrong, such as `times: left out`. */
  readonly what: string;
}

/**
 * Parameters that fit a schema, as a property's values (fast-check): seeded, and made smaller when a test fails. Most
 * do fit; `isAccepted` says whether. Throws when nothing can fit.
 */
export function validParams(schema: object): fc.Arbitrary<Params> {
  const { $id, properties, allOf = [] }: Schema = schema;
  // A job's parameters name its type.
  const required = properties?.['jsonmodel_type'] === undefined ? [] : ['jsonmodel_type'];
  const values = valuesFor({ ...schema, type: 'object', allOf: [...allOf, { required }] }, schema);
  if (!values) throw new Error(`No parameters can fit the schema ${$id ?? 'given'}: it wants what it forbids.`);
  return values as fc.Arbitrary<Params>;
}

/** Parameters with one thing wrong, mostly; undefined where a schema allows everything. */
export const nearlyValidParams = (schema: object): fc.Arbitrary<NearlyValid | undefined> =>
  validParams(schema).chain((params) => {
    const wrongs = [...wrongsOf({ ...schema, type: 'object' }, schema, params)];
    return wrongs.length === 0
      ? fc.constant(undefined)
      : fc.constantFrom(...wrongs).map(({ value, what }) => ({ params: value as Params, what }));
  });

/** Whether the service takes parameters, by its own check: without what counts as missing, they fit the schema. */
export function isAccepted(schema: object): (params: Params) => boolean {
  const fits = compileSchema(JSON.stringify(schema));
  return (params) => fits(withoutNothing(params, schema)) === true;
}

/**
 * Parameters to test a runner and its schema with. The service's own check has judged them.
 *
 * @param schema of the type, as it stands in its file
 * @param options.count how many to try for; there are fewer where a schema allows few. @default 100
 * @param options.seed other examples by another number; the same by the same. @default 1
 * @returns `valid`: what a runner may get, as it gets it. `nearlyValid`: what the service refuses, for one reason each.
 *   Throws when no parameters can fit
 */
export function exampleParams(
  schema: object,
  { count = 100, seed = 1 }: { readonly count?: number; readonly seed?: number } = {},
): { readonly valid: readonly Params[]; readonly nearlyValid: readonly NearlyValid[] } {
  const sample = { numRuns: count, seed };
  const right = fc.sample(validParams(schema), sample);
  const wrong = fc.sample(nearlyValidParams(schema), sample).filter((one) => one !== undefined);
  const accepts = isAccepted(schema);
  return {
    valid: different(right.filter(accepts).map((params) => withoutNothing(params, schema) as Params)),
    nearlyValid: different(wrong.filter(({ params }) => !accepts(params))),
  };
}

const different = <T>(all: readonly T[]): readonly T[] => [
  ...new Map(all.map((one) => [JSON.stringify(one), one])).values(),
];
