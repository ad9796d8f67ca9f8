/**
 * Where each field of a packed record lies. For the files of this folder alone:
 * everyone else reads records through the functions of `packed-record.ts`.
 *
 * A record is a header, the host's name and its views; a view is a header and its two families; a family is
 * a header, then the ready answers and weights, or the text of an error. Integers are big-endian, as in
 * messages. A view begins with its length, so that another can follow it.
 */

import { RECORD_HEAD_OCTETS } from "../wire/append.ts";
import type { Family } from "../wire/ip-address.ts";
import type { AnswerSource } from "./host-record.ts";

/** The families as numbers: the index into `FAMILIES`. */
export const FamilyIndex = { A: 0, AAAA: 1 } as const satisfies Readonly<Record<Family, number>>;
export type FamilyIndex = (typeof FamilyIndex)[Family];

/** The kinds of a `FamilyAnswer` as numbers. */
export const FamilyKind = { ADDRESSES: 0, EMPTY: 1, PENDING: 2, FAILED: 3 } as const;
export type FamilyKind = (typeof FamilyKind)[keyof typeof FamilyKind];

/** `sourceIndex` counts in this list. */
export const ANSWER_SOURCES: readonly AnswerSource[] = ["virtual", "static", "workload", "resolved"];

/** Octets of one ready answer, so from one to the next, by family: RFC 1035 3.4.1, RFC 3596 2.2. */
export const ANSWER_OCTETS: readonly [a: number, aaaa: number] = [
  RECORD_HEAD_OCTETS + 4,
  RECORD_HEAD_OCTETS + 16,
];

export const RecordField = {
  /** u32: octets of the whole record, this field included. */
  LENGTH: 0,
  /** u8: `RecordFlag`. */
  FLAGS: 4,
  /** u8: octets of the name, the root label included. */
  NAME_LENGTH: 5,
  /** u8: labels of the name without the root. */
  LABEL_COUNT: 6,
  /** u8: how many views follow the name. */
  VIEW_COUNT: 7,
  /** The name on the wire; of a wildcard the part after `*.`. The first view follows it. */
  NAME: 8,
} as const;
export const RecordFlag = { WILDCARD: 1 } as const;

export const ViewField = {
  /** u32: octets of the whole view, this field included. */
  LENGTH: 0,
  /** u8: `ViewFlag`. */
  FLAGS: 4,
  /** u8: index into `ANSWER_SOURCES`; two unused octets follow. */
  SOURCE: 5,
  /** u32. */
  NEGATIVE_TTL_SECONDS: 8,
  /** u32: where family AAAA begins, counted from the view. */
  SECOND_FAMILY: 12,
  /** Family A. */
  FIRST_FAMILY: 16,
} as const;
export const ViewFlag = { PASS: 1, AUTHORITATIVE: 2, FORWARDS_DNSSEC: 4 } as const;

export const FamilyField = {
  /** u8: `FamilyKind`. */
  KIND: 0,
  /** u8: `FamilyFlag`. */
  FLAGS: 1,
  /** u16: addresses; of a failed family the octets of its text. */
  COUNT: 2,
  /** u32: `ttlSeconds`; of a failed family its Extended DNS Error. */
  TTL_SECONDS: 4,
  /** f64: `expiresAtMs` or `untilMs`, else 0. */
  MOMENT_MS: 8,
  /** `count` resource records, then as many weights (u32) if the family has weights; or the text. */
  BODY: 16,
} as const;
export const FamilyFlag = { STALE: 1, WEIGHTED: 2, COUNTS_DOWN: 4 } as const;
export const WEIGHT_OCTETS = 4;

const float = new Float64Array(1);
const floatOctets = new Uint8Array(float.buffer);

/** In the machine's own octet order (no record leaves it), so that no DataView is needed beside the octets. */
export function readF64(octets: Uint8Array, at: number): number {
  for (let index = 0; index < 8; index += 1) floatOctets[index] = octets[at + index]!;
  return float[0]!;
}

export function writeF64(octets: Uint8Array, at: number, value: number): void {
  float[0] = value;
  for (let index = 0; index < 8; index += 1) octets[at + index] = floatOctets[index]!;
}
