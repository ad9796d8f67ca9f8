/** A growing array of octets that values are packed into, one behind the other: no array for each part of them. */

const FIRST_OCTETS = 512;

export class OctetWriter {
  #octets = new Uint8Array(FIRST_OCTETS);
  #length = 0;

  /** What was written so far and room behind it; another array after `grow`. */
  get octets(): Uint8Array {
    return this.#octets;
  }

  /** Octets written so far. */
  get length(): number {
    return this.#length;
  }

  /** So many octets more, all 0; returns where they begin. */
  grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#octets.length) {
      const grown = new Uint8Array(2 ** Math.ceil(Math.log2(this.#length)));
      grown.set(this.#octets);
      this.#octets = grown;
    }
    return at;
  }

  append(octets: Uint8Array): void {
    const at = this.grow(octets.length);
    this.#octets.set(octets, at);
  }

  /** All that was written, in an array with a buffer of its own. */
  toOctets(): Uint8Array<ArrayBuffer> {
    return this.#octets.slice(0, this.#length);
  }
}
