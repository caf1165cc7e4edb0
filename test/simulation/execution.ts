import type { Scheduler } from './scheduler.ts';

type Json = Record<string, unknown>;
export interface TaskError {
  readonly Error: string;
  readonly Cause: string;
}

/** A state of the definition: what the service's state machine uses of Amazon States Language. */
interface State {
  readonly Type: string;
  readonly Parameters?: Json;
  readonly ResultPath?: string | null;
  readonly TimeoutSeconds?: number;
  readonly SecondsPath?: string;
  readonly Retry?: readonly {
    readonly ErrorEquals: readonly string[];
    readonly IntervalSeconds?: number;
    readonly BackoffRate?: number;
    readonly MaxDelaySeconds?: number;
    readonly MaxAttempts?: number;
  }[];
  readonly Catch?: readonly {
    readonly ErrorEquals: readonly string[];
    readonly ResultPath?: string;
    readonly Next: string;
  }[];
  readonly Next?: string;
  readonly End?: boolean;
}
export interface Definition {
  readonly StartAt: string;
  readonly States: Readonly<Record<string, State>>;
}

export type Status = 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';

/** An execution of the service's own state machine, state by state in virtual time. */
export class Execution {
  status: Status = 'RUNNING';
  closedMs = 0;
  readonly name: string;
  readonly input: string;
  readonly startedMs: number;
  readonly #definition: Definition;
  readonly #scheduler: Scheduler;
  readonly #invoke: Invoke;
  readonly #closed: (execution: Execution) => void;
  #data: Json;
  #retries: number[] = [];
  /** Which attempt at which state counts: answers to an older one come too late. */
  #visit = 0;

  constructor(
    name: string,
    input: string,
    definition: Definition,
    scheduler: Scheduler,
    invoke: Invoke,
    closed: (execution: Execution) => void,
  ) {
    this.name = name;
    this.input = input;
    this.#definition = definition;
    this.#scheduler = scheduler;
    this.#invoke = invoke;
    this.#closed = closed;
    this.#data = JSON.parse(input) as Json;
    this.startedMs = scheduler.nowMs;
    this.#later(this.#pause(), () => this.#enter(definition.StartAt));
  }

  /** Ends it from outside: what it started goes on by itself. */
  close(status: Status): void {
    if (this.status !== 'RUNNING') return;
    this.status = status;
    this.closedMs = this.#scheduler.nowMs;
    this.#visit++;
    this.#closed(this);
  }

  #enter(name: string): void {
    this.#retries = [];
    this.#attempt(name);
  }

  #attempt(name: string): void {
    const state = this.#state(name);
    switch (state.Type) {
      case 'Task': {
        const { FunctionName, Payload } = template(state.Parameters ?? {}, this.#data) as {
          FunctionName: string;
          Payload: Json;
        };
        const visit = ++this.#visit;
        const isOpen = () => this.#visit === visit;
        this.#later((state.TimeoutSeconds ?? 99_999_999) * 1000, () => {
          this.#failed(name, { Error: 'States.Timeout', Cause: '' });
        });
        // A copy: what the function does to its payload is its own affair.
        this.#invoke(FunctionName, JSON.parse(JSON.stringify(Payload)) as Json, (result) => {
          if (!isOpen()) return;
          this.#visit++;
          if ('error' in result) this.#failed(name, result.error);
          else this.#next(state);
        });
        return;
      }
      case 'Pass':
        try {
          const result = template(state.Parameters ?? {}, this.#data);
          // Without a path the result is all that is left.
          this.#data = state.ResultPath === undefined ? result : { ...this.#data, [under(state.ResultPath)]: result };
          this.#next(state);
        } catch {
          // States.IntrinsicFailure, which nothing catches here.
          this.close('FAILED');
        }
        return;
      case 'Wait': {
        const seconds = at(this.#data, state.SecondsPath ?? '');
        if (typeof seconds !== 'number' || !(seconds >= 0)) throw new Error(`The wait's seconds are ${seconds}.`);
        this.#visit++;
        this.#later(seconds * 1000, () => this.#next(state));
        return;
      }
      default:
        throw new Error(`A state of type ${state.Type} is not simulated.`);
    }
  }

  #failed(name: string, error: TaskError): void {
    const state = this.#state(name);
    const fits = ({ ErrorEquals }: { ErrorEquals: readonly string[] }) =>
      ErrorEquals.includes(error.Error) || ErrorEquals.includes('States.ALL');
    const n = state.Retry?.findIndex(fits) ?? -1;
    const retry = state.Retry?.[n];
    const before = this.#retries[n] ?? 0;
    if (retry && before < (retry.MaxAttempts ?? 3)) {
      this.#retries[n] = before + 1;
      const seconds = (retry.IntervalSeconds ?? 1) * (retry.BackoffRate ?? 2) ** before;
      const mostMs = Math.min(retry.MaxDelaySeconds ?? Number.POSITIVE_INFINITY, seconds) * 1000;
      this.#visit++;
      this.#later(this.#scheduler.random.between(0, mostMs), () => this.#attempt(name));
      return;
    }
    const caught = state.Catch?.find(fits);
    if (!caught) {
      this.close('FAILED');
      return;
    }
    this.#data = { ...this.#data, [under(caught.ResultPath)]: { ...error } };
    this.#visit++;
    this.#later(this.#pause(), () => this.#enter(caught.Next));
  }

  #next(state: State): void {
    if (state.End) {
      this.close('SUCCEEDED');
      return;
    }
    this.#visit++;
    this.#later(this.#pause(), () => this.#enter(state.Next ?? ''));
  }

  #state(name: string): State {
    const state = this.#definition.States[name];
    if (!state) throw new Error(`There is no state ${name}.`);
    return state;
  }

  #pause(): number {
    return this.#scheduler.random.between(5, 60);
  }

  #later(delayMs: number, work: () => void): void {
    const visit = this.#visit;
    this.#scheduler.after(delayMs, () => {
      if (this.#visit === visit && this.status === 'RUNNING') work();
    });
  }
}

export type Invoke = (
  functionName: string,
  payload: Json,
  answered: (result: { readonly value: unknown } | { readonly error: TaskError }) => void,
) => void;

/** The name of a path such as `$.last`. */
const under = (path: string | null | undefined) => String(path).replace(/^\$\./, '');

function at(data: unknown, path: string): unknown {
  if (path === '$') return data;
  return under(path)
    .split('.')
    .reduce<unknown>((here, name) => (here as Json | undefined)?.[name], data);
}

/** Fills in a payload template, at any depth: names that end in `.$` are paths or intrinsic functions. */
function template(of: Json, data: Json): Json {
  return Object.fromEntries(
    Object.entries(of).map(([name, value]) => {
      if (name.endsWith('.$')) return [name.slice(0, -2), evaluate(String(value), data)];
      const isInner = typeof value === 'object' && value !== null && !Array.isArray(value);
      return [name, isInner ? template(value as Json, data) : value];
    }),
  );
}

/** Evaluates a path, or an intrinsic function of the three that the service uses. */
function evaluate(text: string, data: Json): unknown {
  let rest = text;
  const take = (pattern: RegExp): string | undefined => {
    const found = pattern.exec(rest)?.[0];
    if (found !== undefined) rest = rest.slice(found.length);
    return found;
  };
  const value = (): unknown => {
    take(/^[\s,]+/);
    const quoted = take(/^'(?:[^'\\]|\\.)*'/);
    if (quoted !== undefined) return quoted.slice(1, -1).replaceAll(/\\(.)/g, '$1');
    const path = take(/^\$[\w.]*/);
    if (path !== undefined) return at(data, path);
    const number = take(/^-?\d+/);
    if (number !== undefined) return Number(number);
    const name = take(/^States\.\w+\(/);
    const given: unknown[] = [];
    while (name && take(/^\s*\)/) === undefined) given.push(value());
    const [first, second] = given;
    switch (name) {
      case 'States.StringToJson(':
        return JSON.parse(String(first));
      case 'States.ArrayGetItem(':
        return (first as unknown[])[Number(second)];
      case 'States.StringSplit(':
        return String(first)
          .split(new RegExp(`[${String(second).replaceAll(/[\\\]^-]/g, '\\$&')}]`))
          .filter(Boolean);
      default:
        throw new Error(`${text} is not simulated.`);
    }
  };
  return value();
}
