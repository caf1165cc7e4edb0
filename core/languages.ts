/** Whether this is a language tag that a browser may ask for, such as `de` or `fr-CA` (BCP 47). */
export function isLanguageTag(tag: string): boolean {
  // Languages of four to eight letters are well-formed and reserved: whoever writes `german` means `de`.
  if (!/^[a-z]{2,3}(-|$)/i.test(tag)) return false;
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}

export const primaryLanguage = (tag: string): string => tag.toLowerCase().split('-')[0] ?? '';

/**
 * The tags among `known` that suit a reader's language, the best first: the tag itself, then what is left of it without
 * its last parts (RFC 4647, 3.4), then any other of the same language.
 */
export function matching(language: string, known: readonly string[]): readonly string[] {
  const wanted = language.toLowerCase();
  const rank = (tag: string) => {
    const had = tag.toLowerCase();
    if (wanted === had) return 0;
    if (wanted.startsWith(`${had}-`)) return wanted.length - had.length;
    return primaryLanguage(had) === primaryLanguage(wanted) ? Number.MAX_SAFE_INTEGER : undefined;
  };
  return known
    .flatMap((tag) => {
      const at = rank(tag);
      return at === undefined ? [] : [{ tag, at }];
    })
    .sort((a, b) => a.at - b.at)
    .map(({ tag }) => tag);
}
