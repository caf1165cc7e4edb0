// Places for files that are sent before their job is created: each is given once, and taken once.
import { describe, expect, test } from 'vitest';
import { create, keys } from '../../core/table.ts';
import { placeUpload, takeUploads, type Upload, uploadItemKey, uploadKey, uploadPrefix } from '../../core/uploads.ts';
import { applyTransaction, type Items, nameOf } from '../model/store.ts';
import { newJob } from './service-helpers.ts';

const now = 1_800_000_000_001;
const dayMs = 86_400_000;
const file = { repo: 2, owner: 'archivist', name: 'ead.xml', contentType: 'text/xml', size: 3, sha256: 'AAA=' };
const uploadIn = (items: Items, id: string) => items.get(nameOf(uploadItemKey(id))) as unknown as Upload;

function placed(...ids: readonly string[]): Items {
  const items: Items = new Map();
  for (const id of ids) applyTransaction(items, placeUpload({ id, ...file }, now));
  return items;
}

describe('a place for a file', () => {
  test('says whose it is and what may be sent to it, and may be taken for a day', () => {
    expect(uploadIn(placed('u'), 'u')).toMatchObject({ id: 'u', ...file, until: now + dayMs });
  });

  test('is kept by the table until it may no longer be taken, in whole seconds', () => {
    expect(uploadIn(placed('u'), 'u')).toMatchObject({ v: 1, expires: 1_800_000_001 + dayMs / 1000 });
  });

  test('is not given out again', () => {
    const items = placed('u');

    expect(applyTransaction(items, placeUpload({ id: 'u', ...file, owner: 'other' }, now)).done).toBe(false);
    expect(uploadIn(items, 'u').owner).toBe('archivist');
  });

  test('is in the bucket below what its lifecycle clears, and each has its own', () => {
    expect([uploadKey('u'), uploadKey('v')]).toEqual([`${uploadPrefix}u`, `${uploadPrefix}v`]);
  });

  test('is found after a deploy where it was given before', () => {
    expect(uploadItemKey('u')).toEqual({ pk: 'UPLOAD#u', sk: 'UPLOAD' });
    expect(uploadKey('u')).toBe('uploads/u');
  });
});

describe('a file', () => {
  test('belongs to the job that takes it, and stays as it was', () => {
    const items = placed('u');
    const before = uploadIn(items, 'u');

    expect(applyTransaction(items, takeUploads([before], 1)).done).toBe(true);
    expect(uploadIn(items, 'u')).toEqual({ ...before, job: 1 });
  });

  test('is taken once, by one of two jobs that saw it free', () => {
    const items = placed('u');
    const seen = [uploadIn(items, 'u')];

    expect([1, 2, 1].map((job) => applyTransaction(items, takeUploads(seen, job)).done)).toEqual([true, false, false]);
    expect(uploadIn(items, 'u').job).toBe(1);
  });

  test('that has expired is not taken, and does not come back', () => {
    const items = placed('u');
    const seen = [uploadIn(items, 'u')];
    items.clear();

    expect(applyTransaction(items, takeUploads(seen, 1)).done).toBe(false);
    expect(items.size).toBe(0);
  });

  test('is taken with all others of its job and with the job, or not at all', () => {
    const items = placed('u', 'v');
    const seen = [uploadIn(items, 'u'), uploadIn(items, 'v')];
    applyTransaction(items, takeUploads(seen.slice(1), 1));

    expect(applyTransaction(items, create(newJob(2), takeUploads(seen, 2))).done).toBe(false);
    expect(uploadIn(items, 'u')).not.toHaveProperty('job');
    expect(items.has(nameOf(keys.job(2)))).toBe(false);
  });

  test('need not be there: a job without files takes nothing', () => {
    expect(takeUploads([], 1)).toEqual([]);
  });
});
