// ArchivesSpace's paging (backend/app/lib/rest.rb): page goes before id_set, and that before all_ids.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Refusal } from '../../core/errors.ts';
import { pageOf, paging } from '../../functions/api/paging.ts';

function asked(query: string): unknown {
  try {
    const { modifiedSince: _, ...mode } = paging(new URLSearchParams(query));
    return 'ids' in mode ? { ...mode, ids: [...mode.ids] } : mode;
  } catch (error) {
    if (error instanceof Refusal && error.error.code === 'bad_request') return error.error.problems;
    throw error;
  }
}
const required = ['Parameter required but no value provided'];
const many = (count: number) => Array.from({ length: count }, (_, i) => i + 1).join(',');

describe('a listing asked for by', () => {
  test.each<[query: string, answer: unknown]>([
    ['page=2', { mode: 'page', page: 2, size: 10 }],
    ['page=1&page_size=25', { mode: 'page', page: 1, size: 25 }],
    ['page=1&page_size=251', { mode: 'page', page: 1, size: 250 }],
    ['page=1&page_size=1000000', { mode: 'page', page: 1, size: 250 }],
    ['id_set=3,1,2', { mode: 'id_set', ids: [3, 1, 2] }],
    ['id_set[]=3&id_set[]=1', { mode: 'id_set', ids: [3, 1] }],
    ['all_ids=true', { mode: 'all_ids' }],
    ['all_ids=', { mode: 'all_ids' }],
    ['all_ids=true&page=1', { mode: 'page', page: 1, size: 10 }],
    ['id_set=1&page=1', { mode: 'page', page: 1, size: 10 }],
    ['all_ids=true&id_set=1', { mode: 'id_set', ids: [1] }],
    ['', { page: required, id_set: required, all_ids: required }],
    ['all_ids=false', { page: required, id_set: required, all_ids: required }],
    ['id_set=', { page: required, id_set: required, all_ids: required }],
    ['page=0', { page: ["Wanted type Integer but got '0'"] }],
    ['page=-1', { page: ["Wanted type Integer but got '-1'"] }],
    ['page=x', { page: ["Wanted type Integer but got 'x'"] }],
    ['page=1e3', { page: ["Wanted type Integer but got '1e3'"] }],
    ['page=', { page: ["Wanted type Integer but got ''"] }],
    ['page=1&page_size=0', { page_size: ["Wanted type Integer but got '0'"] }],
    ['page=1&page_size=x', { page_size: ["Wanted type Integer but got 'x'"] }],
    ['id_set=1,x', { id_set: ["Wanted type Integer but got 'x'"] }],
    [`id_set=${many(251)}`, { id_set: ['At most 250 ids, not 251'] }],
  ])('%s', (query, answer) => {
    expect(asked(query)).toEqual(answer);
  });

  test('250 ids is taken', () => {
    expect(asked(`id_set=${many(250)}`)).toMatchObject({ mode: 'id_set' });
  });
});

describe('a page', () => {
  test.each<[count: number, page: number, size: number, last: number, results: number]>([
    [0, 1, 10, 1, 0],
    [10, 1, 10, 1, 10],
    [11, 1, 10, 2, 10],
    [11, 2, 10, 2, 1],
    [11, 3, 10, 2, 0],
  ])('of %i, number %i of size %i: last %i, %i results', (count, page, size, last_page, results) => {
    const all = Array.from({ length: count }, (_, i) => i);

    expect(pageOf(all, { page, size })).toMatchObject({
      first_page: 1,
      last_page,
      this_page: page,
      total: count,
      results: { length: results },
    });
  });

  test('follows the one before: together all pages are the whole, each once', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 60 }), fc.integer({ min: 1, max: 250 }), (all, size) => {
        const { last_page: last } = pageOf(all, { page: 1, size });
        const pages = Array.from({ length: last }, (_, i) => pageOf(all, { page: i + 1, size }).results);
        expect(pages.flat()).toEqual(all);
      }),
    );
  });
});
