// One state machine, run one state at a time, so that an execution can be journaled before each state and go on
// from there. The states themselves are the work of aws-local-stepfunctions.
import { ExecutionError, StateMachine, type StateMachineDefinition } from 'aws-local-stepfunctions';

/** setTimeout fires at once beyond 2^31 ms; Step Functions' own default is 99,999,999 s. */
const longestTimerSeconds = 2_147_483;
/** Marks what follows a state in the machine that is made for this one state. */
const nextMarker = 'next ';
const endMarker = 'end';

export interface StateError {
  readonly error: string;
  readonly cause: string;
}

/** What a state came to. */
export type StepOutcome =
  | { readonly kind: 'next'; readonly state: string; readonly input: unknown }
  | { readonly kind: 'succeeded'; readonly output: unknown }
  | ({ readonly kind: 'failed' } & StateError);

/** Runs a task; it throws `StepError` for what Retry and Catch are to see. */
export type TaskRunner = (resource: string, input: unknown) => Promise<unknown>;

export class StepError extends Error {
  /** aws-local-stepfunctions asks the error itself whether States.ALL may match it. */
  readonly isRetryable: boolean;
  readonly isCatchable: boolean;

  constructor({ error, cause }: StateError, terminal = false) {
    super(cause);
    this.name = error;
    this.isRetryable = !terminal;
    this.isCatchable = !terminal;
  }
}

export interface Machine {
  readonly startAt: string;
  /** The longest an execution may take; undefined = no limit. */
  readonly timeoutSeconds: number | undefined;
  has(state: string): boolean;
  /**
   * Runs one state with its Retry and Catch.
   * @param waitedMs how long a Wait state has waited already, before a restart.
   */
  step(state: string, input: unknown, runTask: TaskRunner, waitedMs?: number): Step;
}

export interface Step {
  readonly outcome: Promise<StepOutcome>;
  /** Ends a wait or a pause before a retry. A task that runs is left alone. */
  abort(): void;
}

interface State {
  readonly Type: string;
  readonly [field: string]: unknown;
}

/**
 * Reads a definition in Amazon States Language.
 * @throws on what the interpreter would get wrong without saying so: JSONata, variables, Map, Parallel, service
 * integrations other than `lambda:invoke`, heartbeats, task tokens.
 */
export function compileMachine(definition: string): Machine {
  const parsed = JSON.parse(definition) as { StartAt: string; TimeoutSeconds?: number; States: Record<string, State> };
  refuseUnsupported(parsed);
  // Validates the whole; the machines made for single states are not validated again.
  new StateMachine(parsed as unknown as StateMachineDefinition, { validationOptions: { checkArn: false } });
  const single = new Map(Object.entries(parsed.States).map(([name, state]) => [name, singleStateMachine(name, state)]));

  function step(name: string, input: unknown, runTask: TaskRunner, waitedMs = 0): Step {
    const machine = single.get(name);
    const state = parsed.States[name];
    if (!machine || !state) throw new Error(`There is no state ${name}.`);
    let next: Extract<StepOutcome, { kind: 'next' }> | undefined;
    let end: Extract<StepOutcome, { kind: 'succeeded' }> | undefined;
    const handlers: Record<string, (input: unknown) => unknown> = {
      [name]: (taskInput) => runTask(String(state['Resource']), taskInput),
      [endMarker]: (output) => {
        end = { kind: 'succeeded', output };
        return null;
      },
    };
    for (const follower of machine.followers) {
      handlers[nextMarker + follower] = (nextInput) => {
        next = { kind: 'next', state: follower, input: nextInput };
        return null;
      };
    }
    const waitMs = remainingWaitMs(state, input, waitedMs);
    const run = machine.interpreter.run(input as never, {
      overrides: {
        taskResourceLocalHandlers: handlers as never,
        ...(waitMs === undefined ? {} : { waitTimeOverrides: { [name]: waitMs } }),
      },
    });
    const outcome = run.result.then(
      (output): StepOutcome => next ?? end ?? { kind: 'succeeded', output },
      (thrown: unknown): StepOutcome => {
        const cause = (thrown instanceof ExecutionError ? thrown.cause : thrown) as Error;
        return { kind: 'failed', error: cause.name, cause: cause.message };
      },
    );
    return { outcome, abort: run.abort };
  }

  return {
    startAt: parsed.StartAt,
    timeoutSeconds: parsed.TimeoutSeconds,
    has: (state) => single.has(state),
    step,
  };
}

/** A machine of this state alone: whatever it leads to is a marker, which tells where the execution goes next. */
function singleStateMachine(name: string, state: State) {
  const followers = new Set<string>();
  const mark = (target: unknown): string => {
    followers.add(String(target));
    return nextMarker + String(target);
  };
  const marked: Record<string, unknown> = { ...state };
  if (state['Next'] !== undefined) marked['Next'] = mark(state['Next']);
  if (state['Default'] !== undefined) marked['Default'] = mark(state['Default']);
  for (const field of ['Choices', 'Catch']) {
    const rules = state[field] as readonly { Next: string }[] | undefined;
    if (rules) marked[field] = rules.map((rule) => ({ ...rule, Next: mark(rule.Next) }));
  }
  if (marked['End'] === true) {
    delete marked['End'];
    marked['Next'] = endMarker;
  }
  if (state.Type === 'Task' && marked['TimeoutSecondsPath'] === undefined) {
    // The interpreter's own default is 60 s.
    const wanted = (state['TimeoutSeconds'] as number | undefined) ?? longestTimerSeconds;
    marked['TimeoutSeconds'] = Math.min(wanted, longestTimerSeconds);
  }
  const markers = [endMarker, ...[...followers].map((follower) => nextMarker + follower)];
  const states = Object.fromEntries(markers.map((marker) => [marker, { Type: 'Task', Resource: marker, End: true }]));
  const definition = { StartAt: name, States: { ...states, [name]: marked } } as unknown as StateMachineDefinition;
  const interpreter = new StateMachine(definition, { validationOptions: { noValidate: true } });
  return { followers, interpreter };
}

/**
 * What is left of a Wait state's time; undefined for other states and for what only the interpreter can tell. A wait
 * beyond the longest timer ends early, after 24.8 days.
 */
function remainingWaitMs(state: State, input: unknown, waitedMs: number): number | undefined {
  const path = /^\$((?:\.\w+)+)$/
    .exec(String(state['SecondsPath'] ?? ''))?.[1]
    ?.split('.')
    .slice(1);
  const seconds = path
    ? path.reduce<unknown>((value, field) => (value as Record<string, unknown> | null | undefined)?.[field], input)
    : state['Seconds'];
  if (state.Type !== 'Wait' || typeof seconds !== 'number') return undefined;
  return Math.min(Math.max(0, seconds * 1000 - waitedMs), longestTimerSeconds * 1000);
}

const unsupportedFields = ['Assign', 'Arguments', 'Output', 'HeartbeatSeconds', 'HeartbeatSecondsPath', 'Credentials'];

function refuseUnsupported(definition: { readonly States: Record<string, State> }): void {
  if (/"QueryLanguage"\s*:\s*"JSONata"/.test(JSON.stringify(definition))) {
    throw new Error('The local interpreter does not know JSONata: write the state machine in JSONPath.');
  }
  for (const [name, state] of Object.entries(definition.States)) {
    const field = unsupportedFields.find((one) => state[one] !== undefined);
    if (field !== undefined) throw new Error(`State ${name}: the local interpreter does not know ${field}.`);
    if (state.Type === 'Map' || state.Type === 'Parallel') {
      throw new Error(`State ${name}: the local interpreter does not run ${state.Type} states.`);
    }
    if (JSON.stringify(state).includes('$$.')) {
      throw new Error(`State ${name}: the local interpreter does not know the context object ($$).`);
    }
    if (state.Type === 'Task' && !isLambdaResource(String(state['Resource']))) {
      throw new Error(`State ${name}: ${state['Resource']} is not among the tasks that run locally (lambda:invoke).`);
    }
  }
}

/** The optimized integration, or a function's ARN. */
function isLambdaResource(resource: string): boolean {
  return /^arn:[\w-]+:states:::lambda:invoke$|^arn:[\w-]+:lambda:.*:function:/.test(resource);
}
