/**
 * Finds the waiting query that equals a new message in every octet but the ID and the letter case of the name,
 * and came over the same transport: one reply serves both (RFC 5452 4.5).
 */

import type { Transport } from "../runtime.ts";
import { HEADER_OCTETS } from "../wire/constants.ts";
import { LOWER_CASE } from "../wire/name.ts";
import type { PendingQuery } from "./pending-query.ts";

/** Octets of the ID. */
const ID_OCTETS = 2;
const FNV_PRIME = 0x01000193;

export class EqualQueries {
  readonly #byHash = new Map<number, PendingQuery>();
  /** Unknown outside, so that nobody can send many messages of one hash. */
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** `nameLength`: of the question's name in `message`. */
  find(message: Uint8Array, length: number, nameLength: number, transport: Transport): PendingQuery | null {
    const hash = this.#hash(message, length, nameLength);
    for (let other = this.#byHash.get(hash) ?? null; other !== null; other = other.nextWithHash) {
      if (other.transport === transport && isEqual(other, message, length)) return other;
    }
    return null;
  }

  add(query: PendingQuery): void {
    query.hash = this.#hash(query.message, query.message.length, query.nameLength);
    query.nextWithHash = this.#byHash.get(query.hash) ?? null;
    this.#byHash.set(query.hash, query);
  }

  remove(query: PendingQuery): void {
    const first = this.#byHash.get(query.hash);
    if (first === query) {
      if (query.nextWithHash === null) this.#byHash.delete(query.hash);
      else this.#byHash.set(query.hash, query.nextWithHash);
      return;
    }
    for (let other = first ?? null; other !== null; other = other.nextWithHash) {
      if (other.nextWithHash === query) other.nextWithHash = query.nextWithHash;
    }
  }

  clear(): void {
    this.#byHash.clear();
  }

  /** FNV-1a. */
  #hash(message: Uint8Array, length: number, nameLength: number): number {
    const nameEnd = HEADER_OCTETS + nameLength;
    let hash = this.#seed;
    for (let at = ID_OCTETS; at < HEADER_OCTETS; at += 1) hash = Math.imul(hash ^ message[at]!, FNV_PRIME);
    for (let at = HEADER_OCTETS; at < nameEnd; at += 1) {
      hash = Math.imul(hash ^ LOWER_CASE[message[at]!]!, FNV_PRIME);
    }
    for (let at = nameEnd; at < length; at += 1) hash = Math.imul(hash ^ message[at]!, FNV_PRIME);
    return hash;
  }
}

function isEqual(query: PendingQuery, message: Uint8Array, length: number): boolean {
  const ours = query.message;
  if (ours.length !== length) return false;
  const nameEnd = HEADER_OCTETS + query.nameLength;
  for (let at = ID_OCTETS; at < length; at += 1) {
    if (ours[at] === message[at]) continue;
    const isInName = at >= HEADER_OCTETS && at < nameEnd;
    if (!isInName || LOWER_CASE[ours[at]!] !== LOWER_CASE[message[at]!]) return false;
  }
  return true;
}
