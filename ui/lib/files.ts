import { type Misfit, misfits, type RuledFile } from '../../core/file-rules.ts';
import type { FileRules } from '../../schemas/runner-manifest.ts';
import { say, sayCount } from '../words/say.ts';
import { showSize } from './time.ts';

/** What a type says of its files, in sentences; empty when it says nothing. */
export const rulesText = ({ types, min = 0, max, max_bytes: maxBytes }: FileRules = {}): string =>
  [
    types && say('files.rule.types', { types: types.join(', ') }),
    min > 0 && sayCount('files.rule.min', min),
    max !== undefined && sayCount('files.rule.max', max),
    maxBytes !== undefined && say('files.rule.bytes', { size: showSize(maxBytes) }),
  ]
    .filter(Boolean)
    .join(' ');

/**
 * Why a job cannot have these files, for staff; undefined when it can.
 *
 * @param isAll no more will be added: only then are they too few
 */
export function fileProblem(
  files: readonly RuledFile[],
  rules: FileRules | undefined,
  isAll = false,
): string | undefined {
  const found = misfits(files, rules).filter(({ why }) => isAll || why !== 'missing');
  return found.length === 0 ? undefined : found.map(sentenceOf).join(' ');
}

function sentenceOf(misfit: Misfit): string {
  switch (misfit.why) {
    case 'type':
      return say('files.wrongType', { name: misfit.name, types: misfit.types.join(', ') });
    case 'missing':
      return sayCount('files.tooFew', misfit.least);
    case 'count':
      return sayCount('files.tooMany', misfit.most);
    case 'bytes':
      return say('files.tooLargeTogether', {
        most: showSize(misfit.most),
        size: showSize(misfit.bytes),
        name: misfit.largest.name,
      });
    default:
      return misfit satisfies never;
  }
}
