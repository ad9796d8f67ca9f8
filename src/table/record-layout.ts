/**
 * Where each field of a packed record lies. For the files of this folder alone:
 * everyone else reads records through the functions of `packed-record.ts`.
 *
 * A record is a header, the host's name, the index of namespaces unless one view is for all, and its views. A
 * view is a header, its variants and its extras (what SRV, PTR and `_why` say) if it has any; a variant is a header
 * and its two families; a family is a header, then the ready answers, weights and places, or the text of an
 * error. Integers are big-endian, as in messages. Views, variants and ports begin with their length, so that
 * another can follow.
 */

import { RECORD_HEAD_OCTETS } from "../wire/append.ts";
import type { Family } from "../wire/ip-address.ts";
import type { AnswerSource } from "./host-record.ts";
import { SCOPE_COUNT } from "./locality-marks.ts";

/** The families as numbers: the index into `FAMILIES`. */
export const FamilyIndex = { A: 0, AAAA: 1 } as const satisfies Readonly<Record<Family, number>>;
export type FamilyIndex = (typeof FamilyIndex)[Family];

/** The kinds of a `FamilyAnswer` as numbers. */
export const FamilyKind = { ADDRESSES: 0, EMPTY: 1, PENDING: 2, FAILED: 3 } as const;
export type FamilyKind = (typeof FamilyKind)[keyof typeof FamilyKind];

/** The transports of a `HostPort` as numbers. */
export const PortTransport = { tcp: 0, udp: 1 } as const;
export type PortTransport = (typeof PortTransport)[keyof typeof PortTransport];

/** `sourceIndex` counts in this list. */
export const ANSWER_SOURCES: readonly AnswerSource[] = [
  "virtual",
  "static",
  "workload",
  "resolved",
  "published",
];

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
  /** u8: labels of the name without the root; an unused octet follows. */
  LABEL_COUNT: 6,
  /** The name on the wire; of a wildcard the part after `*.`. The index of namespaces or the one view follows it. */
  NAME: 8,
} as const;
/** BY_NAMESPACE: there is an index of namespaces; else the record has one view, for all. */
export const RecordFlag = { WILDCARD: 1, DELEGATED: 2, FALLBACK: 4, BY_NAMESPACE: 8 } as const;

/** Who sees which view. Offsets are counted from the record. */
export const IndexField = {
  /** u16. */
  VIEW_COUNT: 0,
  /** u32: where the first view begins. */
  FIRST_VIEW: 2,
  /** u32: where the view for all begins; 0: none. */
  VIEW_FOR_ALL: 6,
  /** u32: entries. */
  NAMESPACE_COUNT: 10,
  /** The entries, sorted by the length of the namespace, then by its octets; then the namespaces. */
  ENTRIES: 14,
} as const;
export const IndexEntry = {
  /** u32: where the view begins. */
  VIEW: 0,
  /** u32: where the namespace lies: a length octet, then so many octets. */
  NAMESPACE: 4,
  OCTETS: 8,
} as const;

export const ViewField = {
  /** u32: octets of the whole view, this field included. */
  LENGTH: 0,
  /** u8; an unused octet follows. */
  VARIANT_COUNT: 4,
  /** u8 for each of `CLIENT_CLASSES`: which variant, or NO_VARIANT. */
  CHOICES: 6,
  /** u32: where the extras begin, counted from the view; 0: none. */
  EXTRAS: 12,
  FIRST_VARIANT: 16,
} as const;
/** The choice of a class that the host is not for. */
export const NO_VARIANT = 255;

export const VariantField = {
  /** u32: octets of the whole variant, this field included. */
  LENGTH: 0,
  /** u8: `VariantFlag`. */
  FLAGS: 4,
  /** u8: index into `ANSWER_SOURCES`. */
  SOURCE: 5,
  /** u8: how many scopes of a locality count, 0 without a distribution; an unused octet follows. */
  SCOPE_COUNT: 6,
  /** u32. */
  NEGATIVE_TTL_SECONDS: 8,
  /** u32: where family AAAA begins, counted from the variant. */
  SECOND_FAMILY: 12,
  /** Family A. */
  FIRST_FAMILY: 16,
} as const;
export const VariantFlag = { PASS: 1, AUTHORITATIVE: 2, FORWARDS_DNSSEC: 4 } as const;

export const ExtrasField = {
  /** u16: ports, which follow the two texts. */
  PORT_COUNT: 0,
  /** u16: octets of `why`. */
  WHY_LENGTH: 2,
  /** u8: octets of the pointer's name, which comes first; 0: none. */
  POINTER_LENGTH: 4,
  /** u8: 1 if there is a `why`, be it empty. */
  HAS_WHY: 5,
  BODY: 6,
} as const;

export const PortField = {
  /** u32: octets of the whole port, this field included. */
  LENGTH: 0,
  /** u8: `PortTransport`. */
  TRANSPORT: 4,
  /** u8: octets of the name. */
  NAME_LENGTH: 5,
  /** u16: targets, which follow the name. */
  TARGET_COUNT: 6,
  NAME: 8,
} as const;
export const TargetField = {
  /** u16. */
  PORT: 0,
  /** u16. */
  WEIGHT: 2,
  /** u8: octets of the target's name on the wire; 0: the asked host. */
  NAME_LENGTH: 4,
  NAME: 5,
} as const;

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
  /** `count` resource records; as many weights (u32) if it is WEIGHTED; its places if it is LOCALISED; or the text. */
  BODY: 16,
} as const;
export const FamilyFlag = { STALE: 1, WEIGHTED: 2, COUNTS_DOWN: 4, LOCALISED: 8 } as const;
export const WEIGHT_OCTETS = 4;

/** The places of a family's addresses: for each address a u8, the index of its place; then the places. */
export const PlacesField = {
  /** u16: different places, whose marks and texts follow; at most 256. */
  COUNT: 0,
  /** The u8 of each address, then the marks of each place (five u32, `locality-marks.ts`), then their texts. */
  INDEXES: 2,
} as const;
/** The marks of one place. */
export const PLACE_OCTETS = 4 * SCOPE_COUNT;

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
