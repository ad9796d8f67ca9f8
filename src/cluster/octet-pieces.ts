/** Octets that come in pieces and belong together, up to a limit. */

export class OctetPieces {
  readonly #most: number;
  /** The first `#length` octets of it. */
  #octets = NOTHING;
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

  /** Adds a copy of `chunk[from, to)`. */
  add(chunk: Buffer, from: number, to: number): void {
    if (to <= from) return;
    const length = this.#length + to - from;
    if (length <= this.#most) {
      if (length > this.#octets.length) this.#grow(length);
      chunk.copy(this.#octets, this.#length, from, to);
    } else this.#octets = NOTHING;
    this.#length = length;
  }

  /** All octets as UTF-8 text (pieces may cut a character), as `text` is; empty again afterwards. */
  take(): string {
    const { text } = this;
    this.#length = 0;
    if (this.#octets.length > MOST_HELD_OCTETS) this.#octets = NOTHING;
    return text;
  }

  get text(): string {
    return this.isTooLong ? "" : this.#octets.toString("utf8", 0, this.#length);
  }

  /** The last octets, at least `length` of them if there are so many. */
  tail(length: number): string {
    return this.#octets.toString("latin1", Math.max(0, this.#length - length), this.#length);
  }

  #grow(length: number): void {
    const octets = Buffer.allocUnsafeSlow(Math.max(LEAST_HELD_OCTETS, 2 ** Math.ceil(Math.log2(length))));
    this.#octets.copy(octets, 0, 0, this.#length);
    this.#octets = octets;
  }
}

const NOTHING = Buffer.alloc(0);
const LEAST_HELD_OCTETS = 1024;
/** Of larger ones, which are rare, the room is given back. */
const MOST_HELD_OCTETS = 64 * 1024;
