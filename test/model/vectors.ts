export const blockBits = 18;
export const blockMask = (1 << blockBits) - 1;

/** A set of vectors of small numbers, all of one length, in the order in which they were added. */
export class Vectors {
  readonly #width: number;
  readonly #blocks: Uint16Array[] = [];
  #count = 0;
  /** Open addressing; holds index + 1. */
  #table = new Int32Array(1 << 12);

  constructor(width: number) {
    this.#width = width;
  }

  get count(): number {
    return this.#count;
  }

  /** Adds a vector; false when it is there already. */
  add(vector: Uint16Array): boolean {
    let at = hash(vector) & (this.#table.length - 1);
    for (let found = this.#table[at] as number; found !== 0; found = this.#table[at] as number) {
      if (this.#is(found - 1, vector)) return false;
      at = (at + 1) & (this.#table.length - 1);
    }
    const index = this.#count++;
    const block = index >>> blockBits;
    if (block === this.#blocks.length) this.#blocks.push(new Uint16Array((blockMask + 1) * this.#width));
    (this.#blocks[block] as Uint16Array).set(vector, (index & blockMask) * this.#width);
    this.#table[at] = index + 1;
    if (this.#count * 2 > this.#table.length) this.#widen();
    return true;
  }

  load(index: number, into: Uint16Array): void {
    const block = this.#blocks[index >>> blockBits] as Uint16Array;
    const at = (index & blockMask) * this.#width;
    for (let i = 0; i < this.#width; i++) into[i] = block[at + i] as number;
  }

  #is(index: number, vector: Uint16Array): boolean {
    const block = this.#blocks[index >>> blockBits] as Uint16Array;
    const at = (index & blockMask) * this.#width;
    for (let i = 0; i < this.#width; i++) if (block[at + i] !== vector[i]) return false;
    return true;
  }

  #widen(): void {
    this.#table = new Int32Array(this.#table.length * 4);
    const vector = new Uint16Array(this.#width);
    for (let index = 0; index < this.#count; index++) {
      this.load(index, vector);
      let at = hash(vector) & (this.#table.length - 1);
      while (this.#table[at] !== 0) at = (at + 1) & (this.#table.length - 1);
      this.#table[at] = index + 1;
    }
  }
}

function hash(vector: Uint16Array): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < vector.length; i++) h = Math.imul(h ^ (vector[i] as number), 0x01000193) ^ (h >>> 15);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
