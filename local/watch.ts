// Tells when the files of a folder have changed. Each directory is watched by itself: node:fs can watch a tree, but on
// Linux it then loses a file that an editor has replaced by renaming another one over it.
import { createHash } from 'node:crypto';
import { type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';

/** A saved file is seldom alone: all that follow within this time count as one change. */
const quietMs = 100;
const ignored = /^(\..*|node_modules|cdk\.out|__pycache__)$|~$/;

export interface Watch {
  /**
   * Begins to watch. What has changed since the watch was made counts.
   * @param onChange gets the folders whose files have other content than at the last time; awaited before it is called again
   */
  start(onChange: (changed: readonly string[]) => Promise<void>): void;
  /** Resolves when `onChange` has returned. */
  close(): Promise<void>;
}

/** @param folders absolute; what lies in them under node_modules, cdk.out or a name with a dot in front is not looked at */
export function createWatch(folders: readonly string[]): Watch {
  const contents = new Map(folders.map((folder) => [folder, digest(folder)]));
  const watchers = new Map<string, { readonly watcher: FSWatcher; readonly inode: number }>();
  let timer: NodeJS.Timeout | undefined;
  let busy: Promise<void> | undefined;
  let closed = false;
  let tell: (changed: readonly string[]) => Promise<void> = async () => undefined;

  function stir(): void {
    if (closed) return;
    clearTimeout(timer);
    timer = setTimeout(() => void look(), quietMs);
  }

  async function look(): Promise<void> {
    // Whoever is under way looks again when it is done.
    if (busy) return;
    followDirectories();
    const changed = folders.filter((folder) => {
      const content = digest(folder);
      const isOther = content !== contents.get(folder);
      contents.set(folder, content);
      return isOther;
    });
    if (changed.length === 0) return;
    busy = tell(changed).finally(() => {
      busy = undefined;
    });
    await busy;
    stir();
  }

  /** New directories are watched, and those that are gone, or others by now, no longer. */
  function followDirectories(): void {
    const found = new Map(folders.flatMap(directories));
    for (const [path, { watcher, inode }] of watchers) {
      if (found.get(path) === inode) continue;
      watcher.close();
      watchers.delete(path);
    }
    for (const [path, inode] of found) {
      if (watchers.has(path)) continue;
      try {
        // A directory that goes away is an error of its watcher, and a change of the one above.
        const watcher = watch(path, stir).on('error', stir);
        watchers.set(path, { watcher, inode });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
  }

  return {
    start(onChange) {
      tell = onChange;
      followDirectories();
      void look();
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      for (const { watcher } of watchers.values()) watcher.close();
      await busy;
    },
  };
}

/** A folder and all below it, with their inodes. */
function directories(path: string): [path: string, inode: number][] {
  const below = list(path).filter((entry) => entry.isDirectory());
  const { ino = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return [[path, ino], ...below.flatMap(({ name }) => directories(join(path, name)))];
}

function digest(folder: string): string {
  const all = createHash('sha256');
  const add = (path: string): void => {
    for (const entry of list(path)) {
      const inner = join(path, entry.name);
      if (entry.isDirectory()) add(inner);
      else if (entry.isFile()) all.update(`${inner}\0`).update(read(inner)).update('\0');
    }
  };
  add(folder);
  return all.digest('hex');
}

const list = (path: string) =>
  unlessGone([], () => readdirSync(path, { withFileTypes: true }).filter(({ name }) => !ignored.test(name)));

const read = (path: string) => unlessGone(Buffer.of(), () => readFileSync(path));

/** Files come and go while they are looked at. */
function unlessGone<T>(otherwise: T, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return otherwise;
    throw error;
  }
}
