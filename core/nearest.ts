/** Longer than any name that is one: comparing takes the product of both lengths. */
const longestName = 100;
const mostListed = 40;

/** The name among `known` that somebody who wrote `given` most likely meant; undefined when none is near enough. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  if (given.length > longestName) return undefined;
  const written = alike(given);
  let best: { readonly name: string; readonly away: number } | undefined;
  for (const name of known) {
    if (name.length > longestName) continue;
    const away = distance(written, alike(name));
    if (away <= Math.ceil(given.length / 3) && away < name.length && (best === undefined || away < best.away))
      best = { name, away };
  }
  return best?.name;
}

/** ` Did you mean x?`, or what there is, to follow a sentence about a name that is not there. */
export function suggestion(given: string, known: readonly string[]): string {
  const near = nearest(given, known);
  if (near !== undefined) return ` Did you mean ${near}?`;
  if (known.length === 0) return '';
  return ` Known are ${known.slice(0, mostListed).join(', ')}${known.length > mostListed ? ', …' : ''}.`;
}

/** Large and small letters, dashes and underscores are what people mix up first. */
const alike = (name: string) => name.toLowerCase().replaceAll('-', '_');

/** How many letters to insert, delete or replace to make one out of the other (Levenshtein). */
function distance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, n) => n);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    above = row;
  }
  return above[to.length] ?? 0;
}
