import type { FileRules } from '../schemas/runner-manifest.ts';
import { maxFiles, maxJobFilesBytes } from './limits.ts';

/** A file as far as rules look at it. */
export interface RuledFile {
  readonly name: string;
  /** As its sender claims it. */
  readonly contentType: string;
  /** Bytes. */
  readonly size: number;
}

export type Misfit =
  | { readonly why: 'type'; readonly name: string; readonly types: readonly string[] }
  | { readonly why: 'missing'; readonly least: number; readonly count: number }
  | { readonly why: 'count'; readonly most: number; readonly count: number }
  | { readonly why: 'bytes'; readonly most: number; readonly bytes: number; readonly largest: RuledFile };

/**
 * What keeps these files from being those of one job: the rules of its type, within what the service takes at all.
 * Empty: nothing. The service and the page both ask here.
 */
export function misfits(files: readonly RuledFile[], rules: FileRules = {}): readonly Misfit[] {
  const found: Misfit[] = [];
  const { types } = rules;
  if (types) for (const file of files) if (!isOfType(file, types)) found.push({ why: 'type', name: file.name, types });
  const { min: least = 0 } = rules;
  if (files.length < least) found.push({ why: 'missing', least, count: files.length });
  const mostFiles = Math.min(rules.max ?? maxFiles, maxFiles);
  if (files.length > mostFiles) found.push({ why: 'count', most: mostFiles, count: files.length });
  const mostBytes = Math.min(rules.max_bytes ?? maxJobFilesBytes, maxJobFilesBytes);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const largest = files.reduce<RuledFile | undefined>((a, b) => (a && a.size >= b.size ? a : b), undefined);
  if (largest && bytes > mostBytes) found.push({ why: 'bytes', most: mostBytes, bytes, largest });
  return found;
}

/**
 * As HTML's `accept` is read: by the end of the name, or by the type that its sender claims. Either will do, since
 * browsers know few types, and names come without an ending.
 */
export function isOfType({ name, contentType }: Omit<RuledFile, 'size'>, types: readonly string[]): boolean {
  const ending = name.toLowerCase();
  const claimed = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  return types.some((type) => {
    const wanted = type.toLowerCase();
    if (wanted.startsWith('.')) return ending.endsWith(wanted);
    return wanted.endsWith('/*') ? claimed.startsWith(wanted.slice(0, -1)) : claimed === wanted;
  });
}
