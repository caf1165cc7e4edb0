import { type Misfit, misfits, type RuledFile } from '../../core/file-rules.ts';
import type { FileRules } from '../../schemas/runner-manifest.ts';
import { say, sayCount } from '../words/say.ts';
import { showSize } from './time.ts';

/** What a type says of its files, in sentences; empty when it says nothing. */
export const rulesText = ({ types, max, max_bytes: maxBytes }: FileRules = {}): string =>
  [
    types && say('files.rule.types', { types: types.join(', ') }),
    max !== undefined && sayCount('files.rule.max', max),
    maxBytes !== undefined && say('files.rule.bytes', { size: showSize(maxBytes) }),
  ]
    .filter(Boolean)
    .join(' ');

/** Why a job cannot have these files, for staff; undefined when it can. */
export function fileProblem(files: readonly RuledFile[], rules: FileRules | undefined): string | undefined {
  const found = misfits(files, rules);
  return found.length === 0 ? undefined : found.map(sentenceOf).join(' ');
}

function sentenceOf(misfit: Misfit): string {
  switch (misfit.why) {
    case 'type':
      return say('files.wrongType', { name: misfit.name, types: misfit.types.join(', ') });
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
