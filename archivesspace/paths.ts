/** Which paths of an ArchivesSpace backend may be asked for: pure checks, made before a session header is sent anywhere. */

// What encodeURIComponent leaves or makes, in segments that are not empty. A literal `@`, `\`, `;` or control character
// is not in it, so that no parser, ours or a proxy's, can see a host, a path parameter or a second line in a path.
const PATH = /^(?:\/(?:[A-Za-z0-9._~:!'()*-]|%[0-9A-Fa-f]{2})+)+$/;
const QUERY = /^(?:[A-Za-z0-9._~:!'()*/?&=+,[\]-]|%[0-9A-Fa-f]{2})*$/;
// Escapes that some server might decode to a separator, a dot, another escape or a control character.
const HIDDEN = /%(?:2e|2f|5c|25|[01][0-9a-f]|7f)/i;
const RECORD_URI = /^\/(?:repositories\/\d+\/)?[a-z_]+(?:\/[a-z_]+)*\/\d+$/;
const REPOSITORY_URI = /^\/repositories\/\d+$/;

/** True for the URI of one record, such as `/repositories/2/resources/1` or `/agents/people/4`. */
export function isRecordUri(uri: string): boolean {
  return RECORD_URI.test(uri);
}

/**
 * True for a path (a query may follow) that stays on the host and at the place it is written for, however it is resolved:
 * begins with one `/`, no empty, `.` or `..` segment, nothing that decodes to one.
 */
export function isSafePath(path: string): boolean {
  const [pathname, query] = splitQuery(path);
  if (pathname === '/') return QUERY.test(query);
  if (!PATH.test(pathname) || HIDDEN.test(pathname) || pathname.includes('..')) return false;
  return !pathname.split('/').includes('.') && QUERY.test(query);
}

/**
 * True when a job of `repository` (its URI, such as `/repositories/2`) may send `method` to `path`: inside the repository,
 * at or below one of `prefixes` (such as `/agents`), or reading the repository itself.
 * A prefix ends at a segment's end: `/agents` does not open `/agents_x`.
 */
export function isWithin(path: string, repository: string, prefixes: readonly string[], method: string): boolean {
  if (!isSafePath(path) || !REPOSITORY_URI.test(repository)) return false;

  const [pathname] = splitQuery(path);
  if (pathname === repository) return method === 'GET';
  if (pathname.startsWith(`${repository}/`)) return true;
  return prefixes.some((prefix) => {
    const start = prefix.replace(/\/$/, '');
    return start !== '' && (pathname === start || pathname.startsWith(`${start}/`));
  });
}

function splitQuery(path: string): [pathname: string, query: string] {
  const mark = path.indexOf('?');
  return mark < 0 ? [path, ''] : [path.slice(0, mark), path.slice(mark + 1)];
}
