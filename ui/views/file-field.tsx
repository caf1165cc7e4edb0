import { useId, useState } from 'react';
import { isOfType } from '../../core/file-rules.ts';
import { maxFileBytes } from '../../core/limits.ts';
import type { FileRules } from '../../schemas/runner-manifest.ts';
import { type FormFile, stateText } from '../api/upload.ts';
import { fileProblem, rulesText } from '../lib/files.ts';
import { showPercent, showSize } from '../lib/time.ts';
import { say, sayCount } from '../words/say.ts';

interface Props {
  readonly id: string;
  readonly isMany: boolean;
  readonly describedBy: string | undefined;
  readonly isInvalid: boolean;
  readonly files: readonly FormFile[];
  readonly rules: FileRules | undefined;
  readonly onChange: (files: readonly FormFile[]) => void;
  /** Told with each choice: why some of it was left out, if it was. */
  readonly onRefuse: (problem: string | undefined) => void;
  readonly onRetry: (file: FormFile) => void;
  readonly isBusy: boolean;
}

/** A place for files: chosen or dropped, taken away again, and how the sending of each goes. */
export function FileField(props: Props) {
  const { id, isMany, describedBy, isInvalid, files, rules, onChange, onRefuse, onRetry, isBusy } = props;
  const [isOver, setOver] = useState(false);
  const [said, setSaid] = useState('');
  const hint = useId();
  const add = (chosen: Iterable<File>) => {
    const all = [...chosen];
    if (all.length === 0) return;
    const types = rules?.types ?? [];
    const wrong = all.filter(({ name, type }) => types.length > 0 && !isOfType({ name, contentType: type }, types));
    const fit = all.filter((file) => file.size <= maxFileBytes && !wrong.includes(file));
    const added = (isMany ? fit : fit.slice(0, 1)).map((from) => ({
      key: crypto.randomUUID(),
      name: from.name,
      size: from.size,
      contentType: from.type,
      from,
      state: { is: 'waiting' as const },
    }));
    const chosenNow = isMany ? [...files, ...added] : added.length > 0 ? added : files;
    const refused = [
      ...wrong.map(({ name }) => say('files.wrongType', { name, types: types.join(', ') })),
      ...(all.some(({ size }) => size > maxFileBytes) ? [say('files.tooLarge', { size: showSize(maxFileBytes) })] : []),
    ].join(' ');
    onChange(chosenNow);
    onRefuse(refused || undefined);
    setSaid(
      [refused, fileProblem(chosenNow, rules)].filter(Boolean).join(' ') || sayCount('files.added', added.length),
    );
  };
  return (
    <>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is one way more; the input does the same. */}
      <div
        className={isOver ? 'drop over' : 'drop'}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          if (!isBusy) add(event.dataTransfer.files);
        }}
      >
        <input
          id={id}
          type="file"
          multiple={isMany}
          accept={rules?.types?.join(',')}
          disabled={isBusy}
          aria-invalid={isInvalid}
          aria-describedby={[describedBy, hint].filter(Boolean).join(' ')}
          onChange={({ target }) => {
            add(target.files ?? []);
            // So that the same file can be chosen again after it was taken away.
            target.value = '';
          }}
        />
        <span id={hint} className="quiet">
          {[say('files.drop'), rulesText(rules)].filter(Boolean).join('. ')}
        </span>
      </div>
      <p role="status" className="hidden-text">
        {said}
      </p>
      {files.length > 0 && (
        <ul className="drop-list">
          {files.map((file) => (
            <li key={file.key}>
              <span className="name">{file.name}</span>
              <span className="quiet">
                {file.from instanceof File ? showSize(file.size) : say('files.kept', { id: file.from.job })}
              </span>
              <span className={file.state.is === 'failed' ? 'problem' : 'quiet'}>
                {stateText(file.state, (part) => showPercent(part, 1))}
              </span>
              {file.state.is === 'failed' && (
                <button
                  type="button"
                  aria-label={say('files.retry', { name: file.name })}
                  onClick={() => onRetry(file)}
                >
                  {say('app.tryAgain')}
                </button>
              )}
              <button
                type="button"
                disabled={isBusy}
                aria-label={say('files.remove', { name: file.name })}
                onClick={() => {
                  onChange(files.filter(({ key }) => key !== file.key));
                  onRefuse(undefined);
                }}
              >
                ✕
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
