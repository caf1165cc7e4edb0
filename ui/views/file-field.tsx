import { useId, useState } from 'react';
import { maxFileBytes } from '../../core/limits.ts';
import { type FormFile, stateText } from '../api/upload.ts';
import { showPercent, showSize } from '../lib/time.ts';
import { say, sayCount } from '../words/say.ts';

interface Props {
  readonly id: string;
  readonly isMany: boolean;
  readonly describedBy: string | undefined;
  readonly isInvalid: boolean;
  readonly files: readonly FormFile[];
  readonly onChange: (files: readonly FormFile[]) => void;
  readonly onRetry: (file: FormFile) => void;
  readonly isBusy: boolean;
}

/** A place for files: chosen or dropped, taken away again, and how the sending of each goes. */
export function FileField(props: Props) {
  const { id, isMany, describedBy, isInvalid, files, onChange, onRetry, isBusy } = props;
  const [isOver, setOver] = useState(false);
  const [said, setSaid] = useState('');
  const hint = useId();
  const add = (chosen: Iterable<File>) => {
    const all = [...chosen];
    if (all.length === 0) return;
    const fit = all.filter(({ size }) => size <= maxFileBytes);
    const added = (isMany ? fit : fit.slice(0, 1)).map((from) => ({
      key: crypto.randomUUID(),
      name: from.name,
      size: from.size,
      from,
      state: { is: 'waiting' as const },
    }));
    onChange(isMany ? [...files, ...added] : added.length > 0 ? added : files);
    setSaid(
      fit.length < all.length
        ? say('files.tooLarge', { size: showSize(maxFileBytes) })
        : sayCount('files.added', added.length),
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
          {say('files.drop')}
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
                onClick={() => onChange(files.filter(({ key }) => key !== file.key))}
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
