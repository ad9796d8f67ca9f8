/** The address records of one family, as a client gets them: all or the nearest, another one first every time. */

import type { Random } from "../runtime.ts";
import {
  ANSWER_OCTETS,
  addressAtShare,
  addressCount,
  answersAt,
  type FamilyIndex,
  shareCount,
} from "../table/packed-record.ts";
import { writeUint16, writeUint32 } from "../wire/append.ts";
import { COMPRESSION_POINTER } from "../wire/constants.ts";
import { NearestAddresses } from "./reply-nearest.ts";

/** Where the TTL lies in a record whose owner is a pointer: behind owner, type and class. */
const TTL_AT = 6;

export class AddressRecords {
  /** Octets of one record of the family that was chosen last. */
  octetsEach = 0;
  /** How many records there are of it. */
  count = 0;
  readonly #random: Random;
  readonly #nearest = new NearestAddresses();
  #table: Uint8Array = new Uint8Array();
  #variant = 0;
  #family: FamilyIndex = 0;
  #isNearest = false;

  constructor(random: Random) {
    this.#random = random;
  }

  /** `marks`: of the client's locality (`locality-marks.ts`), null where it is not known. */
  choose(table: Uint8Array, variant: number, family: FamilyIndex, marks: Uint32Array | null): void {
    const nearest = marks === null ? 0 : this.#nearest.choose(table, variant, family, marks);
    this.#table = table;
    this.#variant = variant;
    this.#family = family;
    this.#isNearest = nearest > 0;
    this.count = nearest > 0 ? nearest : addressCount(table, variant, family);
    this.octetsEach = ANSWER_OCTETS[family];
  }

  /** Appends `fitting` of them, owned by the name at `ownerOffset` of the message; returns where the next goes. */
  append(octets: Uint8Array, at: number, fitting: number, ownerOffset: number, ttlSeconds: number): number {
    const { count, octetsEach } = this;
    const table = this.#table;
    const answers = answersAt(table, this.#variant, this.#family);
    const { indexes } = this.#nearest;
    let position = count === 1 ? 0 : this.#first();
    for (let left = fitting; left > 0; left -= 1) {
      const from = answers + (this.#isNearest ? indexes[position]! : position) * octetsEach;
      for (let octet = 0; octet < octetsEach; octet += 1) octets[at + octet] = table[from + octet]!;
      writeUint16(octets, at, COMPRESSION_POINTER | ownerOffset);
      writeUint32(octets, at + TTL_AT, ttlSeconds);
      at += octetsEach;
      position += 1;
      if (position === count) position = 0;
    }
    return at;
  }

  #first(): number {
    const fraction = this.#random.fraction();
    const table = this.#table;
    if (this.#isNearest) return this.#nearest.first(table, this.#variant, this.#family, fraction);
    const share = Math.floor(fraction * shareCount(table, this.#variant, this.#family));
    return addressAtShare(table, this.#variant, this.#family, share);
  }
}
