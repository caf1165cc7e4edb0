/**
 * A log that grows by bytes. Parts may begin and end inside a character; lines end with a line feed. Nothing that was
 * taken is changed, but the last line while it has no end.
 */
export class LogText {
  readonly lines: string[] = [];
  /** Of the next byte. */
  offset = 0;
  /** Grows with each change. */
  version = 0;
  #open = false;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /**
   * Takes the bytes that stand from `at` on. What lies before `offset` is dropped: it was taken before. Returns false,
   * and takes nothing, when bytes between are missing.
   */
  push(bytes: Uint8Array, at: number): boolean {
    if (at > this.offset) return false;
    const fresh = bytes.subarray(this.offset - at);
    if (fresh.length === 0) return true;
    this.offset += fresh.length;
    this.#add(this.#decoder.decode(fresh, { stream: true }));
    return true;
  }

  /** The log has ended: what is left of a broken character shows as a replacement. */
  finish(): void {
    this.#add(this.#decoder.decode());
  }

  #add(text: string): void {
    if (text === '') return;
    this.version++;
    const parts = text.split('\n');
    const last = parts.pop() ?? '';
    for (const part of parts) {
      this.#append(part);
      this.#open = false;
    }
    if (last !== '') this.#append(last);
  }

  #append(text: string): void {
    if (this.#open) this.lines[this.lines.length - 1] += text;
    else this.lines.push(text);
    this.#open = true;
  }
}

/** Indexes of the lines that contain a text, whatever its case. */
export function linesWith(lines: readonly string[], wanted: string): readonly number[] {
  if (wanted === '') return [];
  const low = wanted.toLocaleLowerCase();
  const found: number[] = [];
  for (const [index, line] of lines.entries()) if (line.toLocaleLowerCase().includes(low)) found.push(index);
  return found;
}

/** A line cut at each occurrence of a text: parts that match and parts that do not, in turn, beginning with one that does not. */
export function cutAt(line: string, wanted: string): readonly string[] {
  if (wanted === '') return [line];
  const low = line.toLocaleLowerCase();
  const lowWanted = wanted.toLocaleLowerCase();
  // Where lower case has another length, places do not agree.
  if (low.length !== line.length) return [line];
  const parts: string[] = [];
  let from = 0;
  for (let at = low.indexOf(lowWanted); at >= 0; at = low.indexOf(lowWanted, from)) {
    parts.push(line.slice(from, at), line.slice(at, at + lowWanted.length));
    from = at + lowWanted.length;
  }
  return [...parts, line.slice(from)];
}
