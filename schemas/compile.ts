import type { Options, ValidateFunction } from 'ajv/dist/2020.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** Compiles a schema (JSON text). A module of its own, so that it can be loaded when it is needed and not before. */
export function compileSchema(schema: string, options: Pick<Options, 'logger'> = {}): ValidateFunction {
  // Every error at once; keywords that only a form reads are let through.
  const ajv = new Ajv2020({ allErrors: true, strict: false, ...options });
  addFormats.default(ajv);
  ajv.removeKeyword('multipleOf');
  ajv.addKeyword({
    keyword: 'multipleOf',
    type: 'number',
    schemaType: 'number',
    validate: isMultipleOf,
    error: { message: ({ schema: of }) => `must be multiple of ${of}` },
  });
  const { $id: _id, ...rest } = JSON.parse(schema) as { $id?: string };
  return ajv.compile(rest);
}

/**
 * Why a schema cannot be compiled, as the API compiles it at its type's first use: such a one must not be registered.
 * Undefined when it can.
 */
export function schemaProblem(schema: Readonly<Record<string, unknown>>): string | undefined {
  try {
    compileSchema(JSON.stringify(schema), { logger: false });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** As people reckon, and the page: 0.28 is a multiple of 0.01. Ajv divides, and gets 28.000000000000004. */
function isMultipleOf(of: number, value: number): boolean {
  const [[divisor, places], [digits, otherPlaces]] = [decimal(of), decimal(value)];
  const most = Math.max(places, otherPlaces);
  return (digits * 10n ** BigInt(most - otherPlaces)) % (divisor * 10n ** BigInt(most - places)) === 0n;
}

/** A number as a whole one and how many places behind the point it has; below 0 for zeros before it. */
function decimal(value: number): readonly [digits: bigint, places: number] {
  const [number = '', exponent = '0'] = String(value).split('e');
  const [whole = '', fraction = ''] = number.split('.');
  return [BigInt(whole + fraction), fraction.length - Number(exponent)];
}
