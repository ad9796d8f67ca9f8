/**
 * From addresses of one family to two numbers each: an open-addressing hash in typed arrays. Addresses are
 * given as words of 32 bits, one for IPv4, four for IPv6.
 */

import { NOT_FOUND } from "./host-table.ts";

const FIRST_SLOTS = 64;
/** The fullest that the slots may be: above it the runs of linear probing grow long. */
const MAX_LOAD = 0.75;
/** Odd, so that multiplying loses nothing; its bits are well mixed (2^32 divided by the golden ratio). */
const HASH_MULTIPLIER = 0x9e3779b1;

export class AddressMap {
  readonly #wordCount: number;
  #size = 0;
  #mask = FIRST_SLOTS - 1;
  #words: Uint32Array;
  /** 0 in a free slot. */
  #values = new Uint32Array(FIRST_SLOTS);
  #details = new Uint32Array(FIRST_SLOTS);

  constructor(wordCount: number) {
    this.#wordCount = wordCount;
    this.#words = new Uint32Array(FIRST_SLOTS * wordCount);
  }

  get size(): number {
    return this.#size;
  }

  get memoryOctets(): number {
    return this.#words.byteLength + this.#values.byteLength + this.#details.byteLength;
  }

  /** The slot of the address, good until the next change; NOT_FOUND. */
  find(address: Uint32Array): number {
    const slot = this.#slotOf(address);
    return this.#values[slot] === 0 ? NOT_FOUND : slot;
  }

  valueAt(slot: number): number {
    return this.#values[slot]!;
  }

  detailAt(slot: number): number {
    return this.#details[slot]!;
  }

  /** `value`: not 0. */
  set(address: Uint32Array, value: number, detail: number): void {
    const slot = this.#slotOf(address);
    const isNew = this.#values[slot] === 0;
    for (let word = 0; word < this.#wordCount; word += 1)
      this.#words[slot * this.#wordCount + word] = address[word]!;
    this.#values[slot] = value;
    this.#details[slot] = detail;
    if (!isNew) return;
    this.#size += 1;
    if (this.#size > this.#values.length * MAX_LOAD) this.#grow();
  }

  /** Frees a slot; what stands behind it moves up unless it is already as near to its own place as it can be. */
  deleteAt(gap: number): void {
    const mask = this.#mask;
    for (let slot = (gap + 1) & mask; this.#values[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.#homeOf(this.#words, slot * this.#wordCount);
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      this.#move(this.#words, this.#values, this.#details, slot, gap);
      gap = slot;
    }
    this.#values[gap] = 0;
    this.#size -= 1;
  }

  /** The slot that holds the address, else the free one where it would go. */
  #slotOf(address: Uint32Array): number {
    let slot = this.#homeOf(address, 0);
    while (this.#values[slot] !== 0 && !this.#holds(slot, address)) slot = (slot + 1) & this.#mask;
    return slot;
  }

  #holds(slot: number, address: Uint32Array): boolean {
    const at = slot * this.#wordCount;
    for (let word = 0; word < this.#wordCount; word += 1) {
      if (this.#words[at + word] !== address[word]) return false;
    }
    return true;
  }

  #homeOf(words: Uint32Array, at: number): number {
    let hash = 0;
    for (let word = 0; word < this.#wordCount; word += 1) {
      hash = Math.imul(hash ^ words[at + word]!, HASH_MULTIPLIER);
      hash ^= hash >>> 15;
    }
    return hash & this.#mask;
  }

  #grow(): void {
    const [words, values, details] = [this.#words, this.#values, this.#details];
    const slots = values.length * 2;
    this.#words = new Uint32Array(slots * this.#wordCount);
    this.#values = new Uint32Array(slots);
    this.#details = new Uint32Array(slots);
    this.#mask = slots - 1;
    for (let old = 0; old < values.length; old += 1) {
      if (values[old] === 0) continue;
      let slot = this.#homeOf(words, old * this.#wordCount);
      while (this.#values[slot] !== 0) slot = (slot + 1) & this.#mask;
      this.#move(words, values, details, old, slot);
    }
  }

  #move(words: Uint32Array, values: Uint32Array, details: Uint32Array, from: number, to: number): void {
    for (let word = 0; word < this.#wordCount; word += 1)
      this.#words[to * this.#wordCount + word] = words[from * this.#wordCount + word]!;
    this.#values[to] = values[from]!;
    this.#details[to] = details[from]!;
  }
}
