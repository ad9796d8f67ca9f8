/**
 * Octets of any length in fixed-size slots of one buffer, chained: no object per value, nothing for the
 * garbage collector to walk, and no holes that a new value does not fit in.
 */

import { copyOctets } from "../wire/copy-octets.ts";

export const SLOT_OCTETS = 256;
/** The end of a chain, and no slot at all. */
export const NO_SLOT = -1;

export class SlotStore {
  readonly slotCount: number;
  readonly #buffer: ArrayBuffer;
  readonly #octets: Uint8Array;
  /** The slot behind each slot: of its value, or of the free ones. */
  readonly #next: Int32Array;
  #firstFree = NO_SLOT;
  #freeCount: number;

  constructor(slotCount: number) {
    this.slotCount = slotCount;
    this.#buffer = new ArrayBuffer(slotCount * SLOT_OCTETS);
    this.#octets = new Uint8Array(this.#buffer);
    this.#next = new Int32Array(slotCount);
    this.#freeCount = slotCount;
    for (let slot = slotCount - 1; slot >= 0; slot -= 1) this.#firstFree = this.#push(slot);
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  /** Puts the first `length` octets into as many slots as needed (`slotsFor`), which must be free; the first one. */
  put(octets: Uint8Array, length: number): number {
    const first = this.#firstFree;
    let last = first;
    for (let at = 0; at < length; at += SLOT_OCTETS) {
      last = this.#firstFree;
      copyOctets(octets, at, Math.min(at + SLOT_OCTETS, length), this.#octets, last * SLOT_OCTETS);
      this.#firstFree = this.#next[last]!;
      this.#freeCount -= 1;
    }
    this.#next[last] = NO_SLOT;
    return first;
  }

  /** Copies `length` octets of the value that begins in slot `first` to the start of `target`. */
  copy(first: number, length: number, target: Uint8Array): void {
    let slot = first;
    for (let at = 0; at < length; at += SLOT_OCTETS) {
      const start = slot * SLOT_OCTETS;
      copyOctets(this.#octets, start, start + Math.min(SLOT_OCTETS, length - at), target, at);
      slot = this.#next[slot]!;
    }
  }

  free(first: number): void {
    for (let slot = first; slot !== NO_SLOT; ) {
      const next = this.#next[slot]!;
      this.#firstFree = this.#push(slot);
      this.#freeCount += 1;
      slot = next;
    }
  }

  /** Gives the memory back at once, not when the garbage collector comes by; the store is of no more use. */
  discard(): void {
    this.#buffer.transfer(0);
  }

  #push(slot: number): number {
    this.#next[slot] = this.#firstFree;
    return slot;
  }
}

export function slotsFor(length: number): number {
  return Math.ceil(length / SLOT_OCTETS);
}
