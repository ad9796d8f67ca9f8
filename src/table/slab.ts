/**
 * One growing array of octets, dealt out in blocks: no object per block. A block that was given back is used
 * again for one of its size class, so changes of the same hosts, however many, need no more room.
 */

import { readUint32, writeUint32 } from "../wire/append.ts";

const FIRST_OCTETS = 4096;
/** Blocks begin at and last for a multiple of this. */
const GRAIN_OCTETS = 16;
/** Up to here there is a size class for each grain; above it four for each doubling: at most a fifth is waste. */
const FINE_OCTETS = 256;
const FINE_CLASSES = FINE_OCTETS / GRAIN_OCTETS;
const CLASSES_PER_DOUBLING = 4;
/** For blocks of up to 2^32 octets. */
const CLASSES = FINE_CLASSES + 1 + CLASSES_PER_DOUBLING * (32 - Math.log2(FINE_OCTETS));

export class Slab {
  #octets = new Uint8Array(FIRST_OCTETS);
  /** Where the part begins that was never dealt out. Offset 0 is never dealt out: it stands for no block. */
  #freshAt = GRAIN_OCTETS;
  /** The first free block of each class; each free block begins with the offset of the next. */
  readonly #freeBlocks = new Uint32Array(CLASSES);

  /** Another array after `allocate`. */
  get octets(): Uint8Array {
    return this.#octets;
  }

  /** The offset, never 0, of a block for `length` octets; what it holds is undefined. */
  allocate(length: number): number {
    const sizeClass = sizeClassOf(length);
    const free = this.#freeBlocks[sizeClass]!;
    if (free !== 0) {
      this.#freeBlocks[sizeClass] = readUint32(this.#octets, free);
      return free;
    }
    const block = this.#freshAt;
    this.#freshAt += octetsOfClass(sizeClass);
    if (this.#freshAt > this.#octets.length) this.#grow();
    return block;
  }

  /** Takes back a block that was allocated for `length` octets, or for others of the same class. */
  free(block: number, length: number): void {
    const sizeClass = sizeClassOf(length);
    writeUint32(this.#octets, block, this.#freeBlocks[sizeClass]!);
    this.#freeBlocks[sizeClass] = block;
  }

  #grow(): void {
    let length = this.#octets.length;
    while (length < this.#freshAt) length *= 2;
    // Not cleared first: clearing 16 MiB takes a worker longer than copying the 8 that are in use (11 ms, 5 ms).
    const grown = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    grown.set(this.#octets);
    this.#octets = grown;
  }
}

function sizeClassOf(length: number): number {
  if (length <= FINE_OCTETS) return Math.ceil(length / GRAIN_OCTETS);
  // The doubling that `length` lies in begins behind `base`.
  const doubling = 31 - Math.clz32(length - 1);
  const base = 2 ** doubling;
  const step = Math.ceil((length - base) / (base / CLASSES_PER_DOUBLING));
  return FINE_CLASSES + (doubling - Math.log2(FINE_OCTETS)) * CLASSES_PER_DOUBLING + step;
}

function octetsOfClass(sizeClass: number): number {
  if (sizeClass <= FINE_CLASSES) return sizeClass * GRAIN_OCTETS;
  const step = sizeClass - FINE_CLASSES - 1;
  const base = FINE_OCTETS * 2 ** Math.floor(step / CLASSES_PER_DOUBLING);
  return base + (base / CLASSES_PER_DOUBLING) * ((step % CLASSES_PER_DOUBLING) + 1);
}
