import { describe, expect, test } from 'vitest';
import { isLanguageTag, matching, primaryLanguage } from '../../core/languages.ts';

describe('a language tag (BCP 47)', () => {
  test.each(['de', 'DE', 'fr-CA', 'zh-Hant-TW', 'gsw', 'es-419'])('is %s', (tag) => {
    expect(isLanguageTag(tag)).toBe(true);
  });

  test.each(['german', 'd', '', 'fr_CA', 'fr-', 'de-', '-de', 'de--AT', '12', 'xde-'])('is not %s', (tag) => {
    expect(isLanguageTag(tag)).toBe(false);
  });

  test('begins with its language', () => {
    expect(['FR-ca', 'de', ''].map(primaryLanguage)).toEqual(['fr', 'de', '']);
  });
});

// RFC 4647, 3.4, and a reader's language in any other form before none at all.
describe('a reader of', () => {
  test.each<[language: string, known: readonly string[], suit: readonly string[]]>([
    ['de-AT', ['fr', 'de', 'de-AT'], ['de-AT', 'de']],
    ['de-at', ['DE-AT'], ['DE-AT']],
    ['de', ['de-CH', 'fr'], ['de-CH']],
    ['de-AT', ['de-CH', 'de'], ['de', 'de-CH']],
    ['zh-Hant-TW', ['zh', 'zh-Hant', 'zh-Hans'], ['zh-Hant', 'zh', 'zh-Hans']],
    ['en', ['de', 'eng'], []],
    ['de', ['d', 'den'], []],
  ])('%s takes of %j: %j', (language, known, suit) => {
    expect(matching(language, known)).toEqual(suit);
  });
});
