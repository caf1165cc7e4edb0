// Names and types of files, which go into headers and onto other people's disks.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fileName, isContentType, isFileName } from '../../core/file-names.ts';

describe('what is given for a file name', () => {
  test.each([
    ['a.xml', 'a.xml'],
    ['../../x', 'x'],
    ['C:\\Users\\me\\Novák.xml', 'Novák.xml'],
    ['a\r\nb\u0000\u007f.txt', 'ab.txt'],
    ['exe.\u202efdp', 'exe.fdp'],
    ['\ud800.txt', '\ufffd.txt'],
    [`${'x'.repeat(300)}`, 'x'.repeat(255)],
    ['..', 'file'],
    ['.', 'file'],
    ['...', '...'],
    ['dir/', 'file'],
    ['', 'file'],
    [undefined, 'file'],
  ])('%j becomes %j', (given, name) => {
    expect(fileName(given)).toBe(name);
  });

  test('becomes one, whatever it is', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (given) => isFileName(fileName(given))));
  });
});

describe('a content type', () => {
  test.each(['text/csv', 'application/vnd.ms-excel', 'text/plain; charset=utf-8', 'text/plain;charset=utf-8; a=b'])(
    'is %s',
    (text) => {
      expect(isContentType(text)).toBe(true);
    },
  );

  test.each(['', 'text', 'text/', '/csv', ' text/csv', 'x text/csv', 'text/csv\r\nset-cookie: a=b', 'text/csv;'])(
    'is not %j',
    (text) => {
      expect(isContentType(text)).toBe(false);
    },
  );
});
