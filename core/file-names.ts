/** A name, not a path: it may be shown and saved as it is. */
export const isFileName = (name: string) => /^[^/\\\p{Cc}]{1,255}$/u.test(name) && name !== '.' && name !== '..';

/** A content type as a header may carry it, such as `text/csv; charset=utf-8`. */
export const isContentType = (text: string) => /^[\w.+-]+\/[\w.+-]+(; ?[\w=.+-]+)*$/.test(text);

/**
 * What can be a file's name in whatever was given for one. What stands before the last slash is somebody's folder;
 * characters that steer a screen are nobody's.
 */
export function fileName(given: string | undefined): string {
  const name =
    (given ?? '')
      .split(/[/\\]/)
      .at(-1)
      ?.replace(/[\p{Cc}\p{Bidi_Control}]/gu, '')
      .slice(0, 255)
      .toWellFormed() ?? '';
  return name === '' || name === '.' || name === '..' ? 'file' : name;
}
