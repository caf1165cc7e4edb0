import type { ServerResponse } from 'node:http';

type Reason = 'look' | 'gone';

/** Clients that wait for a message, by queue, in the order in which they came. */
export class Pollers {
  readonly #waiting = new Map<string, Set<(reason: Reason) => void>>();

  /** Waits until something about the queue changed or the time is over (`look`), or the client has hung up (`gone`). */
  wait(queue: string, waitMs: number, response: ServerResponse): Promise<Reason> {
    const waiting = this.#waiting.get(queue) ?? new Set();
    this.#waiting.set(queue, waiting);
    return new Promise((resolve) => {
      const end = (reason: Reason) => {
        clearTimeout(timer);
        response.off('close', hangUp);
        waiting.delete(end);
        resolve(response.destroyed ? 'gone' : reason);
      };
      const hangUp = () => end('gone');
      const timer = setTimeout(end, waitMs, 'look');
      response.once('close', hangUp);
      waiting.add(end);
    });
  }

  /** Lets all who wait for this queue look again. */
  wake(queue: string): void {
    for (const end of [...(this.#waiting.get(queue) ?? [])]) end('look');
  }

  /** Ends all waits; nobody gets an answer. */
  close(): void {
    for (const waiting of this.#waiting.values()) for (const end of [...waiting]) end('gone');
  }
}
