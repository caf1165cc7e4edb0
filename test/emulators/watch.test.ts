import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createWatch } from '../../local/watch.ts';
import { scratchDir } from './assembly.ts';

/** Watches two folders; `seen` has the changed ones, by their names, one entry for each time. */
function watched() {
  const root = scratchDir();
  const write = (path: string, text: string) => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  for (const path of ['a/one', 'a/deep/two', 'a/node_modules/x/index.js', 'b/one']) write(path, 'first');
  const folders = ['a', 'b'].map((name) => join(root, name));
  const seen: string[][] = [];
  const watch = createWatch(folders);
  onTestFinished(() => watch.close());
  const start = (during: () => Promise<void> = async () => undefined) =>
    watch.start(async (changed) => {
      seen.push(changed.map((path) => path.slice(root.length + 1)));
      await during();
    });
  const replace = (path: string, text: string) => {
    write(`${path}~`, text);
    renameSync(join(root, `${path}~`), join(root, path));
  };
  return { root, write, replace, seen, start, watch };
}

test('a file that is written, replaced again and again, added or removed is a change of its folder', async () => {
  const { root, write, replace, seen, start } = watched();
  start();

  for (const [times, change] of [
    () => write('a/one', 'second'),
    () => replace('a/deep/two', 'second'),
    () => replace('a/deep/two', 'third'),
    () => write('a/new/deeper/three', 'first'),
    () => write('a/new/deeper/three', 'second'),
    () => rmSync(join(root, 'a/new'), { recursive: true }),
    () => write('a/new/deeper/three', 'third'),
    () => write('a/new/deeper/three', 'fourth'),
  ].entries()) {
    change();
    await expect.poll(() => seen.length).toBe(times + 1);
  }
  expect(new Set(seen.flat())).toEqual(new Set(['a']));
});

test('what was saved before the watch began counts', async () => {
  const { write, seen, start } = watched();

  write('b/one', 'second');
  start();

  await expect.poll(() => seen).toEqual([['b']]);
});

test('other content is a change, another time of the file or another package is none', async () => {
  const { write, seen, start } = watched();
  start();

  write('a/one', 'first');
  write('a/node_modules/x/index.js', 'second');
  write('a/.swap', 'x');
  write('b/one', 'second');

  await expect.poll(() => seen).toEqual([['b']]);
});

test('a change while the last one is taken over waits for it', async () => {
  const { write, seen, start } = watched();
  const held = Promise.withResolvers<void>();
  start(() => held.promise);

  write('a/one', 'second');
  await expect.poll(() => seen).toEqual([['a']]);
  write('b/one', 'second');
  write('a/one', 'third');
  held.resolve();

  await expect.poll(() => seen).toEqual([['a'], ['a', 'b']]);
});
