import { describe, expect, test } from 'vitest';
import { statusText, titleOf } from '../../ui/lib/labels.ts';
import { lacksToCancel, lacksToCreate, whyNotCancel } from '../../ui/lib/may.ts';
import { backoffMs } from '../../ui/lib/polling.ts';
import { mayPass, problemOf, sentence } from '../../ui/lib/problem.ts';
import { parseTime, showDuration, showSize } from '../../ui/lib/time.ts';

const importJob = {
  type: 'import_job',
  hidden: false,
  create_permissions: ['import_records'],
  cancel_permissions: ['cancel_importer_job'],
  title: 'Import data',
  schema: {},
};

describe('what the service refuses is a sentence', () => {
  test.each([
    [400, { error: { times: ['Must be a string'] } }, 'The service did not take this: times: Must be a string'],
    [401, {}, 'Your session has ended. Please sign in again.'],
    [412, { code: 'SESSION_GONE' }, 'Your session has ended. Please sign in again.'],
    [403, { missing_permissions: ['cancel_job'] }, 'You may not do this. It needs the permission “cancel_job”.'],
    [403, { error: 'Access denied' }, 'You may not do this. Your ArchivesSpace administrator can say why.'],
    [404, {}, 'This does not exist, or not any more.'],
    [409, { error: 'The job is running.' }, 'This cannot be done now: The job is running.'],
    [413, { message: 'Request Entity Too Large' }, 'This is too large. Request Entity Too Large'],
    [429, {}, 'There are too many requests at the moment. Please try again in 7 seconds.'],
  ])('%d', (status, body, text) => {
    expect(sentence(problemOf(status, body, '7'))).toBe(text);
  });

  test('a gateway that answers no JSON', () => {
    expect(problemOf(503, undefined, null)).toEqual({ kind: 'unavailable', message: '' });
    expect(problemOf(500, undefined, null)).toEqual({ kind: 'fault', message: '500' });
  });

  test('only what may pass by itself is asked again', () => {
    const asked = [400, 401, 403, 404, 409, 413, 429, 500, 503].filter((status) =>
      mayPass(problemOf(status, {}, null)),
    );
    expect(asked).toEqual([429, 500, 503]);
  });
});

describe('permissions', () => {
  const archivist = {
    username: 'a',
    permissions: { '/repositories/2': ['create_job', 'cancel_job', 'import_records', 'view_repository'] },
  };

  test('what somebody lacks to create and to cancel', () => {
    expect(lacksToCreate(archivist, 2, importJob)).toEqual([]);
    expect(lacksToCreate(archivist, 3, importJob)).toEqual(['create_job', 'import_records']);
    expect(lacksToCancel(archivist, 2, importJob)).toEqual(['cancel_importer_job']);
    expect(lacksToCancel(archivist, 2)).toEqual([]);
  });

  test('that no default group has a permission is said', () => {
    expect(whyNotCancel(['cancel_importer_job'])).toContain(
      'No default group has it; ask your ArchivesSpace administrator.',
    );
    expect(whyNotCancel(['cancel_job'])).toBe(
      'Only someone with the permission “cancel_job” in this repository may cancel this job.',
    );
  });
});

describe('labels, times and sizes', () => {
  test('a type without a title has a readable name', () => {
    expect(titleOf('import_job', [importJob])).toBe('Import data');
    expect(titleOf('tidy_up_job', [importJob])).toBe('Tidy up');
  });

  test('a running job that was canceled is stopping', () => {
    const by = { by: 'a', time: '2026-08-20 13:45:55 UTC' };
    expect(statusText({ status: 'running', cancel_requested: by })).toBe('Stopping…');
    expect(statusText({ status: 'canceled', cancel_requested: by })).toBe('Canceled');
  });

  test('times of the API', () => {
    expect(parseTime('2026-08-20 13:45:55 UTC')).toBe(Date.UTC(2026, 7, 20, 13, 45, 55));
    expect([5_000, 65_000, 3_700_000].map(showDuration)).toEqual(['5 s', '1 min 5 s', '1 h 1 min']);
    expect([0, 999, 1_500, 87_516].map(showSize)).toEqual(['0 bytes', '999 bytes', '1.5 kB', '87.5 kB']);
  });

  test('asking backs off, up to a minute and a quarter', () => {
    expect(backoffMs(0, 1_000)).toBe(1_000);
    expect(backoffMs(1, 1_000, 0.5)).toBe(2_000);
    expect(backoffMs(3, 1_000, 0.5)).toBe(8_000);
    expect(backoffMs(30, 1_000, 1)).toBe(75_000);
  });
});
