/**
 * Walks a name as it stands in a message, compressed or not (RFC 1035 4.1.4), in bounded steps: a pointer may
 * only lead to what stands before the labels that it follows, so no chain can come back to itself.
 */

import { HEADER_OCTETS, MAX_LABEL_OCTETS, MAX_NAME_OCTETS } from "./constants.ts";

/** A name has at most 127 labels; a chain of more pointers holds some that lead to nothing but pointers. */
const MAX_POINTERS_IN_NAME = 127;
/** The two top bits of an octet that begins a compression pointer. */
const POINTER_BITS = 0xc0;

/**
 * The offset behind the name that begins at `at`, or -1 if it is not well-formed within the first `end` octets:
 * a label or pointer past the end, a reserved label type, a pointer forwards, to itself or into the header,
 * more than 255 octets once expanded.
 */
export function skipName(octets: Uint8Array, at: number, end: number): number {
  let behind = -1;
  let labelsStart = at;
  let nameOctets = 1;
  let pointers = 0;
  while (at < end) {
    const octet = octets[at]!;
    if (octet === 0) return behind === -1 ? at + 1 : behind;
    if (octet <= MAX_LABEL_OCTETS) {
      nameOctets += octet + 1;
      if (nameOctets > MAX_NAME_OCTETS) return -1;
      at += octet + 1;
    } else {
      // RFC 1035 4.1.4, RFC 6891 5: 0x40 and 0x80 begin no label.
      if (octet < POINTER_BITS || at + 1 >= end) return -1;
      if (behind === -1) behind = at + 2;
      const target = pointerTarget(octets, at);
      pointers += 1;
      if (target < HEADER_OCTETS || target >= labelsStart || pointers > MAX_POINTERS_IN_NAME) return -1;
      at = target;
      labelsStart = target;
    }
  }
  return -1;
}

/**
 * As `skipName`, but a pointer is not followed, only seen to lead back: for names that nobody will expand. Reads
 * each octet once.
 */
export function skipUnexpandedName(octets: Uint8Array, at: number, end: number): number {
  const nameStart = at;
  while (at < end && at - nameStart < MAX_NAME_OCTETS) {
    const octet = octets[at]!;
    if (octet === 0) return at + 1;
    if (octet > MAX_LABEL_OCTETS) {
      if (octet < POINTER_BITS || at + 1 >= end) return -1;
      const target = pointerTarget(octets, at);
      return target < HEADER_OCTETS || target >= nameStart ? -1 : at + 2;
    }
    at += octet + 1;
  }
  return -1;
}

/** The name at `at` without compression; only for a name that `skipName` accepted. */
export function expandName(octets: Uint8Array, at: number): Uint8Array {
  const name = new Uint8Array(MAX_NAME_OCTETS);
  let length = 0;
  while (octets[at] !== 0) {
    const octet = octets[at]!;
    if (octet >= POINTER_BITS) {
      at = pointerTarget(octets, at);
    } else {
      for (const next = at + octet + 1; at < next; at += 1) {
        name[length] = octets[at]!;
        length += 1;
      }
    }
  }
  return name.slice(0, length + 1);
}

function pointerTarget(octets: Uint8Array, at: number): number {
  return ((octets[at]! & ~POINTER_BITS) << 8) | octets[at + 1]!;
}
