import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';

export interface Terminal {
  /** Types commands and waits until they are done. Throws with all that they printed when one of them fails. */
  run(commands: string): Promise<void>;
  /** Types commands that go on; what they print is waited for with `until`. */
  begin(commands: string): void;
  /** Waits for a text among what was printed since the last time. Throws when the shell ends before, or is silent for long. */
  until(text: string): Promise<void>;
  /** What was printed since commands were typed last. */
  printed(): string;
  /** Ctrl-C, and the end of the shell. Whatever has not ended a while after that is killed. */
  close(): Promise<void>;
}

const patienceMs = 90_000;
const closingMs = 15_000;

/** A shell in a folder, which keeps its variables from one block to the next and ends at the first command that fails. */
export function openTerminal(cwd: string, env: NodeJS.ProcessEnv): Terminal {
  // In a process group of its own, which Ctrl-C reaches as a whole.
  const shell = spawn('bash', ['-e', '-o', 'pipefail'], { cwd, env, detached: true, stdio: 'pipe' });
  let said = '';
  /** Written after commands that are waited for; no output of theirs. */
  const mark = randomUUID();
  let from = 0;
  let isOver = false;
  const listeners = new Set<() => void>();
  const hear = () => {
    for (const listener of [...listeners]) listener();
  };
  for (const stream of [shell.stdout, shell.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += stripVTControlCharacters(text);
      hear();
    });
  const closed = once(shell, 'close').then(() => {
    isOver = true;
    hear();
  });
  // A shell that has ended takes no more.
  shell.stdin.on('error', () => undefined);

  function until(holds: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${why} before ${what}. It said:\n${said.slice(from)}`));
      const timer = setTimeout(
        () => end(() => fail(`The terminal said nothing more for ${patienceMs / 1000} s`)),
        patienceMs,
      );
      const end = (settle: () => void) => {
        listeners.delete(look);
        clearTimeout(timer);
        settle();
      };
      const look = () => {
        if (holds()) end(resolve);
        else if (isOver) end(() => fail('The terminal ended'));
        else timer.refresh();
      };
      listeners.add(look);
      look();
    });
  }
  const type = (commands: string) => {
    from = said.length;
    shell.stdin.write(`${commands}\n`);
  };
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(-Number(shell.pid), name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  return {
    begin: type,
    printed: () => said.slice(from).replace(mark, ''),
    async run(commands) {
      type(`${commands}\necho ${mark}`);
      await until(() => said.includes(mark, from), 'the commands were done');
    },
    async until(text) {
      await until(() => said.includes(text, from), `it said ${JSON.stringify(text)}`);
      from = said.indexOf(text, from) + text.length;
    },
    async close() {
      shell.stdin.end();
      signal('SIGINT');
      const kill = setTimeout(() => signal('SIGKILL'), closingMs);
      await closed;
      clearTimeout(kill);
      signal('SIGKILL');
    },
  };
}
