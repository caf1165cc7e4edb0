import { isDeepStrictEqual } from 'node:util';
import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import type { Failure, Hold, Job, Run, Settings } from '../../core/job.ts';
import { revoked } from '../../core/job.ts';
import { maxInterruptions } from '../../core/limits.ts';
import type { Saved } from './bodies.ts';
import type { Changed, TableRequest } from './database.ts';
import { Deployed } from './deployed.ts';
import { Order } from './order.ts';
import type { Process, Scheduler } from './scheduler.ts';
import type { RequestObserver } from './table-client.ts';

/** A promise of the service that did not hold. */
export class Violation extends Error {
  readonly invariant: string;
  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.name = 'Violation';
    this.invariant = invariant;
  }
}

export interface Body {
  readonly process: Process;
  readonly job: number;
  readonly type: string;
  readonly token: string;
  readonly segment: number;
  readonly attempt: number;
  /** What it goes on from. */
  readonly resumed: Saved | undefined;
}

/** How far two processes' clocks may be apart. */
const clocksDifferMs = 6_000;

/** Only what the invariants need of a run. */
type RunFacts = Pick<
  Run,
  | 'token'
  | 'segment'
  | 'open'
  | 'deadline'
  | 'graceSeconds'
  | 'limitAt'
  | 'end'
  | 'state'
  | 'resumable'
  | 'retries'
  | 'interruptions'
  | 'interruption'
>;

/** What has become of the bodies of a run. */
interface Course {
  /** How many bodies began from the same checkpoint, one after another. */
  fromHere: number;
  from: string;
  threw: number;
}

/**
 * The promises, each checked at every write and after every step. Kept as plain facts beside the table and written
 * apart from the service's own decisions; nothing here reads the service's state but through what it wrote.
 */
export class Invariants implements RequestObserver {
  readonly jobs = new Map<number, Job>();
  readonly rows = new Map<number, string>();
  readonly runs = new Map<number, RunFacts>();
  readonly slots = new Map<number, Hold>();
  readonly locks = new Map<string, Hold>();
  readonly bodies = new Map<Process, Body>();
  readonly order = new Order();
  readonly deployed: Deployed;
  /** Jobs that ended in this step, and ended ones whose run was written to. */
  readonly ended = new Set<number>();
  readonly touched = new Set<number>();
  /** Jobs whose queue row a fault took away, until it is back. */
  readonly torn = new Set<number>();
  violation: Violation | undefined;
  readonly #scheduler: Scheduler;
  readonly #begun = new Set<string>();
  /** What may have made the run of a token fail. */
  readonly #causes = new Map<string, string[]>();
  readonly #returned = new Set<string>();
  readonly #courses = new Map<string, Course>();
  /** By token, the segments that broke off and were led on from. */
  readonly #broken = new Map<string, Set<number>>();
  /** By token, the output files of each checkpoint. */
  readonly #savedFiles = new Map<string, Set<string>>();
  #checks = 0;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
    this.deployed = new Deployed(() => scheduler.nowMs);
  }

  get settings(): Settings | undefined {
    return this.deployed.settings;
  }

  get checks(): number {
    return this.#checks + this.order.checks;
  }

  violate(invariant: string, message: string): void {
    this.violation ??= new Violation(invariant, message);
  }

  /** Notes a reason for which a run may honestly fail. */
  mayFail(token: string, why: string): void {
    const causes = this.#causes.get(token);
    if (causes) causes.push(why);
    else this.#causes.set(token, [why]);
  }

  bodyStarted(body: Body): void {
    const key = `${body.job} ${body.segment}`;
    if (this.#begun.has(key))
      this.violate('a body never runs twice', `segment ${body.segment} of job ${body.job} began again`);
    this.#begun.add(key);
    for (const other of this.bodies.values())
      if (other.job === body.job && other.process.state === 'running')
        this.violate('a run goes on when its body has ended', `two bodies of job ${body.job} run`);
    this.bodies.set(body.process, body);
    this.#goneOn(body);
  }

  /** No body begins from one checkpoint more often than interruptions and retries allow, or with another attempt than is due. */
  #goneOn({ job, token, attempt, resumed }: Body): void {
    this.#checks += 2;
    const { resumable, retries = 0 } = this.runs.get(job) ?? {};
    const from = JSON.stringify(resumed ?? null);
    const course = this.#courses.get(token) ?? { fromHere: 0, from, threw: 0 };
    this.#courses.set(token, course);
    course.fromHere = course.from === from ? course.fromHere + 1 : 1;
    course.from = from;
    const most = resumable ? 1 + maxInterruptions + retries : 1;
    if (course.fromHere > most)
      this.violate('a run goes on while it may', `${course.fromHere} bodies of job ${job} began from ${from}`);
    if (attempt > 1 + Math.min(course.threw, retries))
      this.violate('a run goes on while it may', `job ${job} is in attempt ${attempt} of ${retries + 1}`);
  }

  bodyThrew(token: string): void {
    const course = this.#courses.get(token);
    if (course) course.threw++;
  }

  /** Whether these are the output files of a checkpoint of this run. */
  wereSaved(token: string, files: readonly string[]): boolean {
    return files.length === 0 || (this.#savedFiles.get(token)?.has(files.join(' ')) ?? false);
  }

  /** Whether a segment ended without a word of its own. */
  isBroken(token: string, segment: number): boolean {
    return this.#broken.get(token)?.has(segment) ?? false;
  }

  /** The runner's own code came back without an error. */
  bodyReturned(token: string): void {
    this.#returned.add(token);
  }

  bodyEnded(process: Process): void {
    this.bodies.delete(process);
  }

  // ---------------------------------------------------------------- after every step

  afterStep(): void {
    const { slots, locks, bodies } = this;
    this.#checks += 5;
    // A body ends with its process, and when Lambda freezes it.
    for (const process of bodies.keys()) if (process.state !== 'running') bodies.delete(process);
    const limit = this.deployed.limit(slots.size);
    if (slots.size > limit) this.violate('the limit', `${slots.size} slots at ${limit}`);
    if (bodies.size > limit) this.violate('the limit', `${bodies.size} bodies at ${limit}`);
    if (bodies.size === 0) return;
    const held = new Set<string>();
    for (const { token } of slots.values()) held.add(token);
    const running = new Set<string>();
    for (const body of bodies.values()) {
      if (!held.has(body.token))
        this.violate(
          'slot held until the body ended',
          `job ${body.job} runs, and its slot is not held by ${body.token}`,
        );
      if (this.deployed.isConcurrent(body.type)) continue;
      if (running.has(body.type)) this.violate('one of a type', `two bodies of ${body.type} run`);
      running.add(body.type);
      if (locks.get(body.type)?.token !== body.token)
        this.violate('lock held until the body ended', `job ${body.job} runs without the lock of ${body.type}`);
    }
  }

  // ---------------------------------------------------------------- at every write

  written(changes: readonly Changed[]): void {
    const jobs: { before: Job | undefined; after: Job | undefined; id: number }[] = [];
    for (const change of changes) {
      const { pk, sk, before, after } = change;
      if (pk === 'BOARD') this.#board(change);
      else if (sk === 'JOB') {
        const id = Number(pk.slice(4));
        jobs.push({ id, before: before && (unmarshall(before) as Job), after: after && (unmarshall(after) as Job) });
      } else if (pk.startsWith('QUEUE#')) {
        if (after) this.rows.set(Number(sk), pk.slice(6));
        else this.rows.delete(Number(sk));
        if (after) this.torn.delete(Number(sk));
      } else if (pk.startsWith('RUN#')) {
        const id = Number(pk.slice(pk.lastIndexOf('#') + 1));
        if (sk === 'RUN') this.#run(id, (after ? unmarshall(after) : { token: revoked }) as RunFacts);
        if (this.isEnded(id)) this.touched.add(id);
      }
    }
    // After the whole transaction: what belongs together is there together.
    for (const { id, before, after } of jobs) this.#job(id, before, after);
    for (const hold of [...this.slots.values(), ...this.locks.values()]) this.#hold(hold);
  }

  #board({ sk, before, after }: Changed): void {
    if (sk === 'SETTINGS' && after) this.deployed.write(unmarshall(after) as Settings);
    if (sk.startsWith('SLOT#')) {
      const n = Number(sk.slice(5));
      if (before && after) this.violate('owners, never a count', `slot ${n} was taken while it was held`);
      if (after) this.slots.set(n, unmarshall(after) as Hold);
      else this.slots.delete(n);
    }
    if (sk.startsWith('LOCK#')) {
      if (before && after) this.violate('owners, never a count', `${sk} was taken while it was held`);
      if (after) this.locks.set(sk.slice(5), unmarshall(after) as Hold);
      else this.locks.delete(sk.slice(5));
    }
  }

  #run(id: number, run: RunFacts): void {
    const before = this.runs.get(id);
    this.runs.set(id, run);
    this.#led(id, before, run);
    // A segment that was closed has said that its body is over: one that left for its next segment awaits nothing more.
    if (run.open) return;
    for (const [process, body] of this.bodies)
      if (body.token === run.token && body.segment === run.segment) this.bodies.delete(process);
  }

  /** A run is led on only when its body has ended, and never from an older checkpoint. */
  #led(id: number, before: RunFacts | undefined, run: RunFacts): void {
    this.#checks += 2;
    const { interruption, token } = run;
    if (interruption && interruption.segment !== before?.interruption?.segment) {
      this.#broken.set(token, (this.#broken.get(token) ?? new Set()).add(interruption.segment));
      for (const { process, ...body } of this.bodies.values())
        if (body.job === id && process.state === 'running')
          this.violate(
            'a run goes on when its body has ended',
            `job ${id} was led on while segment ${body.segment} ran`,
          );
    }
    if (run.state !== before?.state) {
      const { files } = savedIn(run.state);
      this.#savedFiles.set(token, (this.#savedFiles.get(token) ?? new Set()).add(files.join(' ')));
    }
    const was = savedIn(before?.state).done;
    if (run.token === before?.token && savedIn(run.state).done < was)
      this.violate('a checkpoint is never lost', `job ${id} had saved ${was}, and then ${run.state}`);
  }

  #job(id: number, before: Job | undefined, after: Job | undefined): void {
    this.#checks += 4;
    if (!after) {
      this.violate('every accepted job ends', `job ${id} is gone`);
      return;
    }
    this.jobs.set(id, after);
    const was = before?.status;
    const is = after.status;
    if (before && was !== 'queued' && was !== 'running') {
      if (!isDeepStrictEqual(before, after)) this.violate('a finished job never changes', `job ${id}: ${was} to ${is}`);
      return;
    }
    if (is === 'queued') {
      if (was !== undefined) this.violate('a job moves forward only', `job ${id}: ${was} to ${is}`);
      if (!this.rows.has(id)) this.violate('a queued job has a queue row', `job ${id} has none`);
      return;
    }
    if (this.rows.has(id)) this.violate('a queue row leads to a queued job', `job ${id} is ${is} and has a row`);
    if (is === 'running') {
      if (was === 'running' && before && 'token' in before && before.token !== after.token)
        this.violate('a run keeps its token', `job ${id} was taken over`);
      this.#running(after);
      return;
    }
    this.ended.add(id);
    this.#outcome(id, before, after);
  }

  #running(job: Job & { status: 'running' }): void {
    if (this.slots.get(job.slot)?.token !== job.token)
      this.violate('a running job holds its slot', `job ${job.id} does not hold slot ${job.slot}`);
    if (!this.deployed.isConcurrent(job.type) && this.locks.get(job.type)?.token !== job.token)
      this.violate("a running job holds its type's lock", `job ${job.id} does not hold the lock of ${job.type}`);
  }

  /** A job ends for a reason. */
  #outcome(id: number, before: Job | undefined, after: Job): void {
    const token = before && 'token' in before ? (before.token ?? '') : '';
    const causes = this.#causes.get(token) ?? [];
    switch (after.status) {
      case 'canceled':
        if (after.cancelRequested === undefined)
          this.violate('a job ends for a reason', `job ${id}: nobody canceled it`);
        return;
      case 'completed':
        if (!this.#returned.has(token))
          this.violate('a job ends for a reason', `job ${id} completed, its body did not`);
        return;
      case 'failed':
        if (after.failure?.kind === 'unregistered_type') {
          if (before?.status !== 'queued' || !this.deployed.isRetired(after.type))
            this.violate('a job ends for a reason', `job ${id}: its type is registered`);
          return;
        }
        if (after.failure?.kind === 'time_limit') {
          const limitAt = this.runs.get(id)?.limitAt ?? Number.POSITIVE_INFINITY;
          if (this.#scheduler.nowMs < limitAt - clocksDifferMs)
            this.violate('a job ends for a reason', `job ${id} failed before its time limit`);
          return;
        }
        this.#brokeOff(id, after.failure);
        if (causes.length === 0)
          this.violate('a job ends for a reason', `job ${id} failed without cause: ${after.failure?.reason}`);
        return;
      default:
    }
  }

  /** Who may go on after a process that died does, as often as it may. */
  #brokeOff(id: number, failure: Failure | undefined): void {
    const { resumable, interruptions = 0 } = this.runs.get(id) ?? {};
    const died = failure?.kind === 'out_of_memory' || failure?.reason.includes('Runtime.ExitError');
    if (resumable && died && interruptions < maxInterruptions)
      this.violate('a run goes on while it may', `job ${id} was ended after ${interruptions}: ${failure?.reason}`);
  }

  /** A hold belongs to a job that runs under its token, or that ended under it. */
  #hold(hold: Hold): void {
    this.#checks++;
    const job = this.jobs.get(hold.job);
    if (job && 'token' in job && job.token === hold.token) {
      if (job.status === 'running') this.#running(job);
      return;
    }
    this.violate('owners, never a count', `a slot or lock is held for job ${hold.job} by a token that is not its own`);
  }

  isEnded(id: number): boolean {
    const status = this.jobs.get(id)?.status;
    return status !== undefined && status !== 'queued' && status !== 'running';
  }

  // ---------------------------------------------------------------- what processes see

  sending(process: Process, request: TableRequest): void {
    const wrong = this.order.sending(process, request);
    if (wrong) this.violate('the oldest that may run', wrong);
  }

  answered(process: Process, request: TableRequest, answer: object): void {
    this.order.answered(process, request, answer);
  }

  failed(process: Process, request: TableRequest, error: unknown): void {
    const { CancellationReasons: reasons } = error as { CancellationReasons?: readonly { Code?: string }[] };
    if (reasons)
      this.order.refused(
        process,
        request,
        reasons.map(({ Code }) => Code),
      );
    if (error instanceof ConditionalCheckFailedException) this.order.refused(process, request, []);
    const isRead = request.kind === 'GetItem' || request.kind === 'Query';
    if (process.token && isRead) this.mayFail(process.token, `a read failed: ${String(error)}`);
  }
}

const savedIn = (state: string | undefined): Saved =>
  state === undefined ? { done: 0, files: [] } : (JSON.parse(state) as Saved);
