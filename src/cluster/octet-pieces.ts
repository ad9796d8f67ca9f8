/** Octets that come in pieces and belong together, up to a limit. */

export class OctetPieces {
  readonly #most: number;
  #pieces: Buffer[] = [];
  #length = 0;

  /** `most`: of more octets nothing is kept but that there were too many. */
  constructor(most: number) {
    this.#most = most;
  }

  get isTooLong(): boolean {
    return this.#length > this.#most;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Adds `chunk[from, to)`, without a copy. */
  add(chunk: Buffer, from: number, to: number): void {
    if (to <= from) return;
    this.#length += to - from;
    if (this.isTooLong) this.#pieces = [];
    else this.#pieces.push(chunk.subarray(from, to));
  }

  /** All octets as UTF-8 text (pieces may cut a character), as `text` is; empty again afterwards. */
  take(): string {
    const text = this.text;
    this.#pieces = [];
    this.#length = 0;
    return text;
  }

  get text(): string {
    return this.#pieces.length === 1 ? this.#pieces[0]!.toString("utf8") : this.#joinedText();
  }

  /** By way of the same octets each time: those of a hundred thousand objects would be memory that comes back late. */
  #joinedText(): string {
    if (scratch.length < this.#length)
      scratch = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(this.#length)));
    let length = 0;
    for (const piece of this.#pieces) length += piece.copy(scratch, length);
    return scratch.toString("utf8", 0, length);
  }

  /** The last octets, at least `length` of them if there are so many. */
  tail(length: number): string {
    if ((this.#pieces.at(-1)?.length ?? 0) < length) this.#pieces = [this.#join()];
    return this.#pieces[0] === undefined ? "" : this.#pieces.at(-1)!.subarray(-length).toString("latin1");
  }

  #join(): Buffer {
    return this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
  }
}

/** Of all of them, each for the moment of one call. */
let scratch = Buffer.alloc(0);
