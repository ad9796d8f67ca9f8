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
import { type IpAddress, ipAddressFromOctets, writeIpAddress } from "../wire/ip-address.ts";
import { QUESTION_NAME_AT } from "../wire/query.ts";
import type { FamilyAnswer, HostVariant } from "./host-record.ts";
import { DISTRIBUTION_SCOPES, distributionOf } from "./locality-marks.ts";
import type { OctetWriter } from "./octet-writer.ts";
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

export function packVariant(variant: HostVariant, out: OctetWriter): void {
  const { A, AAAA } = variant.answers;
  const at = out.grow(VariantField.FIRST_FAMILY);
  packFamily(A, FamilyIndex.A, out);
  const second = out.length - at;
  packFamily(AAAA, FamilyIndex.AAAA, out);
  const { octets } = out;
  writeUint32(octets, at + VariantField.LENGTH, out.length - at);
  octets[at + VariantField.FLAGS] =
    (variant.isPass ? VariantFlag.PASS : 0) |
    (variant.isAuthoritative ? VariantFlag.AUTHORITATIVE : 0) |
    (variant.forwardsDnssec ? VariantFlag.FORWARDS_DNSSEC : 0);
  octets[at + VariantField.SOURCE] = ANSWER_SOURCES.indexOf(variant.source);
  if (variant.distribution !== undefined)
    octets[at + VariantField.SCOPE_COUNT] = DISTRIBUTION_SCOPES[variant.distribution];
  writeUint32(octets, at + VariantField.NEGATIVE_TTL_SECONDS, variant.negativeTtlSeconds);
  writeUint32(octets, at + VariantField.SECOND_FAMILY, second);
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

function packFamily(answer: FamilyAnswer, family: FamilyIndex, out: OctetWriter): void {
  const at = out.grow(FamilyField.BODY);
  switch (answer.kind) {
    case "addresses": {
      const { addresses, weights = NO_WEIGHTS, localities, expiresAtMs, ttlSeconds } = answer;
      let bodyAt = out.grow(addresses.length * ANSWER_OCTETS[family] + weights.length * WEIGHT_OCTETS);
      const { octets } = out;
      octets[at + FamilyField.KIND] = FamilyKind.ADDRESSES;
      octets[at + FamilyField.FLAGS] =
        (answer.isStale ? FamilyFlag.STALE : 0) |
        (weights.length === 0 ? 0 : FamilyFlag.WEIGHTED) |
        (localities === undefined ? 0 : FamilyFlag.LOCALISED) |
        (expiresAtMs === undefined ? 0 : FamilyFlag.COUNTS_DOWN);
      writeUint16(octets, at + FamilyField.COUNT, addresses.length);
      writeUint32(octets, at + FamilyField.TTL_SECONDS, ttlSeconds);
      if (expiresAtMs !== undefined) writeF64(octets, at + FamilyField.MOMENT_MS, expiresAtMs);
      for (const address of addresses) bodyAt = writeAnswer(octets, bodyAt, address, ttlSeconds, family);
      for (const weight of weights) bodyAt = writeUint32(octets, bodyAt, weight);
      if (localities !== undefined) out.append(packPlaces(localities));
      return;
    }
    case "empty":
      out.octets[at + FamilyField.KIND] = FamilyKind.EMPTY;
      return;
    case "pending":
      out.octets[at + FamilyField.KIND] = FamilyKind.PENDING;
      writeF64(out.octets, at + FamilyField.MOMENT_MS, answer.untilMs);
      return;
    case "failed": {
      const text = Buffer.from(answer.text);
      out.append(text);
      out.octets[at + FamilyField.KIND] = FamilyKind.FAILED;
      writeUint16(out.octets, at + FamilyField.COUNT, text.length);
      writeUint32(out.octets, at + FamilyField.TTL_SECONDS, answer.error);
      return;
    }
    default:
      assertNever(answer);
  }
}

const NO_WEIGHTS: readonly number[] = [];

/** One ready answer. Returns where the next one goes. */
function writeAnswer(
  octets: Uint8Array,
  at: number,
  address: IpAddress,
  ttlSeconds: number,
  family: FamilyIndex,
): number {
  const type = family === FamilyIndex.A ? RecordType.A : RecordType.AAAA;
  const rdataLength = ANSWER_OCTETS[family] - RECORD_HEAD_OCTETS;
  const rdataAt = appendRecordHead(octets, at, QUESTION_NAME_AT, type, ttlSeconds, rdataLength);
  return writeIpAddress(octets, rdataAt, address);
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
