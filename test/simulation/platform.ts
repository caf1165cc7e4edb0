import {
  DescribeExecutionCommand,
  type DescribeExecutionCommandInput,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  type SFNClient,
  type StartExecutionCommandInput,
} from '@aws-sdk/client-sfn';
import type { SendMessageCommandInput, SQSClient } from '@aws-sdk/client-sqs';
import { type Definition, Execution, type Invoke, type Status } from './execution.ts';
import type { Faults } from './faults.ts';
import type { Process, Scheduler } from './scheduler.ts';
import { named } from './table-client.ts';

const dedupMs = 300_000;
const visibilityMs = 60_000;
const mostReceives = 20;
const batchSize = 10;

interface Message {
  receives: number;
  readonly group: string;
}

/** A FIFO queue and its event source: one batch of a group at a time, and no more dispatchers than are reserved. */
export class DoorbellQueue {
  readonly #waiting = new Map<string, Message[]>();
  readonly #busy = new Set<string>();
  readonly #ids = new Map<string, number>();
  readonly #scheduler: Scheduler;
  readonly #faults: Faults;
  readonly #reserved: () => number;
  readonly #dispatch: (done: (ok: boolean) => void) => void;
  #running = 0;

  /** @param dispatch runs the dispatcher for a batch */
  constructor(
    scheduler: Scheduler,
    faults: Faults,
    reserved: () => number,
    dispatch: (done: (ok: boolean) => void) => void,
  ) {
    this.#scheduler = scheduler;
    this.#faults = faults;
    this.#reserved = reserved;
    this.#dispatch = dispatch;
  }

  client(process: Process): SQSClient {
    const { random } = this.#scheduler;
    const send = ({ input }: { input: SendMessageCommandInput }) =>
      new Promise((resolve, reject) => {
        const lost = this.#faults.hit('doorbell lost', 0.06);
        const stored = !lost || random.chance(0.3);
        this.#scheduler.after(random.between(2, 30), () => {
          if (stored) this.#take(input);
          // Half of the lost ones are lost without a word.
          const told = lost && random.chance(0.5);
          this.#scheduler.after(
            random.between(1, 5),
            () => (told ? reject(named('TimeoutError', 'socket hang up')) : resolve({ MessageId: 'm' })),
            process,
          );
        });
      });
    return { send } as unknown as SQSClient;
  }

  #take({ MessageGroupId: group = '', MessageDeduplicationId: id = '' }: SendMessageCommandInput): void {
    const now = this.#scheduler.nowMs;
    if ((this.#ids.get(id) ?? Number.NEGATIVE_INFINITY) > now - dedupMs) return;
    this.#ids.set(id, now);
    const waiting = this.#waiting.get(group) ?? [];
    this.#waiting.set(group, waiting);
    waiting.push({ receives: 0, group });
    this.#poll(group);
  }

  #poll(group: string): void {
    if (this.#busy.has(group)) return;
    this.#busy.add(group);
    this.#scheduler.after(this.#scheduler.random.between(5, 40), () => {
      this.#busy.delete(group);
      const waiting = this.#waiting.get(group) ?? [];
      if (waiting.length === 0) return;
      if (this.#running >= this.#reserved()) {
        this.#scheduler.after(1_000, () => this.#poll(group));
        return;
      }
      this.#busy.add(group);
      this.#running++;
      const batch = waiting.splice(0, batchSize);
      const received = this.#scheduler.nowMs;
      for (const message of batch) message.receives++;
      this.#dispatch((ok) => {
        this.#running--;
        const again = (ok && !this.#faults.hit('doorbell delivered twice', 0.05) ? [] : batch).filter(
          ({ receives }) => receives < mostReceives,
        );
        waiting.unshift(...again);
        // A batch that comes back keeps its group waiting until it is visible again.
        const waitMs = again.length > 0 ? received + visibilityMs - this.#scheduler.nowMs : 0;
        this.#scheduler.after(waitMs, () => {
          this.#busy.delete(group);
          this.#poll(group);
        });
      });
    });
  }
}

/** Step Functions: executions by name, started once, described late. */
export class Machine {
  readonly executions = new Map<string, Execution>();
  readonly #scheduler: Scheduler;
  readonly #faults: Faults;
  readonly #definition: Definition;
  readonly #invoke: Invoke;
  readonly #closed: (execution: Execution) => void;

  constructor(
    scheduler: Scheduler,
    faults: Faults,
    definition: Definition,
    invoke: Invoke,
    closed: (execution: Execution) => void,
  ) {
    this.#scheduler = scheduler;
    this.#faults = faults;
    this.#definition = definition;
    this.#invoke = invoke;
    this.#closed = closed;
  }

  client(process: Process): SFNClient {
    const { random } = this.#scheduler;
    const send = (command: { input: object }) =>
      new Promise((resolve, reject) => {
        const describe = command instanceof DescribeExecutionCommand;
        const lost = !describe && this.#faults.hit('start failed', 0.05);
        const unanswered = !describe && this.#faults.hit('started, answer lost', 0.05);
        this.#scheduler.after(random.between(5, 60), () => {
          let outcome: { answer: object } | { error: unknown };
          try {
            if (lost) throw named('ThrottlingException', 'Rate exceeded');
            const input = command.input as StartExecutionCommandInput & DescribeExecutionCommandInput;
            outcome = { answer: describe ? this.#describe(input) : this.#start(input) };
          } catch (error) {
            outcome = { error };
          }
          if (unanswered) outcome = { error: named('TimeoutError', 'socket hang up') };
          this.#scheduler.after(
            unanswered ? 3_000 : random.between(1, 10),
            () => ('answer' in outcome ? resolve(outcome.answer) : reject(outcome.error)),
            process,
          );
        });
      });
    return { send } as unknown as SFNClient;
  }

  #start({ name = '', input = '' }: StartExecutionCommandInput): object {
    if (!/^[\w-]{1,80}$/.test(name)) throw named('InvalidName', name);
    const known = this.executions.get(name);
    if (known && (known.status !== 'RUNNING' || known.input !== input))
      throw new ExecutionAlreadyExists({ message: `Execution Already Exists: '${name}'`, $metadata: {} });
    if (!known) {
      this.executions.set(
        name,
        new Execution(name, input, this.#definition, this.#scheduler, this.#invoke, this.#closed),
      );
    }
    return { executionArn: name };
  }

  /** Eventually consistent: for a while it knows nothing, or knows what was. */
  #describe({ executionArn = '' }: DescribeExecutionCommandInput): object {
    const execution = this.executions.get(executionArn.slice(executionArn.lastIndexOf(':') + 1));
    const behindMs = this.#faults.hit('stale describe', 0.3) ? this.#scheduler.random.between(0, 30_000) : 0;
    const then = this.#scheduler.nowMs - behindMs;
    if (!execution || execution.startedMs > then)
      throw new ExecutionDoesNotExist({ message: `Execution Does Not Exist: '${executionArn}'`, $metadata: {} });
    const closed = execution.status !== 'RUNNING' && execution.closedMs <= then;
    return { status: closed ? execution.status : ('RUNNING' satisfies Status) };
  }
}
