/** The part of `record-codec.ts` that is for one variant: its header and its two families. */

import { assertNever } from "../runtime.ts";
import {
  appendRecordHead,
  RECORD_HEAD_OCTETS,
  readUint16,
  readUint32,
  writeUint16,
  writeUint32,
} from "../wire/append.ts";
import { ExtendedError, RecordType } from "../wire/constants.ts";
import { type IpAddress, ipAddressFromOctets, ipAddressOctets } from "../wire/ip-address.ts";
import { QUESTION_NAME_AT } from "../wire/query.ts";
import type { FamilyAnswer, HostVariant } from "./host-record.ts";
import { DISTRIBUTION_SCOPES, distributionOf } from "./locality-marks.ts";
import { packPlaces, unpackPlaces } from "./place-codec.ts";
import {
  ANSWER_OCTETS,
  ANSWER_SOURCES,
  FamilyField,
  FamilyFlag,
  FamilyIndex,
  FamilyKind,
  readF64,
  VariantField,
  VariantFlag,
  WEIGHT_OCTETS,
  writeF64,
} from "./record-layout.ts";

export function packVariant(variant: HostVariant): Uint8Array {
  const { A, AAAA } = variant.answers;
  const first = VariantField.FIRST_FAMILY;
  const places = { A: placesOf(A), AAAA: placesOf(AAAA) };
  const second = first + familyOctets(A, FamilyIndex.A) + places.A.length;
  const octets = new Uint8Array(second + familyOctets(AAAA, FamilyIndex.AAAA) + places.AAAA.length);
  writeUint32(octets, VariantField.LENGTH, octets.length);
  octets[VariantField.FLAGS] =
    (variant.isPass ? VariantFlag.PASS : 0) |
    (variant.isAuthoritative ? VariantFlag.AUTHORITATIVE : 0) |
    (variant.forwardsDnssec ? VariantFlag.FORWARDS_DNSSEC : 0);
  octets[VariantField.SOURCE] = ANSWER_SOURCES.indexOf(variant.source);
  if (variant.distribution !== undefined)
    octets[VariantField.SCOPE_COUNT] = DISTRIBUTION_SCOPES[variant.distribution];
  writeUint32(octets, VariantField.NEGATIVE_TTL_SECONDS, variant.negativeTtlSeconds);
  writeUint32(octets, VariantField.SECOND_FAMILY, second);
  writeFamily(octets, first, A, FamilyIndex.A);
  octets.set(places.A, second - places.A.length);
  writeFamily(octets, second, AAAA, FamilyIndex.AAAA);
  octets.set(places.AAAA, octets.length - places.AAAA.length);
  return octets;
}

/** The variant that begins at offset `at`: equal to the one that was packed. */
export function unpackVariant(octets: Uint8Array, at: number): HostVariant {
  const flags = octets[at + VariantField.FLAGS]!;
  const distribution = distributionOf(octets[at + VariantField.SCOPE_COUNT]!);
  const first = at + VariantField.FIRST_FAMILY;
  const second = at + readUint32(octets, at + VariantField.SECOND_FAMILY);
  return {
    isPass: (flags & VariantFlag.PASS) !== 0,
    isAuthoritative: (flags & VariantFlag.AUTHORITATIVE) !== 0,
    source: ANSWER_SOURCES[octets[at + VariantField.SOURCE]!]!,
    forwardsDnssec: (flags & VariantFlag.FORWARDS_DNSSEC) !== 0,
    negativeTtlSeconds: readUint32(octets, at + VariantField.NEGATIVE_TTL_SECONDS),
    answers: {
      A: readFamily(octets, first, FamilyIndex.A),
      AAAA: readFamily(octets, second, FamilyIndex.AAAA),
    },
    ...(distribution !== undefined && { distribution }),
  };
}

function placesOf(answer: FamilyAnswer): Uint8Array {
  const localities = answer.kind === "addresses" ? answer.localities : undefined;
  return localities === undefined ? NO_PLACES : packPlaces(localities);
}

const NO_PLACES = new Uint8Array();

/** Without the places. */
function familyOctets(answer: FamilyAnswer, family: FamilyIndex): number {
  switch (answer.kind) {
    case "addresses": {
      const each = ANSWER_OCTETS[family] + (answer.weights === undefined ? 0 : WEIGHT_OCTETS);
      return FamilyField.BODY + answer.addresses.length * each;
    }
    case "failed":
      return FamilyField.BODY + Buffer.byteLength(answer.text);
    case "empty":
    case "pending":
      return FamilyField.BODY;
    default:
      return assertNever(answer);
  }
}

function writeFamily(octets: Uint8Array, at: number, answer: FamilyAnswer, family: FamilyIndex): void {
  switch (answer.kind) {
    case "addresses": {
      const { addresses, weights, expiresAtMs } = answer;
      octets[at + FamilyField.KIND] = FamilyKind.ADDRESSES;
      octets[at + FamilyField.FLAGS] =
        (answer.isStale ? FamilyFlag.STALE : 0) |
        (weights === undefined ? 0 : FamilyFlag.WEIGHTED) |
        (answer.localities === undefined ? 0 : FamilyFlag.LOCALISED) |
        (expiresAtMs === undefined ? 0 : FamilyFlag.COUNTS_DOWN);
      writeUint16(octets, at + FamilyField.COUNT, addresses.length);
      writeUint32(octets, at + FamilyField.TTL_SECONDS, answer.ttlSeconds);
      writeF64(octets, at + FamilyField.MOMENT_MS, expiresAtMs ?? 0);
      let bodyAt = at + FamilyField.BODY;
      for (const address of addresses)
        bodyAt = writeAnswer(octets, bodyAt, address, answer.ttlSeconds, family);
      for (const [index, weight] of (weights ?? []).entries()) {
        writeUint32(octets, bodyAt + index * WEIGHT_OCTETS, weight);
      }
      return;
    }
    case "empty":
      octets[at + FamilyField.KIND] = FamilyKind.EMPTY;
      return;
    case "pending":
      octets[at + FamilyField.KIND] = FamilyKind.PENDING;
      writeF64(octets, at + FamilyField.MOMENT_MS, answer.untilMs);
      return;
    case "failed":
      octets[at + FamilyField.KIND] = FamilyKind.FAILED;
      writeUint16(octets, at + FamilyField.COUNT, Buffer.byteLength(answer.text));
      writeUint32(octets, at + FamilyField.TTL_SECONDS, answer.error);
      octets.set(Buffer.from(answer.text), at + FamilyField.BODY);
      return;
    default:
      assertNever(answer);
  }
}

/** One ready answer. Returns where the next one goes. */
function writeAnswer(
  octets: Uint8Array,
  at: number,
  address: IpAddress,
  ttlSeconds: number,
  family: FamilyIndex,
): number {
  const rdata = ipAddressOctets(address);
  const type = family === FamilyIndex.A ? RecordType.A : RecordType.AAAA;
  const rdataAt = appendRecordHead(octets, at, QUESTION_NAME_AT, type, ttlSeconds, rdata.length);
  octets.set(rdata, rdataAt);
  return rdataAt + rdata.length;
}

const EXTENDED_ERRORS = Object.values(ExtendedError);

function readFamily(octets: Uint8Array, at: number, family: FamilyIndex): FamilyAnswer {
  const flags = octets[at + FamilyField.FLAGS]!;
  const count = readUint16(octets, at + FamilyField.COUNT);
  const ttlSeconds = readUint32(octets, at + FamilyField.TTL_SECONDS);
  const momentMs = readF64(octets, at + FamilyField.MOMENT_MS);
  const bodyAt = at + FamilyField.BODY;
  switch (octets[at + FamilyField.KIND]) {
    case FamilyKind.ADDRESSES: {
      const weightsAt = bodyAt + count * ANSWER_OCTETS[family];
      const placesAt = (flags & FamilyFlag.WEIGHTED) !== 0 ? weightsAt + count * WEIGHT_OCTETS : weightsAt;
      return {
        kind: "addresses",
        addresses: times(count, (index) => readAddress(octets, bodyAt, index, family)),
        ...((flags & FamilyFlag.WEIGHTED) !== 0 && {
          weights: times(count, (index) => readUint32(octets, weightsAt + index * WEIGHT_OCTETS)),
        }),
        ...((flags & FamilyFlag.LOCALISED) !== 0 && { localities: unpackPlaces(octets, placesAt, count) }),
        ttlSeconds,
        ...((flags & FamilyFlag.COUNTS_DOWN) !== 0 && { expiresAtMs: momentMs }),
        isStale: (flags & FamilyFlag.STALE) !== 0,
      };
    }
    case FamilyKind.PENDING:
      return { kind: "pending", untilMs: momentMs };
    case FamilyKind.FAILED: {
      const error = EXTENDED_ERRORS.find((code) => code === ttlSeconds);
      if (error === undefined)
        throw new Error(`a packed record has the unknown Extended DNS Error ${ttlSeconds}`);
      const text = Buffer.from(octets.subarray(bodyAt, bodyAt + count)).toString();
      return { kind: "failed", error, text };
    }
    default:
      return { kind: "empty" };
  }
}

function readAddress(octets: Uint8Array, bodyAt: number, index: number, family: FamilyIndex): IpAddress {
  const end = bodyAt + (index + 1) * ANSWER_OCTETS[family];
  return ipAddressFromOctets(octets.subarray(end - (ANSWER_OCTETS[family] - RECORD_HEAD_OCTETS), end));
}

function times<Value>(count: number, make: (index: number) => Value): readonly Value[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
