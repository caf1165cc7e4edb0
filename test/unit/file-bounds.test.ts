import { describe, expect, test } from 'vitest';
import type { Refusal } from '../../core/errors.ts';
import { maxFiles, maxJobFilesBytes } from '../../core/limits.ts';
import { mustBeTaken, type NewFile } from '../../functions/api/new-files.ts';
import type { FileRules } from '../../schemas/runner-manifest.ts';

const file = (size: number, name = 'a.xml', contentType = 'text/xml'): NewFile => ({
  name,
  contentType,
  size,
  place: async () => '"e"',
});
const files = (count: number, size = 1) => Array.from({ length: count }, () => file(size));

function refusalOf(given: readonly NewFile[], rules?: FileRules) {
  try {
    mustBeTaken(given, 'a_job', rules);
    return undefined;
  } catch (error) {
    return (error as Refusal).error;
  }
}

describe('a job takes', () => {
  test.each<[string, readonly NewFile[], FileRules?]>([
    ['as many files as the service takes', files(maxFiles)],
    ['as many bytes as the service takes', files(1, maxJobFilesBytes)],
    ['as many files as its type takes', files(2), { max: 2 }],
    ['as many files as its type needs', files(2), { min: 2, max: 2 }],
    ['as many bytes as its type takes', files(2, 5), { max_bytes: 10 }],
    ['none, where its type takes none', [], { max: 0, max_bytes: 1, types: ['.xml'] }],
  ])('%s', (_what, given, rules) => {
    expect(refusalOf(given, rules)).toBeUndefined();
  });

  test.each([
    ['a.xml', '', ['.csv', '.xml']],
    ['A.XML', '', ['.xml']],
    ['a.tar.gz', '', ['.tar.gz']],
    ['a', 'text/csv', ['text/csv']],
    ['a', 'Text/CSV; charset=utf-8', ['.tsv', 'text/csv']],
    ['scan', 'image/png', ['image/*']],
  ])('%s of type "%s" where its type takes %j', (name, contentType, types) => {
    expect(refusalOf([file(1, name, contentType)], { types })).toBeUndefined();
  });
});

describe('a job does not take', () => {
  test.each([
    ['more files than the service takes', files(maxFiles + 1), {}, [`At most ${maxFiles} files, not ${maxFiles + 1}`]],
    ['no file, where its type needs one', [], { min: 1 }, ['At least 1 file, not 0']],
    ['fewer files than its type needs', files(1), { min: 2 }, ['At least 2 files, not 1']],
    ['more files than its type takes', files(2), { max: 1 }, ['At most 1 file, not 2']],
    ['any file, where its type takes none', files(1), { max: 0 }, ['At most 0 files, not 1']],
    [
      'a file of another type, which is named, nor too many at once',
      [file(1), file(1, 'b.pdf', 'application/pdf')],
      { max: 1, types: ['.xml', 'text/csv'] },
      ['b.pdf is not a file that a_job takes: .xml, text/csv', 'At most 1 file, not 2'],
    ],
  ])('%s', (_what, given, rules, problems) => {
    expect(refusalOf(given, rules)).toEqual({ code: 'bad_request', problems: { files: problems } });
  });

  test.each([
    ['a.xml', 'application/octet-stream', ['.xm']],
    ['xml', '', ['.xml']],
    ['a.xml.exe', '', ['.xml']],
    ['a', 'images/png', ['image/*']],
    ['a', 'text/csv-schema', ['text/csv']],
    ['a', '', ['text/csv']],
  ])('%s of type "%s" where its type takes %j', (name, contentType, types) => {
    expect(refusalOf([file(1, name, contentType)], { types })).toMatchObject({ code: 'bad_request' });
  });

  test('more bytes than its type takes, and says how many they are and where', () => {
    expect(refusalOf([file(5), file(6, 'b.xml'), file(4)], { max_bytes: 10 })).toEqual({
      code: 'too_large',
      message: 'The files of one a_job are at most 10 bytes together; these are 15, the largest is b.xml with 6.',
    });
  });
});
