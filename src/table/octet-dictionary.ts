/**
 * Numbers for short strings of octets, which many hold at once: a number is free again when the last one lets
 * go, so namespaces and nodes that come and go, however many, need no more room.
 */

import { NOT_FOUND } from "./host-table.ts";

const FIRST_SLOTS = 64;
const MAX_LOAD = 0.5;
/** FNV-1a, 32 bits. */
const HASH_START = 0x811c9dc5;
const HASH_PRIME = 0x01000193;
/** What an array of octets of its own costs beside them. */
const ARRAY_OCTETS = 150;

export class OctetDictionary {
  /** By number; 0 is never given. */
  readonly #strings: (Uint8Array | undefined)[] = [undefined];
  readonly #hashes: number[] = [0];
  readonly #holders: number[] = [0];
  readonly #freeIds: number[] = [];
  #size = 0;
  /** Numbers, 0 in a free slot. */
  #slots = new Uint32Array(FIRST_SLOTS);

  /** Strings that someone holds. */
  get size(): number {
    return this.#size;
  }

  get memoryOctets(): number {
    const strings = this.#strings.reduce(
      (sum, string) => sum + (string ? string.length + ARRAY_OCTETS : 0),
      0,
    );
    return strings + this.#strings.length * 24 + this.#slots.byteLength;
  }

  /** The number of the string; NOT_FOUND if nobody holds it. */
  find(octets: Uint8Array, from: number, length: number): number {
    const id = this.#slots[this.#slotOf(hashOf(octets, from, length), octets, from, length)]!;
    return id === 0 ? NOT_FOUND : id;
  }

  /** The string of a number that is held. */
  octetsOf(id: number): Uint8Array {
    const string = this.#strings[id];
    if (string === undefined) throw new RangeError(`nobody holds number ${id}`);
    return string;
  }

  /** One more holds the string: its number, above 0. */
  acquire(octets: Uint8Array, from: number, length: number): number {
    const hash = hashOf(octets, from, length);
    const slot = this.#slotOf(hash, octets, from, length);
    const known = this.#slots[slot]!;
    if (known !== 0) {
      this.#holders[known]! += 1;
      return known;
    }
    const id = this.#freeIds.pop() ?? this.#strings.length;
    this.#strings[id] = octets.slice(from, from + length);
    this.#hashes[id] = hash;
    this.#holders[id] = 1;
    this.#slots[slot] = id;
    this.#size += 1;
    if (this.#size > this.#slots.length * MAX_LOAD) this.#grow();
    return id;
  }

  /** One holds it no more; whether that was the last one. Number 0 is nobody's. */
  release(id: number): boolean {
    if (id === 0) return false;
    this.#holders[id]! -= 1;
    if (this.#holders[id] !== 0) return false;
    const string = this.octetsOf(id);
    this.#closeGap(this.#slotOf(this.#hashes[id]!, string, 0, string.length));
    this.#strings[id] = undefined;
    this.#freeIds.push(id);
    this.#size -= 1;
    return true;
  }

  #slotOf(hash: number, octets: Uint8Array, from: number, length: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (let id = this.#slots[slot]!; id !== 0; id = this.#slots[slot]!) {
      if (this.#hashes[id] === hash && isEqual(this.#strings[id]!, octets, from, length)) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #closeGap(gap: number): void {
    const mask = this.#slots.length - 1;
    for (let slot = (gap + 1) & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const id = this.#slots[slot]!;
      if (((slot - this.#hashes[id]!) & mask) < ((slot - gap) & mask)) continue;
      this.#slots[gap] = id;
      gap = slot;
    }
    this.#slots[gap] = 0;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2);
    const mask = this.#slots.length - 1;
    for (const id of before) {
      if (id === 0) continue;
      let slot = this.#hashes[id]! & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = id;
    }
  }
}

function hashOf(octets: Uint8Array, from: number, length: number): number {
  let hash = HASH_START;
  for (let at = from; at < from + length; at += 1) {
    hash = Math.imul(hash ^ octets[at]!, HASH_PRIME);
    hash ^= hash >>> 15;
  }
  return hash;
}

function isEqual(string: Uint8Array, octets: Uint8Array, from: number, length: number): boolean {
  if (string.length !== length) return false;
  for (let index = 0; index < length; index += 1) if (string[index] !== octets[from + index]) return false;
  return true;
}
