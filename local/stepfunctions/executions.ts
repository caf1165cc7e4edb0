// Executions: started once under a name, run state by state, stopped, described, and taken up again after a restart.
import { randomUUID } from 'node:crypto';
import type { InvokeOutcome } from '../lambda/lambdas.ts';
import type { ExecutionEnd, ExecutionRecord, ExecutionStatus, Journal, Position } from './journal.ts';
import { dataLimitExceeded, fromFunctionError, maxStateBytes, runLambdaTask } from './lambda-task.ts';
import { compileMachine, type Machine, StepError, type StepOutcome } from './machine.ts';

const longestTimerMs = 2 ** 31 - 1;

/** An error of the Step Functions API, by its name there. */
export class ServiceError extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

export interface ExecutionsOptions {
  readonly journal: Journal;
  readonly invoke: (functionName: string, payload: string) => Promise<InvokeOutcome>;
  /** Told of every change of status. */
  readonly onStatus: (record: ExecutionRecord) => void;
}

export interface Executions {
  /** @throws when the definition has something that does not run locally. */
  addMachine(arn: string, definition: string): void;
  machines(): string[];
  /**
   * Starts an execution. The same name and input while it runs gives the execution that runs.
   * https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
   * @throws ServiceError
   */
  start(machineArn: string, input: string, name?: string): ExecutionRecord;
  /** @throws ServiceError */
  describe(arn: string): ExecutionRecord;
  list(machineArn: string, status: ExecutionStatus | undefined, limit: number, offset: number): ExecutionRecord[];
  /** Ends an execution as ABORTED; a function that runs for it runs on. @throws ServiceError */
  stop(arn: string, error: string | undefined, cause: string | undefined): ExecutionRecord;
  /** Takes up what was open when the process ended. */
  resume(): void;
  /** Stops running and journaling: open executions stay open. */
  close(): void;
}

interface Running {
  readonly record: ExecutionRecord;
  readonly machine: Machine;
  /** Resolves when the execution is to end for another reason than its states. */
  readonly interrupted: PromiseWithResolvers<'closed' | ExecutionEnd>;
  timer: NodeJS.Timeout | undefined;
}

export function createExecutions({ journal, invoke, onStatus }: ExecutionsOptions): Executions {
  const definitions = new Map<string, string>();
  const compiled = new Map<string, Machine>();
  const running = new Map<string, Running>();
  const resumed = new Set<string>();

  function compile(definition: string): Machine {
    const machine = compiled.get(definition) ?? compileMachine(definition);
    compiled.set(definition, machine);
    return machine;
  }

  function launch(record: ExecutionRecord, position: Position): void {
    const machine = compile(record.definition);
    const one: Running = { record, machine, interrupted: Promise.withResolvers(), timer: undefined };
    running.set(record.arn, one);
    if (machine.timeoutSeconds !== undefined) {
      const leftMs = record.startedMs + machine.timeoutSeconds * 1000 - Date.now();
      const end = (): void => one.interrupted.resolve(ending('TIMED_OUT', { error: 'States.Timeout' }));
      one.timer = setTimeout(end, Math.min(Math.max(0, leftMs), longestTimerMs));
    }
    void run(one, position);
  }

  async function run(one: Running, start: Position): Promise<void> {
    const { arn } = one.record;
    let position = start;
    for (;;) {
      const outcome = await step(one, position);
      // Stopped while the state came to its end: the stop has won.
      if (outcome === 'closed' || running.get(arn) !== one) return;
      if ('status' in outcome) return finish(one, outcome);
      if (outcome.kind === 'failed') return finish(one, ending('FAILED', outcome));
      const text = JSON.stringify((outcome.kind === 'next' ? outcome.input : outcome.output) ?? null);
      if (Buffer.byteLength(text) > maxStateBytes) {
        const { name, message } = dataLimitExceeded(`The output of state ${position.state}`);
        return finish(one, ending('FAILED', { error: name, cause: message }));
      }
      if (outcome.kind === 'succeeded') return finish(one, ending('SUCCEEDED', { output: text }));
      position = { state: outcome.state, stateInput: text, enteredMs: Date.now(), taskInFlight: false };
      journal.enter(arn, position);
    }
  }

  async function step(one: Running, position: Position): Promise<StepOutcome | 'closed' | ExecutionEnd> {
    const { arn } = one.record;
    let lostTask = position.taskInFlight;
    const runTask = async (resource: string, input: unknown): Promise<unknown> => {
      if (lostTask) {
        // The function ran in the process that is gone: it died with it, and nobody knows how far it came.
        lostTask = false;
        journal.setTaskInFlight(arn, false);
        const errorMessage = `RequestId: ${randomUUID()} Error: Runtime exited with error: signal: killed`;
        throw new StepError(fromFunctionError({ errorType: 'Runtime.ExitError', errorMessage }));
      }
      journal.setTaskInFlight(arn, true);
      try {
        return await runLambdaTask(resource, input, invoke);
      } finally {
        if (running.get(arn) === one) journal.setTaskInFlight(arn, false);
      }
    };
    const waitedMs = Math.max(0, Date.now() - position.enteredMs);
    const resumedMs = resumed.has(arn) ? waitedMs : 0;
    resumed.delete(arn);
    const current = one.machine.step(position.state, JSON.parse(position.stateInput), runTask, resumedMs);
    const first = await Promise.race([current.outcome, one.interrupted.promise]);
    if (first === 'closed' || 'status' in first) current.abort();
    return first;
  }

  function finish(one: Running, end: ExecutionEnd): void {
    clearTimeout(one.timer);
    running.delete(one.record.arn);
    journal.end(one.record.arn, end);
    onStatus({ ...one.record, ...end });
  }

  function describe(arn: string): ExecutionRecord {
    const record = journal.find(arn);
    if (!record) throw new ServiceError('ExecutionDoesNotExist', `Execution Does Not Exist: '${arn}'`);
    return record;
  }

  return {
    addMachine(arn, definition) {
      compile(definition);
      definitions.set(arn, definition);
    },
    machines: () => [...definitions.keys()],
    start(machineArn, input, name = randomUUID()) {
      const definition = definitions.get(machineArn);
      if (definition === undefined) {
        throw new ServiceError('StateMachineDoesNotExist', `State Machine Does Not Exist: '${machineArn}'`);
      }
      checkName(name);
      checkInput(input);
      const arn = `${machineArn.replace(':stateMachine:', ':execution:')}:${name}`;
      const existing = journal.find(arn);
      if (existing) {
        if (existing.status === 'RUNNING' && existing.input === input) return existing;
        throw new ServiceError('ExecutionAlreadyExists', `Execution Already Exists: '${arn}'`);
      }
      const startedMs = Date.now();
      const none = { stoppedMs: null, output: null, error: null, cause: null };
      const record: ExecutionRecord = {
        arn,
        machineArn,
        name,
        definition,
        input,
        startedMs,
        status: 'RUNNING',
        ...none,
      };
      const state = compile(definition).startAt;
      const position: Position = { state, stateInput: input, enteredMs: startedMs, taskInFlight: false };
      journal.insert(record, position);
      onStatus(record);
      launch(record, position);
      return record;
    },
    describe,
    list: (machineArn, status, limit, offset) => journal.list(machineArn, status, limit, offset),
    stop(arn, error, cause) {
      const record = describe(arn);
      const one = running.get(arn);
      if (!one) return record;
      const end = ending('ABORTED', { error, cause });
      // Journaled now, not when the loop comes to it: whoever stopped it may describe it at once.
      finish(one, end);
      one.interrupted.resolve('closed');
      return { ...record, ...end };
    },
    resume() {
      for (const { record, position } of journal.open()) {
        resumed.add(record.arn);
        launch(record, position);
      }
    },
    close() {
      for (const one of running.values()) {
        clearTimeout(one.timer);
        one.interrupted.resolve('closed');
      }
      running.clear();
    },
  };
}

function ending(
  status: ExecutionStatus,
  more: { output?: string; error?: string | undefined; cause?: string | undefined },
): ExecutionEnd {
  const { output = null, error = null, cause = null } = more;
  return { status, stoppedMs: Date.now(), output, error, cause };
}

function checkName(name: string): void {
  const wrong =
    name.length === 0 ||
    name.length > 80 ||
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the rule of the API names them
    /[\s<>{}[\]?*"#%\\^|~`$&,;:/\u0000-\u001f\u007f-\u009f\ufffe\uffff]/.test(name);
  if (wrong) throw new ServiceError('InvalidName', `Invalid Name: '${name}'`);
}

function checkInput(input: string): void {
  if (Buffer.byteLength(input) > maxStateBytes) {
    const rule = `Member must have length less than or equal to ${maxStateBytes}`;
    throw new ServiceError('ValidationException', `Value at 'input' failed to satisfy constraint: ${rule}`);
  }
  try {
    JSON.parse(input);
  } catch {
    throw new ServiceError('InvalidExecutionInput', `Invalid State Machine Execution Input: '${input.slice(0, 200)}'`);
  }
}
