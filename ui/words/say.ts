import { en, type Words } from './en.ts';

export type Key = keyof Words;
type Params = Readonly<Record<string, string | number>>;

let words: Words = en;
export const setWords = (other: Words) => {
  words = other;
};

/** The text under a key, with what stands in braces put in. */
export const say = (key: Key, params: Params = {}): string =>
  words[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));

type Counted = { [K in Key]: K extends `${infer Base}_other` ? Base : never }[Key];

/** The text for a number of things. */
export function sayCount(base: Counted, count: number, params: Params = {}): string {
  const key = `${base}_${new Intl.PluralRules('en').select(count) === 'one' ? 'one' : 'other'}`;
  return say((key in words ? key : `${base}_other`) as Key, { count: count.toLocaleString(), ...params });
}

export const isKey = (key: string): key is Key => Object.hasOwn(words, key);

/** Permission codes as part of a sentence. */
export const listed = (codes: readonly string[]): string => codes.map((code) => `“${code}”`).join(say('list.and'));

/** A locale that nobody speaks: whatever is shown without brackets did not come from the words. */
export const pseudo = (from: Words): Words =>
  Object.fromEntries(Object.entries(from).map(([key, text]) => [key, `⟦${text}⟧`])) as Words;
