import type { Database } from './database.ts';
import type { Stored } from './expressions.ts';
import type { Faults } from './faults.ts';
import type { StartWatch } from './harness.ts';
import type { Sandbox } from './lambda.ts';
import type { Process, Scheduler } from './scheduler.ts';

interface Watching {
  readonly look: () => void;
}

/** A reads-every-second thread notices a change within about a second. */
const everyMs = 1_000;

/**
 * The watches of all runs. A real one reads its run each second; here it is woken within a second of a change, which
 * is the same to the run and far cheaper to simulate.
 */
export class Watches {
  readonly #watching = new Map<string, Set<Watching>>();
  readonly #scheduler: Scheduler;
  readonly #database: Database;
  readonly #faults: Faults;

  constructor(scheduler: Scheduler, database: Database, faults: Faults) {
    this.#scheduler = scheduler;
    this.#database = database;
    this.#faults = faults;
  }

  /** The run item of this partition was written. */
  written(pk: string): void {
    for (const { look } of this.#watching.get(pk) ?? []) look();
  }

  /** @param onKill is told before a watch kills the process of its sandbox */
  starter(process: Process, sandbox: Sandbox, onKill: (why: string) => void): StartWatch {
    const { random } = this.#scheduler;
    return async (_client, { key: { pk }, token, graceMs, limitAt }, onStop) => {
      let isCurrent = true;
      let stopped = false;
      // A thread kills its process, whichever invocation runs in it by then.
      const kill = (why: string) => {
        if (!isCurrent) return;
        onKill(why);
        (sandbox.current ?? process).kill('exit');
      };
      const stop = (why: 'canceled' | 'time_limit') => {
        if (stopped || !isCurrent) return;
        stopped = true;
        onStop(why);
        this.#scheduler.after(graceMs + random.between(0, 250), () => kill(`its grace time is over, ${why}`), process);
      };
      const look = () => {
        const blindMs = this.#faults.hit('watch blind', 0.1) ? random.between(5_000, 40_000) : 0;
        const inMs = random.between(0, everyMs) + random.between(51, 80) + blindMs;
        this.#scheduler.after(
          inMs,
          () => {
            const Key = { pk: { S: pk }, sk: { S: 'RUN' } };
            const input = { TableName: 'jobs', Key, ConsistentRead: true };
            const { Item: run } = this.#database.apply({ kind: 'GetItem', input }) as { Item?: Stored };
            if (!run) return;
            if (run['token']?.S !== token) kill('the token of its run was taken away');
            if (run['cancelAt']) stop('canceled');
          },
          process,
        );
      };
      const watching = { look };
      const all = this.#watching.get(pk) ?? new Set();
      this.#watching.set(pk, all.add(watching));
      look();
      if (limitAt !== undefined)
        this.#scheduler.after(limitAt - Date.now() + random.between(0, 250), () => stop('time_limit'), process);
      return {
        stop: async () => {
          isCurrent = false;
          all.delete(watching);
        },
      };
    };
  }
}
