import type { AttributeValue } from '@aws-sdk/client-dynamodb';

/** An item as it goes over the wire. */
export type Stored = Record<string, AttributeValue>;

export interface Placeholders {
  readonly names: Readonly<Record<string, string>>;
  readonly values: Stored;
}

/** An expression that DynamoDB would refuse as such (ValidationException). */
export class Invalid extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ValidationException';
  }
}

type Test = (item: Stored | undefined, given: Placeholders) => boolean;
type Change = (item: Stored, given: Placeholders) => void;
interface Parsed<T> {
  readonly run: T;
  readonly placeholders: ReadonlySet<string>;
}

const tests = new Map<string, Parsed<Test>>();
const changes = new Map<string, Parsed<Change>>();

/** Evaluates a ConditionExpression or KeyConditionExpression. `used` collects the placeholders that occur in it. */
export function matches(expression: string, item: Stored | undefined, given: Placeholders, used: Set<string>): boolean {
  const parsed = cached(tests, expression, (reader) => reader.or());
  for (const placeholder of parsed.placeholders) used.add(placeholder);
  return parsed.run(item, given);
}

/** Applies an UpdateExpression to a copy of the item's attributes. */
export function updated(expression: string, item: Stored, given: Placeholders, used: Set<string>): Stored {
  const parsed = cached(changes, expression, (reader) => reader.changes());
  for (const placeholder of parsed.placeholders) used.add(placeholder);
  const copy = { ...item };
  parsed.run(copy, given);
  return copy;
}

/** DynamoDB refuses placeholders that are given and not used. */
export function requireUsed({ names, values }: Placeholders, used: ReadonlySet<string>): void {
  for (const name of [...Object.keys(names), ...Object.keys(values)])
    if (!used.has(name)) throw new Invalid(`Value provided in expression unused: ${name}`);
}

function cached<T>(cache: Map<string, Parsed<T>>, expression: string, parse: (reader: Reader) => T): Parsed<T> {
  let parsed = cache.get(expression);
  if (!parsed) {
    const reader = new Reader(expression);
    const run = parse(reader);
    reader.end();
    parsed = { run, placeholders: new Set(expression.match(/[#:]\w+/g) ?? []) };
    cache.set(expression, parsed);
  }
  return parsed;
}

/** The part of DynamoDB's grammar that the service uses; anything else is refused, as DynamoDB refuses nonsense. */
class Reader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(expression: string) {
    this.#tokens = expression.match(/<>|>=|<=|[()=<>,]|[\w.#:]+/g) ?? [];
    if (this.#tokens.length === 0) throw new Invalid('The expression can not be empty;');
  }

  or(): Test {
    const parts = [this.#and()];
    while (this.#take('OR')) parts.push(this.#and());
    return (item, given) => parts.some((part) => part(item, given));
  }

  #and(): Test {
    const parts = [this.#one()];
    while (this.#take('AND')) parts.push(this.#one());
    return (item, given) => parts.every((part) => part(item, given));
  }

  #one(): Test {
    if (this.#take('(')) {
      const inner = this.or();
      this.#need(')');
      return inner;
    }
    const word = this.#next();
    if (word === 'attribute_exists' || word === 'attribute_not_exists') {
      this.#need('(');
      const path = this.#next();
      this.#need(')');
      const wanted = word === 'attribute_exists';
      return (item, given) => (at(item, path, given) !== undefined) === wanted;
    }
    const sign = this.#next();
    if (sign === 'BETWEEN') {
      const from = this.#next();
      this.#need('AND');
      const to = this.#next();
      return (item, given) => {
        const order = compare(at(item, word, given), value(given, from));
        const other = compare(at(item, word, given), value(given, to));
        return order !== undefined && other !== undefined && order >= 0 && other <= 0;
      };
    }
    const operand = this.#next();
    return (item, given) => {
      const left = at(item, word, given);
      const right = value(given, operand);
      const order = compare(left, right);
      switch (sign) {
        case '=':
          return order === 0;
        // True also of an attribute of another type, and false of one that is missing (DynamoDB, "Comparison operators").
        case '<>':
          return left !== undefined && order !== 0;
        case '>=':
          return order !== undefined && order >= 0;
        case '<=':
          return order !== undefined && order <= 0;
        default:
          throw new Invalid(`Syntax error; token: ${sign}`);
      }
    };
  }

  changes(): Change {
    const all: Change[] = [];
    while (this.#at < this.#tokens.length) {
      const clause = this.#next();
      do {
        const path = this.#next();
        if (clause === 'SET') {
          this.#need('=');
          const operand = this.#next();
          all.push((item, given) => place(item, path, given, value(given, operand)));
        } else if (clause === 'REMOVE') {
          all.push((item, given) => place(item, path, given, undefined));
        } else if (clause === 'ADD') {
          const operand = this.#next();
          all.push((item, given) => {
            const sum = Number(at(item, path, given)?.N ?? 0) + Number(value(given, operand).N);
            place(item, path, given, { N: String(sum) });
          });
        } else throw new Invalid(`Syntax error; token: ${clause}`);
      } while (this.#take(','));
    }
    return (item, given) => {
      for (const change of all) change(item, given);
    };
  }

  end(): void {
    if (this.#at < this.#tokens.length) throw new Invalid(`Syntax error; token: ${this.#tokens[this.#at]}`);
  }

  #next(): string {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new Invalid('Syntax error; token: <EOF>');
    return token;
  }
  #take(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at++;
    return true;
  }
  #need(token: string): void {
    if (!this.#take(token)) throw new Invalid(`Syntax error; token: ${this.#tokens[this.#at]}, expected ${token}`);
  }
}

function names(path: string, given: Placeholders): string[] {
  return path.split('.').map((part) => {
    if (!part.startsWith('#')) return part;
    const name = given.names[part];
    if (name === undefined)
      throw new Invalid(`An expression attribute name used in the document path is not defined; ${part}`);
    return name;
  });
}

function value(given: Placeholders, placeholder: string): AttributeValue {
  const found = given.values[placeholder];
  if (!found) throw new Invalid(`An expression attribute value used in expression is not defined; ${placeholder}`);
  return found;
}

function at(item: Stored | undefined, path: string, given: Placeholders): AttributeValue | undefined {
  let here: AttributeValue | undefined = item && ({ M: item } as AttributeValue);
  for (const name of names(path, given)) here = here?.M?.[name];
  return here;
}

function place(item: Stored, path: string, given: Placeholders, what: AttributeValue | undefined): void {
  const parts = names(path, given);
  const last = parts.pop() as string;
  let here: Stored = item;
  for (const part of parts) {
    const inner = here[part]?.M;
    // "The document path provided in the update expression is invalid for update"
    if (!inner) throw new Invalid('The document path provided in the update expression is invalid for update');
    const copy = { ...inner };
    here[part] = { M: copy };
    here = copy;
  }
  if (what === undefined) delete here[last];
  else here[last] = what;
}

/** The order of two values of one type; undefined when they have no order. */
function compare(a: AttributeValue | undefined, b: AttributeValue): number | undefined {
  if (a?.S !== undefined && b.S !== undefined) return a.S < b.S ? -1 : a.S > b.S ? 1 : 0;
  if (a?.N !== undefined && b.N !== undefined) return Math.sign(Number(a.N) - Number(b.N));
  if (a?.BOOL !== undefined && b.BOOL !== undefined) return a.BOOL === b.BOOL ? 0 : undefined;
  return undefined;
}
