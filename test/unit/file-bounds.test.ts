import { expect, test } from 'vitest';
import type { Refusal } from '../../core/errors.ts';
import { maxFiles, maxJobFilesBytes } from '../../core/limits.ts';
import { type FileBounds, mustBeFew, type NewFile } from '../../functions/api/new-files.ts';

const file = (size: number): NewFile => ({ name: 'a.xml', contentType: 'text/xml', size, place: async () => '"e"' });
const files = (count: number, size = 1) => Array.from({ length: count }, () => file(size));

function refusalOf(given: readonly NewFile[], bounds: FileBounds = {}) {
  try {
    mustBeFew(given, bounds);
    return undefined;
  } catch (error) {
    return (error as Refusal).error;
  }
}

test.each([
  ['as many as the service takes', files(maxFiles), {}],
  ['as many bytes as the service takes', files(1, maxJobFilesBytes), {}],
  ['as many as the type takes', files(2), { 'x-max-files': 2 }],
  ['as many bytes as the type takes', files(2, 5), { 'x-max-file-bytes': 10 }],
  ['any, where the schema says nonsense', files(3), { 'x-max-files': 'two' }],
])('a job takes %s', (_what, given, bounds) => {
  expect(refusalOf(given, bounds)).toBeUndefined();
});

test.each([
  ['more files than the service takes', files(maxFiles + 1), {}, { files: [`At most ${maxFiles} files`] }],
  [
    'more than the service takes, whatever its type says',
    files(maxFiles + 1),
    { 'x-max-files': 1_000 },
    { files: [`At most ${maxFiles} files`] },
  ],
  ['more files than its type takes', files(2), { 'x-max-files': 1 }, { files: ['At most 1 files'] }],
])('a job does not take %s', (_what, given, bounds, problems) => {
  expect(refusalOf(given, bounds)).toEqual({ code: 'bad_request', problems });
});

test('a job does not take more bytes than its type takes, and says how many they are', () => {
  expect(refusalOf(files(3, 5), { 'x-max-file-bytes': 10 })).toEqual({
    code: 'too_large',
    message: 'The files of this job are at most 10 bytes together; these are 15.',
  });
});
