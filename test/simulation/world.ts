import './silence.ts';
import { ring } from '../../aws/doorbell.ts';
import { commit, rendered, type Table } from '../../aws/dynamo.ts';
import { nextId } from '../../aws/reads.ts';
import { type LedHere, segmentAfter, type Witness } from '../../core/ending.ts';
import type { Board, DispatchType } from '../../core/job.ts';
import { create } from '../../core/table.ts';
import type { Transaction } from '../../core/writes.ts';
import { cancelJob } from '../../functions/api/cancel-job.ts';
import type { Request } from '../../functions/api/http.ts';
import type { Types } from '../../functions/api/types.ts';
import { endRun, type RunRef } from '../../functions/end.ts';
import { dispatchPass } from '../../functions/pass.ts';
import { resumeRun } from '../../functions/resume.ts';
import type { Log, Service } from '../../functions/service.ts';
import { sweepPass } from '../../functions/sweep-pass.ts';
import { workflow } from '../../infra/workflow.ts';
import type { Invocation } from '../../runners/sdk/run.ts';
import { body, nothingSaid, type Plan, type Said, type Saved } from './bodies.ts';
import { Clients } from './clients.ts';
import { Database } from './database.ts';
import { Deploys } from './deploys.ts';
import type { Definition, Execution, Invoke, TaskError } from './execution.ts';
import { Faults } from './faults.ts';
import { handle } from './harness.ts';
import { Invariants } from './invariants.ts';
import { type Handler, resultOf, runnerLambda } from './lambda.ts';
import type { Mutant } from './planting.ts';
import { DoorbellQueue, Machine } from './platform.ts';
import type { Process, ProcessEnd, Scheduler } from './scheduler.ts';
import { Watches } from './watches.ts';

/** A job type of the simulation: what the service knows of it, and what only the runner's Lambda knows. */
export interface SimulatedType {
  readonly dispatch: DispatchType;
  readonly timeoutMs: number;
  /** Whether its runner has our harness's watch; another language's has none. */
  readonly watched: boolean;
}

/** What the state machine hands to the finisher. */
type FromState = RunRef & { readonly last: LedHere; readonly error?: TaskError };

const answerMs = 1_500;
const sweepEveryMs = 60_000;
const finisherArn = 'finisher';

/** The whole service in one process: its own code, on AWS in memory, in virtual time. */
export class World {
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly invariants: Invariants;
  readonly database: Database;
  readonly machine: Machine;
  readonly said = new Map<number, Said>();
  /** What is in the bucket, by key. */
  readonly objects = new Map<string, string>();
  readonly types: Readonly<Record<string, SimulatedType>>;
  readonly mutant: Mutant;
  readonly trace: ((line: string) => void) | undefined;
  readonly deploys: Deploys;
  sweeps = 0;
  readonly #clients: Clients;
  readonly #watches: Watches;

  constructor(
    scheduler: Scheduler,
    options: {
      readonly limit: number;
      readonly intensity: number;
      readonly types: Readonly<Record<string, SimulatedType>>;
      readonly mutant: Mutant;
      readonly trace: ((line: string) => void) | undefined;
    },
  ) {
    this.scheduler = scheduler;
    this.types = options.types;
    this.mutant = options.mutant;
    this.trace = options.trace;
    this.faults = new Faults(scheduler.random, options.intensity);
    this.invariants = new Invariants(scheduler);
    this.database = new Database(
      () => scheduler.nowMs,
      (changes) => {
        if (this.trace) for (const change of changes) this.trace(traced(change));
        this.invariants.written(changes);
        for (const { pk, sk } of changes) if (sk === 'RUN') this.#watches.written(pk);
      },
    );
    this.#watches = new Watches(scheduler, this.database, this.faults);
    const definition = workflow('aws', finisherArn) as unknown as Definition;
    this.machine = new Machine(
      scheduler,
      this.faults,
      this.mutant.definition?.(definition) ?? definition,
      this.#invoke(),
      (execution) => this.#closed(execution),
    );
    const doorbells = new DoorbellQueue(
      scheduler,
      this.faults,
      () => Math.max(1, this.invariants.settings?.limit ?? 1),
      (done) => this.#dispatcher(done),
    );
    this.#clients = new Clients(this, doorbells);
    this.deploys = new Deploys(this, options.limit);
  }

  // ---------------------------------------------------------------- what people do

  /** The commands of functions/api/create-job.ts, in its order; what it checks before them stores nothing. */
  create(type: string, plan: Plan): void {
    const { timeoutMs } = functions.api;
    this.#spawn('create', timeoutMs, async (process) => {
      if (!this.deploys.isKnown(type)) return;
      const table = this.#clients.table(process);
      const id = await nextId(table);
      const params = JSON.stringify(plan);
      const facts = { id, type, params, repo: 2, owner: 'archivist', correlation: 'c', typeVersion: '1', inputs: [] };
      await commit(table, create({ ...facts, now: Date.now(), apart: params.length > 120 }));
      await ring(this.#clients.doorbell(process)).catch(() => {});
    });
  }

  cancel(id: number): void {
    this.#spawn('cancel', functions.api.timeoutMs, async (process) => {
      const types = { get: async () => undefined } as unknown as Types;
      await cancelJob(this.#clients.table(process), this.#clients.doorbell(process), types)(request(id));
    });
  }

  /** Starts the schedule: a sweep each minute, until the end of the simulation. */
  startSweeps(): void {
    this.scheduler.after(sweepEveryMs, () => {
      this.startSweeps();
      this.mutant.eachMinute?.(this);
      if (this.mutant.noSweep || this.faults.hit('sweep lost', 0.1)) return;
      this.#spawn(
        'sweep',
        functions.sweep.timeoutMs,
        (process) => sweepPass(this.#service(process), this.#until(process)),
        () => this.sweeps++,
      );
    });
  }

  // ---------------------------------------------------------------- the service's functions

  #dispatcher(done: (ok: boolean) => void): void {
    this.#spawn(
      'dispatcher',
      functions.dispatcher.timeoutMs,
      (process) => dispatchPass(this.#service(process), this.#until(process)),
      (end) => done(end.kind === 'returned'),
    );
  }

  /** As functions/finisher.ts, which opens its clients when it is imported. */
  #finisher(ref: RunRef, witness: Witness | undefined, ended: (end: ProcessEnd) => void): void {
    this.#spawn(
      'finisher',
      functions.finisher.timeoutMs,
      async (process) => {
        const service = this.#service(process);
        const next = witness && (await resumeRun(service, ref, witness));
        if (next) throw Object.assign(new Error(`${next.segment}|${next.afterSeconds}`), { name: 'JobWait' });
        const end = (given: Witness | undefined) => endRun(service, ref, given);
        const board: Board = await (this.mutant.end?.(this, ref, witness, end) ?? end(witness));
        try {
          await dispatchPass(service, this.#until(process), board);
        } catch (error) {
          service.log.error('The dispatch pass after an end failed.', { ...ref, error });
        }
      },
      ended,
    );
  }

  #invoke(): Invoke {
    const runners = runnerLambda({
      scheduler: this.scheduler,
      faults: this.faults,
      timeoutMs: (name) => this.types[name]?.timeoutMs ?? 900_000,
      handler: this.#runner,
      mayFail: (token, why) => this.invariants.mayFail(token, why),
    });
    return (name, payload, answered) => {
      if (name !== finisherArn) {
        runners(name, payload, answered);
        return;
      }
      if (this.faults.hit('finish failed', 0.1)) {
        this.scheduler.after(50, () => answered({ error: { Error: 'Lambda.ServiceException', Cause: '' } }));
        return;
      }
      const { error, last, job, type, token } = payload as unknown as FromState;
      const ref = { job, type, token };
      const segment = segmentAfter(last);
      const witness: Witness = {
        ...(error && { error: error.Error, cause: error.Cause }),
        ...(segment !== undefined && { segment }),
      };
      this.#finisher(ref, witness, (end) => answered(resultOf(end)));
      if (this.faults.hit('finish repeated', 0.1)) {
        // At once, or so late that a run that went on has got far.
        const { random } = this.scheduler;
        const lateMs = random.between(0, random.chance(0.5) ? 60 : 60_000);
        this.scheduler.after(lateMs, () => this.#finisher(ref, witness, () => {}));
      }
    };
  }

  readonly #runner: Handler = (process, sandbox, payload) => {
    const invocation = payload as unknown as Invocation;
    const { job, type, token } = invocation;
    const { invariants } = this;
    const remainingMs = () => process.startedMs + process.timeoutMs - this.scheduler.nowMs;
    const watch = this.types[type]?.watched
      ? this.#watches.starter(process, sandbox, (why) => {
          this.trace?.(`${process.name}: killed by its watch, ${why}`);
          // By a clock that is ahead of the finisher's, for which the limit may be still to come.
          if (why.endsWith('time_limit')) invariants.mayFail(token, why);
        })
      : async () => ({ stop: async () => {} });
    const said: Said = this.said.get(job) ?? nothingSaid();
    this.said.set(job, said);
    return handle(
      async (ctx) => {
        this.trace?.(`${process.name}: body of segment ${ctx.job.segment} begins`);
        const { segment, attempt } = ctx.job;
        const plan = ctx.params as unknown as Plan;
        const resumed = ctx.resumed as Saved | undefined;
        invariants.bodyStarted({ process, job, type, token, segment, attempt, resumed });
        if ((resumed?.done ?? 0) < said.done)
          invariants.violate('a checkpoint is never lost', `job ${job} does step ${said.done} of its steps again`);
        try {
          await body(ctx, plan, said, process, (why) => invariants.mayFail(token, why));
          if (plan.kind === 'steps' && said.begun.size !== plan.units)
            invariants.violate('a checkpoint is never lost', `job ${job} left out steps`);
          invariants.bodyReturned(token);
        } catch (error) {
          invariants.bodyThrew(token);
          throw error;
        } finally {
          invariants.bodyEnded(process);
        }
      },
      {
        table: this.#clients.table(process),
        bucket: { client: this.#clients.files(process), name: 'files' },
        startWatch: this.mutant.watch?.(watch) ?? watch,
      },
      invocation,
      remainingMs,
    );
  };

  /** The rule for executions that did not succeed: best effort, as EventBridge says of these events. */
  #closed(execution: Execution): void {
    this.trace?.(`execution ${execution.name} ${execution.status}`);
    if (execution.status === 'SUCCEEDED' || this.mutant.noEvents || this.faults.hit('event lost', 0.25)) return;
    const ref = JSON.parse(execution.input) as RunRef;
    const { random } = this.scheduler;
    const times = this.faults.hit('event twice', 0.25) ? 2 : 1;
    for (let n = 0; n < times; n++) {
      const lateMs = this.faults.hit('event late', 0.2) ? random.between(5_000, 300_000) : random.between(100, 900);
      this.scheduler.after(lateMs, () => this.#finisher(ref, undefined, () => {}));
    }
  }

  /** An operator presses Stop, or the execution fails by itself. Its runner goes on. */
  stopExecution(execution: Execution, status: 'ABORTED' | 'FAILED'): void {
    const { token } = JSON.parse(execution.input) as RunRef;
    this.invariants.mayFail(token, `its execution was ${status}`);
    execution.close(status);
  }

  // ---------------------------------------------------------------- what a process works with

  #spawn(
    name: string,
    timeoutMs: number,
    work: (process: Process) => Promise<unknown>,
    ended: (end: ProcessEnd) => void = () => {},
  ): void {
    const { random } = this.scheduler;
    const process = this.scheduler.spawn(
      name,
      { timeoutMs, skewMs: random.between(-3_000, 3_000), delayMs: random.chance(0.1) ? 700 : random.between(1, 30) },
      (self) => {
        this.trace?.(`${name} ${self.id} begins`);
        return work(self);
      },
      (end) => {
        this.trace?.(`${name} ${process.id} ${end.kind}${end.kind === 'threw' ? ` ${String(end.error)}` : ''}`);
        ended(end);
      },
    );
    if (this.faults.hit('crash', 0.05)) {
      this.scheduler.after(random.between(0, random.chance(0.8) ? 250 : 3_000), () => process.kill('crash'));
    }
  }

  #service(process: Process): Service {
    return {
      table: this.#clients.table(process),
      machine: this.#clients.machine(process),
      log: this.#log(process),
      now: () => Date.now(),
      newToken: () =>
        Array.from({ length: 6 }, () => this.scheduler.random.integer(0, 15).toString(16)).join('') + process.id,
    };
  }

  get outside(): Table {
    return this.#clients.outside;
  }

  /** Writes at once, as a hand from outside. */
  write(transaction: Transaction): void {
    const TransactItems = transaction.map((write) => rendered({ name: 'jobs' }, write));
    this.database.apply({ kind: 'TransactWriteItems', input: { TransactItems } });
  }

  #until(process: Process): number {
    return process.startedMs + process.timeoutMs - answerMs + process.skewMs;
  }

  #log(process: Process): Log {
    const write = (message: string, fields?: Record<string, unknown>) =>
      this.trace?.(`${process.name} ${process.id}: ${message} ${fields?.['job'] ?? ''} ${fields?.['error'] ?? ''}`);
    return { info: write, warn: write, error: write };
  }
}

const functions = {
  api: { timeoutMs: 29_000 },
  dispatcher: { timeoutMs: 10_000 },
  finisher: { timeoutMs: 30_000 },
  sweep: { timeoutMs: 60_000 },
};

/** A request of somebody who may do everything; what only other routes look at is not there. */
const request = (id: number): Request =>
  ({
    user: { username: 'archivist', permissions: {} },
    repo: 2,
    id,
    correlation: 'c',
    need: () => {},
  }) as Partial<Request> as Request;

function traced({ pk, sk, after }: { pk: string; sk: string; after: Record<string, unknown> | undefined }): string {
  if (!after) return `- ${pk} ${sk}`;
  const shown = ['status', 'token', 'segment', 'open', 'end', 'job', 'ends', 'failure', 'cancelAt', 'deadline'];
  const parts = shown.filter((name) => name in after).map((name) => `${name}=${JSON.stringify(after[name])}`);
  return `+ ${pk} ${sk} ${parts.join(' ')}`;
}
