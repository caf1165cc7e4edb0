import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isRecordUri, isSafePath, isWithin } from '../../archivesspace/paths.ts';

// Pieces that make up attacks on a path, so that random joins of them meet the interesting cases often.
const piece = fc.constantFrom(
  ...['/', '//', '.', '..', '@', '\\', ':', '?', '#', ';', '%', '%2e', '%2F', '%5c', '%40', '%00', '%25', '\n', ' '],
  ...['evil.example', 'http:', 'repositories', '2', '3', 'resources', 'agents', 'a', 'é', '1'],
);
const good = fc.constantFrom('repositories', '2', 'resources', 'agents', 'a.b', 'jane%40x.org', "it's");
const anyPath = fc.oneof(
  fc.array(good, { minLength: 1, maxLength: 5 }).map((segments) => `/${segments.join('/')}`),
  fc
    .tuple(fc.array(good, { maxLength: 3 }), fc.array(piece, { maxLength: 4 }), fc.array(good, { maxLength: 3 }))
    .map(([before, middle, after]) => `/${before.join('/')}${middle.join('')}${after.join('/')}`),
  fc.array(piece, { maxLength: 10 }).map((pieces) => pieces.join('')),
  fc.tuple(fc.webPath(), fc.webQueryParameters()).map(([path, query]) => `${path}?${query}`),
  fc.string({ unit: 'binary' }),
);

/** Holds `claim` against many paths; of those `accepts` takes, there must be enough for the claim to mean something. */
function forAccepted(
  accepts: (path: string, method: string) => boolean,
  claim: (path: string, method: string) => boolean,
) {
  let accepted = 0;
  fc.assert(
    fc.property(anyPath, fc.constantFrom('GET', 'POST', 'DELETE'), (path, method) => {
      if (!accepts(path, method)) return true;
      accepted += 1;
      return claim(path, method);
    }),
    { numRuns: 5_000 },
  );
  expect(accepted).toBeGreaterThan(50);
}

describe('a safe path', () => {
  test('never leaves the host, nor changes, when it is resolved', () => {
    const base = 'http://backend.example:8089';
    forAccepted(isSafePath, (path) => {
      const url = new URL(path, base);
      // The only thing a URL parser may still do is escape a quote in the query and drop an empty query.
      const [pathname, query = ''] = path.split(/\?(.*)/s);
      const same = url.pathname === pathname && url.search.replace(/^\?/, '') === query.replaceAll("'", '%27');
      return url.origin === base && url.username === '' && new URL(base + path).href === url.href && same;
    });
  });

  test.each([
    '/repositories/2/resources/1',
    '/repositories/2/batch_imports',
    '/users/jane%40example.org/become-user',
    '/repositories/2/resources?page=1&resolve[]=subjects::terms',
    '/repositories/2/resource_descriptions/1.xml?include_daos=true',
    '/',
  ])('%s is one', (path) => {
    expect(isSafePath(path)).toBe(true);
  });

  test.each([
    '',
    'repositories/2',
    '@evil.example/',
    '//evil.example/x',
    '/\\evil.example/x',
    '/repositories//2',
    '/repositories/2/',
    '/repositories/2/../3/resources/1',
    '/repositories/2/./resources',
    '/repositories/2/%2e%2e/3',
    '/repositories/2/%2E./3',
    '/repositories/2/..;/3',
    '/repositories/2%2f3',
    '/repositories/2%252f3',
    '/repositories/2%5c3',
    '/repositories/2%0d%0ax',
    '/repositories/2\r\nx: y',
    '/repositories/2\n',
    '/repositories/2/a@b',
    '/repositories/2#x',
    '/repositories/2?a=b#x',
    '/repositories/%zz',
  ])('%j is not', (path) => {
    expect(isSafePath(path)).toBe(false);
  });
});

describe('a job', () => {
  const REPOSITORY = '/repositories/2';
  const within = (path: string, method = 'GET', prefixes: readonly string[] = ['/agents']) =>
    isWithin(path, REPOSITORY, prefixes, method);

  test('stays in its repository or the listed prefixes, however its path is resolved', () => {
    forAccepted(within, (path, method) => {
      const { pathname } = new URL(path, 'http://backend.example');
      const isRepository = pathname === REPOSITORY;
      return isRepository ? method === 'GET' : /^\/(repositories\/2\/.|agents(\/|$))/.test(pathname);
    });
  });

  test.each([
    '/repositories/2/resources/1',
    '/repositories/2/batch_imports?skip_results=true',
    '/agents/people/1',
    '/agents',
  ])('may post to %s', (path) => {
    expect(within(path, 'POST')).toBe(true);
  });

  test('reads its repository but does not change it', () => {
    expect(within('/repositories/2', 'GET')).toBe(true);
    expect(within('/repositories/2', 'DELETE')).toBe(false);
    expect(within('/repositories/2/', 'DELETE')).toBe(false);
  });

  test.each([
    '/repositories/3/resources/1',
    '/repositories/22/resources',
    '/repositories',
    '/agents_x/1',
    '/users/1',
    '/',
  ])('may not ask for %s', (path) => {
    expect(within(path)).toBe(false);
  });

  test('gets nothing from an empty prefix, and nothing when its repository is not a repository', () => {
    expect(within('/users/1', 'GET', ['', '/'])).toBe(false);
    expect(isWithin('/users/1', '', [], 'GET')).toBe(false);
    expect(isWithin('/users/1', '/users', [], 'GET')).toBe(false);
  });
});

describe('a record URI', () => {
  test('is always a safe path', () => {
    const uri = fc.stringMatching(/^\/(repositories\/\d+\/)?[a-z_]+(\/[a-z_]+)*\/\d+$/);
    fc.assert(fc.property(uri, (one) => isRecordUri(one) && isSafePath(one)));
  });

  test.each(['/repositories/2/resources/1', '/agents/corporate_entities/12', '/subjects/3', '/repositories/2'])(
    '%s',
    (uri) => {
      expect(isRecordUri(uri)).toBe(true);
    },
  );

  test.each([
    'https://evil.example/repositories/2/resources/1',
    '//evil/1',
    '/repositories/2/resources/import_ab',
    '/repositories/2/resources/1/tree',
    '/repositories/2/resources/1\n',
    '/resources/../users/1',
    '/Subjects/1',
    '/1',
  ])('%j is none', (uri) => {
    expect(isRecordUri(uri)).toBe(false);
  });
});
