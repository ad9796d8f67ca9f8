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

  /** All octets as UTF-8 text (pieces may cut a character); empty again afterwards. */
  take(): string {
    const text = this.#join().toString("utf8");
    this.#pieces = [];
    this.#length = 0;
    return text;
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
